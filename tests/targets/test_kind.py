"""A kind cluster is made once, shared by a run's workers, and removed by the run that made it; no other is touched."""

import asyncio
import multiprocessing
import os
import shutil
import signal
from argparse import Namespace
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from stickyconf.targets.installation import NoTarget
from stickyconf.targets.kind.cluster import kind_cluster, load_archives, proxy_url, remove_left_over
from stickyconf.targets.kind.licence import hide
from stickyconf.targets.kind.preflight import Tools
from stickyconf.targets.kind.record import Claim
from stickyconf.targets.kind.settings import KindSettings, settings
from stickyconf.wait import Budgets, Waiter
from tests.targets import fakes
from tests.waiting import PATIENCE, eventually

WAITER = Waiter(Budgets.of({"node": PATIENCE}))
ROOT = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project's directory, with the configuration kind is given."""
    (tmp_path / "project" / "manifests").mkdir(parents=True)
    shutil.copy(ROOT / "manifests" / "kind.yaml", tmp_path / "project" / "manifests")
    return tmp_path / "project"


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    """Programs that behave as kind and Docker do where images can be pulled."""
    return fakes.tools(tmp_path / "fakes")


def asked(**options: Any) -> KindSettings:
    return settings(Namespace(**options), environ={})


def clusters(tools: Tools) -> set[str]:
    return {path.name for path in (tools.kind.parent / "clusters").iterdir()}


def decoy(tools: Tools, name: str) -> Path:
    """A cluster of somebody else's."""
    path = tools.kind.parent / "clusters" / name
    path.write_text("f00d")
    return path


def commands(tools: Tools) -> list[str]:
    return (tools.kind.parent / "kind.log").read_text().splitlines()


def running(tools: Tools) -> list[str]:
    """The processes that are kind, or make it do something."""
    commands = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
    return [command for command in commands if str(tools.kind) in command]


def test_made_and_removed(root, tools):
    """It is called after the run, its port is on loopback only, and nothing is left: no cluster, network or file."""
    other = decoy(tools, "stickyconf-other")
    (tools.kind.parent / "port").write_text("127.0.0.1:49153\n")
    with kind_cluster(asked(), tools, "abc123", root, WAITER) as cluster:
        assert clusters(tools) == {"stickyconf-abc123", "stickyconf-other"}
        assert cluster.kubectl("version") == ""
        assert proxy_url(tools, cluster) == "http://127.0.0.1:49153"
        kubeconfig = cluster.kubeconfig_path
        assert kubeconfig.stat().st_mode & 0o777 == 0o600
    [node] = yaml.safe_load((tools.kind.parent / "config.yaml").read_text())["nodes"]
    assert node["extraPortMappings"] == [{"containerPort": 30080, "listenAddress": "127.0.0.1", "protocol": "TCP"}]
    assert clusters(tools) == {"stickyconf-other"}
    assert (tools.kind.parent / "network").exists(), "another cluster is on it"
    assert not (root / ".pytest-kind").exists()

    other.unlink()
    (tools.kind.parent / "network").unlink()
    with kind_cluster(asked(), tools, "abc123", root, WAITER):
        pass
    assert not (tools.kind.parent / "network").exists(), "made with the cluster, and nobody else is on it"


def test_fixed_port(root, tools):
    """--proxy-port is the host's port."""
    with kind_cluster(asked(proxy_port="18080"), tools, "abc123", root, WAITER):
        [node] = yaml.safe_load((tools.kind.parent / "config.yaml").read_text())["nodes"]
    assert node["extraPortMappings"][0]["hostPort"] == 18080


def test_name_of_somebody_else(root, tools):
    """A cluster this suite did not make is left alone, with whatever pytest-kind has beside it."""
    other = decoy(tools, "theirs")
    (root / ".pytest-kind" / "theirs").mkdir(parents=True)
    (root / ".pytest-kind" / "theirs" / "kubeconfig").write_text("theirs")
    with pytest.raises(NoTarget) as caught, kind_cluster(asked(cluster_name="theirs"), tools, "r", root, WAITER):
        pass
    assert "there is a kind cluster 'theirs' already, which this suite did not make and will not touch" in str(
        caught.value
    )
    assert "--target kubeconfig --context kind-theirs" in str(caught.value)
    assert other.read_text() == "f00d"
    assert [path.name for path in (root / ".pytest-kind").rglob("*")] == ["theirs", "kubeconfig"]
    assert not (tools.kind.parent / "kind.log").exists(), "kind was not even asked"


