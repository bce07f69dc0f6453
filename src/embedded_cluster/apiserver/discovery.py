"""The documents clients read before they ask for objects: groups, resources, version, OpenAPI."""

from __future__ import annotations

import platform
from typing import Any

from embedded_cluster.apiserver.kinds import Catalog, Kind

JsonObject = dict[str, Any]

GIT_VERSION = "v1.33.0+embedded"
AGGREGATED = ("v2", "v2beta1")  # versions of apidiscovery.k8s.io, newest first


def version() -> JsonObject:
    """``/version``. Says 1.33, whose behaviour is followed, and ``+embedded``, so it is not taken for a real one."""
    return {
        "major": "1",
        "minor": "33",
        "gitVersion": GIT_VERSION,
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": f"linux/{'amd64' if platform.machine() == 'x86_64' else 'arm64'}",
    }


def core_versions() -> JsonObject:
    """``/api``."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def groups(catalog: Catalog) -> JsonObject:
    """``/apis``."""
    found = [_group(group, versions) for group, versions in catalog.versions().items() if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": found}


def group(catalog: Catalog, name: str) -> JsonObject | None:
    """``/apis/GROUP``; None if there is none."""
    versions = catalog.versions().get(name)
    if not name or versions is None:
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)}


def _group(name: str, versions: list[str]) -> JsonObject:
    listed = [{"groupVersion": f"{name}/{v}", "version": v} for v in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def resources(catalog: Catalog, group: str, version: str) -> JsonObject | None:
    """``/api/v1`` and ``/apis/GROUP/VERSION``; None if there is none."""
    kinds = [kind for kind in catalog if (kind.group, kind.version) == (group, version)]
    if not kinds:
        return None
    listed: list[JsonObject] = []
    for kind in kinds:
        entry = {
            "name": kind.plural,
            "singularName": kind.singular or kind.name.lower(),
            "namespaced": kind.namespaced,
            "kind": kind.name,
            "verbs": list(kind.verbs),
        }
        if kind.short_names:
            entry["shortNames"] = list(kind.short_names)
        if kind.categories:
            entry["categories"] = list(kind.categories)
        listed.append(entry)
        listed += [
            {
                "name": f"{kind.plural}/{name}",
                "singularName": "",
                "namespaced": kind.namespaced,
                "verbs": list(_subresource_verbs(name)),
                **_subresource_kind(kind, name),
            }
            for name in sorted(kind.subresources)
        ]
    api_version = kinds[0].api_version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": listed}


def _subresource_kind(kind: Kind, name: str) -> JsonObject:
    if name == "scale":
        return {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    if name == "binding":
        return {"kind": "Binding"}
    return {"kind": kind.name}


def _subresource_verbs(name: str) -> tuple[str, ...]:
    return {"log": ("get",), "binding": ("create",), "finalize": ("update",)}.get(name, ("get", "patch", "update"))


def aggregated(catalog: Catalog, version: str, *, core: bool) -> JsonObject:
    """Everything at once: ``/api`` (*core*) or ``/apis`` for clients that accept APIGroupDiscoveryList."""
    items = [
        {
            "metadata": {"name": group, "creationTimestamp": None},
            "versions": [
                {
                    "version": v,
                    "resources": _aggregated_resources(catalog, group, v),
                    "freshness": "Current",
                }
                for v in versions
            ],
        }
        for group, versions in catalog.versions().items()
        if core is (group == "")
    ]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


def _aggregated_resources(catalog: Catalog, group: str, version: str) -> list[JsonObject]:
    listed: list[JsonObject] = []
    for kind in catalog:
        if (kind.group, kind.version) != (group, version):
            continue
        entry: JsonObject = {
            "resource": kind.plural,
            "responseKind": {"group": group, "version": version, "kind": kind.name},
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "singularResource": kind.singular or kind.name.lower(),
            "verbs": list(kind.verbs),
        }
        if kind.short_names:
            entry["shortNames"] = list(kind.short_names)
        if kind.categories:
            entry["categories"] = list(kind.categories)
        if kind.subresources:
            entry["subresources"] = [
                {
                    "subresource": name,
                    "responseKind": {"group": group, "version": version, **_subresource_kind(kind, name)},
                    "verbs": list(_subresource_verbs(name)),
                }
                for name in sorted(kind.subresources)
            ]
        listed.append(entry)
    return listed


def openapi_index(catalog: Catalog) -> JsonObject:
    """``/openapi/v3``: where the document of each group version is."""
    paths = {}
    for group, versions in catalog.versions().items():
        for version in versions:
            path = f"apis/{group}/{version}" if group else f"api/{version}"
            paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}"}
    return {"paths": paths}


def openapi(catalog: Catalog, group: str, version: str) -> JsonObject | None:
    """``/openapi/v3/...``: the operations, without schemas; None if there is no such group version.

    It tells ``kubectl`` that the server checks fields itself (``fieldValidation``), so that it need not.
    """
    kinds = [kind for kind in catalog if (kind.group, kind.version) == (group, version)]
    if not kinds:
        return None
    checked = [{"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}]
    paths: JsonObject = {}
    for kind in kinds:
        prefix = f"/apis/{group}/{version}" if group else f"/api/{version}"
        scope = "/namespaces/{namespace}" if kind.namespaced else ""
        about = {"group": group, "version": version, "kind": kind.name}
        operation = {
            "parameters": checked,
            "responses": {"200": {"description": "OK"}},
            "x-kubernetes-group-version-kind": about,
        }
        paths[f"{prefix}{scope}/{kind.plural}/{{name}}"] = {"patch": operation, "put": operation}
        paths[f"{prefix}{scope}/{kind.plural}"] = {"post": operation}
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": GIT_VERSION},
        "paths": paths,
        "components": {"schemas": {}},
    }


def openapi_v2() -> JsonObject:
    """``/openapi/v2``: valid, and empty."""
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": GIT_VERSION},
        "paths": {},
        "definitions": {},
    }
