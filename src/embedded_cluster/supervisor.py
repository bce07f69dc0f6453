"""``python -m embedded_cluster up``: starts a cluster, says where it is, and stops all of it in the end.

Nothing of a cluster outlives it. The parts are tied to this process by the kernel (:mod:`.lifeline`), the containers to
the node agent, and what containers have started themselves goes with them (:mod:`.node.reaper`).
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Coroutine, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from embedded_cluster import kic, machine
from embedded_cluster.controlplane import Assets, ControlPlane, find
from embedded_cluster.environment import Address, MisconfiguredError, load_hook
from embedded_cluster.gateway.declarative import SERVED
from embedded_cluster.gateway.planes import PLANES
from embedded_cluster.network import pod_network
from embedded_cluster.parts import NotComing, PartEnded, Parts

if TYPE_CHECKING:  # its client takes longer to import than the parts take to be started
    from embedded_cluster.balancer import Balancer

_LONGEST_START = 60.0  # seconds; a start takes about two
_LONGEST_REAL_START = 240.0  # with real parts: KIC alone looks for a gateway for 60 s before it gives up
_LAST_WORDS = 5.0  # seconds to read the logs of what did not come up
_REMIND = 5.0  # seconds after which the user is told again


@dataclass(frozen=True, slots=True)
class Options:
    """What ``up`` was asked for."""

    directory: Path | None
    bare: bool
    sync_period: float
    drain_support: bool
    gateway: str
    gateway_version: str
    gateway_replicas: int
    hooks: Mapping[str, str]
    as_json: bool
    stdin_lifeline: bool
    audit: Path | None
    gateway_workers: int = 1
    worker_lag: float = 0.0
    drained_sessions: str = SERVED
    """One of :data:`.gateway.declarative.DRAINED`."""
    balancer: bool = False
    """Clients reach the gateway's replicas through a balancer."""
    node_pace: str = "quick"
    """One of :data:`.node.pace.PACES`."""
    assets: Path | None = None
    """Directory of a real control plane's programs."""
    controller: Path | None = None
    """A KIC binary, with *controller_arguments*."""
    controller_arguments: tuple[str, ...] = ()
    proxy_url: str = ""
    admin_url: str = ""
    """With *proxy_url*: a gateway that the user runs."""

    @property
    def patience(self) -> float:
        """Seconds after which a start has failed."""
        return _LONGEST_REAL_START if self.assets or self.controller else _LONGEST_START


@dataclass(frozen=True, slots=True)
class Started:
    """Where a cluster is and what it is made of. The URLs are empty for a bare one, and what is not there has none."""

    kubeconfig: str
    proxy_url: str
    tls_url: str
    admin_url: str
    pod_network: str
    dir: str
    versions: dict[str, str]


def supervise(options: Options) -> int:
    """Start a cluster and keep it until told to stop. Returns the exit status.

    0 after SIGINT, SIGTERM or the end of the lifeline; 1 when a part fails; 2 when it cannot start here.
    """
    try:
        if options.controller:
            options = replace(options, controller=machine.executable(options.controller, "--controller-binary"))
        _check(options)
        return asyncio.run(_supervise(options))
    except (machine.Unavailable, MisconfiguredError) as error:
        sys.stderr.write(f"embedded_cluster: {error}\n")
        return 2


def _check(options: Options) -> None:
    """Raises ``Unavailable`` or ``MisconfiguredError`` for what would only fail later, in some pod."""
    if sys.platform != "linux":
        raise machine.Unavailable("the embedded cluster needs Linux: its pods have loopback addresses of their own")
    if bool(options.proxy_url) != bool(options.admin_url):
        raise MisconfiguredError("--admin-url and --proxy-url name one gateway: give both, or none")
    if options.controller_arguments and not options.controller:
        raise MisconfiguredError("--controller-argument is for a KIC binary: give --controller-binary, too")
    if options.controller and "controller" in options.hooks:
        raise MisconfiguredError("--hook controller=... changes the stand-in, and --controller-binary replaces it")
    if options.admin_url and "gateway" in options.hooks:
        raise MisconfiguredError("--hook gateway=... changes the stand-in, and --admin-url replaces it")
    if options.assets and options.audit:
        raise MisconfiguredError("--audit records what the stand-in is asked, and --control-plane-assets replaces it")
    if options.controller:
        kic.version(options.controller)
    if not (options.bare or options.admin_url):
        PLANES[options.gateway].version()
    if options.gateway_workers > 1 and not PLANES[options.gateway].shares:
        raise MisconfiguredError(f"--gateway-workers is for several processes, and of {options.gateway} there is one")
    if options.balancer and (options.bare or options.admin_url):
        raise MisconfiguredError("--balancer stands before the gateways of this cluster, and it would have none")
    if "gateway" in options.hooks and options.gateway != "envoy":
        raise MisconfiguredError(f"--hook gateway=... changes Envoy's resources, and --gateway is {options.gateway}")
    for hook in options.hooks.values():
        load_hook(hook)


async def _supervise(options: Options) -> int:
    stop = asyncio.Event()
    _stop_when_told(stop, lifeline=options.stdin_lifeline)
    assets = find(options.assets) if options.assets else None
    with contextlib.ExitStack() as stack:
        claim = stack.enter_context(machine.claim())
        directory = stack.enter_context(machine.directory(options.directory))
        pods = stack.enter_context(pod_network()) if assets else claim.network
        parts = Parts(directory / "logs")
        try:
            await _until(stop, Cluster(options, assets, Place(claim, pods, directory), parts).live())
        except (PartEnded, NotComing) as error:
            sys.stderr.write(f"embedded_cluster: {error}\n")
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