def test_kept_and_used_again(root, tools):
    """A kept cluster is found by its name, its kubeconfig written anew; the run that finds it does not remove it."""
    with kind_cluster(asked(keep_cluster=True), tools, "first", root, WAITER) as cluster:
        cluster.kubeconfig_path.unlink()
    for _ in range(2):
        with kind_cluster(asked(cluster_name="stickyconf-first"), tools, "second", root, WAITER) as cluster:
            assert cluster.kubeconfig_path.exists()
    assert clusters(tools) == {"stickyconf-first"}
    assert sum(line.startswith("create") for line in commands(tools)) == 1


def test_kept_and_made_anew_by_somebody_else(root, tools):
    """The name alone is no proof: the containers have to be the ones that this suite made."""
    with kind_cluster(asked(keep_cluster=True), tools, "first", root, WAITER):
        pass
    other = decoy(tools, "stickyconf-first")
    again = kind_cluster(asked(cluster_name="stickyconf-first"), tools, "second", root, WAITER)
    with pytest.raises(NoTarget, match="which this suite did not make"), again:
        pass
    assert other.read_text() == "f00d"


def test_replaced_while_it_was_used(root, tools):
    """Where somebody has put another cluster in its place, that one stays."""
    with kind_cluster(asked(), tools, "abc123", root, WAITER):
        other = decoy(tools, "stickyconf-abc123")
    assert other.read_text() == "f00d"


def test_kind_fails(root, tools):
    """What kind had begun is taken back, and its own words are in the message."""
    (tools.kind.parent / "fail").write_text("ERROR: failed to init node with kubeadm")
    begun = kind_cluster(asked(cluster_name="mine", kubeconfig=str(root / "kc")), tools, "r", root, WAITER)
    with pytest.raises(NoTarget, match="could not make the cluster mine: failed to init node with kubeadm"), begun:
        pass
    assert clusters(tools) == set()
    assert sorted(path.name for path in root.iterdir()) == ["manifests"]


def test_too_slow(root, tools):
    """The budget stops kind and all it started, and the cluster is removed."""
    tools.kind.write_text(
        tools.kind.read_text().replace('(state / "network").touch()', "__import__('time').sleep(600)")
    )
    hurried = Waiter(Budgets.of({"node": 1}))
    with pytest.raises(NoTarget, match=r"--budget node=SECONDS"), kind_cluster(asked(), tools, "r", root, hurried):
        pass
    assert not (root / ".pytest-kind").exists()
    assert not running(tools)


def test_licence_is_not_inherited(root, tools, monkeypatch):
    """No program that is started has the licence in its environment once the target has read it."""
    monkeypatch.setenv("KONG_LICENSE_DATA", "SENSITIVE")
    hide(None)
    with kind_cluster(asked(), tools, "abc123", root, WAITER):
        pass
    assert not any("| licence" in line for line in commands(tools))


def _work(root: Path, tools: Tools, barrier: Any) -> None:
    with kind_cluster(asked(), tools, "one", root, WAITER):
        barrier.wait(PATIENCE)  # every worker has the cluster at the same time


