"""Plays the recordings that the chosen cases need, side by side, and keeps their histories for the cases."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, cast

from stickyconf.model import History
from stickyconf.model.storage import read_history, write_history
from stickyconf.plugin.loop import PULSE_SECONDS, LoopThread, Pulse
from stickyconf.plugin.options import OUT_OF_REACH
from stickyconf.ports import (
    NAMESPACE,
    Cluster,
    HarnessError,
    LeftBehind,
    Manifest,
    OutOfReach,
    Rejected,
    Target,
    TargetLost,
)
from stickyconf.reporting import diagnostics
from stickyconf.reporting.histories import redacted
from stickyconf.scenarios import Manifests, Stage
from stickyconf.scenarios.recording import Recording
from stickyconf.wait import Budgets, Waiter, WaitFailed

Applied = Callable[[str, Manifest], None]
"""Is told of each object that is applied for a recording: the recording's name, the object."""


class ApplyLog:
    """A cluster that reports each object before it applies it."""

    def __init__(self, cluster: Cluster, note: Callable[[Manifest], None]) -> None:
        """Take the cluster, and what to tell."""
        self._cluster, self._note = cluster, note

    async def apply(self, manifest: Manifest) -> dict[str, Any]:
        """Tell of the object, then apply it."""
        self._note(manifest)
        return await self._cluster.apply(manifest)

    def __getattr__(self, name: str) -> Any:
        """Do everything else as the cluster does it."""
        return getattr(self._cluster, name)


@dataclass(frozen=True, slots=True)
class Production:
    """What all recordings of a run share.

    ``jobs``: so many are played at the same time at the most. The next one begins when the event loop has kept its time
    for ``ramp`` seconds: on a busy machine fewer are played at once. ``histories``: the directory they are written to.
    ``suffix``: what makes this run's namespaces its own. ``marks_upstreams``: a deliberate fault is in force whose mark
    only the Admin API shows, so that it has to be looked for there. ``session_age``: the seconds for which a lasting
    recording keeps its sessions at the least. ``minutes``: how long a soak lasts.
    """

    target: Target
    budgets: Budgets
    manifests: Manifests
    histories: Path
    suffix: str
    seed: int
    jobs: int
    applied: Applied
    ramp: float = 0.2
    session_age: float = 0.0
    minutes: float = 0.0
    marks: Callable[[Stage], contextlib.AbstractAsyncContextManager[None]] = lambda _: contextlib.nullcontext()


@dataclass
class Play:
    """One recording on its way: waiting, then playing, then done. Times are readings of time.time(), in seconds."""

    recording: Recording
    made: concurrent.futures.Future[History] = field(default_factory=concurrent.futures.Future)
    namespace: str = ""
    began: float = 0.0
    ended: float = 0.0
    waits_for: str = ""

    def waits(self, what: str, _elapsed: float) -> None:
        """Note what is waited for; "" ends the wait."""
        self.waits_for = what

    def told(self) -> str:
        """Say what it does now."""
        waiting = f" waiting for {self.waits_for}" if self.waits_for else ""
        return f"{self.recording.name}{waiting} ({time.time() - self.began:.0f} s)"


