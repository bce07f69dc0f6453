"""Settings of the suite's own tests."""

import asyncio
import gc
import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# The same examples on every run, so that a change is only ever blamed for what it did. A wider search, now and then:
# pytest tests --hypothesis-profile=search
settings.register_profile(
    "stickyconf", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("search", settings.get_profile("stickyconf"), derandomize=False, max_examples=2000)
settings.load_profile("stickyconf")

# A run of the suite that a test starts is no worker of pytest-xdist, though the test runs in one.
for name in [name for name in os.environ if name.startswith("PYTEST_XDIST_")]:
    del os.environ[name]

# In the background of a shell SIGINT is ignored, and it would be by every run that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ONE_CLUSTER = ("tests/whole/test_credentials.py", "tests/whole/test_job.py", "tests/whole/test_kubeconfig.py")
"""Files whose runs go through a kubeconfig to the same cluster (tests/whole/conftest.py)."""
SLOW = (
    *ONE_CLUSTER,
    "tests/whole/",
    "tests/mutants_matrix/",
    "tests/targets/test_kind_run.py",
    "tests/targets/test_any_version.py",
    "tests/targets/contract/",
    "tests/embedded/test_up.py",
    "tests/mutants/",
    "tests/embedded/",
)
"""What takes longest, the longest first, and so begins first if tests run side by side."""

# The histories that checks are tried with are a million objects that stay: looking through them for garbage as often as
# Python does by default takes a sixth of the tests' time.
gc.set_threshold(50_000, 20, 50)


def pytest_configure(config: pytest.Config) -> None:
    """Know the mark also if pytest-xdist is not there."""
    config.addinivalue_line("markers", "xdist_group(name): tests that one worker of pytest-xdist runs")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One worker more than there are cores with ``-n auto``: what a test waits for leaves a core to another."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes longest first; what is in one file, or shares a cluster, stays on one worker."""
    items.sort(key=lambda item: next((at for at, slow in enumerate(SLOW) if item.nodeid.startswith(slow)), len(SLOW)))
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(_group(item.nodeid.partition("::")[0])))


def _group(file: str) -> str:
    if file.startswith("tests/targets/contract/"):
        return "tests/targets/contract"
    return "tests/whole: one cluster" if file in ONE_CLUSTER else file


@pytest.fixture(scope="session")
def loop() -> Iterator[asyncio.Runner]:
    """One event loop for all tests, in the place of a run's own, which needs a run."""
    with asyncio.Runner() as runner:
        yield runner
