"""A run whose credentials come from a plugin: tokens that live shortly are renewed, and one end says so once."""

import json

import pytest

from tests.whole.identity import Identity
from tests.whole.runs import run_suite
from tests.whole.test_kubeconfig import DECOYS, KUBECTL, kubectl, namespaces

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl, which looks at what the suite left")
SHORT = 5.0
CHOSEN = [word for name in ("CKE-01", "DRN-01", "DRN-12") for word in ("--requirement", name)]
SEVERAL = [*CHOSEN, "--drains", "1"]
"""Short recordings: those of drains are played side by side, after the other."""


def settled(lines):
    """The lines but those that say how far a run is: a slow machine has more of them."""
    return [line for line in lines if line.strip() and not line.startswith(("  recordings: ", "  waiting for "))]


def arguments(kubeconfig, context="cloud"):
    named = ("--target", "kubeconfig", "--kubeconfig", str(kubeconfig), "--context", context)
    return (*named, "--direct-addresses")


def test_tokens_that_live_shortly(cluster, tmp_path):
    """The plugin is asked again and again, nothing is left, and no token is in what the run prints or leaves."""
    before = namespaces(cluster)
    with Identity(tmp_path, cluster.kubeconfig, lives=SHORT).running() as identity:
        chosen = ("--requirement", "API-01", "--requirement", "AFF-01", "--budget", "rollout=240")
        result = run_suite(tmp_path / "out", *arguments(identity.kubeconfig), *chosen)
    assert result.status == 0, result.output
    assert identity.tokens > 1
    assert namespaces(cluster) == before
    files = [file for file in (tmp_path / "out").rglob("*") if file.is_file()]
    assert files
    assert not [file for file in files if b"short-lived-token" in file.read_bytes()]
    assert "short-lived-token" not in result.output


@pytest.mark.parametrize(
    "ends_at",
    ["/api/v1/namespaces", "/api/v1/namespaces/sticky-drain-1"],
    ids=["while the workload is tried", "while drains are recorded"],
)
def test_credentials_that_end_in_the_middle(cluster, tmp_path, ends_at):
    """The run ends once, in a few lines: the plugin's own words, what is left, and the command that removes it.

    That command removes it, and nothing of anybody else's.
    """
    for name, labels in DECOYS.items():
        decoy = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        kubectl(cluster, "apply", "-f", "-", stdin=json.dumps(decoy))
    before = namespaces(cluster)
    identity = Identity(tmp_path, cluster.kubeconfig, lives=600, ends_at=ends_at)
    with identity.running():
        result = run_suite(tmp_path / "out", *arguments(identity.kubeconfig), *SEVERAL, "--may-toggle-drain")
    assert result.status == 1, result.output
    lines = result.output.splitlines()
    assert len(settled(lines)) < 60, result.output
    assert "Traceback" not in result.output
    assert "failed (exit status 1): Session has ended. Run: example-cloud login" in result.output
    left = set(namespaces(cluster)) - set(before)
    assert left
    [run] = {name.rpartition("-")[2] for name in left}
    said = " ".join(lines[-8:])
    assert "left on the cluster: namespace sticky-" in said
    assert not [name for name in left if name not in said]
    assert f"--context cloud --cleanup {run}" in said
    assert "drain support of Deployment kong/" in said
    assert identity.refused < 10

    cleaned = run_suite(tmp_path / "out", *arguments(cluster.kubeconfig, "embedded"), "--cleanup", run)
    assert cleaned.status == 0, cleaned.output
    assert namespaces(cluster) == before


def test_plugin_that_fails_at_once(cluster, tmp_path):
    """One line, in the plugin's own words."""
    with Identity(tmp_path, cluster.kubeconfig, lives=600).running() as identity:
        (tmp_path / "revoked").touch()
        result = run_suite(tmp_path / "out", *arguments(identity.kubeconfig), "--requirement", "API-01")
    assert result.status == 2, result.output
    assert "failed (exit status 1): Session has ended. Run: example-cloud login" in result.output
    assert "Traceback" not in result.output
    assert len(settled(result.output.splitlines())) < 15, result.output
