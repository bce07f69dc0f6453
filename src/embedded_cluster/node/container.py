"""One container of a pod, from its first start to its last end.

A container that ends is restarted as the pod's ``restartPolicy`` says: at once the first time, then after 1 s, doubled
up to 60 s, and from the beginning again after 10 minutes without a crash. (KEP-4603 lets kubelets do the same; by
default they start with 10 s.)
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import aiohttp

from embedded_cluster.client import Object
from embedded_cluster.node.actions import ActionError, Target, perform
from embedded_cluster.node.environment import Mounts, resolve_command
from embedded_cluster.node.grace import Grace
from embedded_cluster.node.logs import ContainerLog
from embedded_cluster.node.probes import changes
from embedded_cluster.node.process import Process, Processes
from embedded_cluster.objects import now

log = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE, _FORGIVEN_AFTER = 1.0, 60.0, 600.0  # seconds
_LAST_CHANCE = 2.0  # seconds after SIGTERM, when the preStop hook has used up the grace period ("Pod Lifecycle")
_START_ERROR = 128  # the exit code that container runtimes report for a command that cannot be started

RestartPolicy = Literal["Always", "OnFailure", "Never"]
Tell = Callable[[str, str, Literal["Normal", "Warning"]], None]
"""Writes an event about the pod: reason, message, kind."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a pod has for all of its containers."""

    processes: Processes
    http: aiohttp.ClientSession
    ip: str
    directory: Path
    """Where containers work, and where their logs are kept."""
    grace_period: float
    """Seconds: the pod's ``terminationGracePeriodSeconds``."""
    changed: Callable[[], None]
    """To be called when the state of a container has changed."""
    tell: Tell


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to start one container."""

    command: list[str]
    variables: dict[str, str]
    mounts: Mounts
    directory: Path


class Container:
    """A container and its state, in the words of ``ContainerStatus``."""

    def __init__(self, spec: Object, around: Surroundings) -> None:
        """Nothing is started yet."""
        self.spec = spec
        self.name: str = spec["name"]
        self.ready = False
        self.started = asyncio.Event()  # is it running, and has it passed its startup probe?
        self.log: ContainerLog | None = None
        self.previous_log: ContainerLog | None = None
        self.restarts = 0
        self._around = around
        self._id = ""
        self._state: Object = {"waiting": {"reason": "ContainerCreating"}}
        self._last_state: Object = {}
        self._process: Process | None = None
        self._target: Target | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    @property
    def exit_code(self) -> int | None:
        """How its last run ended; None when there was none, and while it runs."""
        code = self._state.get("terminated", {}).get("exitCode")
        return None if code is None else int(code)

    def report(self) -> Object:
        """Its ``ContainerStatus``."""
        return {
            "name": self.name,
            "image": self.spec.get("image", ""),
            "imageID": "",
            "containerID": self._id,
            "ready": self.ready,
            "started": self.started.is_set(),
            "restartCount": self.restarts,
            "state": self._state,
            "lastState": self._last_state,
        }

    def wait_for(self, reason: str, message: str = "") -> None:
        """Say why it is not running."""
        self._state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
        self._around.changed()

    def discard_logs(self) -> None:
        """Its logs are not read again."""
        for each in filter(None, (self.previous_log, self.log)):
            each.discard()

    async def run(self, recipe: Recipe, restart: RestartPolicy) -> None:
        """Run it, again if *restart* says so, until it has ended for good or :meth:`stop` has ended it."""
        pause, loop = 0.0, asyncio.get_running_loop()
        while not self._stopping.is_set():
            begun = loop.time()
            code = await self._run_once(recipe)
            if restart == "Never" or (restart == "OnFailure" and code == 0) or self._stopping.is_set():
                return
            self._last_state = self._state
            if loop.time() - begun >= _FORGIVEN_AFTER:
                pause = 0.0
            if pause:
                await self._back_off(pause)
            if not self._stopping.is_set():
                self.restarts += 1
                pause = min(_LONGEST_PAUSE, pause * 2 or _FIRST_PAUSE)

    async def stop(self, grace: Grace) -> None:
        """End it for good: preStop hook, SIGTERM, what is left of *grace*, SIGKILL. A second call only waits."""
        if self._stopping.is_set():
            if self._process is not None:
                await self._process.ended()
            return
        self._stopping.set()
        if self._keeper is not None:
            self._keeper.cancel()  # no more liveness and startup probes; readiness is followed to the end
        if self._process is not None:
            self._around.tell("Killing", f"Stopping container {self.name}", "Normal")
            await self._end(self._process, grace)

    async def _run_once(self, recipe: Recipe) -> int:
        if self.previous_log is not None:
            self.previous_log.discard()
        self.previous_log, self.log = self.log, self._new_log()
        begun = now()
        try:
            process = self._start(recipe, recipe.command, self.log.append)
        except (OSError, ValueError) as error:  # the latter for a null byte, or no command at all
            self.log.end()
            self._around.tell("Failed", f"Error: failed to start container {self.name}: {error}", "Warning")
            self._ended(begun, _START_ERROR, "StartError", str(error))
            return _START_ERROR
        self._process = process
        self._id = f"process://{process.pid}"
        self._state = {"running": {"startedAt": begun}}
        self._around.tell("Started", f"Started container {self.name}", "Normal")
        self._target = self._target_of(recipe)
        self._keeper = self._background(self._keep_alive(process, self._target))
        readiness = self._background(self._follow_readiness(self._target))
        self._around.changed()
        code = await process.ended()
        self._process = None
        self._keeper.cancel()
        readiness.cancel()
        await asyncio.wait((self._keeper, readiness))
        self._ended(begun, code, "Error" if code else "Completed")
        await process.drain()
        self.log.end()
        return code

    def _ended(self, begun: str, code: int, reason: str, message: str = "") -> None:
        self.ready = False
        self.started.clear()
        terminated = {"exitCode": code, "reason": reason, "startedAt": begun, "finishedAt": now()}
        self._state = {"terminated": {**terminated, **({"message": message} if message else {})}}
        self._around.changed()

    async def _back_off(self, pause: float) -> None:
        message = f"back-off {pause:g}s restarting failed container={self.name}"
        self._around.tell("BackOff", f"Back-off restarting failed container {self.name}", "Warning")
        self.wait_for("CrashLoopBackOff", message)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), pause)
        if self._stopping.is_set():
            self._state = self._last_state  # it has ended, and will not be started again

    async def _keep_alive(self, process: Process, target: Target) -> None:
        """Follow the startup probe, then the liveness probe; end the process when it fails them."""
        if "startupProbe" in self.spec:
            async for passed in self._probe("startup", target, eager=True):
                if passed:
                    break
                await self._give_up(process, "startup")
        self.started.set()
        self._around.changed()
        if "livenessProbe" in self.spec:
            async for passed in self._probe("liveness", target):
                if not passed:
                    await self._give_up(process, "liveness")

    async def _follow_readiness(self, target: Target) -> None:
        await self.started.wait()
        if "readinessProbe" not in self.spec:
            self._set_ready(True)
            return
        async for passed in self._probe("readiness", target, eager=True):
            self._set_ready(passed)

    def _probe(self, kind: str, target: Target, *, eager: bool = False) -> AsyncIterator[bool]:
        def unhealthy(problem: str) -> None:
            self._around.tell("Unhealthy", f"{kind.capitalize()} probe failed: {problem}", "Warning")

        return changes(self.spec[f"{kind}Probe"], target, eager=eager, unhealthy=unhealthy)

    def _set_ready(self, ready: bool) -> None:
        if self.ready != ready:
            self.ready = ready
            self._around.changed()

    async def _give_up(self, process: Process, probe: str) -> None:
        message = f"Container {self.name} failed {probe} probe, will be restarted"
        self._around.tell("Killing", message, "Normal")
        seconds = self.spec[f"{probe}Probe"].get("terminationGracePeriodSeconds", self._around.grace_period)
        await self._end(process, Grace(seconds))

    async def _end(self, process: Process, grace: Grace) -> None:
        hook = (self.spec.get("lifecycle") or {}).get("preStop")
        if hook and self._target is not None:
            await self._pre_stop(hook, self._target, process, grace)
        process.signal(signal.SIGTERM)
        grace.lengthen(_LAST_CHANCE)
        await _first(process.ended(), grace.over())
        process.kill()
        await process.ended()

    async def _pre_stop(self, hook: Object, target: Target, process: Process, grace: Grace) -> None:
        """Run the hook until it is done, the grace period is over, or there is nothing left to stop."""

        async def run_hook() -> None:
            try:
                await perform(hook, target)
            except Exception as error:
                # Even if the hook fails, the container is stopped.
                if not isinstance(error, ActionError):
                    log.exception("preStop hook of container %s", self.name)
                self._around.tell("FailedPreStopHook", f"PreStopHook failed: {error}", "Warning")

        await _first(run_hook(), grace.over(), process.ended())

    def _start(self, recipe: Recipe, command: list[str], output: Callable[[bytes], None]) -> Process:
        """Start a command in the surroundings of this container. Raises ``OSError`` or ``ValueError``."""
        return self._around.processes.start(
            command,
            environment=recipe.variables,
            directory=recipe.directory,
            output=output,
        )

    def _target_of(self, recipe: Recipe) -> Target:
        def start(command: list[str], output: Callable[[bytes], None]) -> Process:
            return self._start(recipe, resolve_command(command, recipe.variables, recipe.mounts), output)

        return Target(self.spec, self._around.ip, start, self._around.http)

    def _new_log(self) -> ContainerLog:
        return ContainerLog(self._around.directory / f"{self.name}-{self.restarts}.log")

    def _background(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._note_failure)
        return task

    def _note_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            log.error("probes of container %s", self.name, exc_info=task.exception())


async def _first(*works: Coroutine[Any, Any, object]) -> None:
    """Return when the first of *works* is done; the others are cancelled. Raises what that first one raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    for task in done:
        task.result()
