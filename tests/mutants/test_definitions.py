"""A definition that lacks a rule lacks that one only, and says which fault has touched it."""

from importlib import resources

import pytest
import yaml

from embedded_cluster.environment import load_hook
from stickyconf.mutants import DEFINITION_MARK, mutants

FAULTS = [mutant for mutant in mutants().values() if mutant.where == "api-server"]


def definitions():
    folder = resources.files("embedded_cluster") / "crds"
    return [
        yaml.safe_load(file.read_text(encoding="utf-8")) for file in folder.iterdir() if file.name.endswith(".yaml")
    ]


@pytest.mark.parametrize("mutant", FAULTS, ids=lambda mutant: mutant.id)
def test_fault_touches_one_definition(mutant):
    """One definition differs from the real one, in its schema, and has the mark."""
    changed = load_hook(mutant.hook.partition("=")[2])(definitions())
    [(before, after)] = [(b, a) for b, a in zip(definitions(), changed, strict=True) if b != a]
    assert after["metadata"].pop("annotations") == {DEFINITION_MARK: mutant.id}
    assert after["metadata"] == before["metadata"]
    assert after["spec"] != before["spec"]
