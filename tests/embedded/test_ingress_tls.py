"""TLS Secrets as the controller reads them, of listeners and of Ingresses: to Kong's certificates and SNIs."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import trustme

from embedded_cluster.ingress.gateways import without_refused
from tests.embedded.ingress_objects import (
    LISTENER,
    cluster,
    condition,
    made,
    route,
    service,
    status_of,
    translated,
)

AUTHORITY = trustme.CA()
PAIRS = {name: AUTHORITY.issue_cert(name) for name in ("shop.test", "bank.test")}


def secret(name: str, of: str = "shop.test", *, namespace: str = "kong", **data: bytes) -> dict[str, Any]:
    leaf = PAIRS[of]
    chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
    both = {"tls.crt": chain, "tls.key": leaf.private_key_pem.bytes()} | data
    encoded = {field: base64.b64encode(value).decode() for field, value in both.items()}
    return made("Secret", name, namespace=namespace, type="kubernetes.io/tls", data=encoded)


def https(*secrets: str, name: str = "tls", **more: Any) -> dict[str, Any]:
    references = [{"name": one, "group": "", "kind": "Secret"} for one in secrets]
    tls = {"mode": "Terminate", "certificateRefs": references}
    allowed = {"namespaces": {"from": "All"}}
    return {"name": name, "port": 443, "protocol": "HTTPS", "tls": tls, "allowedRoutes": allowed, **more}


def ingress(*tls: dict[str, Any]) -> dict[str, Any]:
    return made("Ingress", "shop", "networking.k8s.io/v1", spec={"ingressClassName": "kong", "tls": list(tls)})


def served(found: Any) -> dict[str, list[str]]:
    """Return the SNIs of each certificate by its Secret's name, as its tags tell it."""
    return {
        next(tag.removeprefix("k8s-name:") for tag in one["tags"] if tag.startswith("k8s-name:")): [
            sni["name"] for sni in one["snis"]
        ]
        for one in found.config.get("certificates", ())
    }


def test_a_listener_has_its_certificate_served_for_its_host_name() -> None:
    """KIC's shape: the Secret's uid is the id, the SNIs are nested and name it; without TLS there is no section."""
    held = secret("pair")
    listeners = [LISTENER, https("pair", hostname="shop.test"), https("other", name="any")]
    found = translated(held, secret("other", "bank.test"), listeners=listeners)
    [entity] = [one for one in found.config["certificates"] if one["id"] == held["metadata"]["uid"]]
    assert entity["snis"] == [{"name": "shop.test", "certificate": {"id": entity["id"]}}]
    assert entity["cert"].startswith("-----BEGIN CERTIFICATE-----")
    assert "k8s-kind:Secret" in entity["tags"]
    assert served(found) == {"pair": ["shop.test"], "other": ["*"]}
    assert "certificates" not in translated(held).config


def test_ingresses_have_theirs_served_and_go_first() -> None:
    """One Kong certificate for one pair, however many Secrets hold it; of two for one name the first is served."""
    mine, same = secret("mine", namespace="app"), secret("same")
    found = translated(
        mine,
        same,
        secret("other", "bank.test"),
        ingress({"hosts": ["a.test"], "secretName": "mine"}, {"hosts": ["b.test"]}),
        listeners=[LISTENER, https("same", hostname="b.test"), https("other", name="again", hostname="a.test")],
    )
    assert served(found) == {"mine": ["a.test", "b.test"], "other": []}


def test_a_route_takes_the_protocols_of_its_listeners() -> None:
    """As KIC has it: https alone if all of its listeners are for TLS."""
    both = [LISTENER, https("pair")]
    for parent, protocols in (
        ({}, ["http", "https"]),
        ({"sectionName": "tls"}, ["https"]),
        ({"sectionName": "proxy"}, ["http"]),
    ):
        parents = [{"name": "kong", "namespace": "kong", **parent}]
        found = translated(secret("pair"), service(), route(parentRefs=parents), listeners=both)
        assert found.config["services"][0]["routes"][0]["protocols"] == protocols


@pytest.mark.parametrize(
    ("objects", "reference", "reason"),
    [
        ([secret("pair")], {}, "ResolvedRefs"),
        ([], {}, "InvalidCertificateRef"),
        ([secret("pair", **{"tls.key": b"no key"})], {}, "InvalidCertificateRef"),
        ([secret("pair", **{"tls.key": PAIRS["bank.test"].private_key_pem.bytes()})], {}, "InvalidCertificateRef"),
        ([secret("pair")], {"kind": "ConfigMap"}, "InvalidCertificateRef"),
        ([secret("pair", namespace="app")], {"namespace": "app"}, "RefNotPermitted"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_in_the_listeners_status(
    objects: list[dict[str, Any]], reference: dict[str, str], reason: str
) -> None:
    listener = https("pair")
    listener["tls"]["certificateRefs"][0] |= reference
    snapshot = cluster(*objects, listeners=[listener])
    found = translated(*objects, listeners=[listener])
    [shown] = status_of(snapshot.gateways[0], snapshot, found)["listeners"]
    assert condition(shown, "ResolvedRefs")["reason"] == reason
    assert condition(shown, "Programmed")["status"] == str(reason == "ResolvedRefs")
    assert ("certificates" in found.config) is (reason == "ResolvedRefs")


def test_a_grant_lets_a_gateway_name_a_secret_elsewhere() -> None:
    listener = https("pair")
    listener["tls"]["certificateRefs"][0]["namespace"] = "app"
    source = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "kong"}
    spec = {"from": [source], "to": [{"group": "", "kind": "Secret"}]}
    grant = made("ReferenceGrant", "g", "gateway.networking.k8s.io/v1beta1", namespace="app", spec=spec)
    assert served(translated(secret("pair", namespace="app"), grant, listeners=[listener])) == {"pair": ["*"]}


@pytest.mark.parametrize("held", [[], [secret("mine", namespace="app", **{"tls.crt": b"-----BEGIN CERTIFICATE-----"})]])
def test_an_ingress_without_a_usable_secret_gets_an_event(held: list[dict[str, Any]]) -> None:
    found = translated(*held, ingress({"hosts": ["a.test"], "secretName": "mine"}))
    [failure] = found.failures
    assert "secret" in failure.message
    assert "certificates" not in found.config


def test_a_port_without_tls_takes_no_listener_for_it() -> None:
    listener = https("pair", port=80)
    snapshot = cluster(secret("pair"), listeners=[listener])
    [shown] = status_of(snapshot.gateways[0], snapshot, translated(secret("pair"), listeners=[listener]))["listeners"]
    assert condition(shown, "Accepted")["reason"] == "PortUnavailable"


def test_a_certificate_that_the_gateway_refuses_keeps_nothing_else_from_it() -> None:
    listeners = [https("pair"), https("other", name="other", hostname="b.test")]
    config = translated(secret("pair"), secret("other", "bank.test"), listeners=listeners).config
    first, second = config["certificates"]
    refused = [{"entity_type": "certificate", "entity_id": first["id"], "entity": first}]
    assert without_refused(config, refused)[0]["certificates"] == [second]
    named = [{"entity_type": "sni", "entity_name": second["snis"][0]["name"], "entity": second["snis"][0]}]
    assert without_refused(config, named)[0]["certificates"] == [first, {**second, "snis": []}]
