"""One pod on this node, from the moment it is bound until its object is gone."""

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import aiohttp
import httpx2
from lightkube import ApiError

from embedded_cluster.client import ApiClient, Object
from embedded_cluster.events import EventRecorder
from embedded_cluster.node.container import Container, Recipe, Surroundings
from embedded_cluster.node.environment import ConfigError, command, inherited, variables
from embedded_cluster.node.grace import Grace
from embedded_cluster.node.pace import PACES, Pace, Span, seconds
from embedded_cluster.node.podstatus import pod_status
from embedded_cluster.node.process import Processes
from embedded_cluster.node.servicelinks import service_links
from embedded_cluster.node.volumes import mounts, write_volumes
from embedded_cluster.objects import is_terminating

log = logging.getLogger(__name__)

_FIRST_RETRY, _LONGEST_RETRY = 0.1, 5.0  # seconds, while something that the pod refers to is missing
_FORCED = 1.0  # seconds of grace when the object is gone already: the least a kubelet gives


@dataclass(frozen=True, slots=True)
class Host:
    """What the node has for all of its pods."""

    client: ApiClient
    events: EventRecorder
    processes: Processes
    http: aiohttp.ClientSession
    address_for: Callable[[Object], str]
    address: str
    directory: Path
    kubeconfig: Path
    pace: Pace = PACES["quick"]


