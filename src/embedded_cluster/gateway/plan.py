"""What a declaration has each request do: answered here, or forwarded to which targets. The same for every data plane.

The three data planes differ in how they do it, never in what: they all read a declaration through this module.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from embedded_cluster.gateway import plugins, router
from embedded_cluster.gateway.declarative import Declaration
from embedded_cluster.gateway.entities import Entity

NO_ROUTE = "no Route matched with those values"
NO_PEER = "failure to get a peer from the ring-balancer"
BAD_ANSWER = "An invalid response was received from the upstream server"
TOO_SLOW = "The upstream server is timing out"
TOO_LARGE = "Request header or cookie too large"

MOST_OF_A_COOKIE = 8182
"""The longest Cookie field, in bytes: a line of 8 KB, nginx's buffer for one, without the name and the line's end."""

# As a Kong 3.10 answers by itself. What nginx finds out is answered in plain text, what Kong finds out in JSON.
IN_PLAIN_TEXT = (400, 502, 504)
VIA = "1.1 kong (embedded stand-in)"

OVER_TLS = {"https", "wss"}
_PROXIED = {"http", "https", "ws", "wss"}


@dataclass(frozen=True, slots=True)
class Answer:
    """The gateway answers by itself, with *status* and a body that holds *message* and the request's id."""

    status: int
    message: str


@dataclass(frozen=True, slots=True)
class Forward:
    """The request goes to a target of *upstream* or, without one, to the host of *service*; *acting* plugins apply."""

    service: Entity
    upstream: Entity | None
    acting: list[Entity]

    @property
    def pool(self) -> str:
        """The name of the set of targets, which services may share."""
        name = self.upstream["name"] if self.upstream else f"{self.service['host']}:{self.service['port']}"
        return f"{name} over TLS" if self.service["protocol"] in OVER_TLS else name

    @property
    def cookie(self) -> tuple[str, str] | None:
        """Name and path of the sticky cookie; None if sessions are not sticky."""
        if not self.upstream or self.upstream["algorithm"] != "sticky-sessions":
            return None
        return self.upstream["sticky_sessions_cookie"], self.upstream["sticky_sessions_cookie_path"]

    @property
    def host(self) -> str:
        """What the Host field becomes if the client's is not kept."""
        return str((self.upstream and self.upstream["host_header"]) or self.service["host"])

    @property
    def patience(self) -> float:
        """Seconds for which the client or the target may be silent."""
        return float(max(self.service["read_timeout"], self.service["write_timeout"])) / 1000


def outcomes(declaration: Declaration) -> Iterator[tuple[router.Entry, Answer | Forward]]:
    """Yield what becomes of a request that matches an entry and none before it. No match: NO_ROUTE."""
    for entry in router.entries(declaration.entities["routes"]):
        route = entry.route
        service = route["service"] and declaration.find("services", route["service"]["id"])
        if service and not (service["enabled"] and service["protocol"] in _PROXIED):
            continue
        if not _PROXIED & set(route["protocols"]):
            continue
        acting = [plugin for plugin in declaration.entities["plugins"] if _concerns(plugin, route, service)]
        if route["protocols"] and not {"http", "ws"} & set(route["protocols"]):
            yield router.without_tls(entry), Answer(426, "Please use HTTPS protocol")
        if ended := plugins.termination(acting):
            yield entry, Answer(*ended)
        elif not service:
            yield entry, Answer(503, "no Service found with those values")
        else:
            yield entry, Forward(service, declaration.find("upstreams", service["host"]), acting)


def targets(declaration: Declaration, forward: Forward) -> list[Entity]:
    """Return the targets, each with its *target* (``HOST:PORT``) and *weight*, in the order declared."""
    if forward.upstream:
        return declaration.referring("targets", "upstream", forward.upstream)
    return [{"target": f"{forward.service['host']}:{forward.service['port']}", "weight": 100}]


def place(target: Entity) -> tuple[str, int]:
    """Return a target's host and port."""
    host, _, port = str(target["target"]).rpartition(":")
    return host.strip("[]"), int(port)


def _concerns(plugin: Entity, route: Entity, service: Entity | None) -> bool:
    if plugin["consumer"] or plugin["consumer_group"]:
        return False
    return all(
        reference is None or (entity is not None and reference["id"] == entity["id"])
        for reference, entity in ((plugin["route"], route), (plugin["service"], service))
    )
