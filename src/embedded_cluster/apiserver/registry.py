"""Create, update and delete: what kube-apiserver does between decoding a request and writing to etcd.

Everything here is synchronous, and so atomic towards other requests. The order of steps and the texts of errors follow
``k8s.io/apiserver/pkg/registry`` (``rest/create.go``, ``rest/update.go``, ``rest/delete.go``, ``generic/registry``).
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from embedded_cluster.apiserver import addresses, customresources, defaults, events, validation
from embedded_cluster.apiserver.fielderrors import FieldError
from embedded_cluster.apiserver.kinds import CLUSTER, CRD, NAMESPACE, POD, SERVICE, Catalog, Kind
from embedded_cluster.apiserver.selectors import Selection
from embedded_cluster.apiserver.status import (
    ApiError,
    already_exists,
    bad_request,
    conflict,
    forbidden,
    invalid,
    not_found,
)
from embedded_cluster.apiserver.store import Entry, Store, clone

JsonObject = dict[str, Any]

FIRST_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
# The API server's own. Nothing listens at its address, but every container learns of it from its environment.
_FIRST_SERVICE: JsonObject = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "kubernetes", "labels": {"component": "apiserver", "provider": "kubernetes"}},
    "spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443, "targetPort": 6443}]},
}
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"  # what generateName adds: no vowels, nothing that looks alike
_GENERATED_NAME = 63 - 5
# Set by the server, no matter what a client sends in an update.
_KEPT = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "namespace")


def now() -> str:
    """The time as ``metav1.Time`` writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """The DeleteOptions of a request; None for what the server decides."""

    grace: int | None = None
    propagation: str | None = None
    uid: str | None = None
    resource_version: str | None = None


