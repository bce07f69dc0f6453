"""Histories for the checks of the policy object."""

import json

from stickyconf.checks.policy_api import HOW_TO, LEFT_OUT_PATH
from stickyconf.model import Happening
from tests.checks.cases import Cases
from tests.histories import annotation, policies
from tests.histories.conforming import SPEC
from tests.histories.edits import arranged, plus, told, unconverged, without
from tests.histories.tape import UPSTREAM

REFUSED = ("algorithm-unknown", "algorithm-empty")
NAMING = ("algorithm", "round-robin")

SUBMITTED = policies()
SHOWN = annotation()
LAST = SHOWN.happened(Happening.UPSTREAM)[-1]


def refusing(name):
    """The same, but that a policy is refused which must be admitted."""
    left = without(SUBMITTED, Happening.APPLIED, name)
    return plus(left, Happening.REJECTED, name, 0.5, submitted="{}", code="422", reason="Invalid", message="no such")


def storing(name, spec):
    """The same, but that a policy is stored as something else."""
    return told(SUBMITTED, Happening.APPLIED, name, stored=json.dumps(spec))


def admitting(name):
    """The same, but that a policy is admitted which must be refused."""
    left = without(SUBMITTED, Happening.REJECTED, name)
    return plus(left, Happening.APPLIED, name, 9.0, submitted='{"algorithm": "sticky"}', stored="{}")


def showing(**fields):
    """The same, but for fields of the upstream that the Admin API showed last."""
    upstream = json.dumps(json.loads(LAST.detail["upstream"]) | fields)
    return showing_raw(upstream)


def showing_raw(upstream):
    events = tuple(event for event in SHOWN.events if event is not LAST)
    bare = type(SHOWN)(SHOWN.setup, SHOWN.exchanges, events, SHOWN.sightings)
    return plus(bare, Happening.UPSTREAM, UPSTREAM, LAST.when, gateway=LAST.detail["gateway"], upstream=upstream)


CASES = {
    "how_to_policy_is_admitted": Cases(
        accepts={
            "admitted": SUBMITTED,
            "stored with a default beside what was written": storing(HOW_TO, {**SPEC, "slots": 10000}),
        },
        rejects={
            "refused": (refusing(HOW_TO), f"the policy {HOW_TO} to be admitted / refused: no such"),
            "stored differently": (storing(HOW_TO, {**SPEC, "algorithm": "round-robin"}), "the spec stored as written"),
            "stored as a text": (storing(HOW_TO, {**SPEC, "hashOn": "input"}), "the spec stored as written"),
            "stored as an object": (storing(HOW_TO, {**SPEC, "algorithm": {}}), "the spec stored as written"),
            "stored in part": (storing(HOW_TO, {"algorithm": "sticky-sessions"}), "the spec stored as written"),
            "stored without a spec": (storing(HOW_TO, None), "the spec stored as written"),
        },
        doubts={
            "never submitted": (without(SUBMITTED, Happening.APPLIED, HOW_TO), "to be submitted"),
            "an API server that admits everything": (without(SUBMITTED, Happening.REJECTED), "it refused none"),
        },
    ),
    "left_out_path_is_stored_as_root": Cases(
        accepts={
            "stored as /": SUBMITTED,
            "beside a policy without a spec": plus(
                SUBMITTED, Happening.APPLIED, "without-a-spec", 0.0, submitted="null", stored="null"
            ),
        },
        rejects={
            "stored as something else": (
                storing(LEFT_OUT_PATH, {"stickySessions": {"cookiePath": "/x"}}),
                "cookiePath stored as \"/\" / '/x'",
            ),
            "left out there too": (storing(LEFT_OUT_PATH, {"stickySessions": {"cookie": "s"}}), "/ None"),
            "stored without the block": (storing(LEFT_OUT_PATH, {"stickySessions": None}), "/ None"),
            "refused": (refusing(LEFT_OUT_PATH), "to be admitted"),
            "every path stored as /": (
                storing("cookie-path-of-its-own", SPEC),
                "the policy cookie-path-of-its-own to keep its cookiePath '/app' / '/'",
            ),
        },
        doubts={
            "never submitted": (without(SUBMITTED, Happening.APPLIED, LEFT_OUT_PATH), "to be submitted"),
            "no other path": (
                without(SUBMITTED, Happening.APPLIED, "cookie-path-of-its-own"),
                "a policy with another cookiePath to be admitted",
            ),
        },
    ),
    "policies_are_refused": Cases(
        arguments={"cases": REFUSED, "naming": NAMING},
        accepts={
            "refused": SUBMITTED,
            "refused with 400": told(SUBMITTED, Happening.REJECTED, code="400"),
        },
        rejects={
            "one admitted": (admitting(REFUSED[1]), f"the policy {REFUSED[1]} to be refused / admitted: {{"),
            "an error that names nothing": (
                told(SUBMITTED, Happening.REJECTED, REFUSED[0], message="it is invalid"),
                f"the error about {REFUSED[0]} to name algorithm, round-robin",
            ),
            "an error that lists too little": (
                told(SUBMITTED, Happening.REJECTED, REFUSED[0], message="spec.algorithm: supported: sticky-sessions"),
                f"the error about {REFUSED[0]} to name round-robin",
            ),
        },
        doubts={
            "the how-to's policy refused as well": (refusing(HOW_TO), "refusing says nothing"),
            "one never submitted": (without(SUBMITTED, Happening.REJECTED, REFUSED[0]), "to be submitted"),
            "refused for who asks": (
                told(SUBMITTED, Happening.REJECTED, REFUSED[0], code="403", reason="Forbidden"),
                "to be refused for what it says / 403 Forbidden",
            ),
        },
    ),
    "admin_api_shows_the_policy": Cases(
        spoken=annotation,
        accepts={
            "as the policy says": SHOWN,
            "an upstream that was not there at first": plus(
                SHOWN, Happening.UPSTREAM, UPSTREAM, -1.0, gateway=LAST.detail["gateway"], upstream="null"
            ),
        },
        rejects={
            "another algorithm": (
                showing(algorithm="round-robin"),
                "algorithm is 'round-robin', not 'sticky-sessions'",
            ),
            "another hash_on": (showing(hash_on="cookie"), "hash_on is 'cookie', not 'none'"),
            "another cookie": (
                showing(sticky_sessions_cookie="sid"),
                "sticky_sessions_cookie is 'sid', not 'session_id'",
            ),
            "another path": (showing(sticky_sessions_cookie_path="/x"), "cookie_path is '/x', not '/'"),
            "no path": (showing(sticky_sessions_cookie_path=None), "cookie_path is None, not '/'"),
            "no upstream": (showing_raw("null"), "on kong-gateway-1 / there is none"),
            "another algorithm for want of convergence": (
                unconverged(showing(algorithm="round-robin")),
                "algorithm is 'round-robin', not 'sticky-sessions'",
            ),
        },
        doubts={
            "nobody asked": (without(SHOWN, Happening.UPSTREAM), "the Admin API of kong-gateway-1 to be asked"),
            "one replica not asked": (
                arranged(SHOWN, gateways=("kong-gateway-1", "kong-gateway-2")),
                "the Admin API of kong-gateway-2 to be asked",
            ),
            "no replica": (arranged(SHOWN, gateways=()), "an Admin API to ask"),
            "the same before the policy was attached": (
                told(SHOWN, Happening.UPSTREAM, upstream=LAST.detail["upstream"]),
                "to show another algorithm before",
            ),
            "a change that never arrived": (unconverged(SHOWN), "to arrive on every gateway replica"),
        },
    ),
}
