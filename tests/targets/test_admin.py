"""Every gateway replica's Admin API is read in the way that works, and what was not verified is said."""

import asyncio
import contextlib
import json
import ssl
from datetime import timedelta
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from stickyconf.ports import HarnessError, OutOfReach
from stickyconf.targets import admin
from stickyconf.targets.admin import THROUGH, UNVERIFIED, VERIFIED, AdminApi
from stickyconf.targets.installation import KONG_TEMPO, Installation

ROOT = {"version": "3.11.0.3-enterprise-edition", "configuration": {"database": "off"}}
UPSTREAM = {"name": "echo", "algorithm": "sticky-sessions"}
NOWHERE = 9  # the discard port, where nobody listens


def installation(*, foreign=True, admin_url=None, direct=True):
    return Installation(
        target="kubeconfig",
        kubeconfig=Path("/nowhere"),
        tempo=KONG_TEMPO,
        foreign=foreign,
        admin_url=admin_url,
        direct_addresses=direct,
    )


class Cluster:
    """The two calls of the Kubernetes API that are needed: endpoints, and requests passed on to pods."""

    def __init__(self, ports, *, addresses=("127.0.0.1",), terminating=(), passes_on=True):
        self.ports, self.addresses, self.terminating, self.passes_on = ports, addresses, terminating, passes_on
        self.asked = []

    async def list(self, kind, namespace, labels):
        assert labels == "kubernetes.io/service-name=kong-gateway-admin"
        endpoints = [
            {
                "addresses": [address],
                "conditions": {"terminating": address in self.terminating},
                "targetRef": {"kind": "Pod", "name": f"kong-{number}"},
            }
            for number, address in enumerate(self.addresses)
        ]
        return [{"ports": self.ports, "endpoints": endpoints}]

    async def get_from_pod(self, scheme, pod, namespace, port, path):
        self.asked.append((scheme, pod, namespace, port, path))
        if not self.passes_on:
            return 503, json.dumps({"kind": "Status", "message": "connection refused"})
        answers = {"/": ROOT, "/upstreams/echo": UPSTREAM}
        return (200, json.dumps(answers[path])) if path in answers else (404, json.dumps({"message": "Not found"}))


@contextlib.asynccontextmanager
async def kong(certificate=None, body=ROOT, others=lambda _request: UPSTREAM, asked=None):
    async def answer(request):
        if asked is not None:
            asked.append(request.path_qs)
        return web.json_response(body if request.path == "/" else others(request))

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    yield runner.addresses[0][1]
    await runner.cleanup()


@pytest.mark.parametrize(
    ("told", "workers"),
    [
        ({"pids": {"master": 1, "workers": [12, 13, 14, 15]}}, 4),
        ({"pids": {"workers": []}, "configuration": {"nginx_worker_processes": "2"}}, 2),
        ({"configuration": {"nginx_worker_processes": 8}}, 8),
        ({"configuration": {"nginx_worker_processes": "auto"}}, None),
        ({}, None),
    ],
)
def test_a_replica_says_how_many_workers_it_has_or_does_not(told, workers):
    """Kong lists their ids; its setting may be a number, or the machine's own."""

    async def asked():
        async with kong(body=ROOT | told) as port:
            api = AdminApi(Cluster([{"port": port}]), installation())
            async with contextlib.aclosing(_Closing(api)):
                return await api.workers(f"http://127.0.0.1:{port}")

    assert asyncio.run(asked()) == workers


async def met(cluster, installed=None, read="echo"):
    api = AdminApi(cluster, installed or installation())
    async with contextlib.aclosing(_Closing(api)):
        replicas = await api.replicas()
        return list(api.ways.values()), [await api.upstream(replica, read) for replica in replicas]


class _Closing:
    def __init__(self, api):
        self.aclose = api.close


def test_plain_http(loop):
    """A plain port is asked directly."""

    async def play():
        async with kong() as port:
            return await met(Cluster([{"name": "kong-admin", "port": port}]))

    assert loop.run(play()) == ([VERIFIED], [UPSTREAM])


def test_the_replicas_pods_are_known_by_their_endpoints(loop):
    """None is known behind a fixed address."""

    async def play(installed):
        api = AdminApi(Cluster([{"name": "kong-admin", "port": 8001}], addresses=("127.0.0.1", "127.0.0.2")), installed)
        async with contextlib.aclosing(_Closing(api)):
            return await api.pods()

    assert loop.run(play(installation())) == ("kong-0", "kong-1")
    assert loop.run(play(installation(admin_url="http://127.0.0.1:8001"))) == ()


