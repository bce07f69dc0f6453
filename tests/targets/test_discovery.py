"""KIC, Kong and a Gateway are found by what they say of themselves; what is missing is told in one line."""

import pytest

from stickyconf.ports import DEPLOYMENT, POD, SERVICE
from stickyconf.targets.installation import NoTarget
from stickyconf.targets.kubeconfig.discovery import (
    GATEWAY,
    GATEWAY_CLASS,
    KIC_CONTROLLER,
    UNMANAGED,
    find_gateway,
    find_gateway_class,
    find_kong,
    named_gateway,
)


def deployment(name, image, labels, env=(), args=()):
    container = {"name": name, "image": image, "args": list(args)}
    container["env"] = [{"name": key, "value": value} for key, value in env]
    return {
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


CHART = (
    ("CONTROLLER_KONG_ADMIN_SVC", "kong/ingress-gateway-admin"),
    ("CONTROLLER_PUBLISH_SERVICE", "kong/ingress-gateway-proxy"),
)
KIC = deployment("ingress-controller", "kong/kubernetes-ingress-controller:3.5.13", {"app": "kic"}, CHART)
KONG = deployment("ingress-gateway", "kong/kong-gateway:3.11.0.14", {"app": "kong", "tier": "proxy"})
OTHER = deployment("echo", "kong/go-echo", {"app": "echo"})
PROXY = {"metadata": {"name": "ingress-gateway-proxy"}, "spec": {"selector": {"app": "kong"}}}
DIGEST = "sha256:" + "0" * 64


class Cluster:
    """Objects by kind, as they are listed."""

    def __init__(self, deployments=(), services=(PROXY,), pods=(), classes=(), gateways=()):
        self.objects = {
            DEPLOYMENT: deployments,
            SERVICE: services,
            POD: pods,
            GATEWAY_CLASS: classes,
            GATEWAY: gateways,
        }

    async def list(self, kind, namespace="", labels=""):
        return list(self.objects[kind])

    async def get(self, kind, name, namespace=""):
        return next((one for one in self.objects[kind] if one["metadata"]["name"] == name), None)


def test_chart_under_another_name(loop):
    """A release of any name is found by KIC's settings, its gateway by the Service that KIC publishes."""
    pod = {"status": {"containerStatuses": [{"name": "ingress-gateway", "imageID": f"docker.io/kong@{DIGEST}"}]}}
    found = loop.run(find_kong(Cluster([OTHER, KIC, KONG], pods=[pod]), "kong"))
    assert (found.controller, found.gateway) == ("ingress-controller", "ingress-gateway")
    assert (found.proxy_service, found.admin_service) == ("ingress-gateway-proxy", "ingress-gateway-admin")
    assert found.versions == {
        "ingress-controller": "kong/kubernetes-ingress-controller:3.5.13",
        "ingress-gateway": f"kong/kong-gateway:3.11.0.14@{DIGEST}",
    }
    assert found.drain is False
    assert found.tempo.sync == 3.0


def test_settings_as_flags(loop):
    """Flags are read like variables: drain support, and a slow sync period, which lengthens the hold."""
    args = [
        "--kong-admin-svc=kong/ingress-gateway-admin",
        "--publish-service=kong/ingress-gateway-proxy",
        "--enable-drain-support",
        "--proxy-sync-seconds=6",
    ]
    kic = deployment("kic", "registry.invalid/my-build:1", {"app": "kic"}, args=args)
    found = loop.run(find_kong(Cluster([kic, KONG]), "kong"))
    assert found.drain is True
    assert (found.tempo.sync, found.tempo.hold, found.tempo.grace) == (6.0, 60.0, 75.0)


IN_ITS_POD = deployment("kic", "x", {}, [("CONTROLLER_KONG_ADMIN_URL", "https://localhost:8444")])
MISSING = {
    "no KIC": ([OTHER, KONG], (PROXY,), "none is KIC (echo, ingress-gateway); say where it is: --kong-namespace"),
    "two": ([KIC, IN_ITS_POD], (PROXY,), "several are KIC (ingress-controller, kic)"),
    "sidecar": ([IN_ITS_POD], (PROXY,), "--kong-admin-svc (give the address instead: --admin-url URL) and --publish-s"),
    "no Service": ([KIC, KONG], (), "KIC publishes Service kong/ingress-gateway-proxy, which does not exist"),
}


@pytest.mark.parametrize(("deployments", "services", "said"), MISSING.values(), ids=MISSING)
def test_what_is_missing_is_told(loop, deployments, services, said):
    """One line says what was looked for and what there is."""
    with pytest.raises(NoTarget) as told:
        loop.run(find_kong(Cluster(deployments, services), "kong"))
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_fixed_admin_address_that_is_named(loop):
    """A KIC that configures Kong at a fixed address is taken if --admin-url says which; the same of the proxy."""
    settings = [("CONTROLLER_KONG_ADMIN_URL", "https://localhost:8444"), CHART[1]]
    kic = deployment("kic", "kong/kubernetes-ingress-controller:3.5", {"app": "kic"}, settings)
    cluster = Cluster([kic, KONG])
    found = loop.run(find_kong(cluster, "kong", admin_url="http://127.0.0.1:8001"))
    assert (found.admin_service, found.proxy_service) == ("", "ingress-gateway-proxy")
    with pytest.raises(NoTarget, match="--admin-url URL"):
        loop.run(find_kong(cluster, "kong", proxy_url="http://127.0.0.1:8000"))
    both = {"admin_url": "http://127.0.0.1:8001", "proxy_url": "http://127.0.0.1:8000"}
    found = loop.run(find_kong(Cluster([IN_ITS_POD]), "kong", **both))
    assert (found.controller, found.gateway, found.proxy_service) == ("kic", "", "")


def gateway_class(name, controller=KIC_CONTROLLER, *, unmanaged=True):
    annotations = {UNMANAGED: "true"} if unmanaged else {}
    return {"metadata": {"name": name, "annotations": annotations}, "spec": {"controllerName": controller}}


def gateway(name, gateway_class="kong", routes="All", **listener):
    listener = {"protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": routes}}} | listener
    return {
        "metadata": {"name": name, "namespace": "infra"},
        "spec": {"gatewayClassName": gateway_class, "listeners": [listener]},
    }


