"""Every deviation says what it is, who has to object, and where it acts."""

from pathlib import Path

import pytest

from embedded_cluster.environment import load_hook
from stickyconf.model.catalogue import load_catalogue
from stickyconf.mutants import BENIGN, DEVIATIONS, MUTANTS

CATALOGUE = load_catalogue(Path(__file__).parents[2] / "requirements.toml")


@pytest.mark.parametrize("deviation", DEVIATIONS.values(), ids=DEVIATIONS)
def test_deviation_says_what_it_is(deviation):
    """A sentence, a source, and a hook that the embedded cluster finds."""
    assert deviation.sentence.endswith(".")
    assert "\n" not in deviation.sentence
    assert deviation.source
    assert load_hook(deviation.hook.partition("=")[2]) is deviation.commit
    assert deviation.up[:2] == ("--hook", deviation.hook)


def test_every_fault_has_somebody_to_object():
    """Requirements of the catalogue, or one whose measures show the fault; nobody for a legitimate difference."""
    for mutant in MUTANTS.values():
        assert mutant.caught_by or mutant.measured_by
        assert all(requirement in CATALOGUE for requirement in (*mutant.caught_by, *mutant.measured_by))
    assert not any(variant.caught_by for variant in BENIGN.values())


def test_no_two_have_one_name():
    """An id names one deviation."""
    assert len(DEVIATIONS) == len(MUTANTS) + len(BENIGN)
