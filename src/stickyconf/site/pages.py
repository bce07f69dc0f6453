"""The site's own pages: the landing page, and one a run. Templates and the stylesheet are beside this module."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from stickyconf import __version__
from stickyconf.model import Catalogue
from stickyconf.reporting.measures import told
from stickyconf.site import views, wording
from stickyconf.site.runs import Edition, StoredRun
from stickyconf.site.wording import ABSENT, RESULT_MEANS, RESULTS, STANDINGS, mark_of

SHOWN_WRONGS = 6

# Browsers let no page of a file: address read the files beside it, and Allure's report of many files does that.
FROM_DISK = (
    'if (location.protocol === "file:") '
    "for (const link of document.querySelectorAll('a[href*=\"allure/index.html\"]')) "
    'link.href = link.href.replace("allure/index.html", "allure.html");'
)
_HASH = base64.b64encode(hashlib.sha256(FROM_DISK.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; script-src 'sha256-{_HASH}'; style-src 'self' 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)
"""What our pages may load: the stylesheet, and that one script."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in the site beside our pages.

    ``cases``: (run, case's node) -> id of its test in the Allure report, empty if there is none. ``histories``: run
    -> history's name -> its file in the run's folder. ``files``: run -> (file, bytes). ``kills``: the kill
    matrix's result in a line, "" if there is none.
    """

    cases: Mapping[tuple[str, str], str] = field(default_factory=dict)
    histories: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    files: Mapping[str, Sequence[tuple[str, int]]] = field(default_factory=dict)
    kills: str = ""

    def link(self, run: StoredRun, row: Mapping[str, Any]) -> str:
        """Return the address of the case that tells most of a requirement: the one that gave it its standing.

        It is relative to the landing page. A case that is not in the Allure report is looked up on the run's page.
        """
        for case in sorted(row["cases"], key=lambda case: case["status"] != row["status"]):
            if found := self.cases.get((run.id, case["node"])):
                return f"allure/index.html#{found}"
        return f"runs/{run.id}/index.html#{row['id']}"


@dataclass(slots=True)
class Pages:
    """Writes the pages into a folder. ``built`` is the time they say they were made at, UTC."""

    catalogue: Catalogue
    columns: Sequence[Edition]
    contents: Contents
    built: datetime
    _jinja: Environment = field(init=False)

    def __post_init__(self) -> None:
        """Set up the templates; a name in a template that is not given is an error."""
        self._jinja = Environment(
            loader=PackageLoader("stickyconf.site", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._jinja.globals.update(
            policy=POLICY,
            from_disk=FROM_DISK,
            suite=__version__,
            built=wording.minute(self.built),
            results=RESULTS,
            means=RESULT_MEANS,
            standings=STANDINGS,
            known=wording.KNOWN,
            meanings=wording.MEANINGS,
            standing=_standing,
            cited=views.cited,
            day=wording.day,
            minute=wording.minute,
            lasting=wording.lasting,
            size=wording.size,
        )

    def write(self, site: Path) -> None:
        """Write index.html, site.css and runs/<run>/index.html."""
        style = resources.files("stickyconf.site").joinpath("templates/site.css").read_text(encoding="utf-8")
        (site / "site.css").write_text(style, encoding="utf-8")
        (site / "index.html").write_text(self.landing(), encoding="utf-8")
        for edition in self.columns:
            for run in edition.runs:
                folder = site / "runs" / run.id
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "index.html").write_text(self.run(edition, run), encoding="utf-8")

    def landing(self) -> str:
        """Return the landing page: the first edition's verdict, then everything of all editions."""
        newest, link = self.columns[0], self.contents.link
        return self._jinja.get_template("landing.html.j2").render(
            root="",
            newest=newest,
            columns=self.columns,
            counted=views.counts(newest.shown),
            compared=views.compared(self.columns),
            wrongs=views.wrongs(newest.shown, link),
            causes=views.causes(newest.shown),
            shown_wrongs=SHOWN_WRONGS,
            histories=self._histories(newest.shown),
            families=views.matrix(self.catalogue, self.columns, link),
            observed=list(views.observed(self.catalogue, self.columns)),
            allure=bool(self.contents.cases),
            kills=self.contents.kills,
            markdown={run for run, files in self.contents.files.items() if "conformance.md" in dict(files)},
        )

    def run(self, edition: Edition, run: StoredRun) -> str:
        """Return the page of one run: every requirement, what was tested, how to do it again, its files."""
        link = self.contents.link
        rows = [
            (row, mark_of(row), "" if not row["cases"] else _elsewhere(link(run, row)), told(row["measures"]))
            for row in run.rows.values()
        ]
        return self._jinja.get_template("run.html.j2").render(
            root="../../",
            run=run,
            edition=edition,
            counted=views.counts(run),
            wrongs=views.wrongs(run, link),
            causes=views.causes(run),
            profiles=[(profile, *_held(profile)) for profile in run.report["profiles"]],
            rows=rows,
            histories=self._histories(run),
            files=self.contents.files.get(run.id, ()),
        )

    def _histories(self, run: StoredRun) -> Mapping[str, str]:
        return self.contents.histories.get(run.id, {})


def _elsewhere(href: str) -> str:
    """Return an address unless it is a run's own page, which need not link to itself."""
    return href if href.startswith("allure/") else ""


def _held(profile: Mapping[str, Any]) -> tuple[int, int]:
    """Return how many MUST and SHOULD of a profile conform, and how many there are."""
    levels = [profile["statistics"][level] for level in ("MUST", "SHOULD")]
    return sum(level["conforms"] for level in levels), sum(sum(level.values()) for level in levels)


def _standing(name: str) -> wording.Mark:
    return STANDINGS.get(name, ABSENT)