class Registry:
    """The objects of the cluster, and the rules for changing them."""

    def __init__(self) -> None:
        """Begin as a fresh cluster does: with its first namespaces, and the Service of the API server."""
        self.store = Store()
        self.catalog = Catalog()
        for name in FIRST_NAMESPACES:
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            self.create(NAMESPACE, CLUSTER, namespace)
        self.create(SERVICE, "default", clone(_FIRST_SERVICE))

    # --- reading ----------------------------------------------------------------------------------------------------

    def get(self, kind: Kind, namespace: str, name: str) -> Entry:
        """One object. Raises ``ApiError`` 404."""
        entry = self.store.get(kind.storage, namespace, name)
        if entry is None:
            raise not_found(kind, name)
        return entry

    def list(self, kind: Kind, selection: Selection) -> Iterator[Entry]:
        """The objects of a kind that *selection* names, in order of namespace and name."""
        return (entry for entry in self.store.entries(kind.storage) if selection(entry.obj))

    # --- creating ---------------------------------------------------------------------------------------------------

    def create(self, kind: Kind, namespace: str, obj: JsonObject, *, dry_run: bool = False) -> Entry:
        """Store a new object (taking ownership of *obj*). Raises ``ApiError``."""
        obj = events.to_core(obj)
        metadata = obj.setdefault("metadata", {})
        _settle_namespace(kind, namespace, metadata)
        if metadata.get("resourceVersion"):
            raise ApiError(500, "", "resourceVersion should not be set on objects to be created")
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = self._generated_name(kind, namespace, metadata["generateName"])
        if not metadata.get("name"):
            missing = FieldError.required("metadata.name", "name or generateName is required")
            raise invalid(kind, "", [missing])
        if kind.namespaced:
            self._check_namespace(kind, namespace, metadata["name"])
        metadata["uid"] = str(uuid.uuid4())
        metadata["creationTimestamp"] = now()
        metadata.pop("deletionTimestamp", None)
        metadata.pop("deletionGracePeriodSeconds", None)
        metadata.pop("generation", None)
        if kind.counts_generation:
            metadata["generation"] = 1
        defaults.reset_for_create(kind, obj)
        self._complete(kind, obj)
        self._validate(kind, obj, None)
        if self.store.get(kind.storage, namespace, metadata["name"]) is not None:
            raise already_exists(kind, metadata["name"])
        if kind is SERVICE:
            addresses.assign(obj, self._other_services(obj))
        if dry_run:
            return Entry(obj, self.store.revision)
        if kind is CRD:
            self._serve(obj)
        return self.store.put(kind.storage, obj)

    def _generated_name(self, kind: Kind, namespace: str, prefix: str) -> str:
        while True:
            name = prefix[:_GENERATED_NAME] + "".join(secrets.choice(_SUFFIX) for _ in range(5))
            if self.store.get(kind.storage, namespace, name) is None:
                return name

    def _check_namespace(self, kind: Kind, namespace: str, name: str) -> None:
        """What the NamespaceLifecycle admission plugin does."""
        parent = self.get(NAMESPACE, CLUSTER, namespace)
        if parent.obj["metadata"].get("deletionTimestamp"):
            raise forbidden(
                kind,
                name,
                f"unable to create new content in namespace {namespace} because it is being terminated",
                [
                    {
                        "reason": "NamespaceTerminating",
                        "message": f"namespace {namespace} is being terminated",
                        "field": "metadata.namespace",
                    }
                ],
            )

    def _other_services(self, service: JsonObject) -> Iterator[JsonObject]:
        uid = service["metadata"]["uid"]
        entries = self.store.entries(SERVICE.storage)
        return (entry.obj for entry in entries if entry.obj["metadata"]["uid"] != uid)

    def _complete(self, kind: Kind, obj: JsonObject) -> None:
        if kind.custom is not None:
            kind.custom.default(obj)
        else:
            defaults.fill(kind, obj)

    def _validate(self, kind: Kind, obj: JsonObject, old: JsonObject | None) -> None:
        errors = validation.metadata_errors(kind, obj["metadata"])
        if kind.custom is not None:
            errors += kind.custom.validate(obj, old)
        elif kind is CRD:
            errors += customresources.definition_errors(obj)
        else:
            errors += validation.object_errors(kind, obj, old)
        if errors:
            raise invalid(kind, obj["metadata"]["name"], errors)

    # --- updating ---------------------------------------------------------------------------------------------------

    def update(
        self, kind: Kind, namespace: str, name: str, new: JsonObject, *, part: str = "", dry_run: bool = False
    ) -> Entry:
        """Replace an object by *new* (taking ownership), or only the *part* of it that a subresource names.

        *part* is "", ``status`` or ``finalize``. Raises ``ApiError``: 404, 409 when ``resourceVersion`` is not the
        current one, 422.
        """
        entry = self.get(kind, namespace, name)
        old = entry.obj
        new = {**events.to_core(new), "apiVersion": old["apiVersion"]}  # whichever version the client speaks
        self._check_identity(kind, namespace, name, new, old)
        new = self._merged(kind, new, old, part)
        metadata = new["metadata"]
        self._complete(kind, new)
        if kind.counts_generation and _intent(kind, new) != _intent(kind, old):
            metadata["generation"] = old["metadata"].get("generation", 0) + 1
        self._validate(kind, new, old)
        if kind is SERVICE and not part:
            addresses.assign(new, self._other_services(new))
        if dry_run:
            return Entry(new, entry.revision)
        if _may_go(kind, new):
            return self._remove(kind, new)
        metadata["resourceVersion"] = old["metadata"]["resourceVersion"]
        if new == old:
            return entry
        if kind is CRD:
            self._serve(new)
        return self.store.put(kind.storage, new)

    def _check_identity(self, kind: Kind, namespace: str, name: str, new: JsonObject, old: JsonObject) -> None:
        metadata = new.setdefault("metadata", {})
        given = metadata.setdefault("name", name)
        if given != name:
            raise bad_request(f"the name of the object ({given}) does not match the name on the URL ({name})")
        _settle_namespace(kind, namespace, metadata)
        uid = metadata.get("uid")
        if uid and uid != old["metadata"]["uid"]:
            raise conflict(
                kind,
                name,
                f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old['metadata']['uid']}",
            )
        version = metadata.get("resourceVersion")
        if version and version != old["metadata"]["resourceVersion"]:
            raise conflict(kind, name)
        if not version and not kind.blind_update:
            why = "must be specified for an update"
            raise invalid(kind, name, [FieldError.invalid("metadata.resourceVersion", 0, why)])

    def _merged(self, kind: Kind, new: JsonObject, old: JsonObject, part: str) -> JsonObject:
        """What is stored: the client's object where this (sub)resource may write, the stored one elsewhere."""
        if part == "status":
            merged: JsonObject = clone({k: v for k, v in old.items() if k != "status"})
            if "status" in new:
                merged["status"] = new["status"]
            if "managedFields" in new["metadata"]:  # who applied which part of the status
                merged["metadata"]["managedFields"] = new["metadata"]["managedFields"]
            return merged
        if part == "finalize":
            merged = clone(old)
            merged["spec"] = {"finalizers": (new.get("spec") or {}).get("finalizers") or []}
            return merged
        merged = dict(new)
        metadata = dict(new["metadata"])
        for key in _KEPT:
            metadata.pop(key, None)
            if key in old["metadata"]:
                metadata[key] = old["metadata"][key]
        if "managedFields" in old["metadata"]:
            metadata.setdefault("managedFields", clone(old["metadata"]["managedFields"]))
        merged["metadata"] = metadata
        if "status" in kind.subresources:
            merged.pop("status", None)
            if "status" in old:
                merged["status"] = clone(old["status"])
        if kind is NAMESPACE:
            merged["spec"] = clone(old["spec"])
        if kind is SERVICE:
            _keep_addresses(merged, old)
        return merged

    def bind(self, namespace: str, name: str, node: str) -> None:
        """Assign a pod to a node. Raises ``ApiError``: 404, 409 when it has one."""
        pod: JsonObject = clone(self.get(POD, namespace, name).obj)
        assigned = pod["spec"].get("nodeName")
        if assigned:
            raise conflict(POD, name, f'pod {name} is already assigned to node "{assigned}"')
        pod["spec"]["nodeName"] = node
        conditions = pod.setdefault("status", {}).setdefault("conditions", [])
        conditions[:] = [c for c in conditions if c.get("type") != "PodScheduled"]
        conditions.append({"type": "PodScheduled", "status": "True", "lastTransitionTime": now()})
        self.store.put(POD.storage, pod)

    # --- deleting ---------------------------------------------------------------------------------------------------

    def delete(
        self, kind: Kind, namespace: str, name: str, options: DeleteOptions, *, dry_run: bool = False
    ) -> tuple[Entry, bool]:
        """Delete an object, or begin to; returns its state, and whether it is gone. Raises ``ApiError``: 404, 409."""
        entry = self.get(kind, namespace, name)
        obj = entry.obj
        _check_preconditions(kind, name, obj["metadata"], options)
        if kind is NAMESPACE and name == "default":
            raise forbidden(kind, name, "this namespace may not be deleted")
        new = {**obj, "metadata": dict(obj["metadata"])}
        metadata = new["metadata"]
        _propagate(metadata, options.propagation)
        grace = _grace(kind, obj, options.grace)
        pending = grace > 0 or metadata.get("finalizers") or (kind is NAMESPACE and new["spec"].get("finalizers"))
        if not pending:
            return (entry, True) if dry_run else (self._remove(kind, new), True)
        _mark_deleted(metadata, grace, graceful=kind is POD)
        if kind is NAMESPACE:
            new["status"] = {**(new.get("status") or {}), "phase": "Terminating"}
        if new == obj or dry_run:
            return entry, False
        return self.store.put(kind.storage, new), False

    def _remove(self, kind: Kind, obj: JsonObject) -> Entry:
        removed = self.store.remove(kind.storage, obj)
        if kind is CRD:
            self._stop_serving(obj)
        return removed

    # --- definitions ------------------------------------------------------------------------------------------------

    def _serve(self, definition: JsonObject) -> None:
        customresources.establish(definition, now())
        spec = definition["spec"]
        self.catalog.discard(spec["group"], spec["names"]["plural"])
        for kind in customresources.kinds_of(definition):
            self.catalog.add(kind)

    def _stop_serving(self, definition: JsonObject) -> None:
        """A definition goes with all of its objects; their finalizers are ignored, unlike on a real cluster."""
        spec = definition["spec"]
        group, plural = spec["group"], spec["names"]["plural"]
        for entry in list(self.store.entries((group, plural))):
            self.store.remove((group, plural), entry.obj)
        self.catalog.discard(group, plural)


