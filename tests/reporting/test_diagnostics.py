"""Diagnostics: everything that can be seen is kept, what cannot is named, and nothing secret goes along."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from stickyconf.ports import EVENT, HTTP_ROUTE, POD, Cluster, Gateway, HarnessError, Kind, Rejected
from stickyconf.reporting import diagnostics
from stickyconf.reporting.redaction import LIMIT, REDACTED

SECRET = "hunter2hunter2"
GATEWAY_POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "kong-gateway-1", "namespace": "kong", "managedFields": [{"manager": "kubectl"}]},
    "spec": {"containers": [{"name": "proxy", "env": [{"name": "KONG_PG_PASSWORD", "value": SECRET}]}]},
    "status": {"containerStatuses": [{"name": "proxy", "restartCount": 1}]},
}
ECHO_POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "echo-1", "namespace": "case", "managedFields": [{"manager": "kubectl"}]},
    "status": {"phase": "Running", "podIP": "127.5.1.9"},
}
EVENTS = [
    {
        "metadata": {"name": "b"},
        "lastTimestamp": "2026-11-23T01:02:04Z",
        "type": "Warning",
        "reason": "KongConfigurationTranslationFailed",
        "message": f"refused with token={SECRET}",
        "involvedObject": {"kind": "Service", "name": "echo"},
    },
    {
        "metadata": {"name": "a", "creationTimestamp": "2026-11-23T01:02:03Z"},
        "type": "Normal",
        "reason": "Scheduled",
        "message": "assigned",
        "involvedObject": {"kind": "Pod", "name": "echo-1"},
    },
]


class SeenCluster:
    """A cluster that shows fixed objects, or fails where it is told to."""

    def __init__(self, failing: dict[str, Exception] | None = None) -> None:
        """Take what fails: "log", or the name of a kind."""
        self.failing = failing or {}

    async def list(self, kind: Kind, namespace: str = "", labels: str = "") -> list[dict[str, Any]]:
        """Return what there is."""
        if kind.kind in self.failing:
            raise self.failing[kind.kind]
        found = {POD: [GATEWAY_POD if namespace == "kong" else ECHO_POD], EVENT: EVENTS}.get(kind, [])
        return cast(list[dict[str, Any]], json.loads(json.dumps(found)))

    async def log(self, pod: str, namespace: str, tail: int, *, previous: bool = False) -> str:
        """Return a log that gives something away and is too long; that from before the restart says why it ended."""
        if "log" in self.failing:
            raise self.failing["log"]
        if previous:
            return "killed\n"
        return f"{pod} of {namespace}\n" + "x" * LIMIT + f"\nAuthorization: Bearer {SECRET}\nlast of {tail}\n"


class SeenGateway:
    """A gateway with two replicas, of which the second may be out of reach."""

    def __init__(self, failing: dict[str, Exception] | None = None) -> None:
        """Take what fails: "replicas", or a replica's name."""
        self.failing = failing or {}

    async def replicas(self) -> Sequence[str]:
        """Return their addresses."""
        if "replicas" in self.failing:
            raise self.failing["replicas"]
        return ("http://127.5.1.2:8001", "http://127.5.1.3:8001")

    async def configuration(self, replica: str) -> dict[str, Any]:
        """Return a configuration that gives something away."""
        if replica in self.failing:
            raise self.failing[replica]
        return {"_format_version": "3.0", "upstreams": [{"name": "echo"}], "keyauth_credentials": [{"key": SECRET}]}


Collect = Callable[..., dict[str, str]]


@pytest.fixture
def collect(tmp_path: Path) -> Collect:
    """Collect into an empty directory and return the files' texts by their paths in it."""

    def run(cluster: SeenCluster | None = None, gateway: SeenGateway | None = None) -> dict[str, str]:
        seen, shown = cast(Cluster, cluster or SeenCluster()), cast(Gateway, gateway or SeenGateway())
        asyncio.run(diagnostics.collect(seen, shown, ["case"], tmp_path))
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        return {str(path.relative_to(tmp_path)): path.read_text(encoding="utf-8") for path in files}

    return run