def test_self_signed_certificate_is_said(loop):
    """Kong's own certificate is trusted by nobody: it is accepted, and the way is called unverified."""

    async def play():
        certificate = trustme.CA().issue_cert("127.0.0.1")
        async with kong(certificate) as port:
            return await met(Cluster([{"name": "kong-admin-tls", "port": port}]))

    assert loop.run(play()) == ([UNVERIFIED], [UPSTREAM])


def test_certificate_that_is_trusted_is_verified(loop, tmp_path, monkeypatch):
    """With SSL_CERT_FILE naming its authority, the certificate is verified."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))

    async def play():
        async with kong(authority.issue_cert("127.0.0.1")) as port:
            return await met(Cluster([{"name": "kong-admin-tls", "port": port}]))

    assert loop.run(play()) == ([VERIFIED], [UPSTREAM])


def test_of_two_ports_the_one_with_tls(loop):
    """Where the Service has a plain port, too, KIC's is taken."""

    async def play():
        async with kong(trustme.CA().issue_cert("127.0.0.1")) as port:
            ports = [{"name": "kong-admin", "port": NOWHERE}, {"name": "kong-admin-tls", "port": port}]
            return await met(Cluster(ports))

    assert loop.run(play()) == ([UNVERIFIED], [UPSTREAM])


def test_unreachable_address_leads_through_the_api_server(loop):
    """Each replica that cannot be reached from here is asked through pods/proxy, with the scheme of its port."""
    cluster = Cluster([{"name": "kong-admin-tls", "port": NOWHERE}])
    assert loop.run(met(cluster)) == ([THROUGH], [UPSTREAM])
    assert cluster.asked[-1] == ("https", "kong-0", "kong", NOWHERE, "/upstreams/echo")
    assert loop.run(met(cluster, read="absent")) == ([THROUGH], [None])


def test_pod_addresses_are_not_tried_unasked(loop):
    """A pod's address may be somebody else's in this machine's networks: nothing is sent there, not even a SYN."""
    asked = []

    async def play():
        async with kong(asked=asked) as port:
            return await met(Cluster([{"name": "kong-admin", "port": port}]), installation(direct=False))

    assert loop.run(play()) == ([THROUGH], [UPSTREAM])
    assert asked == []


def test_address_without_a_pod_is_not_tried_unasked(loop):
    """If there is no pod to ask for through the API server, the option that lets the address be tried is named."""

    class Elsewhere(Cluster):
        async def list(self, kind, namespace, labels):
            [item] = await super().list(kind, namespace, labels)
            del item["endpoints"][0]["targetRef"]
            return [item]

    with pytest.raises(OutOfReach, match="its address is not tried without --direct-addresses"):
        loop.run(met(Elsewhere([{"name": "kong-admin", "port": NOWHERE}]), installation(direct=False)))


def paged(request):
    """Answer as Kong does: /targets ends after 100, /targets/all goes on by offset, with as many as it likes."""
    every = [{"target": f"10.0.{n // 250}.{n % 250}:80", "weight": n % 2 * 100} for n in range(251)]
    if not request.path.endswith("/targets/all"):
        return {"data": every[:100], "next": None}
    begin = int(request.query.get("offset", "0+/=").partition("+")[0])
    more = {"offset": f"{begin + 100}+/=", "next": "/elsewhere"} if begin + 100 < len(every) else {"next": None}
    return {"data": every[begin : begin + 100], **more}


def test_all_targets_are_read(loop):
    """More than a page of them are read page by page, however an offset is spelt."""

    async def play():
        async with kong(others=paged) as port:
            api = AdminApi(Cluster([]), installation(admin_url=f"http://127.0.0.1:{port}"))
            async with contextlib.aclosing(_Closing(api)):
                [replica] = await api.replicas()
                return await api.targets(replica, "echo")

    found = loop.run(play())
    assert len(found) == 251
    assert found["10.0.1.0:80"] == 0
    assert found["10.0.0.249:80"] == 100


