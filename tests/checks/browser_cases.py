"""Histories for the check of a browser."""

from tests.checks.cases import Cases
from tests.histories.browsing import browsing
from tests.histories.edits import (
    by_gateway,
    edited,
    every,
    follow_ups,
    having,
    lacking,
    lapsing,
    nth,
    reaches,
    refused,
    sending,
    unconverged,
    unknown,
)

BROWSING = browsing()
LAST = BROWSING.exchanges[-1]

CASES = {
    "a_browser_keeps_its_pod": Cases(
        spoken=browsing,
        accepts={"a browser that stays": BROWSING},
        rejects={
            "a request on another pod": (edited(BROWSING, nth("browser", -1), reaches("echo-z")), "to stay there"),
            "a request that fails": (edited(BROWSING, nth("browser", -1), refused), "to be served"),
            "a request without a route": (edited(BROWSING, nth("browser", -1), by_gateway(404)), "to be served"),
            "a cookie that the browser does not keep": (
                edited(BROWSING, follow_ups("browser"), sending()),
                "to send session_id / 9 of 9 went without",
            ),
        },
        doubts={
            "a pod that was not ready": (
                lapsing(edited(BROWSING, nth("browser", -1), reaches("echo-z")), LAST.pod, 0.0, 99.0),
                "was not ready throughout",
            ),
            "an unknown outcome": (edited(BROWSING, nth("browser", -1), unknown), "known outcome"),
            "nothing": (lacking(BROWSING, "browser"), "as planned"),
            "a route that never arrived": (unconverged(BROWSING), "to arrive on every gateway replica"),
            "one pod": (edited(BROWSING, every("browser"), reaches("echo-a")), "opened on at least 2 pods"),
            "one request after the other": (
                edited(BROWSING, every("browser"), lambda e: having(received=e.sent + 0.0001)(e)),
                "side by side / each ended before the next began",
            ),
        },
    ),
}
