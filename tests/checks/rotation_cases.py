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
    unsettled,
    without,
    without_agreement,
)
from tests.histories.ends import rotation

ENDING = rotation()
LATE = "no new session on echo-b once it is out of the rotation"

AFTER_HALF_A_SECOND = arranged(ENDING, plan={"settling.seconds": 0.5})

REJECTED = {
    "a worker that still deals to it when its time is over": (
        unsettled(without(ENDING, Happening.SETTLED), nth("newcomer", 60), VICTIM, reaches(VICTIM)),
        "every worker of the gateway to act on it within 1 s / after 10.250 s, exchange #",
    ),
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
    "a worker that was behind with another change": without_agreement(ENDING, "echo-z", 2.0, request="newcomer-003-3"),
    "one more before every worker had the change": edited(ENDING, nth("newcomer", 4), reaches(VICTIM)),
}
UNSURE = {
    "workers that never agreed, though none was seen behind": (
        without_agreement(ENDING, VICTIM, 3.5),
        "every worker of the gateway to act on it within 1 s / 75 new connections in a row had to",
    ),
    "one that was seen behind and whose outcome is unknown": (
        unsettled(ENDING, nth("newcomer", 60), VICTIM, unknown),
        "every worker of the gateway to act on it within 1 s",
    ),
    "nobody ended a pod": (without(ENDING, Happening.DELETED), "a pod to be ended"),
    "drain support off": (arranged(ENDING, drain=False), "drain support on / it was off"),
    "a hold that was not kept": (shifted(ENDING, Happening.SIGTERM, -0.5), "preStop to hold echo-b"),
    "a change that never arrived": (unconverged(ENDING), "to arrive on every gateway replica"),
}
FEW = only(ENDING, every(where=lambda e: e.seq % 6 == 0))

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
        rejects=REJECTED
        | {
            "a request without the policy on it": (
                edited(ENDING, nth("unsticky", -1), reaches(VICTIM)),
                "no request without the policy on echo-b, which drains",
            ),
            "a worker that still sends requests without the policy to it": (
                unsettled(
                    without(ENDING, Happening.SETTLED, "unsticky"), nth("unsticky", 3), "unsticky", reaches(VICTIM)
                ),
                "every worker of the gateway to act on it within 1 s",
            ),
        },
        doubts=UNSURE
        | {
            "workers that never agreed on requests without the policy": (
                without_agreement(without(ENDING, Happening.SETTLED, "unsticky"), "unsticky", 4.5),
                "every worker of the gateway to act on it within 1 s / 75 new connections in a row had to",
            ),
            "few requests without the policy": (
                rotation(unsticky=20),
                "49 requests to a Service without the policy while echo-b drained / 20",
            ),
            "fewer connections": (
                only(ENDING, every(where=lambda e: e.seq > 51)),
                "200 new sessions while echo-b",
            ),
            "too few for sixteen workers": (
                arranged(ENDING, plan={**ENDING.setup.plan, "gateway.workers": 16}),
                "878 new sessions while echo-b was out of the rotation but serving / 243",
            ),
            "a connection used twice": (
                edited(ENDING, lambda h: h.arm("newcomer")[7:9], having(connection="one")),
                "a fresh connection for each new session / 249 for 250",
            ),
        },
    ),
}