def test_pages_without_an_end(loop):
    """An offset that comes back would be read for ever."""

    async def play():
        async with kong(others=lambda _: {"data": [], "offset": "again"}) as port:
            api = AdminApi(Cluster([]), installation(admin_url=f"http://127.0.0.1:{port}"))
            async with contextlib.aclosing(_Closing(api)):
                [replica] = await api.replicas()
                return await api.targets(replica, "echo")

    with pytest.raises(HarnessError, match="without an end"):
        loop.run(play())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("_format_version: '3.0'\nkeyauth_credentials:\n- key: s3cr3t\n", {"keyauth_credentials": [{"key": "s3cr3t"}]}),
        ("", {}),
        ("- a\n- list\n", "no mapping"),
        ("a: [", "no YAML"),
    ],
)
def test_configuration_is_data(loop, text, found):
    """Kong gives YAML in a string; what is handed on is data, in which a credential stands beside its name."""

    async def play():
        async with kong(others=lambda _: {"config": text}) as port:
            api = AdminApi(Cluster([]), installation(admin_url=f"http://127.0.0.1:{port}"))
            async with contextlib.aclosing(_Closing(api)):
                [replica] = await api.replicas()
                return await api.configuration(replica)

    if isinstance(found, str):
        with pytest.raises(HarnessError, match=found):
            loop.run(play())
    else:
        assert found.items() <= loop.run(play()).items()


def test_somebody_else_at_the_address(loop):
    """Where something that is not Kong answers at a pod's address, the pod is asked through the API server."""

    async def play():
        async with kong(body={"hello": "world"}) as port:
            return await met(Cluster([{"name": "kong-admin", "port": port}]))

    assert loop.run(play()) == ([THROUGH], [UPSTREAM])


class Busy(Cluster):
    """An API server that cannot fetch the first answers from the gateway's pod."""

    def __init__(self, ports, failures, **rest):
        super().__init__(ports, **rest)
        self.failures = failures

    async def get_from_pod(self, scheme, pod, namespace, port, path):
        if path != "/" and self.failures:
            self.failures -= 1
            return 503, json.dumps({"kind": "Status", "message": "error trying to reach service: EOF"})
        return await super().get_from_pod(scheme, pod, namespace, port, path)


def test_an_answer_that_could_not_be_fetched_is_asked_for_again(loop):
    """A busy gateway does not end a recording."""
    busy = Busy([{"name": "admin", "port": NOWHERE}], failures=2)
    assert loop.run(met(busy, installation(direct=False))) == ([THROUGH], [UPSTREAM])
    assert busy.failures == 0


def test_an_admin_api_that_is_gone_is_said_to_be_gone(loop, monkeypatch):
    """It is not asked for ever."""
    monkeypatch.setattr(admin, "PATIENCE_SECONDS", 0.3)
    busy = Busy([{"name": "admin", "port": NOWHERE}], failures=10**6)
    with pytest.raises(HarnessError, match="answered 503 to /upstreams/echo"):
        loop.run(met(busy, installation(direct=False)))


def test_silence_is_not_waited_for(loop, monkeypatch):
    """An address that swallows what is sent is given up after seconds."""
    monkeypatch.setattr(admin, "DIRECT_SECONDS", timedelta(milliseconds=100).total_seconds())

    async def play():
        async with await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0) as server:
            return await met(Cluster([{"name": "kong-admin", "port": server.sockets[0].getsockname()[1]}]))

    assert loop.run(play()) == ([THROUGH], [UPSTREAM])


@pytest.mark.parametrize(("foreign", "trouble"), [(True, OutOfReach), (False, HarnessError)])
def test_replica_that_answers_in_no_way(loop, foreign, trouble):
    """On somebody's cluster it is out of reach; on our own it has broken. Both ways that were tried are told."""
    cluster = Cluster([{"name": "kong-admin", "port": NOWHERE}], passes_on=False)
    with pytest.raises(trouble, match=r"127\.0\.0\.1:9: .*; through the Kubernetes API: HTTP 503"):
        loop.run(met(cluster, installation(foreign=foreign)))


def test_every_replica_but_those_that_end(loop):
    """Each replica is one by itself; one that ends is none."""
    addresses, ending = ("127.0.0.1", "127.0.0.2", "127.0.0.3"), ("127.0.0.2",)
    cluster = Cluster([{"name": "kong-admin", "port": NOWHERE}], addresses=addresses, terminating=ending)
    assert loop.run(met(cluster)) == ([THROUGH] * 2, [UPSTREAM] * 2)
    assert {pod for _, pod, *_ in cluster.asked} == {"kong-0", "kong-2"}


def test_address_that_is_given(loop):
    """An address given overrides discovery, and its certificate is treated likewise."""

    async def play():
        async with kong(trustme.CA().issue_cert("127.0.0.1")) as port:
            return await met(Cluster([]), installation(admin_url=f"https://127.0.0.1:{port}/"))

    assert loop.run(play()) == ([UNVERIFIED], [UPSTREAM])
