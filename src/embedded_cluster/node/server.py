"""What the node agent serves to the API server: the logs of its containers."""

import logging
import time
from collections.abc import Callable
from datetime import datetime

from aiohttp import web

from embedded_cluster.node.logs import ContainerLog, LogRequest

log = logging.getLogger(__name__)

FindLog = Callable[[str, str, str, bool], ContainerLog]
"""Namespace, pod, container, previous -> its log. Raises ``LookupError`` with a message for people."""


def application(find_log: FindLog) -> web.Application:
    """``GET /healthz`` and ``GET /containerLogs/NAMESPACE/POD/CONTAINER``, the latter with the query parameters
    follow, previous, timestamps, tailLines, sinceSeconds, sinceTime and limitBytes of ``pods/NAME/log``."""

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def container_logs(request: web.Request) -> web.StreamResponse:
        names = request.match_info
        try:
            wanted = _wanted(request)
            found = find_log(names["namespace"], names["pod"], names["container"], _flag(request, "previous"))
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        except LookupError as error:
            raise web.HTTPBadRequest(text=str(error.args[0])) from error
        response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        async for piece in found.read(wanted):
            await response.write(piece)
        await response.write_eof()
        return response

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", container_logs)
    return app


def _wanted(request: web.Request) -> LogRequest:
    query = request.query
    since = 0
    if "sinceSeconds" in query:
        since = time.time_ns() - int(query["sinceSeconds"]) * 1_000_000_000
    elif "sinceTime" in query:
        since = int(datetime.fromisoformat(query["sinceTime"]).timestamp()) * 1_000_000_000
    return LogRequest(
        follow=_flag(request, "follow"),
        timestamps=_flag(request, "timestamps"),
        tail_lines=int(query["tailLines"]) if "tailLines" in query else None,
        since=since,
        limit_bytes=int(query["limitBytes"]) if "limitBytes" in query else None,
    )


def _flag(request: web.Request, name: str) -> bool:
    return request.query.get(name, "").lower() in ("true", "1")
