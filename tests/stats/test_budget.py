"""The false alarms of a whole run are divided over its checks, and none is spent unaccounted."""

from __future__ import annotations

from pathlib import Path

import pytest

from stickyconf.model.catalogue import load_catalogue
from stickyconf.stats import ALPHA, FALSE_ALARM_BUDGET, alpha

CATALOGUE = load_catalogue(Path(__file__).parents[2] / "requirements.toml")


def test_the_shares_do_not_exceed_the_budget() -> None:
    assert sum(ALPHA.values()) <= FALSE_ALARM_BUDGET == 1e-6
    assert all(0 <= share < 1e-6 for share in ALPHA.values())


def test_every_share_belongs_to_a_requirement() -> None:
    assert set(ALPHA) <= set(CATALOGUE.requirements)


def test_a_requirement_without_a_share_has_none_to_spend() -> None:
    assert alpha("SPR-01") == ALPHA["SPR-01"]
    with pytest.raises(KeyError):
        alpha("AFF-01")
