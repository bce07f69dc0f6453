"""A foreign cluster: reads go through, changes only in namespaces that this run has made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stickyconf.ports import NAMESPACE, RUN_LABEL, Kind, Manifest, OutOfReach
from stickyconf.targets.kubernetes import KubernetesCluster


class OwnNamespacesOnly(KubernetesCluster):
    """The Kubernetes API, with every change outside the run's own namespaces refused before it is sent."""

    def __init__(self, kubeconfig: Path, cache: Path, context: str, run: str) -> None:
        """Name kubeconfig, discovery cache, context, and the run whose label the namespaces carry."""
        super().__init__(kubeconfig, cache, context)
        self._run = run
        self._own: set[str] = set()

    async def create(self, manifest: Manifest) -> dict[str, Any]:
        """Create a namespace of the run, or an object in one; Rejected (409) if it exists already."""
        meta = manifest["metadata"]
        if manifest["kind"] != NAMESPACE.kind:
            self._allow(meta.get("namespace", ""))
            return await super().create(manifest)
        if (meta.get("labels") or {}).get(RUN_LABEL) != self._run:
            raise OutOfReach(f"namespace {meta['name']} would not carry this run's label, so it is not made")
        created = await super().create(manifest)
        self._own.add(meta["name"])
        return created

    async def apply(self, manifest: Manifest) -> dict[str, Any]:
        """Create or change an object in a namespace of the run."""
        self._allow(manifest["metadata"].get("namespace", ""))
        return await super().apply(manifest)

    async def patch(self, kind: Kind, name: str, namespace: str, patch: Manifest) -> dict[str, Any]:
        """Merge-patch an object in a namespace of the run."""
        self._allow(namespace)
        return await super().patch(kind, name, namespace, patch)

    async def scale(self, name: str, namespace: str, replicas: int) -> None:
        """Set the replicas of a Deployment in a namespace of the run."""
        self._allow(namespace)
        await super().scale(name, namespace, replicas)

    async def delete(self, kind: Kind, name: str, namespace: str = "", grace: int | None = None) -> None:
        """Ask for the deletion of a namespace of the run, or of an object in one."""
        self._allow(name if kind == NAMESPACE else namespace)
        await super().delete(kind, name, namespace, grace)

    async def post_to_pod(self, pod: str, namespace: str, port: int, path: str) -> bool:
        """Post to a pod in a namespace of the run."""
        self._allow(namespace)
        return await super().post_to_pod(pod, namespace, port, path)

    def _allow(self, namespace: str) -> None:
        if namespace not in self._own:
            what = f"namespace {namespace}" if namespace else "what belongs to the whole cluster"
            raise OutOfReach(f"{what} is not this run's own, and on this cluster nothing else is changed")
