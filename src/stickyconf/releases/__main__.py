"""``python -m stickyconf.releases``: what is known of releases, what is new, and which to judge together."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from stickyconf.releases.asking import GITHUB, HUB, RAW, Asking, NoAnswer, Servers
from stickyconf.releases.known import FILE, BadReleases, Known, load, newest_by_minor
from stickyconf.releases.matrix import AXES, as_json, documented, matrix, needs_licence
from stickyconf.releases.news import news, with_checksums, written
from stickyconf.shipped import project

NOT_TO_BE_HAD = 2


def main(arguments: Sequence[str] | None = None, today: date | None = None) -> int:
    """Do what is asked; return the exit status: 0, or 2 with one line that says why not."""
    options = _options(arguments)
    try:
        known = load(options.file)
        match options.what:
            case "list":
                print("\n".join(_listed(known, today or datetime.now(UTC).date())))
            case "matrix":
                _matrix(known, options, today or datetime.now(UTC).date())
            case "image":
                if options.version not in known.kubernetes.releases:
                    print(f"Kubernetes {options.version} is not in {options.file}: not pinned", file=sys.stderr)
                print(known.node_image(options.version))
            case "kind":
                print(f"v{known.newest_kind}")
            case "check" | "update":
                _news(known, options)
    except (BadReleases, NoAnswer) as error:
        print(f"releases: {error}", file=sys.stderr)
        return NOT_TO_BE_HAD
    return 0


def _listed(known: Known, today: date) -> list[str]:
    """Say what is known, and how it combines."""
    parts = (
        ("KIC", known.kic.releases, known.kic.minors),
        ("Kong Gateway", known.gateway.releases, known.gateway.minors),
        ("Kubernetes node", known.kubernetes.releases, known.kubernetes.minors),
    )
    lines = []
    for name, releases, minors in parts:
        for short, version in newest_by_minor(releases).items():
            end = minors[short].end_of_support
            verb = "ends" if end and end >= today else "ended"
            support = f"support {verb} {end}" if end else "end of support not known"
            lines.append(f"{name} {short}: newest {version}, released {releases[version].released}, {support}")
    for short, version in newest_by_minor(known.gateway_api.releases).items():
        lines.append(f"Gateway API {short}: newest {version}, released {known.gateway_api.releases[version].released}")
    for short, about in known.kic.minors.items():
        lines.append(
            f"KIC {short} is documented for Kong Gateway {' to '.join(about.gateway)}, Kubernetes"
            f" {' to '.join(about.kubernetes)}, Gateway API {' to '.join(about.gateway_api)}"
        )
    lines.append("")
    for job in matrix(known, today).jobs:
        notes = ["documented" if documented(job, known) else "newer than documented"]
        notes += ["needs a licence"] if needs_licence(job.kong, known) else []
        lines.append(f"KIC {job.kic} with Kong Gateway {job.kong} on Kubernetes {job.kubernetes}: {', '.join(notes)}")
    return lines


def _matrix(known: Known, options: argparse.Namespace, today: date) -> None:
    found = matrix(known, today, options.newest, options.axis)
    for line in found.left_out:
        print(line, file=sys.stderr)
    print(json.dumps(as_json(found, known)))


def _news(known: Known, options: argparse.Namespace) -> None:
    servers = Servers(options.github, options.hub, options.raw)
    with Asking(servers) as asking:
        found = news(known, asking)
        for new in found:
            print(f"new: {new}")
        if not found:
            print("nothing is newer than what releases.toml has")
        elif options.what == "update":
            text = written(options.file.read_text(encoding="utf-8"), with_checksums(found, known, asking))
            beside = options.file.with_name(f".{options.file.name}.partial")
            beside.write_text(text, encoding="utf-8")
            try:
                load(beside)  # never leave a file that the suite cannot read
                beside.replace(options.file)
            finally:
                beside.unlink(missing_ok=True)
            print(f"written: {options.file}")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m stickyconf.releases", description=__doc__)
    parser.add_argument(
        "--file", type=Path, default=project() / FILE, metavar="FILE", help="instead of the project's releases.toml"
    )
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    what.add_parser("list", help="what is known, and how it combines")
    for name, said in (
        ("check", "ask for newer releases"),
        ("update", "write newer releases into releases.toml, with checksums"),
    ):
        asking = what.add_parser(name, help=f"{said} (a token from GITHUB_TOKEN, if there is one)")
        asking.add_argument("--github", default=GITHUB, metavar="URL", help="GitHub's API")
        asking.add_argument("--hub", default=HUB, metavar="URL", help="Docker Hub's API")
        asking.add_argument("--raw", default=RAW, metavar="URL", help="files of GitHub's repositories")
    chosen = what.add_parser("matrix", help="jobs for CI as JSON; what is left out, and why, on standard error")
    chosen.add_argument(
        "--axis", type=_axes, default=AXES, metavar="A,B", help=f"which vary (default: {','.join(AXES)})"
    )
    chosen.add_argument("--newest", type=_number, metavar="N", help="so many minors of each (default: all supported)")
    image = what.add_parser("image", help="the node image of a Kubernetes version, with its digest")
    image.add_argument("version", help="as the matrix has it, for example 1.34.8")
    what.add_parser("kind", help="the newest known release of kind, which runs all of these images")
    return parser.parse_args(arguments)


def _axes(text: str) -> tuple[str, ...]:
    axes = tuple(text.split(","))
    if not set(axes) <= set(AXES):
        raise argparse.ArgumentTypeError(f"{text}: there are: {', '.join(AXES)}")
    return axes


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: give a number of 1 or more")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
