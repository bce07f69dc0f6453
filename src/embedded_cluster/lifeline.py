"""Die with the parent: no process of an embedded cluster outlives the one that started it.

Linux keeps a *parent death signal* for every process, prctl(2) ``PR_SET_PDEATHSIG``. It survives
``execve`` but not ``fork``, so it is asked for once per process: by the child's own ``main``
(:func:`die_with_parent`), or between fork and exec, which leaves no moment uncovered and also serves
programs that know nothing of us::

    subprocess.Popen([envoy, ...], preexec_fn=die_with_parent_of(os.getpid()))

The signal is sent when the *thread* that forked ends (prctl(2), "BUGS"), so start long-lived children
from the main thread, not from a worker of a pool.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
PR_GET_PDEATHSIG = 2

# Looked up at import: between fork and exec, dlopen could wait for a lock that another thread held.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(signum: signal.Signals = signal.SIGTERM, *, parent: int | None = None) -> None:
    """Have the kernel send this process *signum* when its parent ends; at once if it has ended already.

    *parent* is the process id that must still be our parent. Without it a process that finds itself a
    child of process 1 counts as orphaned, unless its parent had tied it already through
    :func:`die_with_parent_of` (a parent that itself runs as process 1 of a container has to do that).

    Raises ``OSError`` when the kernel refuses. Does nothing on systems other than Linux, where the
    embedded cluster does not run.
    """
    if _libc is None:
        return
    tied = ctypes.c_int(0)
    _prctl(_libc, PR_GET_PDEATHSIG, ctypes.byref(tied))
    _prctl(_libc, PR_SET_PDEATHSIG, int(signum))
    # A parent that ended before the request sends nothing any more. It is looked at last, so one that
    # ends meanwhile is either still to be signalled or seen to be gone.
    now = os.getppid()
    orphaned = now == 1 and not tied.value if parent is None else now != parent
    if orphaned:
        os.kill(os.getpid(), signum)


def die_with_parent_of(parent: int, signum: signal.Signals = signal.SIGTERM) -> Callable[[], None]:
    """A ``preexec_fn`` that ties the child to process *parent*: ``os.getpid()`` taken before the fork."""

    def tie() -> None:
        die_with_parent(signum, parent=parent)

    return tie


def _prctl(libc: ctypes.CDLL, option: int, argument: object) -> None:
    if libc.prctl(option, argument, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl({option}): {os.strerror(code)}")
