"""Starts the embedded cluster as a process of its own and says where it is."""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, cast

from stickyconf.ports import Part, Tempo
from stickyconf.targets.embedded.options import PACES
from stickyconf.targets.installation import Installation, NoTarget, Release
from stickyconf.wait import Progress

TEMPO = PACES["quick"]

NEXT_GATEWAY = "3.12.0.0"
"""What the stand-in for Kong Gateway says it is once it is upgraded."""

PLANES = {"envoy", "haproxy", "python"}
"""The data planes, one of which has a version if the cluster has a gateway of its own."""

STOP_SECONDS = 15
SAY_SECONDS = 0.5
SHOWN_LINES = 8


@contextlib.contextmanager
def embedded_cluster(
    options: Sequence[str] = (), *, keep: bool = False, progress: Progress | None = None, tempo: Tempo = TEMPO
) -> Iterator[Installation]:
    """Start a cluster, yield where it is, and stop it.

    ``options`` are handed to ``python -m embedded_cluster up``. With ``keep`` it goes on after the suite. Without,
    it ends with the suite however the suite ends: the pipe to its standard input breaks. ``progress`` is told of the
    wait. ``tempo`` is the controller's, and what the suite is told of the cluster's.
    Raises NoTarget if it does not come up, with its own last log lines.
    """
    with tempfile.NamedTemporaryFile("w+", prefix="stickyconf-cluster-", suffix=".log", delete=False) as log:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "embedded_cluster",
                "up",
                "--json",
                *([] if keep else ["--stdin-lifeline"]),
                *("--sync-period", f"{tempo.sync:g}"),
                *options,
            ],
            stdin=subprocess.DEVNULL if keep else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,  # Ctrl-C is for the suite, which then stops the cluster in order
        )
        try:
            yield _read(process, Path(log.name), progress, tempo)
        finally:
            if not keep or sys.exc_info()[0] is NoTarget:
                _stop(process)
            Path(log.name).unlink(missing_ok=True)


def _read(process: subprocess.Popen[str], log: Path, progress: Progress | None, tempo: Tempo) -> Installation:
    began, output = time.monotonic(), cast(IO[str], process.stdout)
    while progress and not select.select([output], [], [], SAY_SECONDS)[0]:
        progress("the embedded cluster", time.monotonic() - began)
    line = output.readline()
    if not line:
        status = process.wait(STOP_SECONDS)
        lines = [line.strip() for line in log.read_text(encoding="utf-8").splitlines()]
        said = [line for line in lines if line and not line.startswith("[")]  # those only say what it waited for
        raise NoTarget(f"the embedded cluster did not start (status {status}): " + " ".join(said[-SHOWN_LINES:]))
    said_ready: dict[str, Any] = json.loads(line)
    versions = {str(key): str(value) for key, value in said_ready["versions"].items() if key != "kubernetes"}
    kubeconfig = Path(said_ready["kubeconfig"])
    return Installation(
        target="embedded",
        kubeconfig=kubeconfig,
        tempo=tempo,
        proxy_url=said_ready["proxy_url"],
        tls_url=said_ready["tls_url"],
        versions=versions,
        runs_images=False,
        direct_addresses=True,
        releases=_releases(versions),
        behind_no_service=bool(PLANES & versions.keys()),
        kept=f"cluster kept: export KUBECONFIG={kubeconfig} (stop it: kill {process.pid})",
    )


def _releases(versions: Mapping[str, str]) -> dict[Part, Release]:
    """Return the next releases of the stand-ins: each runs the same program, and the gateway says another version."""
    gateway = Release("stickyconf.dev/embedded-gateway:next", {"EMBEDDED_GATEWAY_VERSION": NEXT_GATEWAY})
    controller = Release("stickyconf.dev/embedded-ingress-controller:next")
    own: dict[Part, Release] = {}
    if PLANES & versions.keys():
        own["gateway"] = gateway
    if "kic" not in versions:
        own["controller"] = controller
    return own


def _stop(process: subprocess.Popen[str]) -> None:
    if process.stdin:
        process.stdin.close()
    else:
        process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # its children die with it
        process.wait()
    if process.stdout:
        process.stdout.close()
