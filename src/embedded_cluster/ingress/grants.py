"""What ReferenceGrants allow: naming an object of another namespace (Gateway API, GEP-709)."""

from embedded_cluster.ingress.snapshot import GATEWAY_GROUP, Snapshot


def is_granted(snapshot: Snapshot, referrer: tuple[str, str], kind: str, namespace: str, name: str) -> bool:
    """May a *referrer* (kind of Gateway API, namespace) name the core object *kind* *namespace*/*name*?"""
    referring, own = referrer
    wanted = {"group": GATEWAY_GROUP, "kind": referring, "namespace": own}
    return namespace == own or any(
        grant["metadata"]["namespace"] == namespace
        and wanted in grant["spec"]["from"]
        and any(
            (to.get("group") or "", to["kind"]) == ("", kind) and to.get("name") in (None, "", name)
            for to in grant["spec"]["to"]
        )
        for grant in snapshot.reference_grants
    )
