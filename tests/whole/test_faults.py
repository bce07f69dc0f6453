"""A fault put into the running gateway or controller is found: the right requirement says VIOLATES."""

import pytest

from stickyconf.mutants import mutants
from tests.whole.runs import run_suite

FAULTS = {
    "never_sets_the_cookie": ("CKE-01",),
    "ignores_the_cookie_sometimes": ("AFF-01",),
    "sets_a_wrong_path": ("CKE-02",),
    "adds_max_age": ("CKE-03",),
    "starves_a_pod": ("SPR-01",),
    "keeps_weight_of_terminating_pod": ("DRN-02", "DRN-07"),
    "drops_terminating_pod_at_once": ("DRN-01", "DRN-07"),
}


@pytest.mark.parametrize(("mutant", "requirements"), FAULTS.items(), ids=FAULTS)
def test_fault_is_found(mutant, requirements, tmp_path):
    """The run fails, and the report names the requirement, with findings that cite what was seen."""
    selection = [argument for requirement in requirements for argument in ("--requirement", requirement)]
    result = run_suite(tmp_path, "--mutant", mutant, *selection)
    assert result.status == 1, result.output
    for requirement in requirements:
        assert result.status_of(requirement) == "VIOLATES", result.output
    assert set(requirements) <= set(mutants()[mutant].caught_by)
    assert "harness" not in "".join(row["status"] for row in result.report["requirements"]).lower()
