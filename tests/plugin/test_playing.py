"""Recordings side by side: in which order they are played, what they share, and that one's failure is its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from stickyconf.model.storage import read_history
from stickyconf.plugin.loop import LoopThread
from stickyconf.plugin.playing import Player, Production
from stickyconf.ports import Cluster, Gateway, HarnessError, OutOfReach, Rejected, Target, Tempo
from stickyconf.scenarios import Manifests, Stage, Topology
from stickyconf.scenarios.ending import in_turn
from stickyconf.scenarios.recording import Recording
from stickyconf.targets.traffic import HttpTraffic
from stickyconf.wait import Budgets
from tests.waiting import eventually

MANIFESTS = Path(__file__).parents[2] / "manifests"
TURNS = 20  # times that a scenario lets the others go on before it ends


class Installation:
    """A cluster and a controller that keep what was done to them, in order."""

    def __init__(self, *, may_switch: bool = True) -> None:
        self.log: list[str] = []
        self.namespaces: set[str] = set()
        self._drain, self._may_switch = False, may_switch

    async def create(self, manifest: dict[str, Any]) -> None:
        self.namespaces.add(manifest["metadata"]["name"])

    async def delete(self, _kind: object, name: str) -> None:
        self.namespaces.discard(name)

    async def list(self, *_: object) -> list[object]:
        return []

    async def drain_support(self) -> bool:
        return self._drain

    async def set_drain_support(self, on: bool) -> None:
        if not self._may_switch:
            raise OutOfReach("nobody allowed to switch it")
        if on != self._drain:
            self.log.append(f"drain {'on' if on else 'off'}")
        self._drain = on


@pytest.fixture
def there() -> Installation:
    return Installation()


@pytest.fixture
def play(there: Installation, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    with LoopThread() as loop:

        @contextmanager
        def playing(
            recordings: Iterable[Recording], *, jobs: int = 4, ramp: float = 0.0, sync: float = 0.1
        ) -> Iterator[Player]:
            target = Target(
                name="test",
                implementation="none",
                versions={},
                tempo=Tempo(sync, 1, 2),
                cluster=cast(Cluster, there),
                gateway=cast(Gateway, None),
                controller=there,
                traffic=HttpTraffic("http://127.0.0.1:1", timedelta(seconds=1)),
                proxy_url="",
                kubeconfig="",
            )
            shared = Production(
                target, Budgets.of(), Manifests(MANIFESTS), tmp_path, "x1", 7, jobs, lambda *_: None, ramp=ramp
            )
            with Player(loop, recordings, shared) as player:
                yield player

        yield playing


def recording(
    there: Installation,
    name: str,
    drain: bool | None = None,
    *,
    alone: bool = False,
    long: bool = False,
    claim: str = "",
) -> Recording:
    """A recording that writes down when it begins and ends, and lets others go on meanwhile."""

    async def scenario(_stage: Stage) -> None:
        there.log.append(f"{name} begins")
        for _ in range(TURNS):
            await asyncio.sleep(0)
        there.log.append(f"{name} ends")

    return Recording(name, (scenario,), Topology(replicas=0, policy=None, drain=drain), alone, long=long, claim=claim)


def failing(name: str, error: Exception) -> Recording:
    async def scenario(_stage: Stage) -> None:
        raise error

    return Recording(name, (scenario,), Topology(replicas=0, policy=None))


def test_drain_support_is_switched_once_each_way_whatever_the_order(play: Any, there: Installation) -> None:
    given = [
        recording(there, name, drain)
        for name, drain in [("a", False), ("b", True), ("c", None), ("d", False), ("e", True), ("f", None)]
    ]
    with play(given, jobs=2) as player:
        drains = {one.name: player.history(one.name).setup.drain for one in given}
    assert [line for line in there.log if line.startswith("drain")] == ["drain on", "drain off"]
    assert {name: drains[name] for name in "abde"} == {"a": False, "b": True, "d": False, "e": True}
    assert drains["c"] is not None
    assert drains["f"] is not None


@pytest.mark.parametrize(("sync", "apart"), [(3.0, True), (0.1, False)])
def test_pods_end_one_after_the_other_if_the_controller_is_slow(
    play: Any, there: Installation, sync: float, apart: bool
) -> None:
    async def scenario(stage: Stage) -> None:
        async with in_turn(stage):
            there.log.append(stage.name)
            for _ in range(TURNS):
                await asyncio.sleep(0)
            there.log.append(stage.name)

    given = [Recording(name, (scenario,), Topology(replicas=0, policy=None)) for name in ("a", "b", "c")]
    with play(given, sync=sync) as player:
        for one in given:
            player.history(one.name)
    assert (there.log[0::2] == there.log[1::2]) is apart


def test_at_most_so_many_are_played_at_once(play: Any, there: Installation) -> None:
    given = [recording(there, f"r{number}") for number in range(5)]
    with play(given, jobs=2) as player:
        for one in given:
            player.history(one.name)
    assert _most_at_once(there.log) == 2


def test_while_the_loop_is_late_nothing_more_is_begun(play: Any, there: Installation) -> None:
    """A scenario that keeps the loop busy is not joined by others; when it has ended they begin."""

    async def hog(_stage: Stage) -> None:
        there.log.append("hog begins")
        for _ in range(6):
            time.sleep(0.3)  # noqa: ASYNC251 - it blocks the loop, as too much work does
            await asyncio.sleep(0)
        there.log.append("hog ends")

    given = [Recording("hog", (hog,), Topology(replicas=0, policy=None)), recording(there, "other")]
    with play(given, ramp=0.2) as player:
        player.history("other")
    assert there.log == ["hog begins", "hog ends", "other begins", "other ends"]


def test_one_job_plays_in_turn(play: Any, there: Installation) -> None:
    given = [recording(there, f"r{number}") for number in range(3)]
    with play(given, jobs=1) as player:
        player.history("r2")
    assert there.log == [f"r{number} {what}" for number in range(3) for what in ("begins", "ends")]


def test_what_disturbs_others_is_played_alone(play: Any, there: Installation) -> None:
    given = [
        recording(there, "on", True),
        recording(there, "page-on", True, alone=True),
        recording(there, "off", False),
        recording(there, "any"),
        recording(there, "page", alone=True),
    ]
    with play(given) as player:
        for one in given:
            player.history(one.name)
    for name in ("page", "page-on"):
        began = there.log.index(f"{name} begins")
        assert there.log[began + 1] == f"{name} ends"
        assert _under_way(there.log[:began]) == 0


def test_long_ones_begin_first_and_none_puts_off_the_switch(play: Any, there: Installation) -> None:
    """Beside those that need drain support as it is only short ones are played that do not care."""
    given = [
        recording(there, "on", True),
        recording(there, "on-long", True, long=True),
        recording(there, "any-long", long=True),
        recording(there, "any"),
        recording(there, "off", False),
        recording(there, "off-long", False, long=True),
    ]
    with play(given, jobs=1) as player:
        for one in given:
            player.history(one.name)
    begun = [line.removesuffix(" begins") for line in there.log if not line.endswith(" ends")]
    assert begun == ["drain on", "on-long", "on", "drain off", "off-long", "off", "any-long", "any"]


def test_beside_those_that_need_drain_support_short_ones_are_played(play: Any, there: Installation) -> None:
    given = [
        recording(there, "on", True),
        recording(there, "any-long", long=True),
        recording(there, "any"),
        recording(there, "off", False),
    ]
    with play(given) as player:
        for one in given:
            player.history(one.name)
    switched = there.log.index("drain off")
    assert "any begins" in there.log[:switched]
    assert "any-long begins" in there.log[switched:]


def test_of_those_with_the_same_claim_one_is_played_at_a_time(play: Any, there: Installation) -> None:
    """Others go on beside it."""
    given = [
        recording(there, "page", claim="kong"),
        recording(there, "other-page", claim="kong"),
        recording(there, "a"),
        recording(there, "b"),
    ]
    with play(given) as player:
        for one in given:
            player.history(one.name)
    assert there.log.index("page ends") < there.log.index("other-page begins")
    assert _most_at_once(there.log) == 3


def test_a_recording_that_fails_ends_only_its_own_cases(play: Any, there: Installation) -> None:
    given = [
        failing("broken", HarnessError("the node is gone")),
        failing("unreachable", OutOfReach("no Admin API")),
        failing("crashed", ValueError("a bug of ours")),
        recording(there, "fine"),
    ]
    with play(given) as player:
        assert player.history("fine").setup.name == "fine"
        with pytest.raises(HarnessError, match="recording broken: the node is gone"):
            player.history("broken")
        with pytest.raises(OutOfReach, match="no Admin API"):
            player.history("unreachable")
        with pytest.raises(ValueError, match="a bug of ours"):
            player.history("crashed")


def test_those_that_need_what_may_not_be_switched_say_so_and_the_others_are_played(
    play: Any, tmp_path: Path, there: Installation
) -> None:
    there._may_switch = False
    with play([recording(there, "on", True), recording(there, "any")]) as player:
        assert player.history("any").setup.drain is False
        with pytest.raises(OutOfReach, match="nobody allowed"):
            player.history("on")
    assert (tmp_path / "on.out-of-reach").read_text() == "nobody allowed to switch it"


def test_histories_are_on_disk_before_anybody_asks_for_them(play: Any, tmp_path: Path, there: Installation) -> None:
    with play([recording(there, "first"), recording(there, "second")]) as player:
        player.plays["second"].made.result(30)
        assert read_history(tmp_path / "second.jsonl").setup.name == "second"


def test_the_end_cancels_what_is_played_and_leaves_no_namespace(play: Any, there: Installation) -> None:
    async def forever(_stage: Stage) -> None:
        there.log.append("forever begins")
        await asyncio.Event().wait()

    endless = Recording("forever", (forever,), Topology(replicas=0, policy=None))
    with play([recording(there, "quick"), endless, recording(there, "on", True)], jobs=2) as player:
        player.history("quick")
        eventually("it plays", lambda: "forever begins" in there.log)
        told = player.told()
    assert "forever" in told
    assert there.namespaces == set()
    with pytest.raises(HarnessError, match="recording forever: the run was interrupted"):
        player.plays["forever"].made.result(0)


def test_a_namespace_goes_as_soon_as_nobody_reads_its_history(play: Any, there: Installation) -> None:
    with play([recording(there, "one"), recording(there, "two")]) as player:
        player.history("one")
        player.history("two")
        player.clear("one")
        [(_, deletion)] = player._clearing
        deletion.result(30)
        assert there.namespaces == {"sticky-two-x1"}


def test_a_namespace_whose_making_ended_in_an_error_goes_as_well(play: Any, there: Installation) -> None:
    """Nobody can say whether it is there, so it is deleted."""
    make = there.create

    async def made_but_not_told(manifest: dict[str, Any]) -> None:
        await make(manifest)
        raise HarnessError("the API server's answer never came")

    there.create = made_but_not_told  # type: ignore[method-assign]
    with play([recording(there, "one")]) as player, pytest.raises(HarnessError, match="never came"):
        player.history("one")
    assert there.namespaces == set()


def test_a_namespace_that_was_there_before_stays(play: Any, there: Installation) -> None:
    async def refuse(_manifest: dict[str, Any]) -> None:
        raise Rejected(409, "AlreadyExists", "it is there")

    there.namespaces.add("sticky-one-x1")
    there.create = refuse  # type: ignore[method-assign]
    with play([recording(there, "one")]) as player, pytest.raises(HarnessError, match="it is there"):
        player.history("one")
    assert there.namespaces == {"sticky-one-x1"}


def test_a_repeated_recording_stands_for_as_many_as_asked() -> None:
    one = Recording("drain-{number}", (), repeated=True)
    assert [each.name for each in one.times(3)] == ["drain-1", "drain-2", "drain-3"]
    assert not any(each.repeated for each in one.times(3))
    assert Recording("single", ()).times(3) == (Recording("single", ()),)


def _under_way(log: list[str]) -> int:
    return sum(line.endswith(" begins") - line.endswith(" ends") for line in log)


def _most_at_once(log: list[str]) -> int:
    return max(_under_way(log[: end + 1]) for end in range(len(log)))


def test_a_lasting_recording_begins_first_and_ends_when_the_others_have(play: Any, there: Installation) -> None:
    async def scenario(stage: Stage) -> None:
        there.log.append("elder begins")
        assert stage.others
        await stage.others.wait()
        there.log.append("elder ends")

    elder = Recording("elder", (scenario,), Topology(replicas=0, policy=None), lasting=True)
    given = [recording(there, "a", True), recording(there, "b", False), recording(there, "c", alone=True), elder]
    with play(given, jobs=1) as player:
        player.history("elder")

    assert there.log[0] == "elder begins" or there.log.index("elder begins") < there.log.index("a begins")
    assert there.log[-1] == "elder ends"
    assert {"a ends", "b ends", "c ends"} <= set(there.log)
