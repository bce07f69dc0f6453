"""Published reports: a copy filed under the versions it is about, with a badge beside it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stickyconf.reporting.implementation import UNKNOWN
from stickyconf.site.runs import StoredRun

COLOURS = {"conformant": "brightgreen", "partial": "yellow", "not conformant": "red"}


class Refused(Exception):
    """A run that cannot be published; the message is one line that says why and what to do."""


@dataclass(frozen=True, slots=True)
class Filed:
    """What publishing wrote: the report and its badge."""

    report: Path
    badge: Path


def publish(run: StoredRun, published: Path, *, embedded: bool = False) -> Filed:
    """File a run's conformance.yaml as ``published``/<kong>/<kic>-<kubernetes>-<profiles>.yaml, and a badge beside it.

    ``embedded`` allows a run on the stand-in and demands one: it is filed below embedded/. A report already filed
    there is replaced. Raises Refused for a run that could not be made again, or that is incomplete.
    """
    reason = next(_reasons(run, embedded=embedded), "")
    if reason or run.folder is None:
        raise Refused(f"{run.id} cannot be published: {reason}")
    folder = published / "embedded" / _plane(run) if run.embedded else published / _slug(run.versions["Kong"])
    profiles = "+".join(run.report["run"]["profiles"])
    stem = f"{_slug(run.versions['KIC'])}-{_slug(run.versions['Kubernetes'])}-{_slug(profiles)}"
    filed = Filed(folder / f"{stem}.yaml", folder / f"{stem}.badge.json")
    folder.mkdir(parents=True, exist_ok=True)
    beside = filed.report.with_name(f".{filed.report.name}.partial")
    shutil.copyfile(run.folder / "conformance.yaml", beside)
    beside.replace(filed.report)
    filed.badge.write_text(json.dumps(badge(run), indent=1) + "\n", encoding="utf-8")
    return filed


def badge(run: StoredRun) -> dict[str, object]:
    """Return what Shields' endpoint badge shows of a run: the verdict, and of which version."""
    about = f"Kong {run.versions['Kong']}, KIC {run.versions['KIC']}"
    if run.embedded:
        about = "embedded stand-in, not Kong"
        if "Kong Ingress Controller" in run.about:
            about = f"embedded stand-in, not Kong Gateway, behind KIC {run.versions['KIC']}"
    return {
        "schemaVersion": 1,
        "label": "sticky sessions",
        "message": f"{run.result} ({about})",
        # A stand-in's verdict says nothing about Kong: its badge does not use the colours of a verdict on Kong.
        "color": "lightgrey" if run.embedded else COLOURS[run.result],
    }


def _reasons(run: StoredRun, *, embedded: bool) -> Iterator[str]:
    """Yield the reasons not to publish a run."""
    facts, suite = run.report["run"], run.report.get("suite", {})
    if run.folder is None:
        yield "give the run's folder, which has its conformance.yaml"
    if run.embedded and not embedded:
        yield "it judged the embedded stand-in, not Kong; --publish-embedded files it as what it is"
    if not run.embedded and embedded:
        yield "it judged Kong; use --publish"
    if run.mutant:
        yield f"a deliberate fault was in force ({run.mutant})"
    if run.filtered:
        yield "it was filtered: cases were left out on purpose"
    if facts["rejudged"]:
        yield f"it judged stored histories again ({facts['rejudged']})"
    if not suite.get("commit"):
        yield "it does not say from which commit it was made; make it in a git checkout"
    elif suite.get("dirty") is not False:
        yield f"its checkout differed from commit {suite['commit'][:12]}; commit, and run again"
    if not run.embedded:
        missing = [part for part, version in run.versions.items() if version == UNKNOWN]
        if missing:
            yield f"it does not say the version of {', '.join(missing)}"


def _plane(run: StoredRun) -> str:
    """Name a stand-in by what moves its requests: "embedded stand-in (Envoy 1.40.0)" is envoy-1.40.0."""
    inner = re.search(r"\((.+)\)", run.implementation)
    return _slug(inner[1] if inner else run.implementation)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.+]+", "-", text.lower()).strip("-.") or UNKNOWN
