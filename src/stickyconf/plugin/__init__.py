"""The pytest plugin: options, selection, playing recordings, outcomes, and what a run leaves behind.

Here is what pytest calls before it knows whether cases are judged at all; the rest is registered only if they are.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable

import pytest

from stickyconf.cases import Judge
from stickyconf.model import Catalogue
from stickyconf.model.catalogue import load_catalogue
from stickyconf.plugin import options
from stickyconf.plugin.outcomes import JUDGE, Outcomes
from stickyconf.plugin.run import RUN, ConformanceRun
from stickyconf.plugin.selection import Selection
from stickyconf.reporting.allure_results import write_redacted
from stickyconf.reporting.faults import Faults
from stickyconf.shipped import working_folder
from stickyconf.targets.installation import BadOption, NoTarget
from stickyconf.wait import Budgets, UnknownBudget, Waiter


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's own options."""
    options.add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Refuse bad input in one line before anything starts; open the run's directory."""
    config.addinivalue_line("markers", "requirement(id): the catalogue's requirement that this case tests")
    if config.option.help:
        return
    if config.inipath is None and (config.option.out or config.option.rejudge):
        # pytest looks for its settings above the paths among its arguments, before it knows whose they are.
        raise pytest.UsageError("pytest does not find pyproject.toml; run tox -- ..., or add: -c pyproject.toml")
    if not _judges(config):
        return
    options.refuse_xdist(config)
    catalogue = _catalogue(config)
    faults = Faults()
    selection = Selection(config, catalogue, faults)
    run = ConformanceRun(config, catalogue, options.read(config, catalogue), selection, faults)
    config.add_cleanup(write_redacted(run.faults, run.spans))
    config.add_cleanup(_sigterm_as_ctrl_c())
    config.stash[RUN] = run
    config.pluginmanager.register(selection, "stickyconf-selection")
    config.pluginmanager.register(Outcomes(run), "stickyconf-outcomes")
    config.pluginmanager.register(run, "stickyconf-run")


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """With --cleanup: remove what a run left, say what it was, and end without collecting anything."""
    option = config.option
    if option.cleanup is None or option.help:
        return None
    if option.target == "embedded":
        raise pytest.UsageError(
            "--cleanup works with --target kubeconfig and --target kind; the embedded cluster ends with the run"
        )
    # These import the Kubernetes client, which is slow.
    from stickyconf.targets.kind import installation as kind_installation
    from stickyconf.targets.kubeconfig import cleanup

    try:
        if option.target == "kind":
            sys.stdout.write("".join(f"{line}\n" for line in kind_installation.clean(option, working_folder())))
            return 0
        options.TARGETS[option.target].check(option)
        budgets = Budgets.of(dict(Budgets.parse(text) for text in option.budget))
        removed = asyncio.run(cleanup.clean(option, Waiter(budgets)))
    except (BadOption, UnknownBudget, NoTarget) as error:
        raise pytest.UsageError(str(error)) from error
    sys.stdout.write("".join(f"{line}\n" for line in removed))
    return 0


@pytest.fixture
def judge(request: pytest.FixtureRequest) -> Judge:
    """Give a case its judge: ``judge(check, history, ...)``, as often as the requirement has parts."""
    given: Judge = request.node.stash[JUDGE]
    return given


def _sigterm_as_ctrl_c() -> Callable[[], None]:
    """End the run on SIGTERM as on Ctrl-C, cleaned up and reported; return what takes that back.

    A cancelled CI job, a deleted pod and `timeout` send SIGTERM, and nobody is there to run --cleanup then.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)

    def undo() -> None:
        signal.signal(signal.SIGTERM, before)

    return undo


def _judges(config: pytest.Config) -> bool:
    """Whether this pytest run collects conformance cases; the suite's own tests need none of what follows."""
    suites = config.rootpath / "suites"
    if not suites.is_dir():
        return False
    chosen = [(config.invocation_params.dir / str(argument).partition("::")[0]).resolve() for argument in config.args]
    return any(path == suites or suites in path.parents or path in suites.parents for path in chosen)


def _catalogue(config: pytest.Config) -> Catalogue:
    try:
        return load_catalogue(config.rootpath / "requirements.toml")
    except (OSError, ValueError) as error:
        raise pytest.UsageError(f"the catalogue cannot be read: {error}") from error
