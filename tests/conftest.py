"""Settings of the suite's own tests."""

import asyncio
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


@pytest.fixture(scope="session")
def loop() -> Iterator[asyncio.Runner]:
    """One event loop for all tests, in the place of a run's own, which needs a run."""
    with asyncio.Runner() as runner:
        yield runner
