"""Children end with their parent, however it ends."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import PATIENCE, eventually

_CHILD_ASKS = "from embedded_cluster.lifeline import die_with_parent; die_with_parent()"
_PARENT_TIES = "import os; from embedded_cluster.lifeline import die_with_parent_of as tie"


def _is_running(pid: int) -> bool:
    """Whether the process exists and has not ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _parent_with(start_child: str) -> subprocess.Popen[str]:
    """A process that starts a child, which holds its standard output, and then waits to be killed."""
    script = f"import subprocess, sys\n{start_child}\nprint(child.pid, flush=True)\nsys.stdin.read()"
    return subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    "start_child",
    [
        pytest.param(
            f"child = subprocess.Popen([sys.executable, '-c', '{_CHILD_ASKS}; print(flush=True); import time;"
            " time.sleep(600)'],"
            "stdout=subprocess.PIPE); child.stdout.readline()",
            id="the child asks",
        ),
        pytest.param(
            f"{_PARENT_TIES}; child = subprocess.Popen(['sleep', '600'], preexec_fn=tie(os.getpid()))",
            id="the parent ties a program that knows nothing of it",
        ),
        pytest.param(
            f"{_PARENT_TIES}; child = subprocess.Popen([sys.executable, '-c', '{_CHILD_ASKS}; import time;"
            " time.sleep(600)'], preexec_fn=tie(os.getpid()))",
            id="both",
        ),
    ],
)
def test_child_does_not_outlive_a_killed_parent(start_child: str) -> None:
    """SIGKILL gives the parent no chance to stop its child: the kernel does it."""
    with _parent_with(start_child) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert _is_running(child)
        parent.kill()
    eventually("the child has ended", lambda: not _is_running(child))


def test_child_of_a_parent_that_is_gone_already_ends_at_once() -> None:
    """The race: the parent ended between starting the child and the child's request."""
    asks_late = (
        "import os, signal, time; from embedded_cluster.lifeline import die_with_parent\n"
        "parent = os.getppid()\n"
        "os.fork() and os._exit(0)\n"  # what goes on is an orphan, tied to a parent it no longer has
        "die_with_parent(signal.SIGKILL, parent=parent)\n"
        "print('still here', flush=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", asks_late], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.stdout == ""
    assert done.stderr == ""
