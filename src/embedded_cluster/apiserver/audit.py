"""The request log: who did what to which resource, for checks of least privilege. Never tokens, never bodies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TextIO

from embedded_cluster.apiserver.requests import ResourcePath


class AuditLog:
    """Writes one JSON object per request, as a line, to a file."""

    def __init__(self, path: Path) -> None:
        """Open *path* for appending. Raises ``OSError``."""
        self._file: TextIO = path.open("a", buffering=1, encoding="utf-8")

    def record(self, verb: str, target: ResourcePath, user_agent: str) -> None:
        """Note a request that was let in."""
        entry = {
            "verb": verb,
            "group": target.group,
            "resource": target.resource,
            "subresource": target.subresource,
            "namespace": target.namespace,
            "name": target.name,
            "userAgent": user_agent,
        }
        self._file.write(json.dumps(entry) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
