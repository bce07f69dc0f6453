"""A list of known violations: what it may say, which of it is about a run, and what a bad entry is told."""

from dataclasses import replace
from datetime import date

import pytest

from stickyconf.known_violations import BadKnownViolations, about, load
from stickyconf.reporting.implementation import Implementation
from tests.reporting.examples import CATALOGUE

ENTRY = """\
[[known]]
requirement = "CKE-05"
versions = { kong = "3.11", kic = ">=3.5,<3.6" }
reason = "the cookie names another pod"
link = "https://example.com/issues/1"
expires = 2026-12-31
"""


def read(tmp_path, text):
    file = tmp_path / "known.toml"
    file.write_text(text, encoding="utf-8")
    return load(file, CATALOGUE)


def test_an_entry(tmp_path):
    """It says of which versions a violation is known, why it is accepted, and until when."""
    [known] = read(tmp_path, ENTRY)
    assert known.told == "known until 2026-12-31: the cookie names another pod (https://example.com/issues/1)"
    assert known.accepted(date(2026, 12, 31))
    assert not known.accepted(date(2027, 1, 1))


KONG = Implementation("Kong Gateway", False, {"gateway": "3.11.0.14-enterprise-edition"})
KIC = "kong/kubernetes-ingress-controller"
JUDGED = {
    "these versions": (f"{KIC}:3.5.13@sha256:12", "3.11", True),
    "another KIC": (f"{KIC}:3.6.0", "3.11", False),
    "a candidate of another KIC": (f"{KIC}:3.6.0-rc.1", "3.11", False),
    "another Kong": (f"{KIC}:3.5.13", "3.12", False),
    "a number that begins alike": (f"{KIC}:3.5.13", "3.1", False),
    "exactly this Kong": (f"{KIC}:3.5.13", "3.11.0.14", True),
    "a range": (f"{KIC}:3.5.13", ">=3.11.0.2,<3.12", True),
    "a version that nobody knows": ("kong/nightly:latest", "3.11", False),
}


@pytest.mark.parametrize(("kic", "kong", "meant"), JUDGED.values(), ids=JUDGED)
def test_versions(tmp_path, kic, kong, meant):
    """An entry is about a run if every version it names fits."""
    known = read(tmp_path, ENTRY.replace('kong = "3.11"', f'kong = "{kong}"'))
    implementation = replace(KONG, versions=dict(KONG.versions) | {"ingress-kong": kic})
    assert bool(about(known, implementation, "0.1.0")) is meant


def test_the_stand_in_is_not_kong(tmp_path):
    """What is known of Kong is not known of the stand-in, whatever version that says it has."""
    stand_in = Implementation(
        "embedded stand-in (Envoy)", True, {"gateway": "3.11.0.0-embedded", "controller": "embedded stand-in"}
    )
    known = read(tmp_path, ENTRY)
    assert not about(known, stand_in, "0.1.0")
    known = read(tmp_path, ENTRY.replace('kong = "3.11", kic = ">=3.5,<3.6"', 'embedded = "0.1"'))
    assert about(known, stand_in, "0.1.0")
    assert not about(known, KONG, "0.1.0")


BAD = {
    "no TOML": ("[[known]", "known.toml: "),
    "no list": ("", "missing required field `known`"),
    "a misspelt key": (ENTRY.replace("reason", "why"), "unknown field `why`"),
    "no date": (ENTRY.replace("2026-12-31", '"soon"'), "Expected `date`"),
    "an unknown requirement": (ENTRY.replace("CKE-05", "CKE-99"), "entry 1 (CKE-99): the catalogue has no such"),
    "a measured one": (ENTRY.replace("CKE-05", "CKE-06"), "it is OBSERVE, which is measured and cannot be violated"),
    "no versions": (ENTRY.replace('{ kong = "3.11", kic = ">=3.5,<3.6" }', "{}"), "versions is empty: say of which"),
    "an unknown part": (ENTRY.replace("kong =", "envoy ="), "versions has no part 'envoy'; there are: kong, kic,"),
    "no version": (ENTRY.replace('"3.11"', '"new"'), "versions of kong: 'new' is neither a version nor a range"),
    "no reason": (ENTRY.replace("the cookie names another pod", " "), "reason is empty"),
    "no link": (ENTRY.replace("https://example.com/issues/1", "#1"), "link: '#1' is no address"),
}


@pytest.mark.parametrize(("text", "said"), BAD.values(), ids=BAD)
def test_bad_entries(tmp_path, text, said):
    """One line: which entry, and what is wrong with it."""
    with pytest.raises(BadKnownViolations) as caught:
        read(tmp_path, text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_file(tmp_path):
    """The path is named."""
    with pytest.raises(BadKnownViolations, match=r"missing\.toml: No such file"):
        load(tmp_path / "missing.toml", CATALOGUE)
