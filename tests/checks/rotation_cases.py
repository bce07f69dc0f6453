"""Histories for the checks of a pod out of the rotation that still serves. The victim is echo-b."""

from stickyconf.model import Happening
from tests.checks.cases import Cases
from tests.histories import drawn
from tests.histories.conforming import VICTIM
from tests.histories.edits import (
    arranged,
    edited,
    every,
    having,
    nth,
    only,
    reaches,
    shifted,
    told,
    unconverged,
    unknown,
    without,
)
from tests.histories.ends import rotation

ENDING = rotation()
LATE = "no new session on echo-b once it is out of the rotation"

AFTER_HALF_A_SECOND = arranged(ENDING, plan={"settling.seconds": 0.5})

REJECTED = {
    "a new session on it": (edited(ENDING, nth("newcomer", 100), reaches(VICTIM)), LATE),
    "its share of them": (edited(ENDING, every("newcomer", where=lambda e: e.seq % 4 == 0), reaches(VICTIM)), LATE),
    "a weight that is never taken from it": (
        edited(
            without(told(AFTER_HALF_A_SECOND, Happening.TARGET, VICTIM, weight="1"), Happening.TARGET_REMOVED),
            every("newcomer", where=lambda e: e.seq % 4 == 0),
            reaches(VICTIM),
        ),
        "after the 0.5 s that the gateway has for the change: it never settled",
    ),
}
ACCEPTED = {
    "new sessions elsewhere": ENDING,
    "one more before five in a row agreed": edited(ENDING, nth("newcomer", 4), reaches(VICTIM)),
}
UNSURE = {
    "nobody ended a pod": (without(ENDING, Happening.DELETED), "a pod to be ended"),
    "drain support off": (arranged(ENDING, drain=False), "drain support on / it was off"),
    "a hold that was not kept": (shifted(ENDING, Happening.SIGTERM, -0.5), "preStop to hold echo-b"),
    "a change that never arrived": (unconverged(ENDING), "to arrive on every gateway replica"),
}
FEW = only(ENDING, every(where=lambda e: e.seq % 5 == 0))

CASES = {
    "ready_terminating_pod_gets_no_new_session": Cases(
        drawn=drawn.new_in_a_drain,
        spoken=rotation,
        accepts=ACCEPTED,
        rejects=REJECTED,
        doubts=UNSURE
        | {
            "an endpoint that stopped being ready": (rotation(ready="false"), "to be ready and terminating"),
            "an endpoint that was ready before": (
                told(ENDING, Happening.ENDPOINT, terminating="false"),
                "to be ready and terminating",
            ),
            "few new sessions": (FEW, "49 new sessions while echo-b"),
            "unknown outcomes": (edited(ENDING, every("newcomer"), unknown), "49 new sessions while echo-b"),
        },
    ),
    "pod_of_two_services_gets_no_new_session": Cases(
        drawn=drawn.new_in_a_drain,
        spoken=rotation,
        accepts=ACCEPTED,
        rejects=REJECTED,
        doubts=UNSURE
        | {
            "one Service only": (rotation(services=1), "to be an endpoint of two Services / of echo-0"),
            "no endpoint": (without(ENDING, Happening.ENDPOINT), "to be an endpoint of two Services / of none"),
            "few new sessions": (FEW, "49 new sessions while echo-b"),
        },
    ),
    "no_connection_uses_the_old_targets": Cases(
        spoken=rotation,
        accepts=ACCEPTED | {"an endpoint that is not ready any more": rotation(ready="false", services=1)},
        rejects=REJECTED,
        doubts=UNSURE
        | {
            "fewer connections": (
                only(ENDING, every(where=lambda e: e.seq > 46)),
                "200 new sessions while echo-b",
            ),
            "a connection used twice": (
                edited(ENDING, lambda h: h.arm("newcomer")[7:9], having(connection="one")),
                "a fresh connection for each new session / 249 for 250",
            ),
        },
    ),
}
