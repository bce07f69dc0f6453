"""Two runs never share a directory, and ``latest`` is always a whole one."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from stickyconf.reporting.layout import RunDirectory

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def test_a_run_has_a_directory_of_its_own_with_a_place_for_everything(tmp_path: Path) -> None:
    made = RunDirectory.create(tmp_path / "reports" / "out", NOON)

    assert made.path.parent == tmp_path / "reports" / "out"
    assert re.fullmatch(r"20261123T120000Z-[0-9a-f]{6}", made.path.name)
    assert made.path.name.endswith(made.suffix)
    places = ["allure-results", "diagnostics", "histories", "manifests", "timelines"]
    assert sorted(path.name for path in made.path.iterdir()) == places


def test_the_name_is_in_utc_wherever_the_run_was(tmp_path: Path) -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=9)))

    assert RunDirectory.create(tmp_path, elsewhere).path.name.startswith("20261123T120000Z-")


def test_runs_of_the_same_second_do_not_share(tmp_path: Path) -> None:
    paths = {RunDirectory.create(tmp_path, NOON).path for _ in range(20)}

    assert len(paths) == 20


def test_latest_appears_when_a_run_is_published_and_moves_to_the_next(tmp_path: Path) -> None:
    first, second = RunDirectory.create(tmp_path, NOON), RunDirectory.create(tmp_path, NOON)
    latest = tmp_path / "latest"
    assert not latest.exists()

    first.publish_latest()
    assert latest.readlink() == Path(first.path.name)

    second.publish_latest()
    assert latest.resolve() == second.path
    assert {path.name for path in tmp_path.iterdir()} == {"latest", first.path.name, second.path.name}


def test_latest_still_leads_there_when_the_reports_are_moved(tmp_path: Path) -> None:
    made = RunDirectory.create(tmp_path / "out", NOON)
    (made.histories / "affinity.jsonl").write_text("{}", encoding="utf-8")
    made.publish_latest()

    (tmp_path / "out").rename(tmp_path / "moved")

    assert (tmp_path / "moved" / "latest" / "histories" / "affinity.jsonl").is_file()


def test_a_place_that_cannot_be_written_to_is_an_os_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")

    with pytest.raises(OSError, match=str(tmp_path / "file")):
        RunDirectory.create(tmp_path / "file", NOON)


def test_a_directory_called_latest_is_left_alone(tmp_path: Path) -> None:
    made = RunDirectory.create(tmp_path, NOON)
    (tmp_path / "latest" / "mine").mkdir(parents=True)

    with pytest.raises(OSError, match="latest"):
        made.publish_latest()

    assert (tmp_path / "latest" / "mine").is_dir()
    assert {path.name for path in tmp_path.iterdir()} == {"latest", made.path.name}
