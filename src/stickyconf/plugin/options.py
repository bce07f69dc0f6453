"""The suite's own options: what there is, and what a run reads from them."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from stickyconf import known_violations
from stickyconf.model import Catalogue, History
from stickyconf.model.known import KnownViolation
from stickyconf.model.storage import HistoryFileError, read_history
from stickyconf.mutants import deviations
from stickyconf.targets.embedded import options as embedded_options
from stickyconf.targets.installation import BadOption, TargetOptions
from stickyconf.targets.kind import options as kind_options
from stickyconf.targets.kubeconfig import options as kubeconfig_options
from stickyconf.wait import Budgets, UnknownBudget

TARGETS: dict[str, TargetOptions] = {
    "embedded": embedded_options,
    "kind": kind_options,
    "kubeconfig": kubeconfig_options,
}
DRAINS = 3
SOAK_MINUTES = 5.0
SESSION_AGE = 30.0
LONGEST_AGE = 86_401.0

OUT_OF_REACH = ".out-of-reach"
"""The suffix of what stands for a history that the target did not let be made: one line, the reason."""

JOBS_ON_A_CLUSTER = 6
"""Recordings side by side on a real cluster: there most of a recording is waiting."""

KIND_JOBS_A_PROCESSOR = 2
"""The same on kind for each processor, if that is less: its node starts real containers on this machine."""

JOBS_A_PROCESSOR, MOST_JOBS_HERE = 3, 8
"""The same on the embedded cluster, whose processes share the machine: for each processor, and at the most.

The most is divided by the gateway's workers: each takes an inotify instance for each upstream, and a user has 128.
"""


def add_options(parser: pytest.Parser) -> None:
    """Add the options to pytest's.

    Two more are others' and are read here: ``--keep-cluster`` is pytest-kind's, ``--strict`` is pytest's.
    """
    group = parser.getgroup(
        "stickyconf",
        "sticky-session conformance (besides: --strict, a violated SHOULD fails the run; --keep-cluster)",
    )
    add = group.addoption
    add("--target", default="embedded", help=f"the cluster to judge: {', '.join(TARGETS)} (default: embedded)")
    add("--profile", action="append", default=[], help="judge this profile only (repeatable; default: all with cases)")
    add("--requirement", action="append", default=[], metavar="ID", help="judge this requirement only (repeatable)")
    most = f"at most {MOST_JOBS_HERE}, or that divided by --gateway-workers"
    jobs = f"{JOBS_A_PROCESSOR} a processor, {most}; on a real cluster {JOBS_ON_A_CLUSTER},"
    jobs += f" on kind {KIND_JOBS_A_PROCESSOR} a processor if that is less"
    add("--jobs", type=int, metavar="N", help=f"play so many recordings side by side (1: in turn; default: {jobs})")
    add("--proxy-url", help="the gateway's proxy address, instead of the one the target finds")
    add("--admin-url", help="the gateway's Admin API address, instead of the ones the target finds")
    add("--rejudge", type=Path, metavar="PATH", help="judge the histories stored by an earlier run, without a cluster")
    add("--budget", action="append", default=[], metavar="NAME=SECONDS", help="change how long a wait may take")
    add("--out", type=Path, metavar="DIR", help="where runs leave their reports (default: reports/out)")
    add("--known-violations", type=Path, metavar="FILE", help="violations that do not fail the run until a date (TOML)")
    add("--mutant", metavar="ID", help="judge the embedded cluster with this deliberate fault in it")
    add("--seed", type=int, metavar="N", help="the seed of every choice the suite makes (default: a new one)")
    add("--minutes", type=float, default=SOAK_MINUTES, help="how long --profile soak lasts (default: %(default)g)")
    add("--drains", type=int, metavar="N", help=f"record this many drains for the drain cases (default: {DRAINS})")
    add(
        "--session-age",
        type=float,
        default=SESSION_AGE,
        metavar="SECONDS",
        help="keep some sessions for the whole run, and for so long at the least (default: %(default)g)",
    )
    for target in TARGETS.values():
        target.add_options(add)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run reads from its options, checked.

    ``rejudged``: the histories of an earlier run by name, empty if the run records its own; ``unreachable``: why that
    run could not make the others that it was to make, by name. ``known``: the known violations, of whatever versions.
    """

    target: str
    budgets: Budgets
    strict: bool
    seed: int
    drains: int
    jobs: int
    session_age: float
    minutes: float
    rejudged: Mapping[str, History]
    unreachable: Mapping[str, str]
    known: tuple[KnownViolation, ...]


