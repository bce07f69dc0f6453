"""Clusters with real parts and without, as the fidelity tests compare them."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.waiting import PATIENCE

ASSETS, KIC = os.environ.get("STICKYCONF_ASSETS"), os.environ.get("STICKYCONF_KIC")
NAMESPACE = "fidelity"
Object = dict[str, Any]


@dataclass
class Cluster:
    """A running ``up``: its API as any HTTP client sees it, and what it said about itself."""

    said: Object
    api: httpx.Client

    def get(self, path: str) -> Object:
        """The object or list at *path*; it has to be there."""
        answer = self.api.get(path)
        assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text}"
        found: Object = answer.json()
        return found

    def create(self, obj: Object, namespace: str = NAMESPACE) -> httpx.Response:
        """Post an object of one of the kinds in ``objects.yaml``."""
        group = "/api/v1" if obj["apiVersion"] == "v1" else f"/apis/{obj['apiVersion']}"
        plural = f"{obj['kind'].lower()}s".replace("ys", "ies").replace("sss", "sses")
        if obj["kind"] == "Namespace":
            return self.api.post(f"{group}/{plural}", json=obj)
        return self.api.post(f"{group}/namespaces/{namespace}/{plural}", json=obj)

    def pods(self) -> dict[str, Object]:
        """The pods of the test's namespace by their addresses."""
        found = self.get(f"/api/v1/namespaces/{NAMESPACE}/pods")["items"]
        return {pod["status"]["podIP"]: pod for pod in found if pod.get("status", {}).get("podIP")}


@contextlib.contextmanager
def running(*options: str) -> Iterator[Cluster]:
    """A cluster started with these options; it is stopped in the end."""
    command = [sys.executable, "-m", "embedded_cluster", "up", "--json", "--stdin-lifeline", *options]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, f"the cluster did not come up: status {process.wait()}"
        said = json.loads(line)
        config = yaml.safe_load(Path(said["kubeconfig"]).read_text())
        token = config["users"][0]["user"]["token"]
        with httpx.Client(
            base_url=config["clusters"][0]["cluster"]["server"],
            headers={"Authorization": f"Bearer {token}"},
            verify=False,  # noqa: S501 - the cluster is this test's own
            trust_env=False,
            timeout=PATIENCE,
        ) as api:
            yield Cluster(said, api)
    finally:
        process.stdin.close()
        process.wait(timeout=PATIENCE)
        process.stdout.close()
