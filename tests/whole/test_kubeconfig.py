"""The kubeconfig target on the embedded cluster, as a user would run it: safe, tidy, and with few permissions."""

import json
import os
import shutil
import signal
import subprocess

import pytest
import yaml

from tests.targets.permissions import recorded, refused, rules, unused
from tests.waiting import PATIENCE, eventually
from tests.whole.runs import LONGEST, ROOT, command, run_suite

KUBECTL = shutil.which("kubectl")
pytestmark = pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl, which looks at what the suite left")

LABEL = "stickyconf/run"
UNHURRIED = ("--hold", "120")
"""For a machine that has much to do; if it has not, nothing takes longer by it."""

DECOYS = {  # names and labels that a careless pattern would catch
    "sticky-drain-1": {},
    "stickyconf": {},
    "sticky-drain-1-abcdef": {LABEL: "abcdef"},
    "sticky-unlabelled-000000": {"app": "stickyconf"},
}


@pytest.fixture(scope="module")
def arguments(cluster):
    named = ("--target", "kubeconfig", "--kubeconfig", str(cluster.kubeconfig), "--context", "embedded")
    return (*named, "--direct-addresses")  # this API server forwards no ports


@pytest.fixture(scope="module")
def whole(arguments, tmp_path_factory):
    """A run with policies, pods deleted, a Deployment scaled, drain support switched, pages, and Services deleted."""
    chosen = ("API-01", "DRN-08", "DRN-12", "DOC-01", "ROB-08")
    selection = [word for requirement in chosen for word in ("--requirement", requirement)]
    return run_suite(
        tmp_path_factory.mktemp("whole"), *arguments, "--may-toggle-drain", "--drains", "1", *UNHURRIED, *selection
    )


