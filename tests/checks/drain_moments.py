"""A drain to edit, and its moments. The victim is echo-b; tests/histories/conforming.py has the times."""

from stickyconf.model import Happening
from tests.histories import drain
from tests.histories.conforming import END, GONE, SHOWN, SIGTERM, VICTIM
from tests.histories.edits import (
    arranged,
    between,
    plus,
    shifted,
    unconverged,
    visits_of,
    without,
)
from tests.histories.tape import GATEWAY

ON = drain()
SCALED = drain(by="scale")
OFF = drain(support=False)
SECOND = "kong-gateway-2"

# Times, as the checks read them: what happens while the pod certainly serves, and after it is gone.
DRAINING = between(SHOWN + 0.3, SIGTERM - 0.2)
AFTERWARDS = between(GONE, END)


def pinned(when, number=0):
    """The victim's session's visit of this number in this time."""
    return lambda history: [list(visits_of("resident", VICTIM, when)(history))[number]]


def moving(history):
    """The first visit of each session of the victim that another pod served."""
    return [
        next(e for e in exchanges if e.pod not in (None, VICTIM))
        for exchanges in history.sessions("resident").values()
        if exchanges[0].pod == VICTIM
    ]


UNREADABLE = {
    "nobody ended a pod": (without(ON, Happening.DELETED), "a pod to be ended"),
    "no pod terminated": (without(ON, Happening.TERMINATING), "one pod to terminate / none did"),
    "two pods terminated": (
        plus(ON, Happening.TERMINATING, "echo-a", 2.2),
        "one pod to terminate / echo-b, echo-a did",
    ),
}
UNSURE = UNREADABLE | {
    "a change that never arrived": (unconverged(ON), "to arrive on every gateway replica"),
    "a pod whose end nobody saw": (
        without(without(ON, Happening.SIGTERM), Happening.POD_GONE),
        "the end of echo-b to be seen",
    ),
    "a hold that was not kept": (shifted(ON, Happening.SIGTERM, -0.5), "preStop to hold echo-b"),
}


def weight_zero_before(history):
    """The pod was at weight 0 before anybody deleted it, and came back."""
    for when, weight in ((0.2, "0"), (0.4, "1")):
        history = plus(history, Happening.TARGET, VICTIM, when, gateway=GATEWAY, weight=weight, address="10.0.0.2:1027")
    return history


DRAIN_OFF = {"drain support off": (arranged(ON, drain=False), "drain support on / it was off")}