def read(config: pytest.Config, catalogue: Catalogue) -> Settings:
    """Read and check every option; UsageError with one clear line for what cannot be."""
    option = config.option
    known("target", [option.target], tuple(TARGETS))
    try:
        TARGETS[option.target].check(option)
    except BadOption as error:
        raise pytest.UsageError(str(error)) from error
    known("profile", option.profile, catalogue.profiles)
    known("requirement", option.requirement, tuple(catalogue.requirements))
    if option.mutant:
        _check_mutant(option)
    rejudged = _stored_histories(option.rejudge) if option.rejudge else {}
    for name, number in (("drains", option.drains), ("jobs", option.jobs)):
        if number is not None and number < 1:
            raise pytest.UsageError(f"--{name} {number}: give a number of 1 or more")
    if not 0 < option.session_age < LONGEST_AGE:
        raise pytest.UsageError(f"--session-age {option.session_age:g}: give a number of seconds of at most a day")
    if not 0 < option.minutes * 60 < LONGEST_AGE:
        raise pytest.UsageError(f"--minutes {option.minutes:g}: give a number of minutes of at most a day")
    for name in ("proxy_url", "admin_url"):
        if getattr(option, name) and not option.rejudge:
            _reachable(name, getattr(option, name))
    stored = sum(re.fullmatch(r"drain-\d+", name) is not None for name in rejudged)
    return Settings(
        target=option.target,
        budgets=_budgets(option.budget),
        strict=bool(config.getini("strict")),
        seed=option.seed if option.seed is not None else secrets.randbelow(2**31),
        drains=option.drains or stored or DRAINS,
        jobs=option.jobs or _jobs(option),
        session_age=option.session_age,
        minutes=option.minutes,
        rejudged=rejudged,
        unreachable=_unreachable(option.rejudge) if option.rejudge else {},
        known=_known_violations(option.known_violations, catalogue),
    )


def refuse_xdist(config: pytest.Config) -> None:
    """UsageError if pytest-xdist is to share the cases out: its processes would switch drain support under each other.

    Recordings go side by side within one process.
    """
    option = config.option
    if getattr(option, "numprocesses", None) or getattr(option, "tx", None) or hasattr(config, "workerinput"):
        raise pytest.UsageError(
            "pytest-xdist (-n) cannot share out conformance cases: they share one cluster; recordings are played side "
            "by side within one process already, see --jobs"
        )


def known(what: str, given: Iterable[str], there: tuple[str, ...]) -> None:
    """UsageError that lists what there is, for a name that is not among it."""
    for name in given:
        if name not in there:
            raise pytest.UsageError(f"no {what} is called {name!r}; there are: {', '.join(sorted(there))}")


def _known_violations(file: Path | None, catalogue: Catalogue) -> tuple[KnownViolation, ...]:
    try:
        return known_violations.load(file, catalogue) if file else ()
    except known_violations.BadKnownViolations as error:
        raise pytest.UsageError(f"--known-violations {error}") from error


def _jobs(option: Any) -> int:
    if option.target == "kubeconfig":
        return JOBS_ON_A_CLUSTER
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if option.target == "kind":
        return min(KIND_JOBS_A_PROCESSOR * processors, JOBS_ON_A_CLUSTER)
    workers: int = option.gateway_workers
    return min(JOBS_A_PROCESSOR * processors, max(1, MOST_JOBS_HERE // workers))


def _budgets(given: list[str]) -> Budgets:
    try:
        return Budgets.of(dict(Budgets.parse(text) for text in given))
    except UnknownBudget as error:
        raise pytest.UsageError(str(error)) from error


def _check_mutant(option: Any) -> None:
    known("mutant", [option.mutant], tuple(deviations()))
    if option.target != "embedded":
        raise pytest.UsageError(f"--mutant {option.mutant} acts in the embedded cluster only")
    if deviations()[option.mutant].where == "gateway" and option.gateway != "envoy":
        raise pytest.UsageError(f"--mutant {option.mutant} acts in Envoy only, not with --gateway {option.gateway}")


def _directory(path: Path) -> Path:
    return path / "histories" if (path / "histories").is_dir() else path


def _unreachable(path: Path) -> dict[str, str]:
    """Read why the earlier run could not make histories: what stands in their place."""
    files = _directory(path).glob(f"*{OUT_OF_REACH}")
    return {file.name.removesuffix(OUT_OF_REACH): file.read_text(encoding="utf-8") for file in files}


def _stored_histories(path: Path) -> dict[str, History]:
    """Read the histories of an earlier run, gzipped or not: one file, a directory of them, or a run's directory."""
    directory = _directory(path)
    files = sorted([*directory.glob("*.jsonl"), *directory.glob("*.jsonl.gz")]) if directory.is_dir() else [path]
    if not files:
        raise pytest.UsageError(f"--rejudge {path}: there are no histories (*.jsonl, *.jsonl.gz) in it")
    found: dict[str, History] = {}
    for file in files:
        try:
            history = read_history(file)
        except HistoryFileError as error:
            raise pytest.UsageError(f"--rejudge {error}") from error
        if history.setup.name in found:
            raise pytest.UsageError(f"--rejudge {file}: another file holds a history {history.setup.name!r}, too")
        found[history.setup.name] = history
    return found


def _reachable(name: str, url: str) -> None:
    option = "--" + name.replace("_", "-")
    try:
        httpx.get(url, timeout=5, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):  # Kong's own is self-signed; targets/admin.py handles that
            return
        raise pytest.UsageError(f"{option} {url}: nothing answers there ({error}); is the address right?") from error
