"""Which versions to judge together: a few jobs that cover every supported minor, and the edges of support."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import product
from typing import Any

from packaging.version import Version

from stickyconf.releases.known import BadReleases, Gateway, Kic, Known, minor, newest_by_minor

AXES = ("kic", "kong", "kubernetes")
SUNSET = timedelta(days=365)
"""Kong helps with upgrades for a year after the end of support ("sunset support"): people still run such versions."""


@dataclass(frozen=True, slots=True)
class Job:
    """One version of each, to be judged together."""

    kic: str
    kong: str
    kubernetes: str

    def of(self, axis: str) -> str:
        """Return the version on an axis."""
        version: str = getattr(self, axis)
        return version


@dataclass(frozen=True, slots=True)
class Matrix:
    """Jobs, and why versions and pairs are not among them, a line each."""

    jobs: tuple[Job, ...]
    left_out: tuple[str, ...]


def matrix(known: Known, today: date, newest: int | None = None, axes: Sequence[str] = AXES) -> Matrix:
    """Choose jobs: the newest of everything, the pairs at the edges of support, then what is not covered yet.

    ``newest``: so many minors of each axis at most. An axis that is not among ``axes`` stays at its newest version.
    """
    left_out: list[str] = []
    values = {
        "kic": _supported("KIC", known.kic, today, left_out),
        "kong": _supported("Kong Gateway", known.gateway, today, left_out),
        "kubernetes": _documented_nodes(known, left_out),
    }
    for axis, versions in values.items():
        if not versions:
            raise BadReleases(f"nothing on the axis {axis} is supported on {today}: {'; '.join(left_out)}")
        values[axis] = versions[-(newest or len(versions)) :] if axis in axes else versions[-1:]
    first, last = ({axis: versions[end] for axis, versions in values.items()} for end in (0, -1))
    edges = [
        last,
        *(last | {axis: first[axis]} for axis in AXES),
        *(first | {axis: last[axis]} for axis in AXES),
        first,
    ]
    jobs: list[Job] = []
    for edge in edges:
        _add(Job(**edge), known, jobs, left_out)
    for axis in AXES:
        for version in reversed(values[axis]):
            if all(job.of(axis) != version for job in jobs):
                _cover(axis, version, values, known, jobs, left_out)
    return Matrix(tuple(jobs), tuple(dict.fromkeys(left_out)))


def as_json(found: Matrix, known: Known) -> dict[str, Any]:
    """Return the jobs as a GitHub matrix."""
    return {"include": [_row(job, known) for job in found.jobs]}


def documented(job: Job, known: Known) -> bool:
    """Whether the documentation of this KIC names the other two."""
    kic = known.kic.minors[minor(job.kic)]
    return _within(job.kong, kic.gateway) and _within(job.kubernetes, kic.kubernetes)


def needs_licence(kong: str, known: Known) -> bool:
    """Whether a version of Kong Gateway cannot be configured without a licence."""
    return Version(minor(kong)) >= Version(known.gateway.licence_needed_from)


def _row(job: Job, known: Known) -> dict[str, Any]:
    return {
        "name": f"KIC {job.kic}, Kong {job.kong}, Kubernetes {job.kubernetes}",
        "id": f"kic-{job.kic}-kong-{job.kong}-kubernetes-{job.kubernetes}",
        "kic": job.kic,
        "kong": job.kong,
        "kubernetes": job.kubernetes,
        "licence": needs_licence(job.kong, known),
        "documented": documented(job, known),
    }


def _supported(name: str, part: Kic | Gateway, today: date, left_out: list[str]) -> list[str]:
    """Return the newest release of each minor that has sticky sessions and is supported, or was a year ago."""
    found, since = [], part.sticky_sessions_since
    for short, version in newest_by_minor(part.releases).items():
        about = part.minors[short]
        if Version(short) < Version(since):
            left_out.append(f"{name} {short} is left out: sticky sessions are in {since} and later")
        elif about.end_of_support and today > about.end_of_support + SUNSET:
            left_out.append(f"{name} {short} is left out: its support ended on {about.end_of_support}")
        else:
            found.append(version)
    return found


def _documented_nodes(known: Known, left_out: list[str]) -> list[str]:
    """Return the node images of those minors that are not older than what every known KIC is documented for."""
    oldest = min((about.kubernetes[0] for about in known.kic.minors.values()), key=Version)
    found = []
    for short, version in newest_by_minor(known.kubernetes.releases).items():
        if Version(short) < Version(oldest):
            left_out.append(f"Kubernetes {short} is left out: KIC is documented for {oldest} and later")
        else:
            found.append(version)
    return found


def _cover(
    axis: str,
    version: str,
    values: Mapping[str, Sequence[str]],
    known: Known,
    jobs: list[Job],
    left_out: list[str],
) -> None:
    """Add a job with this version, beside versions that few jobs have, the newest of those first."""
    others = [other for other in AXES if other != axis]
    ranked = [_least_used(values[other], [job.of(other) for job in jobs]) for other in others]
    for combination in product(*ranked):
        job = Job(**dict(zip(others, combination, strict=True)), **{axis: version})
        _add(job, known, jobs, left_out)
        if job in jobs:
            return


def _least_used(versions: Sequence[str], used: Sequence[str]) -> list[str]:
    """Sort versions by how seldom they are used; the newest of equals first."""
    newest_first = dict.fromkeys(reversed(versions))
    return sorted(newest_first, key=used.count)


def _add(job: Job, known: Known, jobs: list[Job], left_out: list[str]) -> None:
    reasons = list(_impossible(job, known))
    if reasons:
        left_out += reasons
    elif job not in jobs:
        jobs.append(job)


def _impossible(job: Job, known: Known) -> Iterator[str]:
    """Say why two versions cannot be judged together: KIC's documentation begins with newer ones."""
    kic = known.kic.minors[minor(job.kic)]
    for name, version, (oldest, _) in (
        ("Kong Gateway", job.kong, kic.gateway),
        ("Kubernetes", job.kubernetes, kic.kubernetes),
    ):
        if Version(minor(version)) < Version(oldest):
            pair = f"KIC {minor(job.kic)} with {name} {minor(version)}"
            yield f"{pair} is left out: KIC {minor(job.kic)} is documented for {name} {oldest} and later"


def _within(version: str, bounds: tuple[str, str]) -> bool:
    return Version(bounds[0]) <= Version(minor(version)) <= Version(bounds[1])
