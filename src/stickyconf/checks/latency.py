"""How long answers take."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from stickyconf.checks.declared import EVERY_ARM, check
from stickyconf.model import Exchange, Finding, History, Measure, Ruling

_HELD = {"delay", "until", "events"}
"""What a request asks for if it is not to be answered at once."""


@check("SPR-07", arms=EVERY_ARM)
def latency_observed(history: History) -> Ruling:
    """Record how long pods' answers took, by arm: the median, the 99th percentile and the slowest."""
    taken: dict[str, list[float]] = {}
    for exchange in history.exchanges:
        if exchange.pod and not _is_held(exchange):
            taken.setdefault(exchange.arm, []).append(1000 * (exchange.received - exchange.sent))
    measures = [Measure(f"answers in {arm}", _told(sorted(times)), "ms") for arm, times in sorted(taken.items())]
    doubts = [] if taken else [Finding("answers of pods", "there were none")]
    return Ruling.of((), doubts, measures)


def _is_held(exchange: Exchange) -> bool:
    return any(name in _HELD for name, _ in parse_qsl(urlsplit(exchange.path).query))


def _told(times: list[float]) -> str:
    last = len(times) - 1
    median, late, slowest = times[last // 2], times[round(last * 0.99)], times[last]
    return f"median {median:.1f}, 99th percentile {late:.1f}, slowest {slowest:.1f} of {len(times)}"
