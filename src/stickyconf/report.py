"""``python -m stickyconf.report``: the site of runs, reports to publish, and the difference of two runs."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from http.server import ThreadingHTTPServer
from pathlib import Path

from stickyconf.model.catalogue import load_catalogue
from stickyconf.releases.asking import GITHUB, NoAnswer
from stickyconf.reporting import diff
from stickyconf.reporting.readback import ReportError
from stickyconf.shipped import project
from stickyconf.site import issues, past
from stickyconf.site.allure import Allure, ReportToolError
from stickyconf.site.build import KILLS, build
from stickyconf.site.publish import Refused, publish
from stickyconf.site.runs import find_runs
from stickyconf.site.serve import address, server
from stickyconf.site.wording import size

OUT = Path("reports/out")
PINNED = project() / "reports" / "allure"
BAD_INPUT = 2
LAST_PORT = 65535


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked; return the exit status: 0, 1 if ``diff`` finds a regression, 2 with one line why not."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["diff"]:
        options = _diff_options(given[1:])
        return diff.main(options.older, options.newer)
    if given[:1] in (["past"], ["issues"]):
        return _published(given)
    options = _options(given[1:] if given[:1] == ["build"] else given)
    try:
        return _publish(options) if options.publish else _build(options)
    except (ReportError, ReportToolError, Refused, OSError, ValueError) as error:
        print(f"report: {error}", file=sys.stderr)
        return BAD_INPUT


def _published(given: Sequence[str]) -> int:
    """Fetch the runs of the published site, or settle the issues of regressions."""
    parser = argparse.ArgumentParser(prog=f"python -m stickyconf.report {given[0]}")
    if given[0] == "past":
        parser.add_argument("url", help="where the site is published")
        parser.add_argument("folder", type=Path, help="where the reports of its runs go")
    else:
        parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="as for the site")
        parser.add_argument("--repository", required=True, metavar="OWNER/NAME", help="where the issues are")
        parser.add_argument("--github", default=GITHUB, metavar="URL", help="GitHub's API")
    options = parser.parse_args(given[1:])
    try:
        if given[0] == "past":
            print(f"fetched: {past.fetch(options.url, options.folder)} runs")
        else:
            found = issues.findings(find_runs(options.runs))
            told = issues.settle(found, options.repository, options.github)
            print("\n".join(told or ["no issue to open or to close"]))
    except (ReportError, NoAnswer, OSError) as error:
        print(f"report: {error}", file=sys.stderr)
        return BAD_INPUT
    return 0


def _build(options: argparse.Namespace) -> int:
    began = time.monotonic()
    runs = find_runs(options.runs or [OUT])
    catalogue = load_catalogue(project() / "requirements.toml")
    allure = None if options.without_allure else Allure.installed(PINNED, Path(sys.prefix))
    kills = next((place for place in [*options.runs, OUT] if (place / KILLS).is_file()), None)
    serving = server(options.site, options.port) if options.serve else None  # before the work: the port may be taken
    site = build(runs, catalogue, options.site, allure, kills)
    versions = "1 version" if site.editions == 1 else f"{site.editions} versions"
    told = f"{site.runs} runs of {versions}, {size(site.size)}, {time.monotonic() - began:.1f} s"
    print(f"site: {site.folder / 'index.html'} ({told})")
    if serving:
        _serve(serving)
    return 0


def _serve(serving: ThreadingHTTPServer) -> None:
    with serving:
        print(f"serving {address(serving)} until Ctrl-C", flush=True)
        try:
            serving.serve_forever()
        except KeyboardInterrupt:
            print()


def _publish(options: argparse.Namespace) -> int:
    for run in find_runs([options.publish]):
        filed = publish(run, options.published, embedded=options.publish_embedded)
        print(f"published: {filed.report}\nbadge: {filed.badge}")
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m stickyconf.report",
        description="Build the site of one or many runs. Beside this: diff OLDER NEWER compares two runs.",
    )
    add = parser.add_argument
    add(
        "runs",
        nargs="*",
        type=Path,
        metavar="RUN",
        help=f"a run's folder, a conformance.yaml, or a folder of runs (default: {OUT})",
    )
    add(
        "--site",
        type=Path,
        default=Path("reports/site"),
        metavar="DIR",
        help="where the site goes (default: reports/site)",
    )
    add("--serve", action="store_true", help="serve the site on loopback afterwards")
    add("--port", type=_port, default=0, metavar="N", help="the port to serve at (default: a free one)")
    add("--without-allure", action="store_true", help="leave the Allure report out; needs no Node")
    add("--publish", type=Path, metavar="RUN", help="file this run's report, and build nothing")
    add(
        "--publish-embedded",
        action="store_true",
        help="with --publish: file a run on the embedded stand-in, below embedded/",
    )
    add(
        "--published",
        type=Path,
        default=Path("reports/published"),
        metavar="DIR",
        help="where reports are filed (default: reports/published)",
    )
    options = parser.parse_args(arguments)
    if options.publish_embedded and not options.publish:
        parser.error("--publish-embedded says how to --publish RUN")
    return options


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text} is no port: give 0 (any) to {LAST_PORT}")
    return int(text)


def _diff_options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m stickyconf.report diff",
        description="Say what changed from one run to another; 1 for a regression.",
    )
    for name in ("older", "newer"):
        parser.add_argument(name, type=Path, help="a run's folder or its conformance.yaml")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
