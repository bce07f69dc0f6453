"""Histories for the checks of what is delivered to whom, and how often. The victim is echo-b."""

from dataclasses import replace

from stickyconf.model import Happening, History, Sighting
from tests.checks.cases import Cases
from tests.histories import affinity
from tests.histories.conforming import ACTED, VICTIM
from tests.histories.edits import by_gateway, edited, every, having, nth, only, refused, unconverged, unknown, without
from tests.histories.ends import DIED, bereft

DEAD = bereft(of="dead")
STAYING = affinity()
NEVER_ARRIVED = "to arrive on every gateway replica"


def is_post(exchange):
    return exchange.method == "POST"


def again(history: History, pick, pod: str = "") -> History:
    """Let what was picked stand once more in the log of its pod, or in that of another."""
    [exchange] = pick(history)
    second = Sighting(pod or exchange.pod or VICTIM, exchange.request_id, exchange.sent + 0.01)
    return replace(history, sightings=(*history.sightings, second))


def without_posts(when):
    """Let what was sent at these times be GET."""
    return edited(DEAD, every(where=lambda e: is_post(e) and when(e)), having(method="GET"))


def telling(identifier: str = ""):
    """Let an answer say which request it is to; its own if none is given."""

    def change(exchange):
        kept = [header for header in exchange.answer.headers if header[0] != "Echo-Request-Id"]
        headers = (*kept, ("Echo-Request-Id", identifier or exchange.request_id))
        return replace(exchange, outcome=replace(exchange.answer, headers=headers))

    return change


def owned(history: History) -> History:
    """Let every answer say that it is to its own request."""
    return edited(history, every(where=lambda e: e.answer is not None), telling())


OWNED = owned(STAYING)


def swapped(number: int, other: int) -> History:
    """Let one exchange have the answer of another."""
    theirs = OWNED.exchanges[other]
    return edited(OWNED, lambda h: [h.exchanges[number]], having(outcome=theirs.outcome))


CASES = {
    "post_is_executed_once": Cases(
        spoken=lambda dialect: bereft(dialect, of="dead"),
        accepts={
            "every POST once": DEAD,
            "a GET that was sent again": again(DEAD, nth("resident", 2, lambda e: not is_post(e)), "echo-a"),
        },
        rejects={
            "one that its pod has twice": (again(DEAD, nth("resident", 3, is_post)), "2 times, in the logs of echo-"),
            "one that another pod has, too": (
                again(DEAD, nth("resident", 3, is_post), "echo-z"),
                "echo-z",
            ),
            "one that was under way when its pod died": (
                again(DEAD, nth("in-flight", -1), "echo-a"),
                "2 times, in the logs of echo-b, echo-a",
            ),
        },
        doubts={
            "no POST before": (without_posts(lambda e: e.sent < ACTED), "a POST before a pod was deleted"),
            "no POST in the drain": (
                without_posts(lambda e: e.arm == "resident" and ACTED < e.sent < DIED),
                "a POST on the pod while it drained",
            ),
            "no POST under way": (without_posts(lambda e: e.arm == "in-flight"), "a POST under way on the pod"),
            "one under way that the pod never had": (
                replace(DEAD, sightings=DEAD.sightings[:-1]),
                "a POST under way on the pod",
            ),
            "nobody deleted a pod": (without(DEAD, Happening.DELETED), "a POST on the pod while it drained"),
            "a pod that lived on": (without(DEAD, Happening.DIED), "a POST under way on the pod"),
            "a change that never arrived": (unconverged(DEAD), NEVER_ARRIVED),
        },
    ),
    "answer_is_the_askers_own": Cases(
        spoken=lambda dialect: owned(affinity(dialect)),
        accepts={
            "every answer to its own request": OWNED,
            "an answer of the gateway, which names no request": edited(OWNED, nth("pinned", 3), by_gateway(503)),
            "a failure": edited(OWNED, nth("pinned", 3), refused),
        },
        rejects={
            "an answer to another client's request": (
                swapped(40, 30),
                "the answer to pinned-013-41 to carry its id / pinned-017-31, asked in exchange #31",
            ),
            "an answer to a request that nobody sent here": (
                edited(OWNED, nth("pinned", 3), telling("elsewhere-1")),
                "elsewhere-1, not asked here",
            ),
        },
        doubts={
            "answers that do not say whose they are": (STAYING, "459 answers of pods"),
            "few answers": (only(OWNED, every("pinned", "control")), "459 answers of pods"),
            "an unknown outcome for most": (edited(OWNED, every("crowd"), unknown), "459 answers of pods"),
            "a change that never arrived": (unconverged(OWNED), NEVER_ARRIVED),
        },
    ),
}
