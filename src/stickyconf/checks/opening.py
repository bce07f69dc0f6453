"""What the response that opens a session is like: whatever its method, for caches on the way, and for browsers."""

from __future__ import annotations

from collections import Counter

from stickyconf.checks.affinity import METHODS
from stickyconf.checks.declared import EVERY_ARM, check
from stickyconf.checks.evidence import Evidence, incomplete, unconverged, unknown_outcomes
from stickyconf.model import Answered, Finding, Happening, History, Measure, Ruling
from stickyconf.model.cookies import prefix_faults

# What a cache may store without being told to, and what keeps a shared one from it (RFC 9111, sections 3 and 4.2.2).
_HEURISTICALLY_CACHEABLE = {200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501}
_NOT_SHARED = {"no-store", "private"}

PREFIXED = {"host-prefix": "__Host-session", "secure-prefix": "__Secure-session"}
"""The names that CKE-13 gives the cookie, by the arm that asks for it."""


@check("CKE-14", arms=("opening",))
def cookie_is_set_whatever_method_opens(history: History) -> Ruling:
    """The first response of a session carries the cookie whatever method the request has."""
    exchanges, seen = history.arm("opening"), Counter[str]()
    evidence = Evidence(
        doubts=[*incomplete(history, ["opening"]), *unknown_outcomes(exchanges), *unconverged(history)],
    )
    for own in history.sessions("opening").values():
        first = own[0]
        if first.answer is None or first.pod is None or first.carried(history.setup.cookie):
            continue
        seen[first.method] += 1
        if not first.answer.set_cookies(history.setup.cookie):
            wanted = f"the cookie {history.setup.cookie} on a first response to {first.method}"
            evidence.violations.append(Finding(wanted, "none", (first.seq,)))
    evidence.doubts += [Finding(f"a session that {method} opens", "none was") for method in METHODS if not seen[method]]
    evidence.measures += [Measure(f"sessions that {method} opened", count) for method, count in sorted(seen.items())]
    return evidence.ruling()


@check("CKE-12", arms=EVERY_ARM)
def caching_observed(history: History) -> Ruling:
    """Record what Cache-Control says on responses that set the cookie, and how many a shared cache might store."""
    issuing = [
        (exchange.method, exchange.answer)
        for exchange in history.exchanges
        if exchange.pod and exchange.answer and exchange.answer.set_cookies(history.setup.cookie)
    ]
    said = Counter(value for _, answer in issuing if (value := answer.header("cache-control")))
    storable = sum(method in {"GET", "HEAD"} and _may_be_shared(answer) for method, answer in issuing)
    doubts = [] if issuing else [Finding("responses that set the cookie", "there were none")]
    return Ruling.of(
        (),
        doubts,
        [
            Measure("responses that set the cookie", len(issuing)),
            Measure("Cache-Control on them", ", ".join(sorted(said)) or "none"),
            Measure("of these, a shared cache may store with the cookie", storable),
        ],
    )


def _may_be_shared(answer: Answered) -> bool:
    said = {part.partition("=")[0].strip().lower() for part in (answer.header("cache-control") or "").split(",")}
    return answer.status in _HEURISTICALLY_CACHEABLE and not said & _NOT_SHARED


@check("CKE-13", arms=tuple(PREFIXED))
def prefixed_names_observed(history: History) -> Ruling:
    """Record whether a browser would keep a cookie with a prefixed name as it is set, if it came over TLS."""
    doubts, measures = [], []
    for arm, name in PREFIXED.items():
        answers = [exchange.answer for exchange in history.arm(arm) if exchange.pod and exchange.answer]
        issued = [cookie for answer in answers for cookie in answer.set_cookies(name)]
        refused = [event for event in history.happened(Happening.REJECTED) if name in event.detail.get("submitted", "")]
        if issued:
            faults = ", ".join(prefix_faults(issued[-1]))
            measures.append(Measure(f"a browser keeps {name}", f"no: {faults}" if faults else "yes"))
        elif refused:
            measures.append(Measure(f"a policy with {name}", f"refused: {refused[0].detail['message']}"))
        else:
            doubts.append(Finding(f"the cookie {name} to be set", "it was not"))
    return Ruling.of((), doubts, measures)
