"""What happens to pods on any cluster, and is nobody's fault: no check may object to the gateway for it.

Hooks of the controller, which sees the pods and reaches the API server. They act once on each recording of affinity, in
the middle of it.
"""

import http.client
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from lightkube import Client, KubeConfig

from embedded_cluster.client import Pod
from embedded_cluster.ingress.snapshot import Snapshot
from stickyconf.mutants.declared import UPSTREAM_MARK, benign

Json = dict[str, Any]

_AFFINITY = ".sticky-affinity-"
_UNREADY_SECONDS = 4.5  # a probe has to fail three times, a second apart

_struck: set[str] = set()  # upstreams, of this process


@benign(at="controller", source="K8S", accident=True)
def has_a_pod_that_is_not_ready_for_a_moment(config: Json, objects: Snapshot) -> Json:
    """In the middle of a recording of affinity one pod fails its readiness probe, and recovers."""
    return _strike(config, "has_a_pod_that_is_not_ready_for_a_moment", lambda upstream: _blip(upstream["targets"]))


@benign(at="controller", source="K8S", accident=True)
def has_a_pod_that_is_evicted(config: Json, objects: Snapshot) -> Json:
    """In the middle of a recording of affinity one pod is deleted by somebody else, and replaced."""
    return _strike(config, "has_a_pod_that_is_evicted", lambda upstream: _delete(upstream, objects))


def _strike(config: Json, name: str, do: Callable[[Json], None]) -> Json:
    for upstream in config["upstreams"]:
        if _AFFINITY not in upstream["name"]:
            continue
        upstream["tags"].append(f"{UPSTREAM_MARK}{name}")
        if upstream["name"] not in _struck and len(upstream["targets"]) == 3:
            _struck.add(upstream["name"])
            threading.Thread(target=do, args=(upstream,), daemon=True).start()
    return config


def _blip(targets: list[Json]) -> None:
    address = targets[0]["target"]
    _post(address, "/-/unready")
    time.sleep(_UNREADY_SECONDS)  # the accident itself: nothing is awaited
    _post(address, "/-/ready")


def _post(address: str, path: str) -> None:
    connection = http.client.HTTPConnection(address, timeout=5)
    connection.request("POST", path)
    connection.getresponse().read()
    connection.close()


def _delete(upstream: Json, objects: Snapshot) -> None:
    time.sleep(2.0)  # until sessions are open: nothing is awaited
    address = upstream["targets"][0]["target"].rpartition(":")[0]
    for endpoints in objects.endpoint_slices:
        for endpoint in endpoints.get("endpoints") or ():
            if address in endpoint["addresses"]:
                reference = endpoint["targetRef"]
                client = Client(config=KubeConfig.from_file(os.environ["KUBECONFIG"]))
                client.delete(Pod, reference["name"], namespace=reference["namespace"])
                return
