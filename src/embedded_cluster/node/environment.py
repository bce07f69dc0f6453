"""What a container is started with: its environment, its command, and the places that stand for its mounts."""

import base64
import os
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from lightkube.core.resource import api_info

from embedded_cluster.client import ConfigMap, Object, Secret

Fetch = Callable[[Any, str, str], Awaitable[Object | None]]
"""Resource class, namespace, name -> the object, or None when it does not exist."""

# From the machine, because the container runs on it: where programs are, and how Python is set up.
_INHERITED = re.compile(r"PATH|HOME|LANG|LC_.*|TZ|PYTHON.*")
_REFERENCE = re.compile(r"\$(\$)|\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")


class ConfigError(Exception):
    """A container cannot be started with what its spec refers to; the message is for people."""


class Mounts:
    """The places of a container's file system that exist outside of it: *mountPath* -> a path of this machine."""

    def __init__(self, places: Mapping[str, Path]) -> None:
        """*places* by mountPath."""
        # The longest first, as a mount inside another hides that part of it.
        self._places = sorted(places.items(), key=lambda place: -len(place[0]))

    def resolve(self, text: str) -> str:
        """*text* with a mountPath at its start replaced by the place it stands for."""
        for mount_path, place in self._places:
            if text == mount_path or text.startswith(mount_path.rstrip("/") + "/"):
                return str(place) + text[len(mount_path.rstrip("/")) :]
        return text


def expand(text: str, variables: Mapping[str, str]) -> str:
    """*text* with ``$(NAME)`` replaced; unknown names stay as they are, and ``$$(NAME)`` becomes ``$(NAME)``."""

    def replacement(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        return variables.get(match[2], match[0])

    return _REFERENCE.sub(replacement, text)


def command(container: Object, variables: Mapping[str, str], mounts: Mounts) -> list[str]:
    """The command line of *container*. ``python`` and ``python3`` are this interpreter.

    Raises :class:`ConfigError` for a container that relies on the entry point of its image.
    """
    if not container.get("command"):
        raise ConfigError("the embedded cluster runs commands, not images: the container needs a command")
    return resolve_command([*container["command"], *(container.get("args") or [])], variables, mounts)


def resolve_command(words: list[str], variables: Mapping[str, str], mounts: Mounts) -> list[str]:
    """*words* as they are run: variables expanded, mounts replaced, Python found. Raises ``ValueError`` for none."""
    if not words:
        raise ValueError("the command is empty")
    resolved = [mounts.resolve(expand(word, variables)) for word in words]
    if resolved[0] in ("python", "python3"):
        resolved[0] = sys.executable
    return resolved


def field(pod: Object, path: str) -> str:
    """The value of a downward-API ``fieldPath``. Raises :class:`ConfigError` for one that there is not."""
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status", {})
    subscript = _SUBSCRIPT.fullmatch(path)
    if subscript:
        return str((metadata.get(subscript[1]) or {}).get(subscript[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        pairs = (metadata.get(path.removeprefix("metadata.")) or {}).items()
        return "".join(f'{name}="{_quoted(value)}"\n' for name, value in sorted(pairs))
    fields = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
        "status.podIP": status.get("podIP", ""),
        "status.podIPs": status.get("podIP", ""),
        "status.hostIP": status.get("hostIP", ""),
        "status.hostIPs": status.get("hostIP", ""),
    }
    if path not in fields:
        raise ConfigError(f"fieldPath {path} is not supported")
    return str(fields[path])


def inherited() -> dict[str, str]:
    """The variables that every container gets from the machine."""
    return {name: value for name, value in os.environ.items() if _INHERITED.fullmatch(name)}


async def variables(
    pod: Object, container: Object, fetch: Fetch, mounts: Mounts, links: Mapping[str, str]
) -> dict[str, str]:
    """The variables of a container's ``envFrom`` and ``env``, and below them the *links* to Services.

    ``$(NAME)`` stands for a variable listed before, or else for a link. Raises :class:`ConfigError` when something
    that is not optional is missing.
    """
    values: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        for resource, reference in _sources(source):
            data = await _data(resource, pod, reference, fetch)
            prefix = source.get("prefix", "")
            values |= {f"{prefix}{name}": value for name, value in (data or {}).items()}
    for variable in container.get("env") or []:
        value = await _value(pod, variable, {**links, **values}, fetch)
        if value is not None:
            values[variable["name"]] = mounts.resolve(value)
    return {**links, **values}


async def _value(pod: Object, variable: Object, known: Mapping[str, str], fetch: Fetch) -> str | None:
    source = variable.get("valueFrom")
    if source is None:
        return expand(variable.get("value", ""), known)
    if "fieldRef" in source:
        return field(pod, source["fieldRef"]["fieldPath"])
    for resource, reference in _sources(source, suffix="KeyRef"):
        data = await _data(resource, pod, reference, fetch)
        if data is not None and reference["key"] in data:
            return data[reference["key"]]
        if reference.get("optional"):
            return None
        raise ConfigError(f"{reference['name']} has no key {reference['key']}")
    raise ConfigError(f"variable {variable['name']} comes from {', '.join(source)}, which is not supported")


def _sources(source: Object, *, suffix: str = "Ref") -> list[tuple[Any, Object]]:
    """Which object an ``envFrom`` entry or a ``valueFrom`` names."""
    kinds = {f"configMap{suffix}": ConfigMap, f"secret{suffix}": Secret}
    return [(resource, source[name]) for name, resource in kinds.items() if name in source]


async def _data(resource: Any, pod: Object, reference: Object, fetch: Fetch) -> dict[str, str] | None:
    """The text values of the ConfigMap or Secret that *reference* names; None when it may be missing and is."""
    found = await fetch(resource, pod["metadata"]["namespace"], reference["name"])
    if found is None:
        if reference.get("optional"):
            return None
        raise ConfigError(f'{api_info(resource).resource.kind.lower()} "{reference["name"]}" not found')
    return {name: value.decode() for name, value in contents(found).items()}


def contents(source: Object) -> dict[str, bytes]:
    """The values of a ConfigMap (``data``, ``binaryData``) or of a Secret (``data``, all base64)."""
    data, binary = source.get("data") or {}, source.get("binaryData") or {}
    if isinstance(source, Secret):
        data, binary = {}, data
    return {
        **{name: value.encode() for name, value in data.items()},
        **{name: base64.b64decode(value) for name, value in binary.items()},
    }


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
