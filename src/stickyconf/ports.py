"""What scenarios may ask of the outside: a cluster, a gateway, and a way to send requests.

Targets implement these; scenarios know nothing else. Objects are plain dictionaries, as the Kubernetes API has them.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from stickyconf.model import Outcome

Manifest = Mapping[str, Any]


class HarnessError(Exception):
    """The suite or its environment failed: never a statement about the system under test."""


class TargetLost(HarnessError):
    """Nothing can be asked of the target any more, because the credentials have ended for example. The run ends."""


class LeftBehind(HarnessError):
    """Something of the run is still on the target; the message names it, in one line."""


class WorkloadBroken(HarnessError):
    """The echo pods do not come up, for a reason that the next recording would have as well."""


class ChannelEnded(Exception):
    """A WebSocket or a stream of events has ended, or was never opened; the argument says how."""


class OutOfReach(Exception):
    """The target does not let the suite see or do something; what needs it is NOT_APPLICABLE, for this reason."""


class Rejected(Exception):
    """The API server refused an object for its content (HTTP 400, 403 or 422), or because it exists already (409)."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        """Keep the Status object's code, reason and message."""
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object, as discovery names it."""

    api_version: str
    kind: str


RUN_LABEL = "stickyconf/run"
"""The label of everything that a run makes on a cluster; its value is the run's id."""

NAMESPACE = Kind("v1", "Namespace")
POD = Kind("v1", "Pod")
SERVICE = Kind("v1", "Service")
EVENT = Kind("v1", "Event")
DEPLOYMENT = Kind("apps/v1", "Deployment")
ENDPOINT_SLICE = Kind("discovery.k8s.io/v1", "EndpointSlice")
GATEWAY = Kind("gateway.networking.k8s.io/v1", "Gateway")
HTTP_ROUTE = Kind("gateway.networking.k8s.io/v1", "HTTPRoute")
UPSTREAM_POLICY = Kind("configuration.konghq.com/v1beta1", "KongUpstreamPolicy")


