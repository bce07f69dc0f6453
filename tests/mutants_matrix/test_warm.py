"""A run of the suite that begins in a process with everything loaded ends as one from the command line does."""

import asyncio
from pathlib import Path

import pytest

from stickyconf.mutants.matrix.warm import SuiteRun
from tests.waiting import PATIENCE, eventually

PAUSE = """
import pathlib, signal
def test_it():
    pathlib.Path("begun").touch()
    signal.pause()
"""


def test_it_ends_with_pytests_status_and_what_it_says_is_kept(tmp_path: Path) -> None:
    said = tmp_path / "said.txt"

    async def run(*arguments: str) -> tuple[int | None, float]:
        begun = SuiteRun(arguments, said)
        return await begun.ended(PATIENCE), begun.processor_seconds()

    status, spent = asyncio.run(run("--version"))
    assert status == 0
    assert 0 < spent < PATIENCE
    assert said.read_text().startswith("pytest ")
    status, _ = asyncio.run(run("--no-such-option"))
    assert status == 4
    assert "--no-such-option" in said.read_text()


def test_one_that_goes_on_is_ended_as_by_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("test_pause.py").write_text(PAUSE)
    said = tmp_path / "said.txt"

    async def start_and_stop() -> tuple[int | None, int | None]:
        run = SuiteRun(["-p", "no:cacheprovider", "test_pause.py"], said)
        await asyncio.to_thread(eventually, "the test to begin", Path("begun").exists)
        early = await run.ended(0.01)
        await run.stop(PATIENCE)
        return early, await run.ended(PATIENCE)

    assert asyncio.run(start_and_stop()) == (None, 2)
    assert "KeyboardInterrupt" in said.read_text()
