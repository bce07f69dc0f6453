"""Which certificate a declaration has served for which name that a client asks for (SNI). For every data plane.

Kong's: a certificate without SNIs is served to nobody, and "*" stands for every name that no other one has.
"""

from dataclasses import dataclass, field

from embedded_cluster.gateway.dataplane import RejectedError
from embedded_cluster.gateway.declarative import Declaration
from embedded_cluster.keypair import pair_fault

ANY = "*"


@dataclass(frozen=True, slots=True)
class Served:
    """A certificate *chain* and its private *key*, both in PEM, for these *names*."""

    names: tuple[str, ...]
    chain: str
    key: str = field(repr=False)


def served(declaration: Declaration) -> list[Served]:
    """Return the certificates to serve, in the order declared. Raises :class:`RejectedError` for one that cannot be."""
    found = []
    for certificate in declaration.entities["certificates"]:
        names = tuple(sni["name"] for sni in declaration.referring("snis", "certificate", certificate))
        if not names:
            continue
        if fault := pair_fault(certificate["cert"], certificate["key"]):
            raise RejectedError(f"certificate {certificate['id']}: {fault}")
        if any(name.endswith(".*") for name in names):
            raise RejectedError(f"certificate {certificate['id']}: a wildcard as the last label is not served here")
        found.append(Served(names, certificate["cert"], certificate["key"]))
    return found
