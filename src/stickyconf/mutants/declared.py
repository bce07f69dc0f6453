"""How a deliberate fault, or a deliberate difference, is declared: it is a function with a decorator.

Nothing here imports the embedded cluster. The functions do; they are found and imported only when asked for.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any, Literal

Place = Literal["gateway", "controller", "api-server"]
Mark = Literal["response", "upstream", "definition"]

RESPONSE_MARK = "x-mutant"
"""The header of every response whose exchange a fault has changed; its value is the fault's name."""

UPSTREAM_MARK = "mutant:"
"""The tag of every upstream that a fault has changed, with the fault's name after it. The Admin API shows it."""

DEFINITION_MARK = "stickyconf.test/mutant"
"""The annotation of every CustomResourceDefinition that a fault has changed; its value is the fault's name."""

MUTANT_FAILS = "the mutant's own script fails: "
"""How the line of a run begins that says what Envoy's log tells of a mutant's Lua. The kill matrix looks for it."""

_PARTS = {"gateway": "gateway", "controller": "controller", "api-server": "crds"}  # where -> what --hook calls it
_MARKS: dict[Place, Mark] = {"gateway": "response", "controller": "upstream", "api-server": "definition"}
_PACKAGE = "stickyconf.mutants"
_NO_MUTANTS = f"{_PACKAGE}.matrix"  # runs them, and holds none


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault or difference: the function that makes it, where it was seen, and which requirements must object.

    ``source`` is a public report of such a fault, or the rule that it breaks. ``failure_mode`` is its number in
    docs/failure-modes.md, if it comes from there. ``options`` are more options of ``python -m embedded_cluster up``.
    ``measured_by`` is for a fault that only observing requirements can show: requirement -> what one of its measures
    must say. A ``harmless`` one (a benign variant) is a legitimate difference: no requirement may object to it. An
    ``accident`` is one that takes evidence away, so that requirements may be unsure.
    """

    function: Callable[..., Any]
    where: Place
    source: str
    caught_by: tuple[str, ...] = ()
    measured_by: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    failure_mode: int | None = None
    marks: Mark = "response"
    harmless: bool = False
    accident: bool = False

    def __post_init__(self) -> None:
        """Refuse what is declared twice: no one would find it under either declaration. Raises TypeError."""
        if isinstance(self.function, Mutant):
            raise TypeError(f"{self.function.id} is declared twice: give it one decorator")

    def __call__(self, *arguments: Any) -> Any:
        """Do it: what it gets and returns depends on the part of the cluster that it changes."""
        return self.function(*arguments)

    @property
    def id(self) -> str:
        """The misbehaviour, as a name."""
        return self.function.__name__

    @property
    def sentence(self) -> str:
        """The misbehaviour, for people."""
        return str(self.function.__doc__)

    @property
    def catchers(self) -> tuple[str, ...]:
        """The requirements that must object to it, or show it by a measure."""
        return (*self.caught_by, *self.measured_by)

    @property
    def hook(self) -> str:
        """What ``python -m embedded_cluster up --hook`` takes: ``PART=MODULE:FUNCTION``."""
        return f"{_PARTS[self.where]}={self.function.__module__}:{self.id}"

    @property
    def up(self) -> tuple[str, ...]:
        """The options of ``up`` that put it into a cluster."""
        return ("--hook", self.hook, *self.options)


def mutant(
    *,
    at: Place,
    source: str,
    caught_by: tuple[str, ...] = (),
    measured_by: Mapping[str, str] | None = None,
    options: tuple[str, ...] = (),
    failure_mode: int | None = None,
    marks: Mark | None = None,
) -> Callable[[Callable[..., Any]], Mutant]:
    """Declare a function as a deliberate fault. See :class:`Mutant`; ``marks`` follows from ``at`` if not given.

    Raises ValueError if no requirement is said to catch it.
    """

    def declare(function: Callable[..., Any]) -> Mutant:
        if not caught_by and not measured_by:
            raise ValueError(f"mutant {function.__name__}: say which requirements must catch it (caught_by=...)")
        return Mutant(function, at, source, caught_by, measured_by or {}, options, failure_mode, marks or _MARKS[at])

    return declare


def benign(
    *,
    at: Place,
    source: str,
    options: tuple[str, ...] = (),
    failure_mode: int | None = None,
    accident: bool = False,
) -> Callable[[Callable[..., Any]], Mutant]:
    """Declare a function as a legitimate difference, to which no requirement may object."""

    def declare(function: Callable[..., Any]) -> Mutant:
        return Mutant(
            function,
            at,
            source,
            options=options,
            failure_mode=failure_mode,
            marks=_MARKS[at],
            harmless=True,
            accident=accident,
        )

    return declare


@cache
def deviations() -> Mapping[str, Mutant]:
    """Import every module of this package and return all faults and differences by id, the faults first.

    Raises ValueError if two have the same id.
    """
    found: dict[str, Mutant] = {}
    for module in _modules():
        for value in vars(module).values():
            if not isinstance(value, Mutant) or value.function.__module__ != module.__name__:
                continue
            if value.id in found:
                places = f"{found[value.id].function.__module__} and {module.__name__}"
                raise ValueError(f"two mutants are called {value.id}, in {places}: give one another name")
            found[value.id] = value
    return dict(sorted(found.items(), key=lambda item: item[1].harmless))


def mutants() -> dict[str, Mutant]:
    """Return the faults by id."""
    return {name: one for name, one in deviations().items() if not one.harmless}


def benign_variants() -> dict[str, Mutant]:
    """Return the legitimate differences by id."""
    return {name: one for name, one in deviations().items() if one.harmless}


def _modules() -> Iterator[ModuleType]:
    package = importlib.import_module(_PACKAGE)
    for found in pkgutil.walk_packages(package.__path__, f"{_PACKAGE}."):
        if not found.name.startswith(_NO_MUTANTS) and found.name != __name__:
            yield importlib.import_module(found.name)
