"""Histories for the checks of the response that opens a session."""

from stickyconf.model import Happening
from tests.checks.cases import Cases
from tests.histories import cookie
from tests.histories.edits import (
    by_gateway,
    edited,
    every,
    lacking,
    nth,
    only,
    planned,
    plus,
    refused,
    sending,
    unconverged,
    unknown,
    without,
    without_cookie,
)
from tests.histories.methods import opened_by_methods, prefixed

OPENED, PREFIXED = opened_by_methods(), prefixed()


def of(method):
    """Pick what a method opened."""
    return every("opening", where=lambda exchange: exchange.method == method)


CASES = {
    "cookie_is_set_whatever_method_opens": Cases(
        spoken=opened_by_methods,
        accepts={"every method": OPENED},
        rejects={
            f"not by {method}": (edited(OPENED, of(method), without_cookie()), f"on a first response to {method}")
            for method in ("HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
        },
        doubts={
            "a method that opened none": (
                planned(only(OPENED, every(where=lambda e: e.method != "PATCH")), opening_sessions=12),
                "a session that PATCH opens",
            ),
            "a method that only the gateway answered": (edited(OPENED, of("PUT"), by_gateway(405)), "PUT opens"),
            "requests that carried the cookie": (
                edited(OPENED, of("POST"), sending("session_id=at-echo-a")),
                "a session that POST opens",
            ),
            "a failure": (edited(OPENED, of("DELETE"), refused), "a session that DELETE opens"),
            "nothing": (lacking(OPENED, "opening"), "arm opening, as planned"),
            "an unknown outcome": (edited(OPENED, nth("opening", 3), unknown), "known outcome"),
            "a policy that never arrived": (unconverged(OPENED), "to arrive on every gateway replica"),
        },
    ),
    "prefixed_names_observed": Cases(
        spoken=prefixed,
        accepts={
            "both names": PREFIXED,
            "a name that the API server refuses": plus(
                without(lacking(PREFIXED, "host-prefix"), Happening.APPLIED, "sticky-session-policy"),
                Happening.REJECTED,
                "sticky-session-policy",
                0.1,
                submitted='{"stickySessions": {"cookie": "__Host-session"}}',
                message="no such name",
            ),
        },
        doubts={
            f"no cookie {name}": (
                edited(PREFIXED, every(arm), without_cookie(name)),
                f"the cookie {name} to be set / it was not",
            )
            for arm, name in (("host-prefix", "__Host-session"), ("secure-prefix", "__Secure-session"))
        },
    ),
    "caching_observed": Cases(
        spoken=cookie,
        accepts={"no Cache-Control": cookie()},
        doubts={"no cookie at all": (edited(cookie(), every(), without_cookie()), "responses that set the cookie")},
    ),
}