def kubectl(cluster, *words, stdin=None):
    done = subprocess.run(
        [str(KUBECTL), "--kubeconfig", str(cluster.kubeconfig), *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    return done.stdout


def namespaces(cluster):
    listed = json.loads(kubectl(cluster, "get", "namespaces", "-o", "json"))
    return {one["metadata"]["name"]: one["metadata"].get("labels", {}) for one in listed["items"]}


def labelled(cluster):
    return {name for name, labels in namespaces(cluster).items() if LABEL in labels}


def test_run_through_a_named_context(whole):
    """The suite judges through the kubeconfig as it does on the embedded target, and calls a stand-in a stand-in.

    A drain may stay inconclusive on a machine that has too much to do.
    """
    assert whole.status in (0, 1), whole.output
    assert whole.status_of("API-01") == "CONFORMS", whole.output
    assert whole.status_of("DRN-08") in ("CONFORMS", "INCONCLUSIVE"), whole.output
    assert whole.status_of("DRN-12") in ("CONFORMS", "INCONCLUSIVE"), whole.output
    assert whole.report["implementation"]["name"].startswith("embedded stand-in")


def test_pages_do_not_touch_what_is_not_ours(whole):
    """The pages' namespace is somebody's, so their cases are NOT_APPLICABLE, with the reason."""
    assert whole.status_of("DOC-01") == "NOT_APPLICABLE", whole.output
    assert "namespace kong is not this run's own" in whole.output


def test_drain_support_is_put_back(whole, cluster):
    """KIC is left as it was found, without a mark."""
    deployment = json.loads(kubectl(cluster, "get", "deployment", "-n", "kong", "kong-controller", "-o", "json"))
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert {"name": "CONTROLLER_ENABLE_DRAIN_SUPPORT", "value": "false"} in container["env"]
    assert not [name for name in deployment["metadata"].get("annotations", {}) if name.startswith("stickyconf/")]


def test_drain_support_is_not_switched_unasked(arguments, tmp_path):
    """Without leave, a case that needs the other setting is NOT_APPLICABLE, and says which option gives it."""
    result = run_suite(tmp_path, *arguments, "--requirement", "DRN-12")
    assert result.status == 0, result.output
    assert result.status_of("DRN-12") == "NOT_APPLICABLE"
    assert "--may-toggle-drain" in result.output


def test_killed_run_is_cleaned_up(arguments, cluster, tmp_path):
    """What a killed run left goes by its label; namespaces of others stay, whatever they are called."""
    # What the runs of the tests above removed may still be going, and is not what the killed run left.
    eventually("nothing labelled", lambda: not labelled(cluster) - DECOYS.keys())
    for name, labels in DECOYS.items():
        decoy = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        kubectl(cluster, "apply", "-f", "-", stdin=json.dumps(decoy))
    before = namespaces(cluster)
    run = killed(arguments, cluster, tmp_path)
    assert any(labels.get(LABEL) == run for labels in namespaces(cluster).values())

    unknown = run_suite(tmp_path, *arguments, "--cleanup", "nobody")
    assert unknown.status == 4
    assert f"no run 'nobody' has left anything on this cluster; runs that have: {min(run, 'abcdef')}" in unknown.output

    cleaned = run_suite(tmp_path, *arguments, "--cleanup", run)
    assert cleaned.status == 0, cleaned.output
    assert f"-{run} removed" in cleaned.output
    assert "drain support of Deployment kong/kong-controller put back" in cleaned.output
    assert namespaces(cluster) == before


def killed(arguments, cluster, out):
    """Start a run that switches drain support, kill -9 it once its pods are there, and return its id."""
    process = subprocess.Popen(
        command(out, *arguments, "--may-toggle-drain", "--requirement", "DRN-12"),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    eventually("pods of a recording", lambda: process.poll() is not None or _recording_runs(cluster), LONGEST)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(PATIENCE) == -signal.SIGKILL, "the run had ended before it was killed"
    [directory] = [one for one in out.iterdir() if one.is_dir()]
    return directory.name.rpartition("-")[2]


def _recording_runs(cluster):
    """Whether a pod of a recording runs; the one that only brings the image comes before drain support is switched."""
    pods = json.loads(kubectl(cluster, "get", "pods", "--all-namespaces", "-l", "app=echo", "-o", "json"))["items"]
    return any(
        one["status"].get("phase") == "Running" and not one["metadata"]["namespace"].startswith("sticky-image-")
        for one in pods
    )


def test_permissions_suffice(whole, audit):
    """Every request of every run above is allowed by manifests/rbac.yaml; of what it grants, this goes unused here."""
    requests = recorded(audit)
    assert len(requests) > 50
    given = rules("rbac.yaml")
    assert refused(requests, given) == set()
    applied = {"configmaps", "services", "deployments", "httproutes", "kongupstreampolicies"}
    assert unused(requests, given) <= {
        # Server-side apply of a new object: a kube-apiserver asks for create, too, which no log shows.
        *(("create", resource, "") for resource in applied),
        # Gateways without routes of every namespace, Admin APIs and proxies that are not reached directly.
        *(("get", "gateways", ""), ("create", "gateways", ""), ("get", "pods/proxy", "kong")),
        # A certificate, if the proxy is reached over TLS.
        ("create", "secrets", ""),
        *((verb, "pods/portforward", "kong") for verb in ("get", "create")),
        # The cases with an Ingress, and with endpoints of their own, are none of these runs'.
        *((verb, resource, "") for verb in ("create", "patch") for resource in ("ingresses", "endpointslices")),
        # Diagnostics of a case that failed: none may have.
        *(("list", resource, "") for resource in ("services", "httproutes", "kongupstreampolicies", "events")),
    }


def test_bad_context(cluster, tmp_path):
    """No context, and one that is not there, end the run in one line before anything is made."""
    given = ("--target", "kubeconfig", "--kubeconfig", str(cluster.kubeconfig))
    for words, said in (
        (given, "--target kubeconfig needs --context NAME"),
        ((*given, "--context", "prod"), "no context is called 'prod'; there are: embedded"),
        ((*given, "--context", "embedded", "--parent-gateway", "kong"), "is not NAMESPACE/NAME"),
        ((*given, "--context", "embedded", "--hold", "1"), "--hold 1: give seconds from 10 to 600"),
        (("--cleanup", "abcdef"), "--cleanup works with --target"),
    ):
        result = run_suite(tmp_path, *words)
        assert result.status == 4, result.output
        assert said in result.output
        assert "Traceback" not in result.output


def test_credentials_that_are_not_taken(cluster, tmp_path):
    """A token that has expired ends the run in one line, without the token."""
    kubeconfig = yaml.safe_load(cluster.kubeconfig.read_text())
    kubeconfig["users"][0]["user"] = {"token": "expired-token"}
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    given = ("--target", "kubeconfig", "--kubeconfig", str(tmp_path / "kubeconfig"), "--context", "embedded")
    result = run_suite(tmp_path / "out", *given, "--requirement", "API-01")
    assert result.status == 2, result.output
    assert "answers 401 Unauthorized; are the context's credentials valid?" in result.output
    assert "Traceback" not in result.output
    assert "expired-token" not in result.output


def test_wrong_namespace_of_kong(arguments, tmp_path):
    """Where KIC is not, one line says so, with the option that says where it is."""
    result = run_suite(tmp_path, *arguments, "--kong-namespace", "default", "--requirement", "API-01")
    assert result.status == 2, result.output
    assert "none is KIC (none); say where it is: --kong-namespace" in result.output
    assert "Traceback" not in result.output