@dataclass(frozen=True, slots=True)
class Place:
    """What a cluster has of the machine: its addresses, those of its pods (CIDR), its directory."""

    claim: machine.Claim
    pods: str
    directory: Path


class Cluster:
    """One cluster, from its start to its end."""

    def __init__(self, options: Options, assets: Assets | None, place: Place, parts: Parts) -> None:
        """Its place on the machine; nothing is started before :meth:`live`."""
        self._options = options
        self._assets = assets
        self._claim, self._directory, self._pods = place.claim, place.directory, place.pods
        self._parts = parts
        self._progress = Progress(sys.stderr)
        self._balancer: Balancer | None = None

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
                if self._progress.elapsed > self._options.patience:
                    raise NotComing(await self._reproach(files))
                self._progress.remind()
                await asyncio.wait((end, ready), return_when=asyncio.FIRST_COMPLETED, timeout=_REMIND)
            if ready.done():
                _announce(ready.result(), as_json=self._options.as_json)
            await end
        finally:
            end.cancel()
            ready.cancel()
            await asyncio.gather(end, ready, return_exceptions=True)
            if self._balancer:
                await self._balancer.stop()

    async def _reproach(self, files: machine.Credentials) -> str:
        """What was waited for and did not come, and what those that are not ready have said last."""
        from embedded_cluster import bootstrap
        from embedded_cluster.client import connect

        said = [f"after {self._options.patience:g} s still waiting for {self._progress.last}"]
        try:
            async with asyncio.timeout(_LAST_WORDS), connect(files.kubeconfig) as client:
                said += await bootstrap.last_words(client)
        except Exception as error:  # noqa: BLE001 - the first line matters, even if the rest cannot be read
            said.append(f"(the pods' logs cannot be read: {error or type(error).__name__})")
        return "\n  ".join(said)

    async def _start_parts(self, files: machine.Credentials, port: int) -> None:
        claim, controllers = self._claim, ("controllers", "--kubeconfig", str(files.kubeconfig))
        node = [
            *("--kubeconfig", str(files.kubeconfig)),
            *("--address", claim.node, "--port", str(machine.port(claim.node, 10250))),
            *("--pod-network", self._pods, "--dir", str(self._directory)),
            *("--pace", self._options.node_pace),
        ]
        if self._assets is None:
            await self._parts.start("apiserver", *self._stand_in(files, port))
            await self._parts.start(*controllers)
        else:
            plane = ControlPlane(self._assets, self._directory, (claim.api_server, port), claim.node)
            etcd = plane.etcd()
            await self._parts.run(etcd.name, *etcd.arguments)
            api_server = plane.apiserver(etcd, files)
            await self._parts.run(api_server.name, *api_server.arguments)
            manager = plane.controller_manager(files)
            if manager:
                await self._parts.run(manager.name, *manager.arguments)
            else:
                await self._parts.start(*controllers)
            tls = plane.node_tls()
            node += ["--cert", str(tls.certificate), "--key", str(tls.key), "--client-ca", str(tls.clients)]
        await self._parts.start("node", *node, environment=self._environment())

    def _stand_in(self, files: machine.Credentials, port: int) -> list[str]:
        audit = self._options.audit
        return [
            *("--address", self._claim.api_server, "--port", str(port)),
            *("--cert", str(files.certificate), "--key", str(files.key), "--token-file", str(files.token)),
            *(("--audit", str(audit.resolve())) if audit else ()),
        ]

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
        from embedded_cluster import bootstrap
        from embedded_cluster.client import connect
        from embedded_cluster.overrides import Endpoints, Overrides

        options = self._options
        async with connect(files.kubeconfig) as client:
            self._progress.wait_for("the API server to answer")
            versions = {"stickyconf": version("stickyconf"), "kubernetes": await bootstrap.server_version(client)}
            endpoints = Endpoints(proxy_url="", admin_url="")
            if not options.bare:
                preferred = {
                    "proxy": 8000,
                    "proxy-tls": 8443,
                    "kong-admin": 8001,
                    "kong-admin-tls": 8444,
                    "status": 8100,
                }
                overrides = Overrides(
                    sync_period=options.sync_period,
                    drain_support=options.drain_support,
                    gateway=options.gateway,
                    gateway_version=options.gateway_version,
                    gateway_replicas=options.gateway_replicas,
                    gateway_workers=options.gateway_workers,
                    worker_lag=options.worker_lag,
                    drained_sessions=options.drained_sessions,
                    hooks=options.hooks,
                    ports={name: machine.port(self._claim.api_server, port) for name, port in preferred.items()},
                    controller=options.controller,
                    controller_arguments=options.controller_arguments,
                    kong=Endpoints(options.proxy_url, options.admin_url) if options.admin_url else None,
                )
                endpoints = await bootstrap.install(client, overrides, self._progress.wait_for)
                if not options.admin_url:
                    versions[options.gateway] = PLANES[options.gateway].version()
                if options.controller:
                    versions["kic"] = kic.version(options.controller)
        proxy_url = await self._balanced(files) if options.balancer else endpoints.proxy_url
        return Started(
            kubeconfig=str(files.kubeconfig),
            proxy_url=proxy_url,
            tls_url="" if options.balancer else endpoints.tls_url,  # the balancer carries the plain port only
            admin_url=endpoints.admin_url,
            pod_network=self._pods,
            dir=str(self._directory),
            versions=versions,
        )

    async def _balanced(self, files: machine.Credentials) -> str:
        """Start a balancer before the gateways; returns its address as a URL."""
        from embedded_cluster.balancer import Balancer

        address = Address(self._claim.api_server, machine.port(self._claim.api_server, 8000))
        self._balancer = Balancer(address, files.kubeconfig)
        await self._balancer.start()
        return f"http://{address.host}:{address.port}"


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
