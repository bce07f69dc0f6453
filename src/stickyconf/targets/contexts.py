"""Kubeconfigs: one named context out of the files there are, and nothing else of them."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypedDict

import msgspec
import yaml

from stickyconf.targets.installation import BadOption

DEFAULT = Path("~/.kube/config")
_FILES = {"clusters": ("certificate-authority",), "users": ("client-certificate", "client-key", "tokenFile")}


class _Texts(yaml.SafeLoader):
    """Reads a number or a date as the text that it is written as: names, tokens and arguments may look like one."""


_Texts.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] in ("bool", "null", "merge")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Named(TypedDict):
    name: str
    value: str | None


class _Exec(TypedDict, total=False):
    command: str
    apiVersion: str
    args: list[str] | None
    env: list[_Named] | None


_User = TypedDict(
    "_User",
    {
        "token": str | None,
        "tokenFile": str | None,
        "username": str | None,
        "password": str | None,
        "client-certificate": str | None,
        "client-key": str | None,
        "client-certificate-data": str | None,
        "client-key-data": str | None,
        "exec": _Exec | None,
        "auth-provider": dict[str, Any] | None,
    },
    total=False,
)
_Cluster = TypedDict(
    "_Cluster",
    {
        "server": str,
        "certificate-authority": str | None,
        "certificate-authority-data": str | None,
        "insecure-skip-tls-verify": bool | None,
        "tls-server-name": str | None,
        "proxy-url": str | None,
    },
    total=False,
)


class _Context(TypedDict, total=False):
    cluster: str
    user: str | None


class _NamedContext(msgspec.Struct):
    name: str
    context: _Context | None = None


class _NamedCluster(msgspec.Struct):
    name: str
    cluster: _Cluster | None = None


class _NamedUser(msgspec.Struct):
    name: str
    user: _User | None = None


class _Kubeconfig(msgspec.Struct, rename="kebab"):
    """What the suite reads of a kubeconfig; the rest may be anything."""

    contexts: list[_NamedContext] | None = None
    clusters: list[_NamedCluster] | None = None
    users: list[_NamedUser] | None = None
    current_context: str | None = None


def kubeconfig_files(given: str | None) -> list[Path]:
    """Return the kubeconfigs to read: the given one, those of KUBECONFIG, or ~/.kube/config.

    Raises BadOption if none of them exists.
    """
    named = [given] if given else [name for name in os.environ.get("KUBECONFIG", "").split(os.pathsep) if name]
    files = [Path(name).expanduser() for name in named] or [DEFAULT.expanduser()]
    there = [file for file in files if file.is_file()]
    if not there:
        where = ", ".join(str(file) for file in files)
        raise BadOption(f"there is no kubeconfig {where}; name one with --kubeconfig FILE or KUBECONFIG")
    return there


def only_context(files: Sequence[Path], context: str | None) -> dict[str, Any]:
    """Return a kubeconfig with this context alone, made of files of which earlier ones win, as kubectl merges them.

    None is the current context, which only a kubeconfig made for this run may mean. Paths in it are absolute. A context
    may have no user. Raises BadOption for a context that is not there, with those that are.
    """
    merged: dict[str, dict[str, dict[str, Any]]] = {"contexts": {}, "clusters": {}, "users": {}}
    for file in files:
        read = _read(file)
        context = context or read.get("current-context")
        for part, entries in merged.items():
            for entry in read.get(part) or ():
                entries.setdefault(entry["name"], _absolute(part, entry, file.parent.resolve()))
    if context not in merged["contexts"]:
        known = ", ".join(sorted(merged["contexts"])) or "none"
        raise BadOption(f"no context is called {context!r}; there are: {known}")
    chosen = merged["contexts"][context]
    of_context = chosen.get("context") or {}
    found: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "current-context": context, "contexts": [chosen]}
    for part, key in (("clusters", "cluster"), ("users", "user")):
        name = of_context.get(key)
        if key == "user" and not name:
            found[part] = []
            continue
        if name not in merged[part]:
            raise BadOption(f"context {context!r} names the {key} {name!r}, which the kubeconfig does not have")
        found[part] = [merged[part][name]]
    if not (found["clusters"][0].get("cluster") or {}).get("server"):
        raise BadOption(f"cluster {of_context['cluster']!r} of context {context!r} has no server")
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
        read = yaml.load(file.read_text(encoding="utf-8-sig"), _Texts) or {}  # noqa: S506  a SafeLoader
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadOption(f"the kubeconfig {file} cannot be read: {str(error).splitlines()[0]}") from error
    if not isinstance(read, dict):
        raise BadOption(f"the kubeconfig {file} is none: it holds no mapping")
    try:
        msgspec.convert(read, _Kubeconfig)
    except msgspec.ValidationError as error:  # it names what was expected and where, and quotes nothing
        raise BadOption(f"the kubeconfig {file} cannot be used: {error}") from error
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
