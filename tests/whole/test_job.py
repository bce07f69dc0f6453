"""The Job in manifests/job.yaml: its command, through a kubeconfig of its shape, against the embedded cluster."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

from tests.whole.runs import ROOT

OBJECTS = {item["kind"]: item for item in yaml.safe_load_all((ROOT / "manifests" / "job.yaml").read_text())}
POD = OBJECTS["Job"]["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]


def test_command_of_the_job(cluster, tmp_path):
    """It judges, leaves its report on the volume, prints it, and ends with the verdict's status."""
    theirs = yaml.safe_load(Path(cluster.kubeconfig).read_text())
    given = yaml.safe_load(OBJECTS["ConfigMap"]["data"]["config"])
    given["clusters"][0]["cluster"] = theirs["clusters"][0]["cluster"]
    token = tmp_path / "token"
    token.write_text(theirs["users"][0]["user"].get("token", "none"))
    given["users"][0]["user"] = {"tokenFile": str(token)}
    config = tmp_path / "config"
    config.write_text(yaml.safe_dump(given))
    reports = tmp_path / "reports"
    reports.mkdir()
    [script] = CONTAINER["args"]
    script = script.replace("/etc/stickyconf/config", str(config)).replace("/reports", str(reports))
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "OPTIONS": "--requirement CKE-01 --budget rollout=240",
    }
    words = [*CONTAINER["command"], script]
    done = subprocess.run(
        words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    printed = yaml.safe_load(done.stdout[done.stdout.index("apiVersion: stickyconf/v1") :])
    assert printed == yaml.safe_load((reports / "latest" / "conformance.yaml").read_text())
    assert {row["status"] for row in printed["requirements"] if row["id"] == "CKE-01"} == {"CONFORMS"}


def test_the_job_is_as_tight_as_it_can_be():
    """It runs as the ServiceAccount of rbac.yaml, not as root, without capabilities, and is not tried again."""
    accounts = [
        item["metadata"]
        for item in yaml.safe_load_all((ROOT / "manifests" / "rbac.yaml").read_text())
        if item["kind"] == "ServiceAccount"
    ]
    assert {"name": POD["serviceAccountName"], "namespace": "stickyconf"} in accounts
    assert {item["metadata"]["namespace"] for item in OBJECTS.values()} == {"stickyconf"}
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert OBJECTS["Job"]["spec"]["backoffLimit"] == 0
    mounted = {mount["name"] for mount in CONTAINER["volumeMounts"]}
    assert mounted == {volume["name"] for volume in POD["volumes"]}
