"""Histories for the check of a pod that recovers under health checks. It is echo-a."""

from stickyconf.model import Happening
from tests.checks.cases import Cases
from tests.histories.drawn import back_after_an_illness
from tests.histories.edits import (
    answered,
    between,
    by_gateway,
    edited,
    every,
    having,
    lapsing,
    nth,
    reaches,
    shifted,
    told,
    unconverged,
    unknown,
    visits_of,
    without,
)
from tests.histories.recovery import BEGAN, ILL, OUT, WELL, recovery

RECOVERED = recovery()
DURING = between(OUT, WELL)


def _on_the_pod(exchange):
    return exchange.pod == ILL


def _its_visits(history):
    """The visits, while it is out, of sessions that were on the pod before."""
    own = {name for name, visits in history.sessions("resident").items() if visits[0].pod == ILL}
    return [exchange for exchange in history.arm("resident") if exchange.session in own and DURING(exchange)]


NEVER_AGAIN = edited(RECOVERED, every("newcomer", where=_on_the_pod), reaches("echo-b"))

CASES = {
    "recovered_pod_serves_again": Cases(
        spoken=recovery,
        drawn=back_after_an_illness,
        accepts={
            "its sessions move": RECOVERED,
            "its sessions stay, and are answered 503": edited(RECOVERED, _its_visits, reaches(ILL), answered(503)),
            "its sessions are answered 503 by the gateway": edited(RECOVERED, _its_visits, by_gateway(503)),
            "one new session of many finds it": edited(
                RECOVERED, lambda h: list(every("newcomer", where=_on_the_pod)(h))[1:], reaches("echo-b")
            ),
        },
        rejects={
            "no new session after it recovered": (NEVER_AGAIN, "echo-a, which has recovered, to get some of 60"),
            "only failures of it after it recovered": (
                edited(RECOVERED, every("newcomer", where=_on_the_pod), answered(503)),
                "echo-a, which has recovered, to get some of 60",
            ),
            "another pod not ready": (
                lapsing(NEVER_AGAIN, "echo-b", OUT, WELL),
                "echo-a, which has recovered, to get some of 60",
            ),
        },
        doubts={
            "no new session, of a pod that was not ready": (
                lapsing(NEVER_AGAIN, ILL, OUT, WELL),
                "echo-a was not ready throughout",
            ),
            "no new session yet": (
                edited(
                    NEVER_AGAIN, every("newcomer"), lambda e: having(sent=e.sent - 2.0, received=e.received - 2.0)(e)
                ),
                "new sessions once echo-a had recovered / 0",
            ),
            "few new sessions": (
                edited(recovery(newcomers=20), every("newcomer", where=_on_the_pod), reaches("echo-b")),
                "new sessions once echo-a had recovered / 20",
            ),
            "nobody was told": (without(RECOVERED, Happening.ANSWERING), "to answer 503, and then 200 / 0"),
            "it was told to answer something else": (
                told(RECOVERED, Happening.ANSWERING, status="404"),
                "to answer 503, and then 200",
            ),
            "it was never taken out": (
                without(RECOVERED, Happening.SETTLED),
                "to place new sessions elsewhere than on echo-a",
            ),
            "taken out before it was ill": (
                shifted(RECOVERED, Happening.SETTLED, BEGAN - 2.5),
                "to place new sessions elsewhere than on echo-a",
            ),
            "too few failures for the policy": (
                edited(RECOVERED, visits_of("resident", ILL, between(BEGAN, OUT)), answered(200)),
                "3 answers 5xx of echo-a, as the policy counts / 0",
            ),
            "an unknown outcome": (edited(RECOVERED, nth("newcomer", 3), unknown), "known outcome"),
            "never converged": (unconverged(RECOVERED), "to arrive on every gateway replica"),
        },
    ),
}
