"""The catalogue is data that reports, cases and readers rely on: it must load, and its ids must never shift."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from stickyconf.model.catalogue import Catalogue, Level, load_catalogue

REQUIREMENTS = Path(__file__).parents[1] / "requirements.toml"

HEADER = """
since = "KIC 3.5"
[families]
AFF = "Affinity"
[sources]
HT = { title = "How-to", url = "https://example.com/" }
"""
ROW = """
[[requirement]]
id = "AFF-01"
level = "MUST"
title = "A session stays"
statement = "It stays on its pod."
source = "HT"
profiles = ["core"]
exposure = "Two pods."
"""


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(REQUIREMENTS)


def test_ids_are_numbered_without_gaps_in_order_family_after_family(catalogue: Catalogue) -> None:
    """Ids are never renumbered and never used again: a row that goes would leave a gap, or take another's number."""
    counts = Counter(requirement.family for requirement in catalogue)
    expected = [f"{family}-{number:02}" for family in catalogue.families for number in range(1, counts[family] + 1)]

    assert list(catalogue.requirements) == expected
    assert set(counts) == set(catalogue.families)


def test_every_requirement_says_what_it_demands_and_what_must_be_possible_first(catalogue: Catalogue) -> None:
    for requirement in catalogue:
        assert re.fullmatch(r"[A-Z]{3}-\d\d", requirement.id)
        assert requirement.statement.endswith("."), requirement.id
        assert requirement.exposure.endswith("."), requirement.id
        assert requirement.since, requirement.id
        assert 10 < len(requirement.title) <= 72, requirement.id
        assert not requirement.title.endswith("."), requirement.id


def test_titles_tell_requirements_apart(catalogue: Catalogue) -> None:
    assert len({requirement.title for requirement in catalogue}) == len(list(catalogue))


def test_every_source_resolves_to_a_public_page_and_every_page_is_a_source(catalogue: Catalogue) -> None:
    used: set[str] = set()
    for requirement in catalogue:
        links = catalogue.source_links(requirement)
        assert list(links) == requirement.source.split(), requirement.id
        assert links, requirement.id
        used |= set(links)

    assert used == set(catalogue.sources)
    for source in catalogue.sources.values():
        assert source.url.startswith("https://")


def test_every_profile_has_something_it_must_hold(catalogue: Catalogue) -> None:
    """One that is judged on request only, as the soak, has at least something that it should."""
    for profile in catalogue.profiles:
        levels = {r.level for r in catalogue if profile in r.profiles}
        assert Level.MUST in levels or (profile in catalogue.on_request and Level.SHOULD in levels), profile


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (HEADER + ROW + ROW, "AFF-01 stands twice"),
        (HEADER + ROW.replace('"MUST"', '"MAY"'), "AFF-01: 'MAY' is not a valid Level"),
        (HEADER + ROW.replace("AFF-01", "XYZ-01"), "XYZ-01 is of no known family"),
        (HEADER + ROW.replace('"HT"', '"HT RF"'), "AFF-01 has the unknown source RF"),
        (HEADER + ROW.replace('exposure = "Two pods."', ""), "AFF-01: 'exposure'"),
        (HEADER + ROW.replace('["core"]', "[]"), "AFF-01: it is in no profile"),
        (HEADER + ROW.replace('id = "AFF-01"', ""), "a row without id: 'id'"),
        (ROW, "'families' is missing"),
        (HEADER + ROW + 'presupposes = ["CKE-01"]\n', "AFF-01 presupposes CKE-01, which is not there"),
        (HEADER + ROW + 'presupposes = ["AFF-01"]\n', "AFF-01 presupposes itself"),
    ],
)
def test_a_broken_catalogue_is_refused_naming_the_row(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "requirements.toml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(ValueError, match=re.escape(complaint)):
        load_catalogue(path)


def test_what_is_presupposed_is_followed_the_nearest_first(catalogue: Catalogue) -> None:
    assert catalogue.presupposed("AFF-02") == ("AFF-01", "CKE-01", "CKE-05", "SPR-04")
    assert catalogue.presupposed("CKE-01") == ()


@pytest.mark.parametrize(
    ("identifier", "gateway", "said"),
    [
        ("AFF-01", "3.10.0.2", "Kong Gateway 3.10.0.2 has no sticky sessions: they came with 3.11"),
        ("AFF-01", "3.11.0.0-embedded", ""),
        ("AFF-01", "4.0.0", ""),
        ("AFF-01", "unknown", ""),
        ("AFF-01", "", ""),
        ("API-01", "3.10.0", ""),
        ("API-11", "3.10.0", ""),
        ("API-11", "3.12.0", "it is about Kong Gateway before 3.11, and this is 3.12.0"),
    ],
)
def test_a_requirement_is_asked_of_the_releases_that_it_is_about(
    catalogue: Catalogue, identifier: str, gateway: str, said: str
) -> None:
    assert catalogue[identifier].unasked_of(gateway) == said
