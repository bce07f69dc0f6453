"""What the gateway needs of the software that moves the requests, and the names of those it can use."""

from dataclasses import dataclass
from typing import Protocol

from embedded_cluster.environment import Address
from embedded_cluster.gateway.declarative import Declaration


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where requests come in: *plain*, and *tls* if there is such a listener."""

    plain: Address
    tls: Address | None = None


class RejectedError(Exception):
    """The data plane did not take a configuration; the message is its reason."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What Kong's ``/status`` reports of connections and requests: since the start, and at this moment."""

    connections: int
    connections_active: int
    requests: int
    requests_active: int


class DataPlane(Protocol):
    """One process that proxies, from its start to its end."""

    @property
    def name(self) -> str:
        """What people call it: Envoy, HAProxy, Python proxy."""

    @property
    def version(self) -> str:
        """The version that runs; "" before the start."""

    @property
    def workers(self) -> tuple[int, ...]:
        """The ids of the processes that take new connections, of which Kong has several; none before the start."""

    @property
    def behind(self) -> int:
        """How many of the processes have not acted on any configuration yet, though one has been applied."""

    async def start(self) -> None:
        """Start the process, and return once it serves the empty configuration.

        Raises :class:`~embedded_cluster.environment.MisconfiguredError` when it cannot.
        """

    async def apply(self, declaration: Declaration) -> None:
        """Have every later request served as *declaration* says, and return once that is so.

        Raises :class:`RejectedError` when it cannot be served; then what was in force before is in force again.
        """

    async def ended(self) -> int:
        """Wait until the process ends by itself; return its exit status."""

    async def traffic(self) -> Traffic:
        """Return what was counted."""

    async def stop(self, *, patience: float) -> None:
        """Accept nothing new, give what is in flight *patience* seconds to complete, and end the process."""
