"""A pod's volumes, written to a directory of its own; they are read once, when the pod starts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from embedded_cluster.client import ConfigMap, Object, Secret
from embedded_cluster.node.environment import ConfigError, Fetch, Mounts, contents, field

_PUBLIC, _PRIVATE = 0o644, 0o600


async def write_volumes(pod: Object, directory: Path, fetch: Fetch) -> dict[str, Path]:
    """Write every volume of *pod* below *directory*; returns the place of each by its name.

    Raises :class:`ConfigError` when something that is not optional is missing or not supported.
    """
    places = {}
    for volume in pod["spec"].get("volumes") or []:
        place = _inside(directory, volume["name"])
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, (value, mode) in (await _files(pod, volume, fetch)).items():
            file = _inside(place, name)
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.touch(mode=_PRIVATE)  # closed to others before anything is in it
            file.write_bytes(value)
            file.chmod(mode)
        places[volume["name"]] = place
    return places


def mounts(container: Object, places: Mapping[str, Path]) -> Mounts:
    """What the ``volumeMounts`` of *container* stand for. Raises :class:`ConfigError` for an unknown volume."""
    mounted = {}
    for mount in container.get("volumeMounts") or []:
        if mount["name"] not in places:
            raise ConfigError(f"container {container['name']} mounts {mount['name']}, which is not a volume")
        mounted[mount["mountPath"]] = places[mount["name"]] / mount.get("subPath", "")
    return Mounts(mounted)


def _inside(directory: Path, name: str) -> Path:
    """The path of *name* in *directory*. Raises :class:`ConfigError` when that leads out of it."""
    path = (directory / name).resolve()
    if not path.is_relative_to(directory.resolve()):
        raise ConfigError(f"{name} is not a path inside a volume")
    return path


async def _files(pod: Object, volume: Object, fetch: Fetch) -> dict[str, tuple[bytes, int]]:
    """Content and mode of each file of *volume*, by its path."""
    if "emptyDir" in volume:
        return {}
    if "projected" in volume:
        mode = volume["projected"].get("defaultMode")
        files: dict[str, tuple[bytes, int]] = {}
        for source in volume["projected"].get("sources") or []:
            files |= await _source_files(pod, volume["name"], source, mode, fetch)
        return files
    mode = next((value.get("defaultMode") for value in volume.values() if isinstance(value, dict)), None)
    return await _source_files(pod, volume["name"], volume, mode, fetch)


async def _source_files(
    pod: Object, name: str, source: Object, mode: int | None, fetch: Fetch
) -> dict[str, tuple[bytes, int]]:
    if "downwardAPI" in source:
        return {
            item["path"]: (_downward(pod, item).encode(), item.get("mode", mode or _PUBLIC))
            for item in source["downwardAPI"].get("items") or []
        }
    for kind, resource, reference in (("configMap", ConfigMap, "name"), ("secret", Secret, "secretName")):
        if kind in source:
            wanted = source[kind]
            found = await _find(pod, resource, wanted.get(reference) or wanted.get("name"), wanted, fetch)
            # A Secret is for its owner alone: the API's default mode is for files in a container's own world.
            default = _PRIVATE if resource is Secret else mode or _PUBLIC
            return {path: (value, item or default) for path, (value, item) in _items(wanted, found).items()}
    kinds = ", ".join(key for key in source if key != "name")
    raise ConfigError(f"volume {name} is of a kind that is not supported: {kinds}")


async def _find(pod: Object, resource: Any, name: str, wanted: Object, fetch: Fetch) -> Object:
    found = await fetch(resource, pod["metadata"]["namespace"], name)
    if found is None and not wanted.get("optional"):
        raise ConfigError(f'{resource.__name__.lower()} "{name}" not found')
    return found or {}


def _items(wanted: Object, found: Object) -> dict[str, tuple[bytes, int | None]]:
    """The files of a ConfigMap or Secret: all of its keys, or those that ``items`` names, where it wants them."""
    values = contents(found)
    if not wanted.get("items"):
        return {name: (value, None) for name, value in values.items()}
    files: dict[str, tuple[bytes, int | None]] = {}
    for item in wanted["items"]:
        if item["key"] in values:
            files[item["path"]] = (values[item["key"]], item.get("mode"))
        elif not wanted.get("optional"):
            raise ConfigError(f"references non-existent config key: {item['key']}")
    return files


def _downward(pod: Object, item: Object) -> str:
    if "fieldRef" not in item:
        raise ConfigError(f"downward API file {item['path']}: only fieldRef is supported")
    return field(pod, item["fieldRef"]["fieldPath"])
