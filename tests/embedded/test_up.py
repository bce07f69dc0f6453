"""``python -m embedded_cluster up``: how a cluster starts, what it says, and that nothing of it is left."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from embedded_cluster.client import Deployment, Gateway, Namespace, Pod
from embedded_cluster.machine import Unavailable, port
from embedded_cluster.objects import condition, is_ready
from tests.embedded.conftest import UP, Cluster, Space, client_of, running
from tests.processes import children, command_line, is_alive
from tests.waiting import PATIENCE, eventually

# A process with a child, as a gateway with its Envoy; prints both process ids.
FAMILY = """
import os, subprocess, time
print(os.getpid(), subprocess.Popen(["sleep", "600"]).pid, flush=True)
time.sleep(600)
"""


def family(cluster: Cluster) -> set[int]:
    """The supervisor, all its descendants, and the processes of a pod that has children."""
    space = Space(cluster, "default")
    space.pod("family", ["python3", "-c", FAMILY])
    own = {int(pid) for pid in eventually("the pod's output", lambda: space.log("family"))[0].split()}
    everyone = children(cluster.process.pid) | own | {cluster.process.pid}
    assert len(everyone) >= 7, "supervisor, API server, controllers, node, reaper, and a pod of two"
    return everyone


def assert_gone(processes: set[int]) -> None:
    """None of them runs any more, though each would go on for ten minutes."""
    eventually("every process gone", lambda: not any(map(is_alive, processes)))


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the package that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "embedded_cluster", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=os.environ | environment,
        check=False,
    )


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """A bare cluster that the test may break."""
    with running("--bare") as cluster:
        yield cluster


def test_it_says_where_it_is(tmp_path):
    """One line of JSON; the files are in the directory that was asked for, private, and stay.

    It ends with its standard input (--stdin-lifeline), however the program that holds the other end does.
    """
    with running("--bare", "--dir", str(tmp_path / "state"), "--audit", str(tmp_path / "audit")) as cluster:
        processes = family(cluster)
        said = cluster.said
        assert set(said) == {"kubeconfig", "proxy_url", "tls_url", "admin_url", "pod_network", "dir", "versions"}
        assert said["dir"] == str(tmp_path / "state")
        assert said["versions"]["kubernetes"].startswith("v1.")
        assert Path(said["kubeconfig"]).stat().st_mode & 0o777 == 0o600
        assert Path(said["dir"]).stat().st_mode & 0o777 == 0o700
        assert {file.name for file in Path(said["dir"], "logs").iterdir()} == {
            "apiserver.log",
            "controllers.log",
            "node.log",
        }
        assert "default" in [each["metadata"]["name"] for each in cluster.client.list(Namespace)]
    assert cluster.process.returncode == 0
    assert_gone(processes)
    assert (tmp_path / "state" / "logs").is_dir()
    assert json.loads((tmp_path / "audit").read_text().splitlines()[0])["verb"]


def test_it_tells_people_how_to_use_it():
    """Without --json: where the kubeconfig is, and what to type; what it waits for goes to stderr. Ctrl-C ends it."""
    process = subprocess.Popen([*UP, "--bare"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(5)]
    whole = 4  # API server, controllers, node, and the reaper, which the node starts a moment later
    processes = eventually("four processes", lambda: len(found := children(process.pid)) >= whole and found)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert lines[0].startswith("kubeconfig  /")
    assert "  export KUBECONFIG=/" in "".join(lines)
    assert "waiting for the API server to answer" in errors
    assert process.returncode == 0
    assert_gone(processes)
    assert not Path(lines[0].split()[1]).exists(), "the temporary directory is removed"


def test_nothing_survives_a_killed_supervisor(own_cluster):
    """kill -9: it can do nothing any more, and still no process of the cluster or of its pods is left."""
    processes = family(own_cluster)
    own_cluster.process.kill()
    assert_gone(processes)
    shutil.rmtree(own_cluster.said["dir"])  # files are all that stays


def test_nothing_survives_a_killed_parent():
    """kill -9 of the program that started the supervisor with --stdin-lifeline, as a test run does."""
    parent = textwrap.dedent(
        f"""
        import subprocess, time
        up = subprocess.Popen({[*UP, "--bare", "--json", "--stdin-lifeline"]!r}, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True, start_new_session=True)
        print(up.pid, up.stdout.readline(), end="", flush=True)
        time.sleep(600)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    _, line = process.stdout.readline().split(" ", 1)
    said = json.loads(line)
    client = client_of(said)
    processes = family(Cluster(process, said, client))
    process.kill()
    process.wait()
    process.stdout.close()
    assert_gone(processes)
    assert not Path(said["dir"]).exists()


