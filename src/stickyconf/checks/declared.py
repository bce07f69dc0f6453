"""How a check is declared: a pure function from a history to a ruling, with a decorator that says what it needs."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

from stickyconf.checks.evidence import silences
from stickyconf.model import ECHO_PODS, History, Ruling
from stickyconf.stats import FALSE_ALARM_BUDGET, SETTLINGS_ALPHA, Design, Figures

EVERY_ARM = ("*",)
"""What a check declares that looks at every exchange, whatever its arm."""

_PACKAGE = "stickyconf.checks"


@dataclass(frozen=True, slots=True)
class Check:
    """One check: the function, the requirements that it can prove or refute, and what it reads.

    ``arms`` are the arms whose exchanges it reads; none, if it reads events only. ``designs`` say how it decides
    what depends on chance; the first is handed to the function, if that has a parameter ``design``.
    """

    function: Callable[..., Ruling]
    requirements: tuple[str, ...]
    arms: tuple[str, ...] = ()
    designs: tuple[Design, ...] = ()

    def __call__(self, history: History, **arguments: Any) -> Ruling:
        """Rule on a history; a doubt if it ended early, because the gateway answered nothing any more."""
        if self._takes_design:
            arguments = {"design": self.designs[0], **arguments}
        return self.function(history, **arguments).doubted(silences(history))

    @property
    def __name__(self) -> str:
        """The proposition, as a name."""
        return self.function.__name__

    @property
    def proposition(self) -> str:
        """What it says of a history that it accepts, in one sentence."""
        return str(self.function.__doc__).strip().splitlines()[0]

    @property
    def alpha(self) -> float:
        """The probability with which it may object to an implementation that conforms."""
        return max((design.alpha for design in self.designs), default=0.0)

    def samples(self, pods: int = ECHO_PODS) -> int:
        """Return how much it asks for on so many pods; ValueError if it has no design."""
        if not self.designs:
            raise ValueError(f"the check {self.__name__} has no design, so it asks for no sample: @check(design=...)")
        return max(design.samples(pods) for design in self.designs)

    @property
    def _takes_design(self) -> bool:
        return "design" in inspect.signature(self.function).parameters


def check(
    *requirements: str, arms: tuple[str, ...] = (), design: Design | tuple[Design, ...] = ()
) -> Callable[[Callable[..., Ruling]], Check]:
    """Declare a function as a check of these requirements. See :class:`Check`.

    Raises ValueError if it serves no requirement, has no docstring, or wants a design and was given none.
    """

    def declare(function: Callable[..., Ruling]) -> Check:
        designs = design if isinstance(design, tuple) else (design,)
        name = function.__name__
        if not requirements:
            raise ValueError(f"check {name}: say which requirement it serves: @check('FAM-01', ...)")
        if not (function.__doc__ or "").strip():
            raise ValueError(f"check {name}: its docstring has to state the proposition")
        if "design" in inspect.signature(function).parameters and not designs:
            raise ValueError(f"check {name}: it takes a design, so give it one, with its alpha: @check(design=...)")
        return Check(function, requirements, arms, designs)

    return declare


@cache
def all_checks() -> Mapping[str, Check]:
    """Import every module of this package and return all checks by name.

    Raises ValueError if two have the same name, or if their alphas add up to more than FALSE_ALARM_BUDGET.
    """
    found: dict[str, Check] = {}
    for module in _modules():
        for value in vars(module).values():
            if not isinstance(value, Check) or value.function.__module__ != module.__name__:
                continue
            name = value.__name__
            if name in found:
                raise ValueError(
                    f"two checks are called {name}: in {found[name].function.__module__} and {module.__name__}"
                )
            found[name] = value
    spent = sum(_alphas(found).values()) + SETTLINGS_ALPHA
    if spent > FALSE_ALARM_BUDGET:
        raise ValueError(
            f"the checks may raise {spent:g} false alarms a run, the budget is {FALSE_ALARM_BUDGET:g}: "
            "give the new one a smaller alpha, or take some from another"
        )
    return found


def alphas() -> dict[str, float]:
    """Return the false-alarm share of each requirement that has a check with a design, in the order of their ids."""
    return _alphas(all_checks())


def false_alarms() -> float:
    """Return the false alarms that a run may raise, those of its waits for every worker of the gateway included."""
    return sum(alphas().values()) + SETTLINGS_ALPHA


def figures(pods: int = ECHO_PODS) -> tuple[Figures, ...]:
    """Return what every check with a design can do on so many pods, in the order of the requirements' ids."""
    rows = [
        Figures.of(requirement, design, pods)
        for one in all_checks().values()
        for requirement in one.requirements
        for design in one.designs
    ]
    return tuple(sorted(rows, key=lambda row: row.requirement))


def _alphas(checks: Mapping[str, Check]) -> dict[str, float]:
    shares: dict[str, float] = {}
    for one in checks.values():
        for requirement in one.requirements if one.designs else ():
            shares[requirement] = shares.get(requirement, 0.0) + one.alpha
    return dict(sorted(shares.items()))


def _modules() -> Iterator[ModuleType]:
    package = importlib.import_module(_PACKAGE)
    for found in pkgutil.iter_modules(package.__path__, f"{_PACKAGE}."):
        yield importlib.import_module(found.name)
