"""The policy object: what the API server admits, and what it says of what it refuses."""

from stickyconf import checks
from stickyconf.cases import recorded, requirement
from stickyconf.checks.policy_api import HOW_TO, LEFT_OUT_PATH
from stickyconf.scenarios import Policy, Topology
from stickyconf.scenarios.policies import submit_policies

ALGORITHMS = ("round-robin", "least-connections", "consistent-hashing", "latency", "sticky-sessions")
OTHER_ALGORITHMS = tuple(name for name in ALGORITHMS if name != "sticky-sessions")
SPEC = Policy().spec

# What hashOn must not say beside input "none".
HASH_ON = {
    "header": {"header": "x-user"},
    "cookie": {"cookie": "other"},
    "cookie-path": {"cookie": "other", "cookiePath": "/"},
    "uri-capture": {"uriCapture": "user"},
    "query-arg": {"queryArg": "user"},
}

# Each differs from the how-to's policy in one thing.
POLICIES = {
    HOW_TO: SPEC,
    LEFT_OUT_PATH: SPEC | {"stickySessions": {"cookie": "session_id"}},
    "cookie-path-other": SPEC | {"stickySessions": {"cookie": "session_id", "cookiePath": "/shop"}},
    "hash-on-left-out": {key: value for key, value in SPEC.items() if key != "hashOn"},
    "hash-on-ip": SPEC | {"hashOn": {"input": "ip"}},
    "cookie-left-out": SPEC | {"stickySessions": {"cookiePath": "/"}},
    "cookie-empty": SPEC | {"stickySessions": {"cookie": "", "cookiePath": "/"}},
    **{f"algorithm-{name}": SPEC | {"algorithm": name} for name in OTHER_ALGORITHMS},
    **{f"hash-on-{name}": SPEC | {"hashOn": {"input": "none"} | fields} for name, fields in HASH_ON.items()},
    "algorithm-unknown": SPEC | {"algorithm": "sticky"},
}

history = recorded("policy-api", submit_policies(POLICIES), topology=Topology(replicas=0, policy=None))


@requirement("API-01")
def test_how_to_policy_is_admitted(history, judge):
    """The how-to's policy is admitted and stored as it was written."""
    judge(checks.how_to_policy_is_admitted, history)


@requirement("API-02")
def test_left_out_path_is_stored_as_root(history, judge):
    """A policy without cookiePath is stored with cookiePath "/"."""
    judge(checks.left_out_path_is_stored_as_root, history)


@requirement("API-03")
def test_sticky_sessions_need_hash_on_none(history, judge):
    """stickySessions without hashOn.input "none" is refused, and the error names the field."""
    judge(checks.policies_are_refused, history, cases=("hash-on-left-out", "hash-on-ip"), naming=("hashOn.input",))


@requirement("API-04")
def test_sticky_sessions_need_a_cookie(history, judge):
    """stickySessions without a cookie, or with an empty one, is refused, and the error names the field."""
    cases = ("cookie-left-out", "cookie-empty")
    judge(checks.policies_are_refused, history, cases=cases, naming=("stickySessions.cookie",))


@requirement("API-05")
def test_sticky_sessions_need_their_algorithm(history, judge):
    """stickySessions with any other algorithm is refused, and the error names the field."""
    cases = tuple(f"algorithm-{name}" for name in OTHER_ALGORITHMS)
    judge(checks.policies_are_refused, history, cases=cases, naming=("algorithm",))


@requirement("API-06")
def test_sticky_sessions_admit_no_other_hash_on_field(history, judge):
    """stickySessions beside hashOn.header, cookie, cookiePath, uriCapture or queryArg is refused."""
    cases = tuple(f"hash-on-{name}" for name in HASH_ON)
    judge(checks.policies_are_refused, history, cases=cases, naming=("hashOn",))


@requirement("API-07")
def test_unknown_algorithm_is_refused(history, judge):
    """An unknown algorithm is refused, and the error lists the supported ones."""
    judge(checks.policies_are_refused, history, cases=("algorithm-unknown",), naming=ALGORITHMS)
