"""Which lane each exchange goes to. Many sessions are condensed; what is worth looking at never is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from stickyconf.model import Exchange, History, Unknown

MOST_LANES = 330
"""More are bundled: a lane has to stay some pixels high."""

MOST_NOTABLE = 40
"""So many lanes stay legible on their own among hundreds of thin ones."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One line of the picture: a session, or several that did the same.

    ``pod`` served its first request (None if none did). ``notable`` lanes have a cited exchange, a failure, a
    doubt or a change of pod, and are drawn at full height.
    """

    label: str
    sessions: int
    exchanges: tuple[Exchange, ...]
    pod: str | None
    joined: bool
    notable: bool


@dataclass(frozen=True, slots=True)
class Section:
    """The lanes of one arm of the experiment, the notable first, then by pod and first request."""

    title: str
    lanes: tuple[Lane, ...]


def sections(history: History, letters: Mapping[str, str], cited: frozenset[int]) -> list[Section]:
    """Divide a history's exchanges into lanes, arm by arm in the order of their beginning.

    A session of several requests has a lane; those of one request share one for each pod, each mark a session. If
    that makes more than MOST_LANES, sessions that stayed on one pod share lanes, too.
    """
    arms: dict[str, dict[str, list[Exchange]]] = {}
    for exchange in history.exchanges:
        arms.setdefault(exchange.arm, {}).setdefault(exchange.session, []).append(exchange)
    order = list(letters)
    several = [session for sessions in arms.values() for session in sessions.values() if len(session) > 1]
    told = sorted((-_notability(session, cited), session[0].seq) for session in several)
    notable = frozenset(seq for weight, seq in told[:MOST_NOTABLE] if weight < 0)
    calm = sum(_notability(session, cited) == 0 for session in several)
    room = max(MOST_LANES - (len(several) - calm), MOST_LANES // 3)
    share = max(1, -(-calm // room)) if len(several) > MOST_LANES else 1
    found = []
    for arm, sessions in arms.items():
        alone = [session for session in sessions.values() if len(session) > 1]
        alone.sort(key=lambda s: (s[0].seq not in notable, _place(order, _first_pod(s)), s[0].sent))
        lanes = [*_alone(alone, notable, cited, share), *_together(sessions.values(), order, cited)]
        requests = sum(len(session) for session in sessions.values())
        title = f"{arm}: {numbered(len(sessions), 'session')}, {numbered(requests, 'request')}"
        found.append(Section(title, tuple(lanes)))
    return found


def counted(lanes: Iterable[Lane], letters: Mapping[str, str]) -> str:
    """Say how many requests of some lanes came to what, as "19 A, 1 C, 2 failed"."""
    exchanges = (exchange for lane in lanes for exchange in lane.exchanges)
    found = Counter(letters[e.pod] if e.pod else _without_pod(e) for e in exchanges)
    return ", ".join(f"{number} {what}" for what, number in found.most_common())


def _alone(
    sessions: Sequence[Sequence[Exchange]], notable: frozenset[int], cited: frozenset[int], share: int
) -> Iterable[Lane]:
    """Yield a lane for each session, or for each ``share`` neighbours that stayed on the same pod."""

    def alike(session: Sequence[Exchange]) -> tuple[bool, str | None] | int:
        return session[0].seq if _notability(session, cited) else (True, _first_pod(session))

    for _, neighbours in groupby(sessions, alike):
        group = list(neighbours)
        for start in range(0, len(group), share):
            part = group[start : start + share]
            exchanges = tuple(sorted((e for session in part for e in session), key=lambda e: e.sent))
            label = part[0][0].session if len(part) == 1 else f"{len(part)} sessions"
            yield Lane(label, len(part), exchanges, _first_pod(part[0]), joined=True, notable=part[0][0].seq in notable)


def _together(sessions: Iterable[Sequence[Exchange]], order: Sequence[str], cited: frozenset[int]) -> Iterable[Lane]:
    """Yield one lane for each pod, of the sessions that had one request."""
    singles = sorted((s[0] for s in sessions if len(s) == 1), key=lambda e: (_place(order, e.pod), e.sent))
    for pod, exchanges in groupby(singles, lambda exchange: exchange.pod):
        group = tuple(exchanges)
        label = group[0].session if len(group) == 1 else numbered(len(group), "session")
        notable = any(e.seq in cited or e.pod is None for e in group) or len(group) > 1
        yield Lane(label, len(group), group, pod, joined=False, notable=notable)


def _notability(session: Sequence[Exchange], cited: frozenset[int]) -> int:
    """Return how much a session deserves a look: 3 cited, 2 something failed or is in doubt, 1 it moved, 0 calm."""
    if any(exchange.seq in cited for exchange in session):
        return 3
    if any(exchange.pod is None for exchange in session):
        return 2
    return int(len({exchange.pod for exchange in session}) > 1)


def _first_pod(session: Sequence[Exchange]) -> str | None:
    return next((exchange.pod for exchange in session if exchange.pod), None)


def _place(order: Sequence[str], pod: str | None) -> int:
    return order.index(pod) if pod else len(order)


def _without_pod(exchange: Exchange) -> str:
    if isinstance(exchange.outcome, Unknown):
        return "unknown"
    return "failed" if exchange.failed else "by the gateway"


def numbered(count: int, what: str) -> str:
    """Return so many of something, in the singular if it is one."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
