"""Histories for the check of old sessions."""

from tests.checks.cases import Cases
from tests.histories.edits import (
    by_gateway,
    edited,
    every,
    follow_ups,
    lapsing,
    nth,
    reaches,
    refused,
    sending,
    unconverged,
)
from tests.histories.lasting import lasting

OLD = lasting()
LAST = nth("elder", -1)
OWN = OLD.arm("elder")[-1].pod
OTHER = "echo-b" if OWN != "echo-b" else "echo-c"

CASES = {
    "sessions_do_not_age": Cases(
        spoken=lasting,
        accepts={
            "sessions that stay": OLD,
            "a gateway that is away for a while": edited(
                OLD, every("elder", where=lambda e: 10 < e.sent < 14), refused
            ),
            "a gateway without its routes for a while": edited(
                OLD, every("elder", where=lambda e: 10 < e.sent < 14), by_gateway(503)
            ),
        },
        rejects={
            "an old session on another pod": (edited(OLD, LAST, reaches(OTHER)), "to stay there"),
            "all sessions forgotten after a while": (
                edited(OLD, every("elder", where=lambda e: e.sent > 35), reaches("echo-elsewhere")),
                "to stay there",
            ),
        },
        doubts={
            "a run that ended early": (lasting(seconds=20), "served at an age of 30 s"),
            "a session that was not served any more": (
                edited(OLD, every("elder", where=lambda e: e.session.endswith("-003") and e.sent > 9), refused),
                "served at an age of 30 s / session elder-003 last answered at",
            ),
            "sessions on one pod": (edited(OLD, every("elder"), reaches("echo-a")), "at least 2 pods"),
            "requests without the cookie": (edited(OLD, follow_ups("elder"), sending()), "to carry session_id"),
            "a pod that was not ready for a while": (
                lapsing(edited(OLD, LAST, reaches(OTHER)), OWN, since=1.0, until=99.0),
                "was not ready throughout",
            ),
            "a policy that never arrived": (unconverged(OLD), "to arrive on every gateway replica"),
        },
    ),
}
