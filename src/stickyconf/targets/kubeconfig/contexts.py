"""Kubeconfigs: one named context out of the files there are, and nothing else of them."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from stickyconf.targets.installation import BadOption

DEFAULT = Path("~/.kube/config")
_FILES = {"clusters": ("certificate-authority",), "users": ("client-certificate", "client-key", "tokenFile")}


def kubeconfig_files(given: str | None) -> list[Path]:
    """Return the kubeconfigs to read: the given one, those of KUBECONFIG, or ~/.kube/config.

    Raises BadOption where none of them exists.
    """
    named = [given] if given else [name for name in os.environ.get("KUBECONFIG", "").split(os.pathsep) if name]
    files = [Path(name).expanduser() for name in named] or [DEFAULT.expanduser()]
    there = [file for file in files if file.is_file()]
    if not there:
        where = ", ".join(str(file) for file in files)
        raise BadOption(f"there is no kubeconfig {where}; name one with --kubeconfig FILE or KUBECONFIG")
    return there


def only_context(files: Sequence[Path], context: str) -> dict[str, Any]:
    """Return a kubeconfig with this context alone, made of files of which earlier ones win, as kubectl merges them.

    Paths in it are absolute. Raises BadOption for a context that is not there, with those that are.
    """
    merged: dict[str, dict[str, dict[str, Any]]] = {"contexts": {}, "clusters": {}, "users": {}}
    for file in files:
        for part, entries in merged.items():
            for entry in _read(file).get(part) or ():
                entries.setdefault(entry["name"], _absolute(part, entry, file.parent.resolve()))
    if context not in merged["contexts"]:
        known = ", ".join(sorted(merged["contexts"])) or "none"
        raise BadOption(f"no context is called {context!r}; there are: {known}")
    chosen = merged["contexts"][context]
    of_context = chosen.get("context") or {}
    found: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "current-context": context, "contexts": [chosen]}
    for part, key in (("clusters", "cluster"), ("users", "user")):
        name = of_context.get(key)
        if name not in merged[part]:
            raise BadOption(f"context {context!r} names the {key} {name!r}, which the kubeconfig does not have")
        found[part] = [merged[part][name]]
    return found


@contextlib.contextmanager
def written(kubeconfig: dict[str, Any]) -> Iterator[Path]:
    """Keep a kubeconfig in a file that only its owner can read, for as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="stickyconf-context-") as directory:  # mkdtemp: mode 0700
        file = Path(directory) / "kubeconfig"
        file.touch(mode=0o600)
        file.write_text(yaml.safe_dump(kubeconfig), encoding="utf-8")
        yield file


def _read(file: Path) -> dict[str, Any]:
    try:
        read = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadOption(f"the kubeconfig {file} cannot be read: {str(error).splitlines()[0]}") from error
    if not isinstance(read, dict):
        raise BadOption(f"the kubeconfig {file} is none: it holds no mapping")
    return read


def _absolute(part: str, entry: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Return an entry with the paths in it made absolute: in a kubeconfig they are relative to its own directory."""
    [key] = [name for name in ("context", "cluster", "user") if name in entry] or ["context"]
    inner = dict(entry.get(key) or {})
    for name in _FILES.get(part, ()):
        if inner.get(name):
            inner[name] = str(directory / inner[name])
    command = (inner.get("exec") or {}).get("command", "")
    if os.sep in command:
        inner["exec"] = inner["exec"] | {"command": str(directory / command)}
    return entry | {key: inner}
