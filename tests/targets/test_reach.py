"""The proxy is reached by the first address that works, and never at a stranger's."""

import contextlib

import pytest
from aiohttp import web

from stickyconf.ports import SERVICE, Rejected
from stickyconf.targets.installation import NoTarget
from stickyconf.targets.kubeconfig.reach import PORT_FORWARD, Way, find_proxy

NOWHERE = 9  # the discard port, where nobody listens


class Cluster:
    """A Service, its endpoints, and nodes, or no permission to see them."""

    def __init__(self, service, pods=(), nodes=None):
        self.service, self.pods, self.nodes = service, pods, nodes

    async def get(self, kind, name, namespace):
        assert kind == SERVICE
        return self.service

    async def list(self, kind, namespace="", labels=""):
        if kind.kind == "Node":
            if self.nodes is None:
                raise Rejected(403, "Forbidden", "nodes is forbidden")
            return [{"status": {"addresses": self.nodes}}]
        endpoints = [
            {"addresses": [address], "conditions": {"ready": True}, "targetRef": {"kind": "Pod", "name": name}}
            for name, address in self.pods
        ]
        return [{"ports": [{"name": "kong-proxy", "port": NOWHERE}], "endpoints": endpoints}]


def service(port=80, node_port=None, cluster_ip="None", ingress=()):
    plain = {"name": "kong-proxy", "port": port} | ({"nodePort": node_port} if node_port else {})
    return {
        "metadata": {"name": "kong-proxy"},
        "spec": {"clusterIP": cluster_ip, "ports": [{"name": "kong-proxy-tls", "port": 443}, plain]},
        "status": {"loadBalancer": {"ingress": list(ingress)}},
    }


@contextlib.asynccontextmanager
async def server(*, kong=True, asked=None):
    async def answer(request):
        if asked is not None:
            asked.append(request.host)
        assert request.headers["Host"] == "probe.stickyconf.test"
        said = "no Route matched with those values" if kong else "It works!"
        return web.json_response({"message": said}, status=404)

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


def found(loop, make, *, kong=True, direct=False, asked=None):
    async def play():
        async with server(kong=kong, asked=asked) as port:
            return port, await find_proxy(make(port), "kong", "kong-proxy", direct=direct)

    return loop.run(play())


def test_load_balancer(loop):
    """What the cluster publishes is taken, whatever answers there."""
    port, way = found(loop, lambda port: Cluster(service(port, ingress=[{"ip": "127.0.0.1"}])), kong=False)
    assert way == Way("load balancer", f"http://127.0.0.1:{port}")


def test_load_balancer_by_name(loop):
    """A load balancer may have a name instead of an address."""
    port, way = found(loop, lambda port: Cluster(service(port, ingress=[{"hostname": "localhost"}])))
    assert way == Way("load balancer", f"http://localhost:{port}")


def test_cluster_address(loop):
    """With leave to try it, a cluster address is taken if Kong answers at it."""
    port, way = found(loop, lambda port: Cluster(service(port, cluster_ip="127.0.0.1")), direct=True)
    assert way == Way("cluster address", f"http://127.0.0.1:{port}")


def test_addresses_inside_the_cluster_are_not_tried_unasked(loop):
    """Cluster and pod addresses may be somebody else's in this machine's networks: not a SYN goes there."""
    asked = []
    pods = [("kong-1", "127.0.0.1")]
    _, way = found(loop, lambda port: Cluster(service(port, cluster_ip="127.0.0.1"), pods), asked=asked)
    assert way == Way(PORT_FORWARD, pod="kong-1", port=NOWHERE)
    assert asked == []


def test_stranger_at_a_cluster_address(loop):
    """The same address may be somebody else's in this machine's network: then nothing is sent there."""
    pods = [("kong-1", "127.0.0.1")]
    _, way = found(loop, lambda port: Cluster(service(port, cluster_ip="127.0.0.1"), pods), kong=False, direct=True)
    assert way == Way(PORT_FORWARD, pod="kong-1", port=NOWHERE)


def test_node_port(loop):
    """A node's port is taken where the context may see nodes."""
    nodes = [{"type": "Hostname", "address": "nowhere.invalid"}, {"type": "InternalIP", "address": "127.0.0.1"}]
    port, way = found(loop, lambda port: Cluster(service(node_port=port), [("kong-1", "127.0.0.1")], nodes))
    assert way == Way("node port", f"http://127.0.0.1:{port}")


def test_nodes_may_be_out_of_sight(loop):
    """Without permission to see nodes the next way is tried."""
    _, way = found(loop, lambda port: Cluster(service(node_port=port), [("kong-1", "127.0.0.1")]))
    assert way.pod == "kong-1"
    assert "at most 32 connections at once; a load balancer or a node port" in way.how


def test_no_gateway(loop):
    """Nothing behind the Service is told, and so is a Service without a plain port, and none at all."""
    with pytest.raises(NoTarget, match="no ready endpoint"):
        loop.run(find_proxy(Cluster(service()), "kong", "kong-proxy"))
    secure = service()
    del secure["spec"]["ports"][1]
    with pytest.raises(NoTarget, match="no port for plain HTTP"):
        loop.run(find_proxy(Cluster(secure), "kong", "kong-proxy"))
    nameless = Cluster(service(), [("", "10.0.0.1")])
    with pytest.raises(NoTarget, match=r"is not tried \(--direct-addresses lets it be\); or give an address"):
        loop.run(find_proxy(nameless, "kong", "kong-proxy"))
    with pytest.raises(NoTarget, match="there is no Service"):
        loop.run(find_proxy(Cluster(None), "kong", "kong-proxy"))