OTHERS = (gateway_class("istio", "istio.io/gateway-controller"), gateway_class("managed", unmanaged=False))


def test_gateway_class(loop):
    """The one that KIC serves with the gateway there is; several have to be chosen from."""
    assert loop.run(find_gateway_class(Cluster(classes=OTHERS), None)) is None
    assert loop.run(find_gateway_class(Cluster(classes=[*OTHERS, gateway_class("kong")]), None)) == "kong"
    several = Cluster(classes=[gateway_class("a"), gateway_class("b")])
    assert loop.run(find_gateway_class(several, "b")) == "b"
    with pytest.raises(NoTarget, match=r"several GatewayClasses \(a, b\); say which: --gateway-class"):
        loop.run(find_gateway_class(several, None))
    with pytest.raises(NoTarget, match="KIC serves no GatewayClass 'istio'"):
        loop.run(find_gateway_class(Cluster(classes=OTHERS), "istio"))


CLOSED = (
    gateway("another", "istio"),
    gateway("same", routes="Same"),
    gateway("tls", protocol="HTTPS"),
    gateway("one-host", hostname="shop.example"),
)


def test_gateway_takes_routes_of_every_namespace(loop):
    """Only a Gateway to which the suite's routes can attach is taken; none is no error, for one can be made."""
    assert loop.run(find_gateway(Cluster(gateways=CLOSED), "kong")) is None
    assert loop.run(find_gateway(Cluster(gateways=[*CLOSED, gateway("open")]), "kong")) == ("infra", "open")


def test_gateway_that_is_named(loop):
    """A Gateway that was asked for is taken, or it is told why it cannot be."""
    cluster = Cluster(gateways=[*CLOSED, gateway("open")])
    assert loop.run(named_gateway(cluster, "infra", "open")) == ("infra", "open")
    with pytest.raises(NoTarget, match="there is no such Gateway"):
        loop.run(named_gateway(cluster, "infra", "absent"))
    with pytest.raises(NoTarget, match="allowedRoutes"):
        loop.run(named_gateway(cluster, "infra", "same"))
