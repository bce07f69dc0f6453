"""TLS Secrets to Kong's certificates and SNIs, as KIC writes them (translate_certs.go)."""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass

from embedded_cluster.ingress import ingresses
from embedded_cluster.ingress.attachment import is_ours, listener_fault
from embedded_cluster.ingress.grants import is_granted
from embedded_cluster.ingress.kongstate import Failure
from embedded_cluster.ingress.snapshot import Object, Snapshot, find, full_name, tags
from embedded_cluster.keypair import pair_fault


class UnusableError(Exception):
    """A Secret holds no pair of certificate and key; the message names the Secret, and says nothing of its content."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A Secret whose certificate is to be served for these names."""

    secret: Object
    names: tuple[str, ...]


def kong_certificates(
    snapshot: Snapshot, proxy: Object | None, ingress_class: str, failures: list[Failure]
) -> list[Object]:
    """The certificates that Ingresses and the listeners of our Gateways name, each once, with their SNIs.

    Of several certificates for one name the first is served for it: Ingresses' go before Gateways'.
    """
    entities: dict[tuple[str, str], Object] = {}
    taken: set[str] = set()
    for wanted in (*_of_ingresses(snapshot, ingress_class, failures), *_of_gateways(snapshot, proxy, failures)):
        secret = wanted.secret
        pair = key_pair(secret)
        entity = entities.setdefault(
            pair, {"id": secret["metadata"]["uid"], "cert": pair[0], "key": pair[1], "tags": tags(secret), "snis": []}
        )
        for name in wanted.names:
            if name not in taken:
                taken.add(name)
                entity["snis"].append({"name": name, "certificate": {"id": entity["id"]}})
    return sorted(entities.values(), key=lambda entity: str(entity["cert"]), reverse=True)


def key_pair(secret: Object) -> tuple[str, str]:
    """The certificate and the private key in a Secret, in PEM. Raises :class:`UnusableError`."""
    data, name = secret.get("data") or {}, full_name(secret)
    if not ("tls.crt" in data and "tls.key" in data):
        raise UnusableError(f"no keypair could be found in secret '{name}'")
    try:
        chain, key = (base64.b64decode(data[field]).decode().strip() for field in ("tls.crt", "tls.key"))
    except (binascii.Error, UnicodeDecodeError) as error:
        raise UnusableError(f"parsing TLS key-pair in secret '{name}': it is no text in base64") from error
    if fault := pair_fault(chain, key):
        raise UnusableError(f"parsing TLS key-pair in secret '{name}': {fault}")
    return chain, key


def certificate_fault(snapshot: Snapshot, gateway: Object, listener: Object) -> str:
    """Why a listener's certificates cannot be used, as the reason of its condition ResolvedRefs; "" if they can."""
    own = gateway["metadata"]["namespace"]
    for reference in (listener.get("tls") or {}).get("certificateRefs") or ():
        namespace, name = reference.get("namespace") or own, reference["name"]
        if not is_granted(snapshot, ("Gateway", own), "Secret", namespace, name):
            return "RefNotPermitted"
        kind = (reference.get("group") or "core", reference.get("kind") or "Secret")
        secret = find(snapshot.secrets, namespace, name)
        if kind != ("core", "Secret") or secret is None or not _is_usable(secret):
            return "InvalidCertificateRef"
    return ""


def _is_usable(secret: Object) -> bool:
    try:
        key_pair(secret)
    except UnusableError:
        return False
    return True


def _of_gateways(snapshot: Snapshot, proxy: Object | None, failures: list[Failure]) -> Iterator[_Wanted]:
    for gateway in sorted(snapshot.gateways, key=full_name):
        if not is_ours(snapshot, gateway):
            continue
        for listener in gateway["spec"].get("listeners") or ():
            references = (listener.get("tls") or {}).get("certificateRefs") or ()
            if not references or listener_fault(listener, proxy) or certificate_fault(snapshot, gateway, listener):
                continue  # the listener's conditions say so
            if len(references) > 1:
                message = f"listener '{listener['name']}' has more than one certificateRef, it's not supported"
                failures.append(Failure(message, (gateway,)))
                continue
            namespace = references[0].get("namespace") or gateway["metadata"]["namespace"]
            secret = find(snapshot.secrets, namespace, references[0]["name"])
            if secret:
                yield _Wanted(secret, (listener.get("hostname") or "*",))


def _of_ingresses(snapshot: Snapshot, ingress_class: str, failures: list[Failure]) -> Iterator[_Wanted]:
    for ingress in sorted(snapshot.ingresses, key=full_name):
        if not ingresses.is_ours(snapshot, ingress, ingress_class):
            continue
        namespace = ingress["metadata"]["namespace"]
        for tls in ingress["spec"].get("tls") or ():
            if not (tls.get("hosts") and tls.get("secretName")):
                continue
            secret = find(snapshot.secrets, namespace, tls["secretName"])
            if secret is None:
                message = f"Failed to fetch the secret ({namespace}/{tls['secretName']})"
                failures.append(Failure(message, (ingress,)))
            elif not _is_usable(secret):
                failures.append(Failure("failed to construct certificate from secret", (ingress, secret)))
            else:
                yield _Wanted(secret, tuple(tls["hosts"]))
