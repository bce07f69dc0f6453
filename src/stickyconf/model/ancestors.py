"""The status of a policy as Gateway API has it (GEP-713): what its controller says of each ancestor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def conditions_of(status: Mapping[str, Any], namespace: str, service: str) -> dict[str, str]:
    """Return type -> status ("True", "False", "Unknown") of what a policy's status says of a Service; empty if nothing.

    If several controllers say something of it, all of them have to say True.
    """
    found: dict[str, str] = {}
    for ancestor in status.get("ancestors") or ():
        about = ancestor.get("ancestorRef") or {}
        if (about.get("kind"), about.get("name")) != ("Service", service):
            continue
        if about.get("namespace") not in (None, "", namespace):
            continue
        for condition in ancestor.get("conditions") or ():
            kind, said = str(condition.get("type")), str(condition.get("status"))
            if found.get(kind, "True") == "True":
                found[kind] = said
    return found