class Cluster(Protocol):
    """The Kubernetes API."""

    async def apply(self, manifest: Manifest) -> dict[str, Any]:
        """Create or change an object (server-side apply) and return it as stored; Rejected if refused."""

    async def create(self, manifest: Manifest) -> dict[str, Any]:
        """Create an object that does not exist yet and return it as stored; Rejected (409) if it does."""

    async def get(self, kind: Kind, name: str, namespace: str = "") -> dict[str, Any] | None:
        """Return an object, or None if there is none."""

    async def list(self, kind: Kind, namespace: str = "", labels: str = "") -> list[dict[str, Any]]:
        """Return the objects of a namespace (or of all) that a label selector picks."""

    async def patch(self, kind: Kind, name: str, namespace: str, patch: Manifest) -> dict[str, Any]:
        """Merge-patch an object (RFC 7386) and return it."""

    async def scale(self, name: str, namespace: str, replicas: int) -> None:
        """Set a Deployment's replicas through its scale subresource."""

    async def delete(self, kind: Kind, name: str, namespace: str = "", grace: int | None = None) -> None:
        """Ask for the deletion of an object; one that is gone already is no error."""

    def watch(self, kind: Kind, namespace: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Yield (ADDED | MODIFIED | DELETED, object), what exists first, until closed."""

    def follow_log(self, pod: str, namespace: str) -> AsyncIterator[str]:
        """Yield a pod's log line by line until the pod has ended or the iterator is closed."""

    async def log(self, pod: str, namespace: str, tail: int, *, previous: bool = False) -> str:
        """Return the last lines of a pod's log; with ``previous`` that of its container before the last restart."""

    async def post_to_pod(self, pod: str, namespace: str, port: int, path: str) -> bool:
        """Post to a pod through the API server (pods/proxy) and say whether it answered; False if it has gone.

        HarnessError if the API server does not pass the request on.
        """


class Gateway(Protocol):
    """The gateway's Admin API, one replica at a time, because replicas are updated one at a time."""

    async def replicas(self) -> Sequence[str]:
        """Return the names of the replicas that run now; OutOfReach if one cannot be looked at."""

    async def pods(self) -> Sequence[str]:
        """Return the names of the replicas' pods, as far as they are known."""

    async def workers(self, replica: str) -> int | None:
        """Return how many worker processes this replica has; None if it does not say."""

    async def upstream(self, replica: str, name: str) -> dict[str, Any] | None:
        """Return an upstream's fields as this replica shows them, or None if it has no such upstream."""

    async def upstreams(self, replica: str) -> Sequence[dict[str, Any]]:
        """Return the fields of all upstreams as this replica shows them."""

    async def targets(self, replica: str, name: str) -> dict[str, int]:
        """Return target address ("ip:port") -> weight; empty if there is no such upstream."""

    async def configuration(self, replica: str) -> dict[str, Any]:
        """Return the whole configuration in force, for diagnostics."""


class Controller(Protocol):
    """The ingress controller's own settings."""

    async def drain_support(self) -> bool:
        """Say whether drain support is on now."""

    async def set_drain_support(self, on: bool) -> None:
        """Switch drain support, restarting the controller if needed, and return when it works again.

        OutOfReach if it may not be switched.
        """

    async def konnect(self) -> str:
        """Return the id of the control plane of Konnect that it reports to; OutOfReach if it reports to none."""

    async def reported(self) -> str:
        """Return what it said last of a report to Konnect, one that arrived or one that did not; "" if nothing yet."""


Part = Literal["controller", "gateway"]
"""A part of what is under test, which runs as a Deployment."""


class Maintenance(Protocol):
    """What an operator does to controller and gateway. Each raises OutOfReach if they are not this run's own."""

    async def pods(self, part: Part) -> dict[str, str]:
        """Return the pods of a part that are ready and stay: name -> image."""

    async def replace(self, part: Part) -> None:
        """Replace every pod of a part, and return when others work in their place.

        The controller's pod is deleted, as a node that fails would end it; the gateway's are rolled out anew.
        """

    async def upgrade(self, part: Part) -> None:
        """Roll out the next release of a part; OutOfReach if none was given."""

    async def scale_gateway(self, replicas: int) -> int:
        """Ask for so many gateway replicas, and return how many there were to be before."""

    def entrance(self, pod: str) -> AbstractAsyncContextManager[str]:
        """Open a way to the proxy of one gateway pod, and give its base URL."""


class NotOurs:
    """The Maintenance of what is not this run's own: nothing is done."""

    async def pods(self, part: Part) -> dict[str, str]:
        """Raise OutOfReach."""
        raise OutOfReach(f"the {part} is not this run's own, so it is neither restarted nor scaled nor upgraded")

    async def replace(self, part: Part) -> None:
        """Raise OutOfReach."""
        await self.pods(part)

    async def upgrade(self, part: Part) -> None:
        """Raise OutOfReach."""
        await self.pods(part)

    async def scale_gateway(self, replicas: int) -> int:
        """Raise OutOfReach."""
        return len(await self.pods("gateway"))

    @contextlib.asynccontextmanager
    async def entrance(self, pod: str) -> AsyncIterator[str]:
        """Raise OutOfReach."""
        await self.pods("gateway")
        yield pod


@dataclass(frozen=True, slots=True)
class Request:
    """One request to send. ``cookie_fields`` go out as that many Cookie header fields, each as it is.

    ``at`` is the base URL of the gateway replica to ask; "" leaves that to what is in front of them.
    ``patience`` are the seconds after which an answer is expected; such a request does not count among those in flight.
    ``mirrored``: the workload sends the body back, and the reply tells the digest of what came.
    """

    method: str
    host: str
    path: str
    request_id: str
    cookie_fields: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    patience: float = 0.0
    mirrored: bool = False
    at: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a request: its outcome, the TCP connection it used ("" if none was made), and the protocol.

    ``sent`` and ``received`` are readings of time.monotonic(), in seconds.
    """

    outcome: Outcome
    connection: str
    protocol: str
    sent: float
    received: float
    digest: str = ""
    """The SHA-256 of the body, in hexadecimal, if it should be the request's own; else ""."""


@dataclass(frozen=True, slots=True)
class TlsEntrance:
    """Where the gateway is reached over TLS: the base address, and the port that a Gateway's listener names for it."""

    address: str
    port: int


class Channel(Protocol):
    """A connection that stays open: a WebSocket, or a stream of server-sent events."""

    @property
    def reply(self) -> Reply:
        """How it was opened."""

    async def say(self, text: str) -> None:
        """Send one message; ChannelEnded if there is no way any more."""

    async def hear(self, seconds: float) -> str:
        """Return the next message or event; TimeoutError after so many seconds, ChannelEnded if none can come."""


class Line(Protocol):
    """One client's connection to the gateway, kept alive or made anew for each request as it was opened."""

    async def send(self, request: Request) -> Reply:
        """Send one request and return what came of it; never raises for what the other side does."""

    async def drop(self) -> None:
        """Close the connection; the next request opens another."""


class Traffic(Protocol):
    """Makes clients."""

    def part(self) -> Traffic:
        """Return the same for one recording: its requests take their turns among those of the others."""

    def address(self) -> str:
        """Return the proxy's base address as it is now, for clients that are not ours: curl, a browser."""

    def over_tls(self) -> TlsEntrance:
        """Return where the gateway is reached over TLS now; OutOfReach if there is no way."""

    def line(
        self, *, fresh: bool = False, http2: bool = False, authority: str = ""
    ) -> AbstractAsyncContextManager[Line]:
        """Open a client: one kept-alive connection, or a fresh one for each request.

        With an ``authority``, its certificate in PEM, the client speaks TLS, asks for the request's host name (SNI),
        and takes certificates of that authority only; HTTP/2 is then agreed on by ALPN.
        """

    def socket(self, request: Request) -> AbstractAsyncContextManager[Channel]:
        """Ask for a WebSocket, and close it at the end."""

    def stream(self, request: Request) -> AbstractAsyncContextManager[Channel]:
        """Ask for server-sent events, on a connection of its own, and close it at the end."""


SLOW_SYNC_SECONDS = 2.0
"""A controller that pushes no more often than this is slow; KIC's default is 3 s."""


@dataclass(frozen=True, slots=True)
class Tempo:
    """How fast the system under test is meant to be, in seconds.

    ``sync``: the controller's push period. ``hold``: how long preStop keeps a deleted pod serving if it is not
    released (many sync periods). ``grace``: the pod's termination grace period, longer than ``hold``.
    """

    sync: float
    hold: float
    grace: float

    @property
    def slow(self) -> bool:
        """Whether the controller, and so everything, takes its time."""
        return self.sync >= SLOW_SYNC_SECONDS

    def beat(self, quickest: float) -> float:
        """Return the seconds between two requests of what sends steadily: ``quickest``, or twice that.

        If the controller is slow, everything takes longer, so that as much is seen with fewer requests a second.
        """
        return 2 * quickest if self.slow else quickest


@dataclass(slots=True)
class Workload:
    """The echo pods of a run.

    ``image`` is theirs, "" that of the manifest. ``secret`` (type and data) lets a node pull it. ``labelled``: the
    run's namespaces demand the Pod Security Standard "restricted" of their pods. ``broken`` is why the pods do not come
    up, once one recording has found out: then no other one waits for them.
    """

    image: str = ""
    secret: Mapping[str, Any] | None = field(default=None, repr=False)
    labelled: bool = True
    broken: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """A system under test, ready for use.

    ``parent``: namespace and name of the Gateway that routes name. ``namespace``: where KIC and Kong run.
    """

    name: str
    implementation: str
    versions: Mapping[str, str]
    tempo: Tempo
    cluster: Cluster
    gateway: Gateway
    controller: Controller
    traffic: Traffic
    proxy_url: str
    kubeconfig: str
    parent: tuple[str, str] = ("kong", "kong")
    namespace: str = "kong"
    workload: Workload = field(default_factory=Workload)
    maintenance: Maintenance = field(default_factory=NotOurs)
