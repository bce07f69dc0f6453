"""A history: everything that happened in one experiment, in one time order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType

from stickyconf.model.exchange import Exchange

ECHO_PODS = 3
"""How many echo pods a stage has, unless its topology says otherwise."""


class Happening(StrEnum):
    """What an event can be. The suite's own acts first, then what it saw of the cluster and of the gateway."""

    # Acts.
    APPLIED = "applied"  # an object was admitted; detail: code, stored (JSON)
    REJECTED = "rejected"  # an object was refused; detail: code, reason, message
    ANNOTATED = "annotated"  # a Service; detail: annotation, as name=value; empty if it was taken away
    CHANGED = "changed"  # an object beside or behind the sessions; detail: how (created, edited, deleted)
    DELETED = "deleted"  # we asked for the deletion
    SCALED = "scaled"
    READINESS = "readiness"  # we told a pod to pass its readiness probe, or to fail it; detail: passes (true, false)
    ANSWERING = "answering"  # we told a pod which status to answer with from now on; detail: status
    REPLACED = "replaced"  # every pod of controller or gateway; detail: by (restart, upgrade), before, after (JSON)
    RELEASED = "released"  # we let preStop of a pod return
    RAN = "ran"  # a command; detail: command, verbatim, exit (a number, or timeout), stdout, stderr
    # Seen through the Kubernetes API.
    PODS_READY = "pods-ready"  # the scenario waited for the set of ready pods again; detail: pods (JSON, all of them)
    TERMINATING = "terminating"  # deletionTimestamp seen on the pod
    ENDPOINT = "endpoint"  # detail: ready, serving, terminating, service (whose endpoint)
    ENDPOINT_REMOVED = "endpoint-removed"
    POD_GONE = "pod-gone"
    RESTARTED = "restarted"  # a container of the pod ended and was started again; detail: count, why
    FAILED = "failed"  # the pod has ended for good, evicted for example; detail: why
    CLUSTER_EVENT = "cluster-event"  # a Kubernetes Event; detail: reason, message, type
    STATUS = "status"  # an object was looked at; subject: Kind/name; detail: status (JSON)
    # Seen in the pod's own log.
    HELD = "held"  # preStop began to hold it
    SIGTERM = "sigterm"
    DIED = "died"  # it stopped listening and cut its connections, as a process that is killed
    CARRIED = "carried"  # a body; subject: request id; detail: bytes, sent, returned (SHA-256 of the bodies both ways)
    MESSAGE = "message"  # on an open socket or stream; subject: request id; detail: said, heard ("": nothing in time)
    CUT = "cut"  # an open socket or stream ended, and not by the suite; subject: request id; detail: why
    TALLIED = "tallied"  # what many requests did; detail: requests, strays, failures, unknown, control (JSON, by pod)
    DEVIATED = "deviated"  # one of them that left its session's pod, or failed; subject: session; detail: opened, told
    CONNECTED = "connected"  # a connection to it was opened; detail: peer. Kept by pods that are told to only
    # Seen through the Admin API, for one gateway replica (detail: gateway).
    UPSTREAM = "upstream"  # detail: the upstream's fields
    MARKED = (
        "marked"  # an upstream with the tag of a deliberate fault; detail: the upstream's fields. No check reads it
    )
    TARGET = "target"  # subject: pod; detail: weight, address
    TARGET_REMOVED = "target-removed"
    GATEWAY_GONE = "gateway-gone"  # subject: gateway; it ended or began anew by itself; detail: why
    # How waiting ended.
    CONVERGED = "converged"
    UNCONVERGED = "unconverged"  # detail: budget, last (what was seen last)
    # How asking every worker of the gateway ended; detail: asked, workers, connections, seconds since it began.
    SETTLED = "settled"
    UNSETTLED = "unsettled"  # detail also: last (what was seen last), request (id of one after the budget that differs)
    MISSED = "missed"  # traffic that was waited for and did not come about; detail: budget, last
    SILENT = "silent"  # the gateway answered nothing any more, and the rest was not played; detail: seconds
    # What cannot be looked at here.
    UNSUPPORTED = "unsupported"  # subject: capability; detail: reason


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to ``subject`` at ``when`` (seconds on the history's clock)."""

    what: Happening
    subject: str
    when: float
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sighting:
    """A request as the pod itself logged it, joined to its exchange by the request id."""

    pod: str
    request_id: str
    when: float


@dataclass(frozen=True, slots=True)
class Setup:
    """What the experiment was done on.

    ``pods`` were ready when it began; events say which were ready later. ``plan`` are the numbers fixed beforehand
    (sample sizes, rates), ``tempo`` the seconds the cluster was told to take (sync, hold, grace). ``policy`` is the
    spec applied, empty if none was. ``lateness`` is the most seconds by which the suite itself was late with a request
    or a look that was due; 0 in histories of versions that did not measure it.
    """

    name: str
    started: str
    suite: str
    target: str
    implementation: str
    versions: Mapping[str, str]
    namespace: str
    host: str
    cookie: str
    cookie_path: str
    policy: Mapping[str, object]
    drain: bool | None
    pods: tuple[str, ...]
    gateways: tuple[str, ...]
    seed: int
    tempo: Mapping[str, float]
    plan: Mapping[str, float]
    lateness: float = 0.0


Sessions = Mapping[str, Sequence[Exchange]]
"""Exchanges by session, each session's in the order they were sent."""


@dataclass(frozen=True)  # without slots, since what was looked up once is kept
class History:
    """The record of one experiment. Exchanges are ordered by ``sent``, events and sightings by ``when``.

    It may have a million exchanges: what checks ask for is sorted out in one pass and kept.
    """

    setup: Setup
    exchanges: tuple[Exchange, ...] = ()
    events: tuple[Event, ...] = ()
    sightings: tuple[Sighting, ...] = ()

    def arm(self, *names: str) -> tuple[Exchange, ...]:
        """Return the exchanges of these arms of the experiment."""
        if len(names) == 1:
            return self._by_arm.get(names[0], ())
        return tuple(exchange for exchange in self.exchanges if exchange.arm in names)

    def sessions(self, *arms: str) -> Sessions:
        """Return the exchanges of these arms (all arms if none is named), by session."""
        if arms not in self._by_session:
            found: dict[str, list[Exchange]] = {}
            for exchange in self.arm(*arms) if arms else self.exchanges:
                found.setdefault(exchange.session, []).append(exchange)
            self._by_session[arms] = MappingProxyType({session: tuple(ordered) for session, ordered in found.items()})
        return self._by_session[arms]

    def logged(self, pod: str, request_id: str) -> bool:
        """Whether a pod's own log shows a request."""
        return request_id in self._by_log.get(pod, ())

    def happened(self, what: Happening, subject: str | None = None) -> tuple[Event, ...]:
        """Return the events of one kind; only those of one subject if one is given."""
        return tuple(event for event in self.events if event.what is what and subject in (None, event.subject))

    @cached_property
    def _by_arm(self) -> dict[str, tuple[Exchange, ...]]:
        found: dict[str, list[Exchange]] = {}
        for exchange in self.exchanges:
            found.setdefault(exchange.arm, []).append(exchange)
        return {arm: tuple(ordered) for arm, ordered in found.items()}

    @cached_property
    def _by_session(self) -> dict[tuple[str, ...], Sessions]:
        return {}

    @cached_property
    def _by_log(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for sighting in self.sightings:
            found.setdefault(sighting.pod, set()).add(sighting.request_id)
        return found
