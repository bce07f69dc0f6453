"""A run of the suite that begins in a process with everything loaded ends as one from the command line does."""

import asyncio
import os
from pathlib import Path

from stickyconf.mutants.matrix.warm import SuiteRun
from tests.waiting import PATIENCE, eventually

PAUSE = """
import pathlib, signal
def test_it():
    pathlib.Path("begun").touch()
    signal.pause()
"""

WHERE = """
import os
def test_it():
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    print(os.getcwd(), own)
"""


def test_it_ends_with_pytests_status_and_what_it_says_is_kept(tmp_path: Path) -> None:
    said = tmp_path / "said.txt"

    async def run(*arguments: str) -> tuple[int | None, float]:
        begun = SuiteRun(arguments, said, Path.cwd(), os.environ)
        return await begun.ended(PATIENCE), begun.processor_seconds()

    status, spent = asyncio.run(run("--version"))
    assert status == 0
    assert 0 < spent < PATIENCE
    assert said.read_text().startswith("pytest ")
    status, _ = asyncio.run(run("--no-such-option"))
    assert status == 4
    assert "--no-such-option" in said.read_text()


def test_it_has_the_directory_and_the_environment_that_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "test_where.py").write_text(WHERE)
    said = tmp_path / "said.txt"

    async def run() -> int | None:
        return await SuiteRun(["-p", "no:cacheprovider", "-s"], said, tmp_path, {"PLACE": "here"}).ended(PATIENCE)

    assert asyncio.run(run()) == 0
    assert f"{tmp_path} {{'PLACE': 'here'}}" in said.read_text()


def test_one_that_goes_on_is_ended_as_by_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "test_pause.py").write_text(PAUSE)
    said = tmp_path / "said.txt"

    async def start_and_stop() -> tuple[int | None, int | None]:
        run = SuiteRun(["-p", "no:cacheprovider", "test_pause.py"], said, tmp_path, os.environ)
        await asyncio.to_thread(eventually, "the test to begin", (tmp_path / "begun").exists)
        early = await run.ended(0.01)
        await run.stop(PATIENCE)
        return early, await run.ended(PATIENCE)

    assert asyncio.run(start_and_stop()) == (None, 2)
    assert "KeyboardInterrupt" in said.read_text()
