from __future__ import annotations

from pathlib import Path

import pytest

from stickyconf.reporting.readback import ReportError
from stickyconf.site.runs import editions, find_runs
from tests.reporting import examples
from tests.site.made import numbered, on_kong, stored


def test_runs_are_found_in_a_folder_of_runs_once_and_in_the_order_of_time(tmp_path: Path) -> None:
    """``latest``, and what is no run yet, are left out; a run that is named twice is one."""
    second, first = stored(numbered(examples.clean(), 2), tmp_path), stored(numbered(examples.clean(), 1), tmp_path)
    (tmp_path / "latest").symlink_to(second.name)
    (tmp_path / "20261123T000000Z-unfinished" / "histories").mkdir(parents=True)
    assert [run.folder for run in find_runs([tmp_path, second])] == [first, second]


def test_a_report_alone_is_a_run_without_a_folder(tmp_path: Path) -> None:
    published = tmp_path / "3.5.13-1.34.1-core.yaml"
    (stored(on_kong(1), tmp_path) / "conformance.yaml").rename(published)
    (run,) = find_runs([published])
    assert run.folder is None
    assert run.versions == {"Kong": "3.11.0.14", "KIC": "3.5.13", "Kubernetes": "1.34.1"}


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_place_without_runs_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReportError) as refused:
        find_runs([tmp_path / name])
    assert name in str(refused.value)
    assert "\n" not in str(refused.value)


def test_runs_of_one_version_are_one_edition_shown_by_its_newest_whole_run(tmp_path: Path) -> None:
    stored(numbered(examples.clean(), 1), tmp_path)
    whole = stored(numbered(examples.clean(), 2), tmp_path)
    stored(numbered(examples.clean(), 3, filtered=True), tmp_path)
    (edition,) = editions(find_runs([tmp_path]))
    assert edition.shown.folder == whole
    assert [run.started.day for run in edition.earlier] == [3, 1]


def test_editions_go_from_kong_to_stand_ins_to_faults_and_from_new_versions_to_old(tmp_path: Path) -> None:
    """A version is compared by its numbers: 3.10 is newer than 3.9, whichever ran later."""
    for run in (
        numbered(examples.violated(), 9, mutant="never_sets_the_cookie"),
        numbered(examples.clean(), 8, mutant="sets_a_uuid_per_pod", harmless=True),
        numbered(examples.clean(), 7),
        on_kong(6, kong="3.9.1"),
        on_kong(5, kong="3.10.0"),
    ):
        stored(run, tmp_path)
    assert [edition.name for edition in editions(find_runs([tmp_path]))] == [
        "Kong 3.10.0, KIC 3.5.13, Kubernetes 1.34.1",
        "Kong 3.9.1, KIC 3.5.13, Kubernetes 1.34.1",
        "embedded stand-in (Envoy 1.40.0)",
        "embedded stand-in (Envoy 1.40.0), deliberate fault: never_sets_the_cookie",
        "embedded stand-in (Envoy 1.40.0), harmless difference: sets_a_uuid_per_pod",
    ]
