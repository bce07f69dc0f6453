from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from stickyconf.model.run import Run
from stickyconf.reporting.readback import read_report
from stickyconf.site.publish import Refused, publish
from stickyconf.site.runs import find_runs
from tests.reporting import examples
from tests.site.made import COMMIT, numbered, on_kong, stored


def test_a_report_is_filed_by_its_versions_with_a_badge(tmp_path: Path) -> None:
    (run,) = find_runs([stored(on_kong(1, profiles=("core", "drain")), tmp_path / "out")])
    filed = publish(run, tmp_path / "published")
    assert filed.report == tmp_path / "published/3.11.0.14/3.5.13-1.34.1-core+drain.yaml"
    assert read_report(filed.report)["suite"] == {"version": "0.1.0", "commit": COMMIT, "dirty": False}
    assert json.loads(filed.badge.read_text(encoding="utf-8")) == {
        "schemaVersion": 1,
        "label": "sticky sessions",
        "message": "partial (Kong 3.11.0.14, KIC 3.5.13)",
        "color": "yellow",
    }


def test_a_stand_in_is_filed_as_one_and_its_badge_wears_no_colour(tmp_path: Path) -> None:
    (run,) = find_runs([stored(numbered(examples.clean(), 1), tmp_path / "out")])
    filed = publish(run, tmp_path / "published", embedded=True)
    assert filed.report.parent == tmp_path / "published/embedded/envoy-1.40.0"
    badge = json.loads(filed.badge.read_text(encoding="utf-8"))
    assert badge["message"] == "conformant (embedded stand-in, not Kong)"
    assert badge["color"] == "lightgrey"


def test_a_badge_of_a_real_controller_before_a_stand_in_says_which_is_which(tmp_path: Path) -> None:
    versions = {"controller": "Kong Ingress Controller 3.5.13", "kic": "3.5.13"}
    (run,) = find_runs([stored(numbered(replace(examples.clean(), versions=versions), 1), tmp_path / "out")])
    badge = json.loads(publish(run, tmp_path / "published", embedded=True).badge.read_text(encoding="utf-8"))
    assert badge["message"] == "conformant (embedded stand-in, not Kong Gateway, behind KIC 3.5.13)"
    assert badge["color"] == "lightgrey"


def test_a_newer_run_of_the_same_versions_takes_the_place(tmp_path: Path) -> None:
    for run in find_runs([stored(on_kong(number), tmp_path / "out").parent for number in (1, 2)]):
        filed = publish(run, tmp_path / "published")
    assert read_report(filed.report)["run"]["started"].startswith("2026-11-02")
    assert len(list((tmp_path / "published").rglob("*.yaml"))) == 1


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (on_kong(1, dirty=True), "its checkout differed from commit 0123456789ab"),
        (on_kong(1, dirty=None), "its checkout differed"),
        (on_kong(1, commit="", dirty=None), "which commit"),
        (on_kong(1, filtered=True), "filtered"),
        (on_kong(1, rejudged="elsewhere"), "judged stored histories again"),
        (on_kong(1, mutant="never_sets_the_cookie"), "never_sets_the_cookie"),
        (on_kong(1, versions={"gateway": "3.11.0.14"}), "the version of KIC, Kubernetes"),
        (numbered(examples.clean(), 1), "--publish-embedded"),
    ],
    ids=["dirty", "perhaps dirty", "no commit", "filtered", "judged again", "a fault", "no versions", "embedded"],
)
def test_what_nobody_could_make_again_is_refused_in_one_line(tmp_path: Path, run: Run, why: str) -> None:
    (stored_run,) = find_runs([stored(run, tmp_path / "out")])
    with pytest.raises(Refused) as refused:
        publish(stored_run, tmp_path / "published")
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "published").exists()


def test_a_run_on_kong_is_not_filed_as_a_stand_in(tmp_path: Path) -> None:
    (run,) = find_runs([stored(on_kong(1), tmp_path / "out")])
    with pytest.raises(Refused, match="it judged Kong"):
        publish(run, tmp_path / "published", embedded=True)
