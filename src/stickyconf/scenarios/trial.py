"""One echo pod before the first recording: its image is pulled and tried, so that no recording waits for either."""

from __future__ import annotations

from stickyconf.ports import NAMESPACE, POD, Cluster, HarnessError, LeftBehind, Rejected, WorkloadBroken
from stickyconf.scenarios.pods import ready_pods
from stickyconf.scenarios.workload import Manifests, Topology
from stickyconf.wait import Waiter, WaitFailed


async def try_workload(cluster: Cluster, waiter: Waiter, manifests: Manifests, run: str) -> dict[str, str]:
    """Bring one echo pod up in a namespace of its own, under the budget ``image``, and remove it.

    Returns {"echo image": the image and digest that the node reports}. Raises WorkloadBroken, in one line with the
    pod's own words, if it does not come up; LeftBehind if its namespace cannot be removed.
    """
    namespace = f"sticky-image-{run}"
    try:
        await cluster.create(manifests.namespace(namespace, run))
        try:
            for manifest in (*manifests.pull_secret(namespace), *manifests.echo(namespace, Topology(replicas=1), 0, 0)):
                await cluster.create(manifest)
            await ready_pods(cluster, waiter, namespace, 1, "image")
            return {"echo image": await _image(cluster, namespace)}
        finally:
            await _removed(cluster, namespace)
    except WaitFailed as error:
        raise WorkloadBroken(f"the echo workload does not come up: {error}") from error
    except Rejected as error:
        raise WorkloadBroken(f"the echo workload is refused: {error}") from error


async def _removed(cluster: Cluster, namespace: str) -> None:
    try:
        await cluster.delete(NAMESPACE, namespace)
    except HarnessError as error:
        raise LeftBehind(f"namespace {namespace} ({error})") from error


async def _image(cluster: Cluster, namespace: str) -> str:
    """Return the image that runs; the digest as the node reports it, if it does."""
    for pod in await cluster.list(POD, namespace, "app=echo"):
        for status in pod["status"].get("containerStatuses") or ():
            _, at, digest = str(status.get("imageID", "")).partition("@")
            return f"{status['image']}{at}{digest}"
    return "unknown: its pod has gone"
