"""The case's application over TLS: a certificate of the case's own, on a listener of a Gateway of the case's own."""

from __future__ import annotations

import asyncio
from typing import Any

from stickyconf.checks.protocols import SECURE, SECURE_CONTROL
from stickyconf.model import Exchange, Happening
from stickyconf.ports import GATEWAY, OutOfReach, Rejected, TlsEntrance
from stickyconf.scenarios.settling import Asked
from stickyconf.scenarios.stage import Scenario, Stage
from stickyconf.scenarios.workload import ROUTE
from stickyconf.secrecy import known
from stickyconf.wait import WaitFailed

TLS = "tls"
NO_LISTENER = ("UnsupportedProtocol", "PortUnavailable")
"""Why a gateway takes no listener for TLS: it listens for none, or not there (Gateway API, ListenerConditionReason)."""

Json = dict[str, Any]


def serve_over_tls() -> Scenario:
    """Make certificate, listener and route for a host name, and wait until every worker of the gateway serves them.

    Whoever trusts ``stage.authority`` can verify it from then on. It stays "" if the target has no way over TLS, which
    is recorded with its reason.
    """

    async def play(stage: Stage) -> None:
        try:
            entrance = stage.target.traffic.over_tls()
            authority = await _listen(stage, entrance)
        except (OutOfReach, Rejected) as reason:
            stage.recorder.event(Happening.UNSUPPORTED, TLS, reason=str(reason))
            return
        stage.authority = authority
        cookie = stage.policy.cookie

        def agrees(exchange: Exchange) -> bool:
            return exchange.pod is not None and bool(exchange.answer and exchange.answer.set_cookies(cookie))

        asked = Asked(f"set the cookie {cookie} for a new session over TLS", SECURE, agrees)
        await stage.settled(asked, host=stage.host_name(SECURE), secure=True)

    return play


def visit_over_tls(*, sessions: int, requests: int, strangers: int) -> Scenario:
    """Let clients open sessions over TLS and visit again, each time with another handshake, and others once each."""

    async def play(stage: Stage) -> None:
        if not stage.authority:
            return
        stage.recorder.plan |= {f"{SECURE}.sessions": sessions, f"{SECURE}.requests": requests}
        stage.recorder.plan |= {f"{SECURE_CONTROL}.sessions": strangers, f"{SECURE_CONTROL}.requests": 1}
        host = stage.host_name(SECURE)

        async def one(arm: str, times: int) -> None:
            async with stage.client(arm, fresh=True, host=host, secure=True) as client:
                for _ in range(times):
                    await client.get("/")

        await asyncio.gather(*(one(SECURE_CONTROL, 1) for _ in range(strangers)))
        await asyncio.gather(*(one(SECURE, requests) for _ in range(sessions)))

    return play


async def _listen(stage: Stage, entrance: TlsEntrance) -> str:
    """Create Secret, Gateway and HTTPRoute; return the authority's certificate in PEM.

    Rejected if they may not be created; OutOfReach if the gateway takes no listener for TLS.
    """
    cluster, host = stage.target.cluster, stage.host_name(SECURE)
    parent = await cluster.get(GATEWAY, stage.target.parent[1], stage.target.parent[0])
    if parent is None:
        raise OutOfReach(f"the Gateway {'/'.join(stage.target.parent)} is not there, whose class another would have")
    authority, chain, key = _issued(host)
    await cluster.create(_secret(stage.namespace, chain, key))
    await cluster.create(_gateway(stage.namespace, host, parent["spec"]["gatewayClassName"], entrance.port))
    await cluster.apply(_route(stage, host))
    await _taken(stage)
    return authority


async def _taken(stage: Stage) -> None:
    """Wait until the controller has looked at the listener, "programmed" at the most; what it serves is asked later."""

    async def look() -> tuple[str, str]:
        gateway = await stage.target.cluster.get(GATEWAY, SECURE, stage.namespace) or {}
        conditions = [
            condition
            for listener in (gateway.get("status") or {}).get("listeners") or ()
            for condition in listener.get("conditions") or ()
        ]
        accepted: Json = next((one for one in conditions if one["type"] == "Accepted"), {})
        return accepted.get("reason", ""), accepted.get("message", "")

    try:
        reason, message = await stage.waiter.until(
            "the controller to look at a listener for TLS", "programmed", look, lambda seen: bool(seen[0])
        )
    except WaitFailed:
        return
    if reason in NO_LISTENER:
        raise OutOfReach(f"the gateway takes no listener for TLS: {reason}: {message}")


def _issued(host: str) -> tuple[str, str, str]:
    """Return the certificate of a new authority, and a chain and a private key for a host name, all in PEM.

    The key is hidden from then on in whatever the run says.
    """
    import trustme  # 0.1 s, spent only if it is needed

    authority = trustme.CA()
    leaf = authority.issue_cert(host)
    key = leaf.private_key_pem.bytes().decode()
    known().keep(key)
    chain = "".join(part.bytes().decode() for part in leaf.cert_chain_pems)
    return authority.cert_pem.bytes().decode(), chain, key


def _secret(namespace: str, chain: str, key: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": SECURE, "namespace": namespace},
        "stringData": {"tls.crt": chain, "tls.key": key},
    }


def _gateway(namespace: str, host: str, gateway_class: str, port: int) -> Json:
    reference = {"group": "", "kind": "Secret", "name": SECURE}
    listener = {
        "name": TLS,
        "port": port,
        "protocol": "HTTPS",
        "hostname": host,
        "tls": {"mode": "Terminate", "certificateRefs": [reference]},
    }
    return {
        "apiVersion": GATEWAY.api_version,
        "kind": GATEWAY.kind,
        "metadata": {"name": SECURE, "namespace": namespace},
        "spec": {"gatewayClassName": gateway_class, "listeners": [listener]},
    }


def _route(stage: Stage, host: str) -> Json:
    """Return the HTTPRoute of the case for the secure host name: the same Service, by the listener for TLS only."""
    document = stage.manifests.route(stage.namespace, host)
    document["metadata"]["name"] = f"{ROUTE}-{SECURE}"
    document["spec"]["parentRefs"] = [{"name": SECURE, "sectionName": TLS}]
    return document
