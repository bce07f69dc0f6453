"""Histories for the observations of readiness probes that fail."""

from stickyconf.model import Happening
from tests.checks.cases import Cases
from tests.histories.blip import AGAIN, DELETED, ON, ONE, OTHER, RELEASED, UNREADY, UNSERVING, blip
from tests.histories.edits import (
    arranged,
    between,
    by_gateway,
    edited,
    every,
    only,
    reaches,
    shifted,
    unknown,
    visits_of,
    without,
)

BLIP = blip()
MEANWHILE, AFTER, HELD = between(UNREADY, ON), between(AGAIN, DELETED), between(UNSERVING, RELEASED)


def of_it(when, change):
    """Change the visits, at this time, of the sessions that were opened on the pod."""
    return edited(BLIP, visits_of("resident", ONE, when), change)


CASES = {
    "readiness_blip_observed": Cases(
        spoken=blip,
        accepts={
            "sessions that move": BLIP,
            "sessions that stay": of_it(between(UNREADY, DELETED), reaches(ONE)),
            "sessions that return": of_it(AFTER, reaches(ONE)),
            "sessions that fail": of_it(MEANWHILE, by_gateway(503)),
        },
        doubts={
            "nobody told it to": (without(BLIP, Happening.READINESS), "to fail its readiness probe"),
            "an endpoint that stays ready": (without(BLIP, Happening.ENDPOINT), f"the endpoint of {ONE} to be seen"),
            "an endpoint that was not ready too late": (
                shifted(BLIP, Happening.ENDPOINT, 1.0, ONE),
                f"the endpoint of {ONE} to be seen not ready",
            ),
            "no visits meanwhile": (
                only(BLIP, every(where=lambda e: not MEANWHILE(e))),
                f"visits of every session while {ONE} was not ready",
            ),
            "no visits afterwards": (
                only(BLIP, every(where=lambda e: not AFTER(e))),
                f"visits of every session once {ONE} was ready again",
            ),
            "no session on the pod": (
                only(BLIP, every(where=lambda e: BLIP.sessions()[e.session][0].pod != ONE)),
                f"visits of every session while {ONE} was not ready / no session",
            ),
            "an unknown outcome": (of_it(MEANWHILE, unknown), "known outcome"),
        },
    ),
    "draining_pod_that_stops_serving_observed": Cases(
        spoken=blip,
        accepts={
            "sessions that stay": BLIP,
            "sessions that move": edited(BLIP, every("resident", where=HELD), reaches(ONE)),
        },
        doubts={
            "nobody deleted a pod": (without(BLIP, Happening.DELETED), "a pod to be drained"),
            "drain support off": (arranged(BLIP, drain=False), "a pod to be drained, with drain support on"),
            "an endpoint that goes on serving": (
                without(BLIP, Happening.ENDPOINT, OTHER),
                f"the endpoint of {OTHER} to be seen terminating and not serving",
            ),
            "a pod that was released before": (
                shifted(BLIP, Happening.RELEASED, -1.2),
                f"the endpoint of {OTHER} to be seen terminating and not serving",
            ),
            "no visits meanwhile": (
                only(BLIP, every(where=lambda e: not HELD(e))),
                f"visits of every session while {OTHER} was terminating and not serving",
            ),
            "an unknown outcome": (edited(BLIP, every("resident", where=HELD), unknown), "known outcome"),
        },
    ),
}