class PodWorker:
    """Runs one pod. :meth:`update` and :meth:`gone` say what has become of its object."""

    def __init__(self, pod: Object, host: Host) -> None:
        """It has an address from now on. Nothing is started before :meth:`run`."""
        self._pod = pod
        self._host = host
        self._pace = host.pace
        self._ip = host.address_for(pod)
        self._directory = host.directory / "pods" / pod["metadata"]["uid"]
        # For the containers' TMPDIR. It is short because Unix sockets in it may have 107 characters, not more.
        self._scratch = host.directory / "tmp" / pod["metadata"]["uid"][:8]
        self._grace_period = pod["spec"].get("terminationGracePeriodSeconds", 30)
        self._grace: Grace | None = None
        self._deleted = asyncio.Event()
        self._exists = True
        self._over = False
        self._changed = asyncio.Event()
        self._reported: Object = {}
        self._reporting = asyncio.Lock()
        around = Surroundings(
            processes=host.processes,
            http=host.http,
            ip=self._ip,
            directory=self._directory,
            grace_period=self._grace_period,
            changed=self._changed.set,
            tell=self._tell,
        )
        self.init_containers = [Container(each, around) for each in pod["spec"].get("initContainers") or []]
        self.containers = [Container(each, around) for each in pod["spec"]["containers"]]
        self.update(pod)

    def update(self, pod: Object) -> None:
        """The object has changed; it may have been deleted, or deleted again with less grace."""
        self._pod = pod
        if is_terminating(pod):
            self._end_within(pod["metadata"].get("deletionGracePeriodSeconds", 30))

    def gone(self) -> None:
        """The object is gone, no matter what the pod does: ``kubectl delete --force --grace-period=0``."""
        self._exists = False
        self._end_within(_FORCED)

    def container(self, name: str) -> Container | None:
        """The container called *name*, or None."""
        return next((each for each in (*self.init_containers, *self.containers) if each.name == name), None)

    @property
    def ip(self) -> str:
        """The pod's address."""
        return self._ip

    async def run(self) -> None:
        """Run the pod until it has ended and its object is gone."""
        for directory in (self._directory, self._scratch):
            directory.mkdir(mode=0o700, parents=True)
        self._changed.set()
        reporter = asyncio.create_task(self._keep_reporting())
        try:
            await self._live()
            await self._take(self._pace.teardown)
            await self._report()  # the containers have ended: not ready, but in no terminal phase yet
            self._over = True
            await self._report()
            await self._deleted.wait()
            await self._take(self._pace.removal)
            if self._exists:
                await self._insist(lambda: self._host.client.remove(self._pod, grace_period=0))
        finally:
            reporter.cancel()
            for each in (*self.init_containers, *self.containers):
                each.discard_logs()
            for directory in (self._directory, self._scratch):
                shutil.rmtree(directory, ignore_errors=True)

    async def _live(self) -> None:
        """Run the containers until all have ended for good."""
        stopper = asyncio.create_task(self._stop_when_deleted())
        try:
            await self._run_containers()
        except Exception as error:
            # Even if the pod's spec has caused an error here, the pod can be deleted, and the other pods go on.
            log.exception("pod %s/%s", self._pod["metadata"]["namespace"], self._pod["metadata"]["name"])
            self._tell("FailedSync", f"Error syncing pod: {error!r}", "Warning")
            await self._deleted.wait()
            await stopper
        finally:
            stopper.cancel()

    async def _take(self, span: Span) -> None:
        """Let the time pass that a real node takes over a pod which is deleted, and not by force."""
        if self._deleted.is_set() and self._exists:
            await asyncio.sleep(seconds(span))

    @property
    def _silent(self) -> bool:
        """Is the end of a container kept back, until all have ended and the phase says so, too?"""
        ended = any("terminated" in each.report()["state"] for each in self.containers)
        return self._deleted.is_set() and ended and not self._over and not self._pace.tells_exit

    async def _stop_when_deleted(self) -> None:
        await self._deleted.wait()
        await self._take(self._pace.notice)
        grace = self._grace or Grace(_FORCED)
        await asyncio.gather(*(each.stop(grace) for each in (*self.init_containers, *self.containers)))

    async def _run_containers(self) -> None:
        recipes = await self._prepare()
        if recipes is None:
            return
        sidecars = [each for each in self.init_containers if each.spec.get("restartPolicy") == "Always"]
        async with asyncio.TaskGroup() as background:
            await self._run_in_order(recipes, background)
            grace = Grace(self._grace_period)
            await asyncio.gather(*(each.stop(grace) for each in sidecars))

    async def _run_in_order(self, recipes: dict[str, Recipe], background: asyncio.TaskGroup) -> None:
        """Run the init containers one by one and then the others together; sidecars go on in the *background*."""
        policy = self._pod["spec"].get("restartPolicy", "Always")
        for each in self.init_containers:
            if each.spec.get("restartPolicy") == "Always":  # a sidecar: it only has to have started
                background.create_task(each.run(recipes[each.name], "Always"))
                await self._unless_deleted(each.started.wait())
            else:
                await each.run(recipes[each.name], "Never" if policy == "Never" else "OnFailure")
                if each.exit_code != 0:
                    return
        async with asyncio.TaskGroup() as group:
            for each in self.containers:
                group.create_task(each.run(recipes[each.name], policy))

    async def _prepare(self) -> dict[str, Recipe] | None:
        """A recipe for each container by its name, as soon as all it refers to is there; None when deleted before."""
        pause = _FIRST_RETRY
        while not self._deleted.is_set():
            try:
                return await self._recipes()
            except (ConfigError, httpx2.HTTPError) as error:
                self._tell("Failed", f"Error: {error}", "Warning")
                for each in (*self.init_containers, *self.containers):
                    each.wait_for("CreateContainerConfigError", str(error))
            await self._unless_deleted(asyncio.sleep(pause))
            pause = min(_LONGEST_RETRY, pause * 2)
        return None

    async def _recipes(self) -> dict[str, Recipe]:
        # The address of the pod is not in its object before our first report, but its variables may ask for it.
        pod: Object = {**self._pod, "status": {"podIP": self._ip, "hostIP": self._host.address}}
        places = await write_volumes(pod, self._directory / "volumes", self._fetch)
        links = await service_links(pod, self._host.client)
        recipes = {}
        for spec in (each.spec for each in (*self.init_containers, *self.containers)):
            mounted = mounts(spec, places)
            own = await variables(pod, spec, self._fetch, mounted, links)
            every = {**inherited(), **self._own_variables(), **own}
            directory = Path(mounted.resolve(spec["workingDir"])) if spec.get("workingDir") else self._directory
            recipes[spec["name"]] = Recipe(command(spec, every, mounted), every, mounted, directory)
        return recipes

    def _own_variables(self) -> dict[str, str]:
        own = {"HOSTNAME": self._pod["metadata"]["name"], "TMPDIR": str(self._scratch)}
        if self._pod["spec"].get("serviceAccountName", "default") != "default":
            own["KUBECONFIG"] = str(self._host.kubeconfig)
        return own

    async def _fetch(self, resource: Any, namespace: str, name: str) -> Object | None:
        try:
            found: Object = await self._host.client.get(resource, name, namespace=namespace)
        except ApiError as error:
            if error.status.code == 404:
                return None
            raise
        return found

    async def _keep_reporting(self) -> None:
        while True:
            await self._changed.wait()
            await self._report()

    async def _report(self) -> None:
        """Have the API server know the present state."""
        async with self._reporting:
            self._changed.clear()
            if self._silent:
                return
            status = pod_status(
                {**self._pod, "status": self._reported or self._pod.get("status")},
                [each.report() for each in self.init_containers],
                [each.report() for each in self.containers],
                ip=self._ip,
                host_ip=self._host.address,
                over=self._over,
            )
            if status != self._reported and self._exists:
                await self._insist(lambda: self._host.client.merge_status(self._pod, status))
                self._reported = status

    async def _insist(self, request: Callable[[], Awaitable[object]]) -> None:
        """Make *request* until the server has answered it, or has said that the pod is gone."""
        pause = _FIRST_RETRY
        while self._exists:
            try:
                await request()
            except ApiError as error:
                if error.status.code in (404, 409):
                    return
                log.warning("pod %s: %s", self._pod["metadata"]["name"], error)
            except httpx2.HTTPError as error:
                log.info("pod %s: %s", self._pod["metadata"]["name"], error or type(error).__name__)
            else:
                return
            await asyncio.sleep(pause)
            pause = min(_LONGEST_RETRY, pause * 2)

    async def _unless_deleted(self, work: Coroutine[Any, Any, object]) -> None:
        """Await *work*, but no longer than until the pod is deleted."""
        tasks = (asyncio.create_task(work), asyncio.create_task(self._deleted.wait()))
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()

    def _end_within(self, seconds: float) -> None:
        if self._grace is None:
            self._grace = Grace(seconds)
        else:
            self._grace.shorten(seconds)
        self._deleted.set()

    def _tell(self, reason: str, message: str, kind: Literal["Normal", "Warning"]) -> None:
        if self._exists:
            self._host.events.record(self._pod, reason, message, kind=kind)
