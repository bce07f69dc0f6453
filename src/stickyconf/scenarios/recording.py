"""A recording, declared: which scenarios are played on which stage, and what they need of the installation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from stickyconf.scenarios.stage import Scenario
from stickyconf.scenarios.workload import Topology


@dataclass(frozen=True, slots=True)
class Recording:
    """One history to be made. ``name`` is the history's name, its file's, and a part of its namespace's.

    ``topology.drain`` says whether drain support has to be on or off; None: it does not matter. ``alone``: what is
    played disturbs others, so that nothing else is played at the same time. ``repeated``: it stands for as many
    recordings as ``--drains`` says; its name holds ``{number}``. ``lasting``: it begins first and goes on beside all
    others, however they are played, until the last of them has ended. ``long``: it takes longer than most, so that it
    begins before those, and nothing waits for it alone in the end. ``claim``: the name of something that it needs for
    itself; of those with the same claim one is played at a time.
    """

    name: str
    scenarios: tuple[Scenario, ...]
    topology: Topology = field(default_factory=Topology)
    alone: bool = False
    repeated: bool = False
    lasting: bool = False
    long: bool = False
    claim: str = ""

    def times(self, count: int) -> tuple[Recording, ...]:
        """Return the recordings this one stands for: itself, or ``count`` numbered ones if it is repeated."""
        if not self.repeated:
            return (self,)
        numbers = range(1, count + 1)
        return tuple(replace(self, name=self.name.format(number=number), repeated=False) for number in numbers)

    @property
    def turn(self) -> int:
        """Its place in the order of ending: drain support on, off or no matter, those that play alone, what lasts."""
        if self.lasting:
            return 4
        if self.topology.drain:
            return 1 if self.alone else 0
        return 3 if self.alone else 2


def fixture_title(recording: Recording) -> str:
    """Return what the fixture of a recording is called in reports."""
    return f"recording {recording.name}"


def recordings_of(case: Any) -> tuple[Recording, ...]:
    """Return the recordings that a case, a pytest item, reads: its fixtures say which (stickyconf.cases.recorded)."""
    definitions: Mapping[str, Any] = case._fixtureinfo.name2fixturedefs  # noqa: SLF001 - pytest has no public way
    found: Iterator[Any] = (getattr(one.func, "recording", None) for given in definitions.values() for one in given)
    return tuple(one for one in found if one)
