"""Histories for the check of a gateway that is older than sticky sessions."""

from stickyconf.model import Happening
from tests.checks.cases import Cases
from tests.histories import Dialect, edits
from tests.histories.drawn import in_order, shuffled
from tests.histories.edits import arranged, by_gateway, edited, every, nth, reaches, refused, setting, told, without
from tests.histories.tape import Tape

POLICY = "sticky-session-policy"
WARNING = (
    f"sticky sessions algorithm specified in KongUpstreamPolicy '{POLICY}' is not supported with Kong Gateway versions "
    "< 3.11.0"
)


def older(dialect: Dialect | None = None, *, sessions: int = 7, requests: int = 5):
    """The same clients before and after the Service is annotated, without any effect but a Warning."""
    tape = Tape(dialect=dialect, sticky=False)
    at = tape.lockstep("before", 0.1, sessions=7, requests=5, connections="fresh")
    tape.event(Happening.ANNOTATED, "Service/echo", at, annotation=f"konghq.com/upstream-policy={POLICY}")
    said = {"type": "Warning", "reason": "KongConfigurationTranslationFailed", "message": WARNING}
    tape.event(Happening.CLUSTER_EVENT, "Service/echo", at + 0.1, **said)
    tape.lockstep("after", at + 0.4, sessions=sessions, requests=requests, connections="fresh")
    return arranged(tape.history(), versions={"gateway": "3.10.0"})


def drawn(counts):
    """One client, whose requests move or not as was drawn."""
    order = [0] * 35
    for step in (0, *shuffled((counts[1], counts[0]))):
        order.append(order[-1] + step)
    return older(in_order(order), sessions=1, requests=sum(counts) + 1)


OLDER = older()


def stayed():
    """Every client after the annotation stays on the pod of its first request."""
    history = OLDER
    for session, exchanges in OLDER.sessions("after").items():
        history = edited(history, every("after", where=lambda e, s=session: e.session == s), reaches(exchanges[0].pod))
    return history


CASES = {
    "older_gateway_is_told_apart": Cases(
        spoken=older,
        drawn=drawn,
        accepts={"a Warning, and traffic as before": OLDER},
        rejects={
            "no Warning": (without(OLDER, Happening.CLUSTER_EVENT), "a Warning KongConfigurationTranslationFailed on"),
            "a Warning that does not name the release": (
                told(OLDER, Happening.CLUSTER_EVENT, message=f"KongUpstreamPolicy '{POLICY}' is not supported"),
                "is not supported",
            ),
            "a Warning that does not name the policy": (
                told(OLDER, Happening.CLUSTER_EVENT, message="not supported with versions < 3.11.0"),
                "not supported with",
            ),
            "no Warning, just a word": (told(OLDER, Happening.CLUSTER_EVENT, type="Normal"), "a Warning"),
            "traffic that stops": (edited(OLDER, nth("after", 3), by_gateway(404)), "traffic to flow on"),
            "a refused request": (edited(OLDER, nth("after", 3), refused), "traffic to flow on"),
            "a cookie all the same": (
                edited(OLDER, nth("after", 0), setting("session_id=x; Path=/")),
                "no cookie session_id without the policy",
            ),
            "clients that stay": (stayed(), "all 7 clients stayed"),
        },
        doubts={
            "a gateway that is not older": (arranged(OLDER, versions={"gateway": "3.11.0.0"}), "older than 3.11"),
            "a gateway of no known release": (arranged(OLDER, versions={}), "its release is not known"),
            "no annotation": (without(OLDER, Happening.ANNOTATED), "the annotation to be set"),
            "no traffic before": (edited(OLDER, every("before"), by_gateway(404)), "arm before, as planned"),
            "an unknown outcome": (edited(OLDER, nth("after", 3), edits.unknown), "known outcome"),
        },
    ),
}