@pytest.mark.parametrize("part", ["apiserver", "controllers", "node"])
def test_the_death_of_a_part_ends_the_cluster(part, capfd):
    """Status 1, and the message names the part; a killed node takes its pods along."""
    with running("--bare") as cluster:
        processes = family(cluster)
        [victim] = [pid for pid in processes if f"embedded_cluster.{part}" in command_line(pid)]
        os.kill(victim, signal.SIGKILL)
        assert cluster.process.wait(timeout=PATIENCE) == 1
        assert_gone(processes)
    assert f"{part} ended by itself with status -9" in capfd.readouterr().err


def test_two_clusters_do_not_disturb_each_other(cluster, own_cluster):
    """Other addresses, other directories; SIGTERM ends everything of one, which is nothing to the other."""
    assert own_cluster.said["pod_network"] != cluster.said["pod_network"]
    assert own_cluster.said["dir"] != cluster.said["dir"]
    ours, theirs = Space(cluster, "default"), Space(own_cluster, "default")
    theirs.pod("there", ["sleep", "600"])
    theirs.until_ready("there")
    assert ours.get(Pod, "there") is None
    processes = family(own_cluster)
    own_cluster.process.terminate()
    assert own_cluster.process.wait(timeout=PATIENCE) == 0
    assert_gone(processes)
    assert not Path(own_cluster.said["dir"]).exists()
    ours.pod("here", ["sleep", "600"])
    ours.until_ready("here")
    ours.client.delete(Pod, "here", namespace="default", grace_period=0)


@pytest.fixture(scope="module")
def whole_cluster() -> Iterator[Cluster]:
    """One with two gateways, a controller that supports draining, and a slow tick; the last test here kills it."""
    with running("--gateway-replicas", "2", "--drain-support", "--sync-period", "0.5") as cluster:
        yield cluster


def test_it_is_ready_when_it_says_so(whole_cluster):
    """Both URLs answer, every gateway is ready, and the report can name the versions."""
    said = whole_cluster.said
    assert httpx.get(said["admin_url"], timeout=PATIENCE, trust_env=False).status_code == 200
    assert "no Route matched" in httpx.get(said["proxy_url"], timeout=PATIENCE, trust_env=False).text
    assert set(said["versions"]) == {"stickyconf", "kubernetes", "envoy"}
    kong = Space(whole_cluster, "kong")
    gateways = kong.list(Pod, **{"app.kubernetes.io/name": "gateway"})
    assert [is_ready(pod) for pod in gateways] == [True, True]
    gateway = kong.get(Gateway, "kong")
    assert gateway is not None
    programmed = condition(gateway, "Programmed")
    assert programmed is not None
    assert programmed["status"] == "True"


def test_the_controller_is_set_up_as_asked(whole_cluster):
    """Options become the environment of the Deployment, where people can read and change them."""
    deployment = Space(whole_cluster, "kong").get(Deployment, "kong-controller")
    assert deployment is not None
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    variables = {each["name"]: each.get("value") for each in container["env"]}
    assert variables["CONTROLLER_ENABLE_DRAIN_SUPPORT"] == "true"
    assert variables["CONTROLLER_PROXY_SYNC_SECONDS"] == "0.5"