class Player:
    """Plays recordings from ``with`` on, in the order given as far as their needs allow it; ends what is left."""

    def __init__(
        self,
        loop: LoopThread,
        recordings: Iterable[Recording],
        production: Production,
        withheld: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Take the loop to play on, the recordings, what they share, and which are not to be made: name -> reason."""
        self._loop, self._shared = loop, production
        self.plays = {recording.name: Play(recording) for recording in recordings}
        for name, reason in withheld.items():
            self._withhold(self.plays[name], reason)
        self._drain: bool | None = None
        self._pulse = Pulse(production.ramp)
        self._clearing: list[tuple[str, concurrent.futures.Future[None]]] = []
        self._all: asyncio.Task[None] | None = None
        self._others = asyncio.Event()
        # A small node that has to start and to end many pods at once has no time left for traffic.
        self._apart = asyncio.Lock() if production.target.tempo.slow else contextlib.nullcontext()

    def __enter__(self) -> Self:
        """Begin to play."""
        self._loop.run(self._begin())
        return self

    def __exit__(self, *_: object) -> None:
        """End what still plays and delete every namespace; LeftBehind names those that cannot be deleted."""
        self._loop.run(self._end())
        for name in self.plays:
            self.clear(name)
        left: dict[str, list[str]] = {}
        for namespace, deletion in self._clearing:
            try:
                self._loop.result(deletion)
            except OutOfReach:  # on somebody's cluster: it was not made, so it is not this run's to delete
                continue
            except (HarnessError, Rejected) as error:
                left.setdefault(str(error), []).append(namespace)
        if left:
            raise LeftBehind("; ".join(f"namespace {', '.join(names)} ({said})" for said, names in left.items()))

    def history(self, name: str) -> History:
        """Return a recording's history as read back from disk, when it has been made.

        HarnessError if the suite or its environment failed, OutOfReach if the target does not let it be done or seen.
        """
        return self._loop.result(self.plays[name].made)

    def clear(self, name: str) -> None:
        """Begin to delete a recording's namespace; its pods end in their own time."""
        play = self.plays[name]
        if play.namespace:
            deletion = self._shared.target.cluster.delete(NAMESPACE, play.namespace)
            self._clearing.append((play.namespace, self._loop.start(deletion)))
            play.namespace = ""

    def explain(self, names: Iterable[str], directory: Path) -> list[Path]:
        """Collect logs, configuration, objects and events of recordings, and return the files."""
        target = self._shared.target
        namespaces = [play.namespace for name in names if (play := self.plays[name]).namespace]
        self._loop.run(
            diagnostics.collect(
                target.cluster, target.gateway, namespaces, directory, system_namespace=target.namespace
            )
        )
        return sorted(path for path in directory.rglob("*") if path.is_file())

    def span(self, name: str) -> tuple[float, float] | None:
        """Return when a recording began and ended, as time.time() counts; None if it has not."""
        play = self.plays[name]
        return (play.began, play.ended) if play.ended else None

    def told(self) -> str:
        """Say in one line how far it is, and what each recording that plays waits for."""
        done = [play for play in self.plays.values() if play.ended]
        playing = [play for play in self.plays.values() if play.began and not play.ended]
        if not playing:
            return ""
        waiting = len(self.plays) - len(done) - len(playing)
        counts = f"recordings: {len(done)} done, {len(playing)} playing, {waiting} waiting"
        return f"{counts} | {'; '.join(play.told() for play in playing)}"

    async def _begin(self) -> None:
        self._all = asyncio.create_task(self._play_all())

    async def _end(self) -> None:
        if self._all:
            self._all.cancel()
            await asyncio.gather(self._all, return_exceptions=True)
        for play in self.plays.values():
            if not play.made.done():
                play.made.set_exception(HarnessError(f"recording {play.recording.name}: the run ended before"))

    async def _play_all(self) -> None:
        with contextlib.suppress(HarnessError, OutOfReach):  # then no recording knows it
            self._drain = await self._shared.target.controller.drain_support()
        measuring = asyncio.create_task(self._pulse.run())
        due = [play for play in self.plays.values() if play.recording.lasting and not play.began]
        lasting = [asyncio.create_task(self._play(play)) for play in due]
        try:
            for drain in (True, False):
                await self._play_with(drain)
            self._others.set()
            await asyncio.gather(*lasting)
        finally:
            for task in lasting:
                task.cancel()
            await asyncio.gather(*lasting, return_exceptions=True)
            measuring.cancel()

    async def _play_with(self, drain: bool) -> None:
        """Play what needs drain support to be so, and beside it what does not care; with the last, all of that."""
        due = [play for play in self.plays.values() if not play.began and not play.recording.lasting]
        last = not drain or not any(play.recording.topology.drain is False for play in due)
        own = [play for play in due if play.recording.topology.drain is drain]
        others = [play for play in due if play.recording.topology.drain is None]
        if own and not await self._switched(drain, own):
            own = []
        if own or last:
            beside = [play for play in others if last or not play.recording.long]  # nothing is to wait for its end
            await self._beside(_sharing(own), _sharing(beside), all_of_them=last)
            for play in (*_alone(own), *(_alone(others) if last else ())):
                await self._play(play)

    async def _switched(self, drain: bool, needing: list[Play]) -> bool:
        """Switch drain support and say whether that went well; if not, those that need it have failed for it."""
        try:
            await self._shared.target.controller.set_drain_support(drain)
        except (OutOfReach, HarnessError, WaitFailed, Rejected, OSError) as error:
            for play in needing:
                play.began = play.ended = time.time()
                self._failed(play, error)
            return False
        self._drain = drain
        return True

    async def _beside(self, own: list[Play], others: list[Play], *, all_of_them: bool) -> None:
        """Play side by side: ``own`` first, then ``others`` in free places: all, or only while own are played."""
        running: dict[asyncio.Task[None], Play] = {}
        waiting = [*own, *others]
        try:
            while running or waiting:
                claimed = {play.recording.claim for play in running.values()} - {""}
                due = [play for play in waiting if play.recording.claim not in claimed]
                room = bool(due) and len(running) < self._shared.jobs
                if room and (self._pulse.calm or not running):
                    running[asyncio.create_task(self._play(due[0]))] = due[0]
                    waiting.remove(due[0])
                    self._pulse.forget()
                else:
                    patience = PULSE_SECONDS if room else None
                    await asyncio.wait(running, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                    running = {task: play for task, play in running.items() if not task.done()}
                if not all_of_them and not any(play in own for play in (*waiting, *running.values())):
                    waiting = []  # they are played later
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _play(self, play: Play) -> None:
        """Play one recording, write its history to disk, and keep it as read back; what fails ends only this one."""
        play.began = time.time()
        name = play.recording.name
        path = self._shared.histories / f"{name}.jsonl"
        try:
            history = await self._record(play)
            stored = await asyncio.to_thread(_stored, history, path)
        except asyncio.CancelledError:
            play.made.set_exception(HarnessError(f"recording {name}: the run was interrupted"))
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised in the cases that need the history
            self._failed(play, error)
        else:
            play.ended = time.time()
            play.made.set_result(stored)
        finally:
            play.ended = play.ended or time.time()

    def _withhold(self, play: Play, reason: str) -> None:
        play.began = play.ended = time.time()
        self._failed(play, OutOfReach(reason))

    def _failed(self, play: Play, error: BaseException) -> None:
        name, leaves = play.recording.name, list(_leaves(error))
        first = next((one for one in leaves if isinstance(one, TargetLost)), leaves[0])
        if isinstance(first, OutOfReach):
            (self._shared.histories / f"{name}{OUT_OF_REACH}").write_text(str(first), encoding="utf-8")
            play.made.set_exception(first)
        elif isinstance(first, HarnessError | WaitFailed | Rejected | OSError):
            kind = TargetLost if isinstance(first, TargetLost) else HarnessError
            failure = kind(f"recording {name}: {first}")
            failure.__cause__ = first
            play.made.set_exception(failure)
        else:
            play.made.set_exception(first)

    async def _record(self, play: Play) -> History:
        shared, recording = self._shared, play.recording
        topology = recording.topology
        target = replace(
            shared.target,
            cluster=cast(Cluster, ApplyLog(shared.target.cluster, partial(shared.applied, recording.name))),
            traffic=shared.target.traffic.part(),
        )
        namespace = f"sticky-{recording.name}-{shared.suffix}"
        stage = Stage(
            name=recording.name,
            target=target,
            waiter=Waiter(shared.budgets, play.waits),
            manifests=shared.manifests,
            topology=topology,
            namespace=namespace,
            host=f"{namespace}.stickyconf.test",
            seed=shared.seed,
            drain=self._drain,
            others=self._others if recording.lasting else None,
            apart=self._apart,
            session_age=shared.session_age,
            minutes=shared.minutes,
        )
        play.namespace = namespace  # before it is there: a run that ends in the middle of this may leave it
        try:
            await target.cluster.create(shared.manifests.namespace(namespace, shared.suffix))
        except Rejected:
            play.namespace = ""  # one of that name is there already, and not ours
            raise
        async with _ended(stage):
            async with shared.marks(stage):
                await stage.play(recording.scenarios)
            if topology.hold:
                await stage.release_all(namespace)
        return await stage.close()


@contextlib.asynccontextmanager
async def _ended(stage: Stage) -> AsyncIterator[None]:
    """If what is played fails or is cancelled, end its watches and release its pods; the failure goes on."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(HarnessError, OSError):
            await stage.observers.stop()
        if stage.topology.hold:
            with contextlib.suppress(HarnessError, Rejected, OSError):
                await stage.release_all(stage.namespace)
        raise


def _stored(history: History, path: Path) -> History:
    write_history(redacted(history), path)
    return read_history(path)


def _sharing(plays: Sequence[Play]) -> list[Play]:
    """Return those that are played beside others, the long ones first."""
    return sorted((play for play in plays if not play.recording.alone), key=lambda play: not play.recording.long)


def _alone(plays: Sequence[Play]) -> list[Play]:
    return [play for play in plays if play.recording.alone]


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _leaves(one)
    else:
        yield error
