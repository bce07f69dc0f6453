"""KIC's own manifest, changed as a test cluster needs it; where it is in the cache, the file that Kong publishes."""

import copy
from dataclasses import replace

import pytest

from stickyconf.releases.known import known
from stickyconf.targets.installation import NoTarget
from stickyconf.targets.kind.downloads import Store, default_cache
from stickyconf.targets.kind.kongmanifest import Setup, documents, patched
from stickyconf.targets.kind.konnect import Konnect
from stickyconf.targets.kind.published import gateway_api, kic_manifest
from stickyconf.targets.kong import setting
from tests.targets.stand_in import all_in_one

SETUP = Setup(
    kong_image="kong/kong-gateway:3.14.0.13", kic_image="kong/kubernetes-ingress-controller:3.5.13", replicas=3
)


def published():
    store = Store(default_cache(), "http://127.0.0.1:1")
    try:
        return documents([store.read(kic_manifest(known().defaults.kic))])
    except NoTarget:
        return pytest.skip("KIC's manifest is not in the cache; a run with --target kind puts it there")


@pytest.fixture(params=["like it", "published"])
def manifest(request):
    return all_in_one() if request.param == "like it" else published()


def found(objects, kind, name):
    [item] = [item for item in objects if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    return item


def container(deployment):
    [only] = deployment["spec"]["template"]["spec"]["containers"]
    return only


def variables(deployment):
    return {item["name"]: item.get("value", item.get("valueFrom")) for item in container(deployment)["env"]}


def test_a_control_plane_of_konnect_reaches_the_controller(manifest):
    """As KIC's own variant for Konnect has it: settings by their values, certificate and key by a Secret."""
    konnect = Konnect("b4cfe2ab", "https://eu.kic.api.konghq.com", "-----BEGIN CERTIFICATE-----\n", "-----BEGIN KEY")
    deployment = found(patched(manifest, replace(SETUP, konnect=konnect), licensed=True), "Deployment", "ingress-kong")
    said = variables(deployment)
    assert setting(container(deployment), "konnect-sync-enabled") == "true"
    assert setting(container(deployment), "konnect-control-plane-id") == "b4cfe2ab"
    assert setting(container(deployment), "konnect-address") == "https://eu.kic.api.konghq.com"
    secret = konnect.secret("kong")
    for part, key in (("CERT", "tls.crt"), ("KEY", "tls.key")):
        reference = said[f"CONTROLLER_KONNECT_TLS_CLIENT_{part}"]["secretKeyRef"]
        assert (reference["name"], reference["key"]) == (secret["metadata"]["name"], key)
        assert key in secret["stringData"]
    assert "BEGIN" not in repr(konnect)
    assert "BEGIN" not in repr(deployment)
    assert not [name for name in variables(found(manifest, "Deployment", "ingress-kong")) if "KONNECT" in name]


def test_what_is_changed(manifest):
    """Images, replicas, Recreate, NodePort, router flavour and drain support are as they were asked for."""
    before = copy.deepcopy(manifest)
    objects = patched(manifest, SETUP, licensed=True)
    assert manifest == before
    assert [item["metadata"]["name"] for item in objects] == [item["metadata"]["name"] for item in manifest]
    controller, gateway = found(objects, "Deployment", "ingress-kong"), found(objects, "Deployment", "proxy-kong")
    assert container(controller)["image"] == SETUP.kic_image
    assert controller["spec"]["strategy"] == {"type": "Recreate"}
    assert variables(controller)["CONTROLLER_ENABLE_DRAIN_SUPPORT"] == "false"
    assert variables(controller)["CONTROLLER_KONG_ADMIN_SVC"] == "kong/kong-admin"
    assert container(gateway)["image"] == SETUP.kong_image
    assert gateway["spec"]["replicas"] == 3
    assert "imagePullSecrets" not in gateway["spec"]["template"]["spec"]
    assert variables(gateway)["KONG_ROUTER_FLAVOR"] == "traditional"
    names = [item["name"] for item in container(gateway)["env"]]
    assert len(names) == len(set(names))
    proxy = found(objects, "Service", "kong-proxy")
    assert proxy["spec"]["type"] == "NodePort"
    assert [port.get("nodePort") for port in proxy["spec"]["ports"]] == [30080, None]
    assert found(objects, "Service", "kong-admin")["spec"]["clusterIP"] == "None"


def test_a_busy_node_ends_neither(manifest):
    """Controller and gateway have a share of the node and 5 s to answer a probe; what asks for more keeps it."""
    for name in ("ingress-kong", "proxy-kong"):
        container(found(manifest, "Deployment", name)).setdefault("livenessProbe", {"timeoutSeconds": 1})
    container(found(manifest, "Deployment", "proxy-kong"))["readinessProbe"] = {"timeoutSeconds": 30}
    container(found(manifest, "Deployment", "proxy-kong"))["resources"] = {"requests": {"cpu": "1"}}
    objects = patched(manifest, SETUP, licensed=True)
    controller, gateway = (container(found(objects, "Deployment", name)) for name in ("ingress-kong", "proxy-kong"))
    assert controller["livenessProbe"]["timeoutSeconds"] == gateway["livenessProbe"]["timeoutSeconds"] == 5
    assert gateway["readinessProbe"]["timeoutSeconds"] == 30
    assert controller["resources"]["requests"] == {"cpu": "100m"}
    assert gateway["resources"]["requests"] == {"cpu": "1"}


def test_readiness_is_asked_each_second_and_lasts_as_long_as_before(manifest):
    """A probe that the manifest does not have is not made up."""
    given = {"httpGet": {"path": "/status/ready", "port": 8100}, "initialDelaySeconds": 5, "periodSeconds": 10}
    container(found(manifest, "Deployment", "proxy-kong"))["readinessProbe"] = given
    container(found(manifest, "Deployment", "ingress-kong")).pop("readinessProbe", None)
    objects = patched(manifest, SETUP, licensed=True)
    probe = container(found(objects, "Deployment", "proxy-kong"))["readinessProbe"]
    assert (probe["initialDelaySeconds"], probe["periodSeconds"], probe["failureThreshold"]) == (0, 1, 30)
    assert "readinessProbe" not in container(found(objects, "Deployment", "ingress-kong"))


def test_licence_only_where_there_is_one(manifest):
    """The gateway would wait for ever for a Secret that nobody makes."""
    licensed = found(patched(manifest, SETUP, licensed=True), "Deployment", "proxy-kong")
    reference = {"name": "kong-enterprise-license", "key": "license"}
    assert variables(licensed)["KONG_LICENSE_DATA"] == {"secretKeyRef": reference}
    without = found(patched(manifest, SETUP, licensed=False), "Deployment", "proxy-kong")
    assert "KONG_LICENSE_DATA" not in variables(without)


def test_another_manifest():
    """Where the Admin Service balances load, KIC would find one gateway of several: it is refused, not patched over."""
    objects = all_in_one()
    found(objects, "Service", "kong-admin")["spec"].pop("clusterIP")
    with pytest.raises(NoTarget, match="not headless with a port admin-tls"):
        patched(objects, SETUP, licensed=False)
    with pytest.raises(NoTarget, match="has no Deployment proxy-kong"):
        patched(objects[:-1], SETUP, licensed=False)


def test_no_yaml():
    """A page of a captive portal is no manifest."""
    with pytest.raises(NoTarget, match="a manifest is no YAML"):
        documents([b"<html>\t: @"])


def test_pins():
    """Every version has its files, and every file a SHA-256."""
    manifests = {version: kic_manifest(version) for version in known().kic.releases}
    definitions = {version: gateway_api(version) for version in known().gateway_api.releases}
    pins = [*manifests.values(), *(pin for pins in definitions.values() for pin in pins)]
    assert all(len(pin.sha256) == 64 and int(pin.sha256, 16) for pin in pins)
    assert all(f"/v{version}/" in pin.path for version, pins in definitions.items() for pin in pins)
    assert len({pin.path for pin in pins}) == len(pins)


def test_ports_that_kic_can_match(manifest):
    """A listener is served through a Service port that leads to a port by its number: KIC looks no name up."""
    proxy = found(patched(manifest, SETUP, licensed=False), "Service", "kong-proxy")
    assert [port["targetPort"] for port in proxy["spec"]["ports"] if port["port"] == 80] == [8000]