def test_everything_has_its_place(collect: Collect) -> None:
    assert sorted(collect()) == [
        "case/endpointslices.yaml",
        "case/events.txt",
        "case/httproutes.yaml",
        "case/kongupstreampolicies.yaml",
        "case/pods.yaml",
        "case/services.yaml",
        "gateway/http-127.5.1.2-8001.yaml",
        "gateway/http-127.5.1.3-8001.yaml",
        "kong/events.txt",
        "kong/pods.yaml",
        "logs/kong-gateway-1.log",
        "logs/kong-gateway-1.previous.log",
    ]


def test_a_restart_of_the_gateway_is_shown(collect: Collect) -> None:
    files = collect()

    [pod] = yaml.safe_load_all(files["kong/pods.yaml"])
    assert pod["status"] == GATEWAY_POD["status"]
    assert "Scheduled" in files["kong/events.txt"]
    assert files["logs/kong-gateway-1.previous.log"] == "killed\n"


def test_objects_are_kept_with_their_status_and_without_noise(collect: Collect) -> None:
    [pod] = yaml.safe_load_all(collect()["case/pods.yaml"])

    assert pod["status"] == ECHO_POD["status"]
    assert pod["metadata"] == {"name": "echo-1", "namespace": "case"}


def test_events_are_a_table_in_the_order_of_time(collect: Collect) -> None:
    heading, *rows = collect()["case/events.txt"].splitlines()

    assert heading.split("  ")[0] == "last seen"
    assert [row.split()[2] for row in rows] == ["Scheduled", "KongConfigurationTranslationFailed"]
    assert "Service/echo" in rows[1]


def test_nothing_secret_goes_along_and_no_file_is_too_large(collect: Collect) -> None:
    files = collect()

    for path, text in files.items():
        assert SECRET not in text, path
        assert len(text.encode()) <= LIMIT, path
    assert files["logs/kong-gateway-1.log"].endswith(f"Authorization: {REDACTED}\nlast of 2000\n")
    assert yaml.safe_load(files["gateway/http-127.5.1.2-8001.yaml"])["keyauth_credentials"] == [{"key": REDACTED}]


def test_what_is_not_there_is_said(collect: Collect) -> None:
    assert collect()["case/httproutes.yaml"] == "# there is no HTTPRoute in case\n"


def test_one_thing_out_of_reach_leaves_a_line_and_does_not_stop_the_rest(collect: Collect) -> None:
    cluster = SeenCluster({HTTP_ROUTE.kind: Rejected(403, "Forbidden", "you may not"), "log": HarnessError("no log")})
    gateway = SeenGateway({"http://127.5.1.3:8001": HarnessError("connection refused")})

    files = collect(cluster, gateway)

    assert files["case/httproutes.yaml"] == "# could not be collected: you may not\n"
    assert files["logs/kong-gateway-1.log"] == "# could not be collected: no log\n"
    assert files["gateway/http-127.5.1.3-8001.yaml"] == "# could not be collected: connection refused\n"
    assert "echo" in files["gateway/http-127.5.1.2-8001.yaml"]
    assert "echo-1" in files["case/pods.yaml"]


def test_a_cluster_that_is_gone_leaves_a_line_everywhere(collect: Collect) -> None:
    gone = HarnessError("the Kubernetes API does not answer")
    files = collect(
        SeenCluster({kind.kind: gone for kind in (*diagnostics.KINDS.values(), EVENT)}), SeenGateway({"replicas": gone})
    )

    assert files["logs/none.log"] == "the pods of kong could not be listed: the Kubernetes API does not answer\n"
    assert files["gateway/none.yaml"].startswith("# the gateway's replicas could not be listed: ")
    assert all("the Kubernetes API does not answer" in text for text in files.values())


def test_a_fault_of_ours_is_not_taken_for_an_absent_cluster(collect: Collect) -> None:
    with pytest.raises(ExceptionGroup) as raised:
        collect(SeenCluster({POD.kind: TypeError("a bug")}))

    assert raised.group_contains(TypeError, match="a bug")
