"""The matrix: few jobs, every supported minor in one of them, and the edges of support."""

import json
from datetime import date

import msgspec
import pytest

from stickyconf.releases.__main__ import main
from stickyconf.releases.known import BadReleases, known, minor
from stickyconf.releases.matrix import Job, matrix

TODAY = date(2026, 11, 27)
GOLDEN = [
    ("3.5.13", "3.15.0.4", "1.36.1"),
    ("3.5.13", "3.11.0.14", "1.36.1"),
    ("3.5.13", "3.15.0.4", "1.27.16"),
    ("3.5.13", "3.11.0.14", "1.27.16"),
    ("3.5.13", "3.14.0.13", "1.35.5"),
    ("3.5.13", "3.13.0.10", "1.34.8"),
    ("3.5.13", "3.12.0.11", "1.33.12"),
    ("3.5.13", "3.14.0.13", "1.32.11"),
    ("3.5.13", "3.13.0.10", "1.31.14"),
    ("3.5.13", "3.12.0.11", "1.30.13"),
    ("3.5.13", "3.15.0.4", "1.29.14"),
    ("3.5.13", "3.14.0.13", "1.28.15"),
]
"""KIC, Kong Gateway, Kubernetes. The newest and the edges come first, then what they do not cover."""


def with_minors(**parts):
    """What is known, with other minors of KIC."""
    now = known()
    return msgspec.structs.replace(now, kic=msgspec.structs.replace(now.kic, **parts))


def test_golden():
    """Twelve jobs cover KIC 3.5, Kong Gateway 3.11 to 3.15, and Kubernetes 1.27 to 1.36."""
    found = matrix(known(), TODAY)
    assert [(job.kic, job.kong, job.kubernetes) for job in found.jobs] == GOLDEN
    assert found.left_out == ()
    assert {minor(job.kic) for job in found.jobs} == {"3.5"}
    assert {minor(job.kong) for job in found.jobs} == {f"3.{number}" for number in range(11, 16)}
    assert {minor(job.kubernetes) for job in found.jobs} == {f"1.{number}" for number in range(27, 37)}


def test_newest_and_axes():
    """Fewer minors make fewer jobs; an axis that does not vary stays at its newest."""
    assert [(job.kong, job.kubernetes) for job in matrix(known(), TODAY, 2).jobs] == [
        ("3.15.0.4", "1.36.1"),
        ("3.14.0.13", "1.36.1"),
        ("3.15.0.4", "1.35.5"),
        ("3.14.0.13", "1.35.5"),
    ]
    only = matrix(known(), TODAY, axes=("kong",)).jobs
    assert {job.kubernetes for job in only} == {"1.36.1"}
    assert len(only) == 5


def test_support_that_ended():
    """A year after its end a minor is left out, and that is said."""
    found = matrix(known(), date(2027, 7, 4))
    assert "Kong Gateway 3.11 is left out: its support ended on 2026-07-03" in found.left_out
    assert "3.11" not in {minor(job.kong) for job in found.jobs}
    with pytest.raises(BadReleases, match=r"axis kic is supported on 2030-01-01: KIC 3\.5 is left out"):
        matrix(known(), date(2030, 1, 1))


def test_impossible_pairs():
    """A KIC that is documented for newer Kubernetes only is not put before older; both are covered all the same."""
    now = known().kic
    newer = msgspec.structs.replace(now.minors["3.5"], kubernetes=("1.33", "1.36"), gateway=("3.13", "3.15"))
    found = matrix(
        with_minors(
            minors=now.minors | {"3.6": newer},
            releases=now.releases | {"3.6.0": msgspec.structs.replace(now.releases["3.5.13"], released=TODAY)},
        ),
        TODAY,
    )
    assert (
        "KIC 3.6 with Kubernetes 1.27 is left out: KIC 3.6 is documented for Kubernetes 1.33 and later"
        in found.left_out
    )
    assert Job("3.6.0", "3.15.0.4", "1.36.1") == found.jobs[0]
    for job in found.jobs:
        if job.kic == "3.6.0":
            assert minor(job.kubernetes) in ("1.33", "1.34", "1.35", "1.36")
    assert {minor(job.kubernetes) for job in found.jobs} == {f"1.{number}" for number in range(27, 37)}
    assert {minor(job.kong) for job in found.jobs} == {f"3.{number}" for number in range(11, 16)}


def test_command(capsys):
    """JSON for a CI matrix on standard output, with what a job needs to know."""
    assert main(["matrix", "--axis", "kic,kong,kubernetes", "--newest", "3"], TODAY) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["include"][0] == {
        "name": "KIC 3.5.13, Kong 3.15.0.4, Kubernetes 1.36.1",
        "id": "kic-3.5.13-kong-3.15.0.4-kubernetes-1.36.1",
        "kic": "3.5.13",
        "kong": "3.15.0.4",
        "kubernetes": "1.36.1",
        "licence": True,
        "documented": False,
    }
    assert main(["list"], TODAY) == 0
    assert (
        "Kong Gateway 3.11: newest 3.11.0.14, released 2026-06-30, support ended 2026-07-03" in capsys.readouterr().out
    )
    assert main(["image", "1.34.8"]) == 0
    assert capsys.readouterr().out.startswith("kindest/node:v1.34.8@sha256:02722c2d")
    assert main(["kind"]) == 0
    assert capsys.readouterr().out == "v0.32.0\n"
    assert main(["image", "1.99.0"]) == 0
    said, warned = capsys.readouterr()
    assert said == "kindest/node:v1.99.0\n"
    assert "Kubernetes 1.99.0 is not in" in warned