def test_envoy_does_not_survive_a_killed_supervisor(whole_cluster):
    """Envoy is the gateway's child, in a session of its own: as far from the supervisor as processes get."""
    processes = children(whole_cluster.process.pid) | {whole_cluster.process.pid}
    assert sum("envoy" in Path(f"/proc/{pid}/comm").read_text() for pid in processes) == 2
    whole_cluster.process.kill()
    assert_gone(processes)
    shutil.rmtree(whole_cluster.said["dir"])


def test_a_gateway_that_cannot_start_is_told_with_its_last_words():
    """Status 1 after a few attempts, and not a wait for nothing."""
    done = run("up", "--hook", "gateway=os:getpid")  # takes no arguments, and will be given some
    assert done.returncode == 1
    assert "keeps ending; its last words:" in done.stderr
    assert "getpid() takes no arguments" in done.stderr
    assert "Traceback" not in done.stderr.split("last words:")[0]


def test_ports_give_way():
    """A program that has the usual ports on all addresses is no obstacle."""
    with socket.socket() as everywhere:
        everywhere.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        everywhere.bind(("0.0.0.0", 0))  # noqa: S104 - that is the point
        everywhere.listen()
        taken = everywhere.getsockname()[1]
        assert port("127.3.0.1", taken) != taken
    assert port("127.3.0.1", taken) == taken
    with pytest.raises(Unavailable, match=r"cannot listen on 192\.0\.2\.1:80"):
        port("192.0.2.1", 80)  # nobody's address


def test_without_a_command_it_explains_itself():
    """So does --help; both name the parts."""
    for arguments in ([], ["--help"]):
        done = run(*arguments)
        assert done.returncode == 0
        assert "embedded_cluster.apiserver" in done.stdout
    assert "--stdin-lifeline" in run("up", "--help").stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["up", "--hook", "gateway=no_such_module:function"], "no_such_module"),
        (["up", "--hook", "gateway=json:no_such_function"], "no_such_function"),
        (["up", "--hook", "node=json:loads"], "gateway=MODULE:FUNCTION"),
        (["up", "--sync-period", "0"], "--sync-period"),
        (["up", "--gateway-replicas", "0"], "--gateway-replicas"),
        (["up", "--dir", "/proc/none"], "/proc/none"),
        (["down"], "down"),
    ],
)
def test_bad_input_gets_one_clear_line(arguments, says):
    """Status 2, the fault by name, no traceback."""
    done = run(*arguments)
    assert done.returncode == 2
    assert says in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_lifeline_needs_something_that_can_end():
    """Standard input from a file or /dev/null cannot be watched for its end."""
    done = subprocess.run(
        [*UP, "--bare", "--stdin-lifeline"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "embedded_cluster: --stdin-lifeline needs a pipe or a terminal as standard input\n"


def test_a_platform_without_envoy_is_told_so(tmp_path):
    """One line that names the platform and what is missing."""
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u; f = u.find_spec; u.find_spec = lambda n, *a: None if n == 'envoy' else f(n, *a)"
    )
    done = run("up", PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith("embedded_cluster: no Envoy for this platform (Linux ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("part", ["controllers", "node"])
def test_a_part_without_a_kubeconfig_says_what_it_needs(part, tmp_path):
    """Each part can be started by itself, and says in one line what is wrong."""
    more = ["--address", "127.3.0.2", "--pod-network", "127.3.0.0/16", "--dir", str(tmp_path)] if part == "node" else []
    for file, says in (("no-such-file", "no-such-file"), (str(tmp_path), "is not a usable kubeconfig")):
        done = subprocess.run(
            [sys.executable, "-m", f"embedded_cluster.{part}", "--kubeconfig", file, *more],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert says in done.stderr.splitlines()[-1]
