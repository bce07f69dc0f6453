"""``python -m stickyconf.embedded up``: starts a cluster, says where it is, and stops all of it in the end.

Nothing of a cluster outlives it. The parts are tied to this process by the kernel (:mod:`.lifeline`), the containers to
the node agent, and what containers have started themselves goes with them (:mod:`.node.reaper`).
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Coroutine, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from .. import __version__
from . import machine
from .environment import MisconfiguredError, load_hook
from .gateway.planes import PLANES
from .parts import NotComing, PartEnded, Parts

_LONGEST_START = 60.0  # seconds; a start takes about two
_REMIND = 5.0  # seconds after which a person is told again


@dataclass(frozen=True, slots=True)
class Options:
    """What ``up`` was asked for."""

    directory: Path | None
    bare: bool
    sync_period: float
    drain_support: bool
    gateway: str
    gateway_replicas: int
    hooks: Mapping[str, str]
    as_json: bool
    stdin_lifeline: bool
    audit: Path | None


@dataclass(frozen=True, slots=True)
class Started:
    """Where a cluster is and what it is made of. The URLs are empty for a bare one."""

    kubeconfig: str
    proxy_url: str
    admin_url: str
    pod_network: str
    dir: str
    versions: dict[str, str]


def supervise(options: Options) -> int:
    """Start a cluster and keep it until told to stop. Returns the exit status.

    0 after SIGINT, SIGTERM or the end of the lifeline; 1 when a part fails; 2 when it cannot start here.
    """
    try:
        _check(options)
        return asyncio.run(_supervise(options))
    except (machine.Unavailable, MisconfiguredError) as error:
        sys.stderr.write(f"stickyconf.embedded: {error}\n")
        return 2


def _check(options: Options) -> None:
    """Raises ``Unavailable`` or ``MisconfiguredError`` for what would only fail later, in some pod."""
    if sys.platform != "linux":
        raise machine.Unavailable("the embedded cluster needs Linux: its pods have loopback addresses of their own")
    if not options.bare:
        PLANES[options.gateway].version()
    if "gateway" in options.hooks and options.gateway != "envoy":
        raise MisconfiguredError(f"--hook gateway=... changes Envoy's resources, and --gateway is {options.gateway}")
    for hook in options.hooks.values():
        load_hook(hook)


async def _supervise(options: Options) -> int:
    stop = asyncio.Event()
    _stop_when_told(stop, lifeline=options.stdin_lifeline)
    with machine.claim() as claim, machine.directory(options.directory) as directory:
        parts = Parts(directory / "logs")
        try:
            await _until(stop, Cluster(options, claim, directory, parts).live())
        except (PartEnded, NotComing) as error:
            sys.stderr.write(f"stickyconf.embedded: {error}\n")
            return 1
        finally:
            await parts.stop()
    return 0


def _stop_when_told(stop: asyncio.Event, *, lifeline: bool) -> None:
    """Set *stop* at SIGINT, SIGTERM and, with *lifeline*, at the end of standard input."""
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    if not lifeline:
        return

    def read() -> None:
        if not os.read(0, 4096):
            loop.remove_reader(0)
            stop.set()

    try:
        loop.add_reader(0, read)
    except PermissionError as error:  # epoll does not take files
        raise machine.Unavailable("--stdin-lifeline needs a pipe or a terminal as standard input") from error


async def _until(stop: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    """Run *work* until *stop* is set. Raises what it raises."""
    tasks = asyncio.create_task(work), asyncio.create_task(stop.wait())
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.result()


class Cluster:
    """One cluster, from its start to its end."""

    def __init__(self, options: Options, claim: machine.Claim, directory: Path, parts: Parts) -> None:
        """Its place on the machine; nothing is started before :meth:`live`."""
        self._options = options
        self._claim = claim
        self._directory = directory
        self._parts = parts
        self._progress = Progress(sys.stderr)

    async def live(self) -> None:
        """Start everything, say where it is, and go on until a part ends.

        Raises ``PartEnded`` then, and ``NotComing`` when it never gets that far.
        """
        port = machine.port(self._claim.api_server, 6443)
        files = machine.credentials(self._directory, self._claim.api_server, port)
        await self._start_parts(files, port)
        end = asyncio.create_task(self._parts.first_end())
        ready = asyncio.create_task(self._ready(files))
        try:
            while not (ready.done() or end.done()):
                if self._progress.elapsed > _LONGEST_START:
                    raise NotComing(f"after {_LONGEST_START:g} s still waiting for {self._progress.last}")
                self._progress.remind()
                await asyncio.wait((end, ready), return_when=asyncio.FIRST_COMPLETED, timeout=_REMIND)
            if ready.done():
                _announce(ready.result(), as_json=self._options.as_json)
            await end
        finally:
            end.cancel()
            ready.cancel()
            await asyncio.gather(end, ready, return_exceptions=True)

    async def _start_parts(self, files: machine.Credentials, port: int) -> None:
        claim, audit = self._claim, self._options.audit
        await self._parts.start(
            "apiserver",
            *("--address", claim.api_server, "--port", str(port)),
            *("--cert", str(files.certificate), "--key", str(files.key), "--token-file", str(files.token)),
            *(("--audit", str(audit.resolve())) if audit else ()),
        )
        await self._parts.start("controllers", "--kubeconfig", str(files.kubeconfig))
        await self._parts.start(
            "node",
            *("--kubeconfig", str(files.kubeconfig)),
            *("--address", claim.node, "--port", str(machine.port(claim.node, 10250))),
            *("--pod-network", claim.network, "--dir", str(self._directory)),
            environment=self._environment(),
        )

    def _environment(self) -> dict[str, str]:
        """The node's environment, of which pods inherit what concerns Python: where hooks are found, too."""
        environment = dict(os.environ)
        if self._options.hooks:
            # ``python -m`` looks for modules here first, and so must the pods, which run somewhere else.
            known = environment.get("PYTHONPATH")
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path.cwd()), known]))
        return environment

    async def _ready(self, files: machine.Credentials) -> Started:
        """Have the cluster work: returns where it is."""
        # The client takes longer to import than the parts take to be started, which therefore comes first.
        from . import bootstrap
        from .client import connect

        options = self._options
        async with connect(files.kubeconfig) as client:
            self._progress.wait_for("the API server to answer")
            versions = {"stickyconf": __version__, "kubernetes": await bootstrap.server_version(client)}
            endpoints = bootstrap.Endpoints(proxy_url="", admin_url="")
            if not options.bare:
                preferred = {"proxy": 8000, "kong-admin": 8001, "status": 8100}
                wishes = bootstrap.Wishes(
                    sync_period=options.sync_period,
                    drain_support=options.drain_support,
                    gateway=options.gateway,
                    gateway_replicas=options.gateway_replicas,
                    hooks=options.hooks,
                    ports={name: machine.port(self._claim.api_server, port) for name, port in preferred.items()},
                )
                endpoints = await bootstrap.install(client, wishes, self._progress.wait_for)
                versions[options.gateway] = PLANES[options.gateway].version()
        return Started(
            kubeconfig=str(files.kubeconfig),
            proxy_url=endpoints.proxy_url,
            admin_url=endpoints.admin_url,
            pod_network=self._claim.network,
            dir=str(self._directory),
            versions=versions,
        )


def _announce(started: Started, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(asdict(started)) + "\n")
    else:
        lines = [f"kubeconfig  {started.kubeconfig}"]
        if started.proxy_url:
            lines += [f"proxy       {started.proxy_url}", f"admin       {started.admin_url}"]
        lines += [
            "",
            "In another terminal:",
            f"  export KUBECONFIG={started.kubeconfig}",
            "  kubectl get pods --all-namespaces",
            "Ctrl-C stops the cluster.",
        ]
        sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


class Progress:
    """Says on *out* what is being waited for, each time something else is."""

    def __init__(self, out: TextIO) -> None:
        """The clock starts now."""
        self.last = "the parts to start"
        self._out = out
        self._began = time.monotonic()
        self._said = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def wait_for(self, what: str) -> None:
        """Say that now *what* is waited for."""
        if what != self.last:
            self.last = what
            self._say()

    def remind(self) -> None:
        """Say once more what is waited for, if it was said a while ago."""
        if self.elapsed - self._said >= _REMIND:
            self._say()

    def _say(self) -> None:
        self._said = self.elapsed
        self._out.write(f"[{self._said:4.1f} s] waiting for {self.last}\n")
        self._out.flush()
