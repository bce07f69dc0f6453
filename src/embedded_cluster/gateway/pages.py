"""How the Admin API gives lists: in pages, and filtered by tags."""

import base64
import json
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from embedded_cluster.gateway.entities import Entity

PAGE, _MOST_OF_A_PAGE = 100, 1000  # entries


def tagged(request: web.Request, entities: list[Entity]) -> list[Entity]:
    """Return those that the query's ``tags`` ask for: all of ``a,b``, any of ``a/b``."""
    asked = request.query.get("tags", "")
    if not asked:
        return entities
    wanted, enough = (asked.split("/"), any) if "/" in asked else (asked.split(","), all)
    return [entity for entity in entities if enough(tag in (entity.get("tags") or ()) for tag in wanted)]


def page(request: web.Request, entities: list[Entity], **more: Any) -> web.Response:
    """Answer a page of *entities*, as the query asks by ``size`` and ``offset``; ``next`` leads to the following."""
    try:
        size, begin = int(request.query.get("size", PAGE)), _offset(request.query.get("offset", ""))
    except ValueError:
        return web.json_response({"message": "bad offset or size", "name": "invalid offset", "code": 7}, status=400)
    if not 1 <= size <= _MOST_OF_A_PAGE:
        said = f"size must be an integer between 1 and {_MOST_OF_A_PAGE}"
        return web.json_response({"message": said, "name": "invalid size", "code": 9}, status=400)
    answer: dict[str, Any] = {"data": entities[begin : begin + size], "next": None, **more}
    if begin + size < len(entities):
        answer["offset"] = base64.urlsafe_b64encode(json.dumps([begin + size]).encode()).decode()
        answer["next"] = f"{request.path}?{urlencode({'offset': answer['offset']})}"
    return web.json_response(answer)


def _offset(said: str) -> int:
    """Return the place that an offset of ours stands for. Raises ``ValueError`` for what is none."""
    if not said:
        return 0
    [place] = json.loads(base64.urlsafe_b64decode(said))
    return int(place)