def shown(kind: Kind, obj: JsonObject) -> JsonObject:
    """A stored object in the version of *kind*."""
    if kind.group == "events.k8s.io":
        return events.from_core(obj)
    if obj.get("apiVersion") != kind.api_version:
        return {**obj, "apiVersion": kind.api_version}
    return obj


def _settle_namespace(kind: Kind, namespace: str, metadata: JsonObject) -> None:
    if kind.namespaced and metadata.setdefault("namespace", namespace) != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if not kind.namespaced:
        metadata.pop("namespace", None)


def _intent(kind: Kind, obj: JsonObject) -> JsonObject:
    """The part of an object whose changes ``metadata.generation`` counts."""
    if kind.custom is not None and not kind.custom.has_status:
        return {k: v for k, v in obj.items() if k != "metadata"}
    return {k: v for k, v in obj.items() if k not in ("metadata", "status", "apiVersion")}


def _keep_addresses(new: JsonObject, old: JsonObject) -> None:
    """An update that leaves the addresses of a Service out keeps them."""
    if new["spec"].get("type", "ClusterIP") == "ExternalName":
        return
    for field in ("clusterIP", "clusterIPs", "healthCheckNodePort"):
        if field in old["spec"] and not new["spec"].get(field):
            new["spec"][field] = clone(old["spec"][field])