def test_one_cluster_for_all_workers(root, tools, monkeypatch):
    """Workers of one run share the cluster; the last one removes it."""
    monkeypatch.setenv("PYTEST_XDIST_TESTRUNUID", "0123456789abcdef")
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(3)
    workers = [context.Process(target=_work, args=(root, tools, barrier)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(PATIENCE)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    said = [line.split()[0] for line in commands(tools)]
    assert said.count("create") == 1
    assert said.count("delete") == 1
    assert clusters(tools) == set()
    assert not (root / ".pytest-kind").exists()


@pytest.fixture
def killed(root: Path, tools: Tools) -> str:
    """The run id of a run that was killed: its cluster and its record are there, its lock is not."""
    lifecycle = kind_cluster(asked(cluster_name="named"), tools, "dead", root, WAITER)
    lifecycle.__enter__()
    record = (root / ".pytest-kind" / "named" / "record.json").read_text()
    identity = (tools.kind.parent / "clusters" / "named").read_text()
    lifecycle.__exit__(None, None, None)
    (tools.kind.parent / "clusters" / "named").write_text(identity)
    (root / ".pytest-kind" / "named").mkdir(parents=True)
    (root / ".pytest-kind" / "named" / "record.json").write_text(record)
    return "dead"


def test_left_by_a_killed_run(killed, root, tools):
    """Nobody takes it over; it is said whose it is, and --cleanup removes it and nothing else."""
    decoy(tools, "stickyconf-other")
    (tools.kind.parent / "clusters" / "stickyconf-dead").write_text("1234")  # killed before its record was complete
    with pytest.raises(NoTarget, match="'named' was left by run dead"):
        kind_cluster(asked(cluster_name="named"), tools, "new", root, WAITER).__enter__()
    assert remove_left_over("nobody", tools, root) == []
    assert sorted(remove_left_over(killed, tools, root)) == ["named", "stickyconf-dead"]
    assert clusters(tools) == {"stickyconf-other"}
    assert not (root / ".pytest-kind").exists()


def _begin(root: Path, tools: Tools, options: dict[str, str]) -> None:
    kind_cluster(asked(**options), tools, "dead", root, WAITER).__enter__()


@pytest.mark.parametrize("options", [{}, {"cluster_name": "named"}], ids=["its own name", "a name that was given"])
@pytest.mark.parametrize("deaf", [False, True], ids=["kind ends", "kind does not want to end"])
def test_killed_while_kind_was_at_work(root, tools, options, deaf):
    """kind ends with the run; what it has made by then is found by the run's id, whatever its name, and removed."""
    started = tools.kind.parent / "started"
    pause = f"pathlib.Path({str(started)!r}).touch()\n        __import__('time').sleep(600)"
    if deaf:
        pause = f"__import__('signal').signal(15, __import__('signal').SIG_IGN)\n        {pause}"
    text = tools.kind.read_text()
    made = 'if (state / "fail").exists():'
    assert made in text
    tools.kind.write_text(text.replace(made, f"{pause}\n        {made}"))
    decoy(tools, "stickyconf-other")
    run = multiprocessing.get_context("fork").Process(target=_begin, args=(root, tools, options))
    run.start()
    eventually("kind is at work", started.exists)
    assert running(tools)
    assert run.pid
    os.kill(run.pid, signal.SIGKILL)
    run.join(PATIENCE)
    eventually("kind has ended", lambda: not running(tools))
    name = options.get("cluster_name", "stickyconf-dead")
    assert remove_left_over("dead", tools, root) == [name]
    assert clusters(tools) == {"stickyconf-other"}
    assert not (root / ".pytest-kind").exists()


def test_cleanup_leaves_what_is_in_use(root, tools):
    """A run that goes on keeps its cluster."""
    with kind_cluster(asked(), tools, "alive", root, WAITER):
        assert remove_left_over("alive", tools, root) == []
        assert clusters(tools) == {"stickyconf-alive"}


def test_port_that_is_not_published(root, tools):
    """A cluster made with another configuration is told, not guessed at."""
    (tools.kind.parent / "port").write_text("0.0.0.0:80\n")
    with (
        kind_cluster(asked(), tools, "r", root, WAITER) as cluster,
        pytest.raises(NoTarget, match="does not publish port"),
    ):
        proxy_url(tools, cluster)


def test_archives(root, tools, tmp_path):
    """Image archives are loaded one by one; one that kind refuses is named."""
    good, bad = tmp_path / "kong.tar", tmp_path / "bad.tar"
    good.touch()
    bad.touch()
    with kind_cluster(asked(), tools, "r", root, WAITER) as cluster:
        asyncio.run(load_archives([good], tools, cluster, WAITER))
        with pytest.raises(NoTarget, match=r"kind cannot load .*bad\.tar: failed to load image"):
            asyncio.run(load_archives([bad], tools, cluster, WAITER))
    assert any(f"load image-archive {good} --name stickyconf-r" in line for line in commands(tools))


def test_claims_are_exclusive(root):
    """While one makes a cluster, nobody else begins."""
    first, second = Claim(root, "x"), Claim(root, "x")
    assert first.take_now()
    assert not second.take_now()
    first.release(remove=True)
    assert second.take_now()
    second.release(remove=True)
    assert not (root / ".pytest-kind").exists()
