"""Which objects a controller manages: those that name it as owner and match its selector.

As for every workload controller of Kubernetes ("ReplicaSet", section "Non-Template Pod acquisitions"): an object
that matches and has no controller is adopted; one that no longer matches is released and left alone.
"""

from embedded_cluster.client import ApiClient, Object
from embedded_cluster.informer import Informer
from embedded_cluster.objects import controller_of, is_terminating, owner_reference, selects


async def claim(client: ApiClient, owner: Object, candidates: Informer) -> list[Object]:
    """The objects of *candidates* in the owner's namespace that belong to *owner*, after adopting and releasing.

    Raises ``ApiError`` when the server refuses a change.
    """
    uid = owner["metadata"]["uid"]
    claimed = []
    for obj in list(candidates.objects(owner["metadata"]["namespace"])):
        matches = selects(owner["spec"]["selector"], obj["metadata"].get("labels"))
        controller = controller_of(obj)
        if controller is None:
            if matches and not is_terminating(obj) and not is_terminating(owner):
                claimed.append(await _refer(client, obj, owner_reference(owner), candidates))
        elif controller["uid"] == uid:
            if matches:
                claimed.append(obj)
            elif not is_terminating(owner):
                await _refer(client, obj, {"$patch": "delete", "uid": uid}, candidates)
    return claimed


async def _refer(client: ApiClient, obj: Object, reference: Object, candidates: Informer) -> Object:
    patch = {"metadata": {"uid": obj["metadata"]["uid"], "ownerReferences": [reference]}}
    patched: Object = await client.patch(
        type(obj),  # type: ignore[type-var]
        obj["metadata"]["name"],
        patch,
        namespace=obj["metadata"]["namespace"],
    )
    candidates.observe(patched)
    return patched
