"""What kinds the server serves: the built-in ones, and those that CustomResourceDefinitions add."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from embedded_cluster.apiserver.customversion import CustomVersion

CLUSTER = ""  # the "namespace" of objects that have none


@dataclass(frozen=True, slots=True)
class Kind:
    """One resource in one API version.

    *storage* names the collection its objects live in: versions of one resource share it, and so do the two
    kinds called Event. *counts_generation* says whether ``metadata.generation`` follows its spec.
    *blind_update* says whether a PUT without ``resourceVersion`` is accepted (the ``AllowUnconditionalUpdate``
    of its strategy in kube-apiserver).
    """

    group: str
    version: str
    name: str
    plural: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: frozenset[str] = frozenset()
    counts_generation: bool = False
    blind_update: bool = True
    singular: str = ""
    list_name: str = ""
    stored_in: tuple[str, str] | None = None
    custom: CustomVersion | None = field(default=None, compare=False)

    @property
    def api_version(self) -> str:
        """``apps/v1``, or ``v1`` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """The name used in messages: ``deployments.apps``, ``pods``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def storage(self) -> tuple[str, str]:
        """The collection that holds the objects: group and plural."""
        return self.stored_in or (self.group, self.plural)

    @property
    def list_kind(self) -> str:
        """The ``kind`` of a list of these."""
        return self.list_name or f"{self.name}List"

    @property
    def verbs(self) -> tuple[str, ...]:
        """What discovery says can be done with it."""
        if self.group == "authorization.k8s.io":
            return ("create",)
        return ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


_STATUS = frozenset({"status"})
_SCALED = frozenset({"status", "scale"})
_ALL = ("all",)
_RBAC = "rbac.authorization.k8s.io"
_AUTHORIZATION = "authorization.k8s.io"

NAMESPACE = Kind("", "v1", "Namespace", "namespaces", False, ("ns",), subresources=frozenset({"status", "finalize"}))
POD = Kind(
    "",
    "v1",
    "Pod",
    "pods",
    True,
    ("po",),
    _ALL,
    frozenset({"status", "log", "binding"}),
    counts_generation=True,
)
SERVICE = Kind("", "v1", "Service", "services", True, ("svc",), _ALL, _STATUS)
NODE = Kind("", "v1", "Node", "nodes", False, ("no",), subresources=_STATUS)
EVENT = Kind("", "v1", "Event", "events", True, ("ev",))
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps", True, ("cm",))
SECRET = Kind("", "v1", "Secret", "secrets")
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments", True, ("deploy",), _ALL, _SCALED, counts_generation=True)
REPLICA_SET = Kind("apps", "v1", "ReplicaSet", "replicasets", True, ("rs",), _ALL, _SCALED, counts_generation=True)
CRD = Kind(
    "apiextensions.k8s.io",
    "v1",
    "CustomResourceDefinition",
    "customresourcedefinitions",
    False,
    ("crd", "crds"),
    ("api-extensions",),
    _STATUS,
    counts_generation=True,
)

ACCESS_REVIEWS = (
    Kind(_AUTHORIZATION, "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", False),
    Kind(_AUTHORIZATION, "v1", "SubjectAccessReview", "subjectaccessreviews", False),
)

BUILT_IN: tuple[Kind, ...] = (
    NAMESPACE,
    POD,
    SERVICE,
    NODE,
    EVENT,
    CONFIG_MAP,
    SECRET,
    Kind("", "v1", "ServiceAccount", "serviceaccounts", True, ("sa",)),
    Kind("", "v1", "Endpoints", "endpoints", True, ("ep",)),
    DEPLOYMENT,
    REPLICA_SET,
    Kind(
        "discovery.k8s.io",
        "v1",
        "EndpointSlice",
        "endpointslices",
        counts_generation=True,
        blind_update=False,
    ),
    Kind(
        "networking.k8s.io",
        "v1",
        "Ingress",
        "ingresses",
        True,
        ("ing",),
        subresources=_STATUS,
        counts_generation=True,
    ),
    Kind("networking.k8s.io", "v1", "IngressClass", "ingressclasses", False, counts_generation=True),
    Kind("coordination.k8s.io", "v1", "Lease", "leases", blind_update=False),
    Kind("events.k8s.io", "v1", "Event", "events", True, ("ev",), stored_in=("", "events")),
    Kind(_RBAC, "v1", "Role", "roles"),
    Kind(_RBAC, "v1", "RoleBinding", "rolebindings"),
    Kind(_RBAC, "v1", "ClusterRole", "clusterroles", False),
    Kind(_RBAC, "v1", "ClusterRoleBinding", "clusterrolebindings", False),
    CRD,
    *ACCESS_REVIEWS,
)


class Catalog:
    """The kinds served at this moment, found by group, version and plural."""

    def __init__(self) -> None:
        """Begin with the built-in kinds."""
        self._kinds: dict[tuple[str, str, str], Kind] = {}
        for kind in BUILT_IN:
            self.add(kind)

    def __iter__(self) -> Iterator[Kind]:
        """Every kind in every version."""
        return iter(self._kinds.values())

    def add(self, kind: Kind) -> None:
        """Serve *kind*, in place of what the same path named before."""
        self._kinds[kind.group, kind.version, kind.plural] = kind

    def discard(self, group: str, plural: str) -> None:
        """Stop serving every version of a resource."""
        for path in [p for p in self._kinds if (p[0], p[2]) == (group, plural)]:
            del self._kinds[path]

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        """The kind at ``/apis/GROUP/VERSION/.../PLURAL``, or None."""
        return self._kinds.get((group, version, plural))

    def versions(self) -> dict[str, list[str]]:
        """The served versions of each group, preferred one first."""
        groups: dict[str, list[str]] = {}
        for group, version, _ in self._kinds:
            versions = groups.setdefault(group, [])
            if version not in versions:
                versions.append(version)
        return {group: sorted(versions, key=_priority) for group, versions in groups.items()}


_VERSION = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")


def _priority(version: str) -> tuple[int, int, int, str]:
    """Sort key for versions: GA, then beta, then alpha, each with the highest number first; other names last
    (Kubernetes documentation, "Versions in CustomResourceDefinitions", version priority)."""
    match = _VERSION.fullmatch(version)
    if match is None:
        return (3, 0, 0, version)
    major, stage, minor = match.groups()
    return ({None: 0, "beta": 1, "alpha": 2}[stage], -int(major), -int(minor or 0), version)
