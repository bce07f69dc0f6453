"""Reports of earlier runs, fetched back from where the site is published: the history of the next one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

import httpx

from stickyconf.releases.asking import Asking, NoAnswer, Servers

INDEX = "runs/index.json"
"""In the site: the ids of its runs, the oldest first."""

MOST = 60
"""So many of the newest runs are fetched; older ones are not looked up on a page any more."""

_ID = re.compile(r"[0-9A-Za-z-]+")


def write_index(site: Path, runs: Iterable[str]) -> None:
    """Leave the list of runs in the site."""
    (site / INDEX).write_text(json.dumps(list(runs)), encoding="utf-8")


def fetch(url: str, folder: Path) -> int:
    """Fetch the reports of the runs that the site at an address has; return how many. None is there yet: 0.

    Raises NoAnswer if the site cannot be read.
    """
    with Asking(Servers(raw=url.rstrip("/")), {}) as asking:
        try:
            listed = json.loads(asking.file(INDEX))
        except NoAnswer as error:
            if error.status == httpx.codes.NOT_FOUND:
                return 0
            raise
        except ValueError as error:
            raise NoAnswer(f"{url}/{INDEX} is no list of runs; is that the site?") from error
        if not isinstance(listed, list) or not all(isinstance(one, str) and _ID.fullmatch(one) for one in listed):
            raise NoAnswer(f"{url}/{INDEX} is no list of runs; is that the site?")
        for run in listed[-MOST:]:
            report = asking.file(f"runs/{run}/conformance.yaml")
            (folder / run).mkdir(parents=True, exist_ok=True)
            (folder / run / "conformance.yaml").write_bytes(report)
    return len(listed[-MOST:])
