"""A fault put into the running controller is found: the right requirement says VIOLATES.

One that is put into the gateway is found in tests/mutants_matrix, and every other by the kill matrix (tox -e mutants).
"""

from stickyconf.mutants import mutants
from tests.whole.runs import run_suite

MUTANT, REQUIREMENT = "drops_terminating_pod_at_once", "DRN-01"


def test_fault_is_found(tmp_path):
    """The run fails, and the report names the requirement, with findings that cite what was seen."""
    result = run_suite(tmp_path, "--mutant", MUTANT, "--drains", "1", "--requirement", REQUIREMENT)
    assert result.status == 1, result.output
    assert result.status_of(REQUIREMENT) == "VIOLATES", result.output
    assert REQUIREMENT in mutants()[MUTANT].caught_by
    assert "harness" not in "".join(row["status"] for row in result.report["requirements"]).lower()