def _check_preconditions(kind: Kind, name: str, metadata: JsonObject, options: DeleteOptions) -> None:
    for given, have, what in (
        (options.uid, metadata["uid"], "UID"),
        (options.resource_version, metadata["resourceVersion"], "ResourceVersion"),
    ):
        if given and given != have:
            why = f"Precondition failed: {what} in precondition: {given}, {what} in object meta: {have}"
            raise conflict(kind, name, why)


def _propagate(metadata: JsonObject, policy: str | None) -> None:
    """Ask the garbage collector, through its finalizers, for what the request wants done with dependents."""
    wanted = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(policy or "")
    if policy is None:
        return
    finalizers = [f for f in metadata.get("finalizers") or [] if f not in ("foregroundDeletion", "orphan")]
    if wanted:
        finalizers.append(wanted)
    metadata["finalizers"] = finalizers
    if not finalizers:
        del metadata["finalizers"]


def _grace(kind: Kind, obj: JsonObject, asked: int | None) -> int:
    """Seconds between the deletion of a pod and its end: only a node may cut them to 0 (Pod strategy,
    CheckGracefulDelete). Other kinds have none."""
    if kind is not POD:
        return 0
    spec, phase = obj.get("spec") or {}, (obj.get("status") or {}).get("phase")
    grace = spec.get("terminationGracePeriodSeconds", 30) if asked is None else max(asked, 0)
    if not spec.get("nodeName") or phase in ("Succeeded", "Failed"):
        return 0
    return int(grace)


def _mark_deleted(metadata: JsonObject, grace: int, *, graceful: bool) -> None:
    """Set the deletion marks; an object that has them already can only get a shorter grace period."""
    if metadata.get("deletionTimestamp"):
        before = metadata.get("deletionGracePeriodSeconds", 0)
        if not graceful or grace >= before:
            return
        requested = datetime.fromisoformat(metadata["deletionTimestamp"]).timestamp() - before
    else:
        requested = datetime.now(UTC).timestamp()
        if metadata.get("generation"):
            metadata["generation"] += 1
    end = datetime.fromtimestamp(requested + grace, UTC)
    metadata["deletionTimestamp"] = end.strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata["deletionGracePeriodSeconds"] = grace


def _may_go(kind: Kind, obj: JsonObject) -> bool:
    """Whether an update removed the last thing that kept a deleted object."""
    metadata = obj["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("finalizers"):
        return False
    if kind is NAMESPACE:
        return not obj["spec"].get("finalizers")
    return not metadata.get("deletionGracePeriodSeconds")
