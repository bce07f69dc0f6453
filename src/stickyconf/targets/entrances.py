"""Where connections to the gateway go if no Service leads there: to its ready pods in turn, as kube-proxy has it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any
from urllib.parse import urlsplit

from stickyconf.ports import ENDPOINT_SLICE, Cluster

_SERVICE_NAME = "kubernetes.io/service-name"


class Entrances:
    """The base addresses of the proxies that are ready now; calling it gives one for the next connection."""

    def __init__(self, first: str) -> None:
        """Take the address that is known to work; the others have its port."""
        self._port = urlsplit(first).port or 80
        self._ready = [first.rstrip("/")]
        self._turn = 0
        self._watching: asyncio.Task[None] | None = None

    def __call__(self, last: str) -> str:
        """Return the last address again as long as it is ready, else the next one in turn.

        Raises what ended the watch, if it has ended: nothing is known then.
        """
        if self._watching and self._watching.done():
            self._watching.result()
        if last in self._ready:
            return last
        self._turn += 1
        return self._ready[self._turn % len(self._ready)]

    @contextlib.asynccontextmanager
    async def following(self, cluster: Cluster, namespace: str, service: str) -> AsyncIterator[None]:
        """Follow the Service's endpoints until the block ends."""
        self._watching = asyncio.create_task(self._follow(cluster, namespace, service))
        try:
            yield
        finally:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None

    async def _follow(self, cluster: Cluster, namespace: str, service: str) -> None:
        slices: dict[str, list[str]] = {}
        async for kind, item in cluster.watch(ENDPOINT_SLICE, namespace):
            if (item["metadata"].get("labels") or {}).get(_SERVICE_NAME) == service:
                slices[item["metadata"]["name"]] = [] if kind == "DELETED" else list(self._addresses(item))
                ready = sorted(address for addresses in slices.values() for address in addresses)
                self._ready = ready or self._ready  # with no ready pod the last ones refuse the connection

    def _addresses(self, item: dict[str, Any]) -> Iterable[str]:
        for endpoint in item.get("endpoints") or ():
            conditions = endpoint.get("conditions") or {}
            if conditions.get("ready") is not False and not conditions.get("terminating"):
                yield f"http://{endpoint['addresses'][0]}:{self._port}"
