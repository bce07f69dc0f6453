"""Every deviation says what it is, who has to object, and where it acts; none is loaded before it is asked for."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from embedded_cluster.environment import load_hook
from stickyconf.model.catalogue import Level, load_catalogue
from stickyconf.mutants import benign_variants, deviations, mutants
from stickyconf.mutants.declared import mutant

ROOT = Path(__file__).parents[2]
CATALOGUE = load_catalogue(ROOT / "requirements.toml")
KNOWN, _, WITHOUT = (ROOT / "docs" / "failure-modes.md").read_text().partition("## Without a mutant")
MODES, WITHOUT_A_MUTANT = (
    {int(number) for number in re.findall(r"^\| (\d+) \|", text, re.M)} for text in (KNOWN, WITHOUT)
)


@pytest.mark.parametrize("deviation", deviations().values(), ids=deviations())
def test_deviation_says_what_it_is(deviation):
    """A sentence, a source, and a hook that the embedded cluster finds."""
    assert deviation.sentence.endswith(".")
    assert "\n" not in deviation.sentence
    assert deviation.source
    assert load_hook(deviation.hook.partition("=")[2]) is deviation
    assert deviation.up[:2] == ("--hook", deviation.hook)
    assert deviation.failure_mode is None or deviation.failure_mode in MODES


def test_every_failure_mode_has_a_mutant_or_a_reason():
    """A mode that is legitimate has a benign variant."""
    assert {deviation.failure_mode for deviation in deviations().values()} - {None} == MODES - WITHOUT_A_MUTANT
    assert WITHOUT_A_MUTANT < MODES


def test_every_fault_has_somebody_to_object():
    """Requirements of the catalogue, or one whose measures show the fault; nobody for a legitimate difference."""
    for fault in mutants().values():
        assert fault.catchers
        assert all(requirement in CATALOGUE for requirement in fault.catchers)
        assert all(CATALOGUE[requirement].level is Level.OBSERVE for requirement in fault.measured_by)
    assert not any(variant.catchers for variant in benign_variants().values())


def test_a_fault_that_nobody_catches_cannot_be_declared():
    """The message names the fault and says what to add."""
    with pytest.raises(ValueError, match=r"mutant does_nothing: .*caught_by"):

        @mutant(at="gateway", source="RF")
        def does_nothing(xds, kong):
            """It does nothing."""


def test_a_fault_cannot_be_declared_twice():
    """Two decorators on one function hid it from the kill matrix."""
    with pytest.raises(TypeError, match="does_nothing is declared twice"):

        @mutant(at="gateway", source="RF", caught_by=("AFF-01",))
        @mutant(at="gateway", source="RF", caught_by=("AFF-06",))
        def does_nothing(xds, kong):
            """It does nothing."""


def test_faults_and_differences_are_found_in_every_module():
    """The faults come first; nobody keeps a list of them."""
    assert list(deviations()) == [*mutants(), *benign_variants()]
    modules = {deviation.function.__module__ for deviation in deviations().values()}
    folder = ROOT / "src" / "stickyconf" / "mutants"
    declaring = {
        ".".join(file.relative_to(ROOT / "src").with_suffix("").parts)
        for file in folder.rglob("*.py")
        if re.search(r"^@(mutant|benign)\(", file.read_text(), re.M)
    }
    assert modules == declaring


@pytest.mark.parametrize("module", ["stickyconf.plugin", "stickyconf.site.build", "stickyconf.mutants"])
def test_the_suite_loads_no_fault_and_nothing_of_the_embedded_cluster(module):
    """They are loaded where a run is given a mutant, and by the kill matrix."""
    program = f"import {module}, sys; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    names = loaded.stdout.split()
    assert not [name for name in names if name.startswith("embedded_cluster")]
    assert not [name for name in names if name.startswith("stickyconf.mutants.")][1:]  # but the module that declares
