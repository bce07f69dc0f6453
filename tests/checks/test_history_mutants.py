"""One counter-example put into a conforming history violates exactly the requirements it is a counter-example to.

The histories have been on disk and back, as recorded ones have. Where in the history the edit strikes is drawn.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stickyconf.model import Exchange, Happening, History, Status
from stickyconf.model.storage import read_history, write_history
from tests.checks.drain_moments import DRAINING
from tests.checks.test_every_check import CASES, OBSERVATIONS, check
from tests.histories import affinity, annotation, cookie, drain, edits
from tests.histories.conforming import SUCCESSOR, VICTIM
from tests.histories.edits import Change, Pick, by_gateway, every, follow_ups, openings, reaches, refused, visits_of
from tests.histories.tape import PODS

Make = Callable[[], History]


@cache
def recorded(make: Make) -> History:
    """A conforming history, as read back from the file it was written to."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "conforming.jsonl"
        write_history(make(), path)
        return read_history(path)


def judged(history: History, make: Make) -> dict[Status, set[str]]:
    """Return the checks of an experiment by what they make of a history; those that only observe are left out."""
    found: dict[Status, set[str]] = {status: set() for status in Status}
    for name, cases in CASES.items():
        if cases.spoken is make and name not in OBSERVATIONS:
            found[check(name)(history).status].add(name)
    return found


@dataclass(frozen=True)
class Edit:
    """A counter-example: to any one of the picked exchanges it does ``change``, which these checks must object to."""

    make: Make
    pick: Pick
    change: Callable[[Exchange], Exchange]
    objects: frozenset[str]


def elsewhere(exchange: Exchange) -> Exchange:
    """Let a pod serve it that is not the one that did."""
    return reaches(next(pod for pod in PODS if pod != exchange.pod))(exchange)


def off_their_pod(make: Make, arm: str, *objects: str) -> dict[str, Edit]:
    """Let a later request of a session of an arm stray, fail, or be answered by the gateway itself."""
    changes: dict[str, Change] = {"strays": elsewhere, "fails": refused, "is answered 503": by_gateway(503)}
    return {
        f"a request of {make.__name__}'s {arm} {what}": Edit(make, follow_ups(arm), change, frozenset(objects))
        for what, change in changes.items()
    }


def of_others(when: Callable[[Exchange], bool]) -> Pick:
    """Pick what sessions of other pods than the victim sent at these times."""
    return lambda history: [
        exchange for pod in PODS if pod != VICTIM for exchange in visits_of("resident", pod, when)(history)
    ]


def one(make: Make, pick: Pick, change: Change, *objects: str) -> Edit:
    return Edit(make, pick, change, frozenset(objects))


EDITS: dict[str, Edit] = {
    **off_their_pod(affinity, "pinned", "one_pod_per_session"),
    **off_their_pod(affinity, "fresh", "pinned_however_connected"),
    **off_their_pod(affinity, "kept", "pinned_however_connected"),
    **off_their_pod(affinity, "parallel", "parallel_requests_share_a_pod"),
    **off_their_pod(affinity, "roaming", "every_method_and_path_is_pinned"),
    **off_their_pod(affinity, "crowd", "crowd_keeps_its_pods"),
    **off_their_pod(affinity, "cookie-first", "cookie_pins_wherever_it_stands"),
    **off_their_pod(affinity, "cookie-middle", "cookie_pins_wherever_it_stands"),
    **off_their_pod(affinity, "cookie-last", "cookie_pins_wherever_it_stands"),
    **off_their_pod(affinity, "cookie-split", "split_cookie_pins"),
    **off_their_pod(affinity, "cookies-50", "cookie_pins_among_many"),
    **off_their_pod(affinity, "cookies-50-h2", "cookie_pins_among_many"),
    **off_their_pod(affinity, "resident", "residents_stay_while_others_come_and_go"),
    **off_their_pod(annotation, "after", "annotation_switches_stickiness_on"),
    "a first response without its cookie": one(
        cookie, openings("visitor"), edits.without_cookie(), "first_response_sets_one_cookie"
    ),
    "a first response with its cookie twice": one(
        cookie, openings("visitor"), edits.setting("session_id=other; Path=/"), "first_response_sets_one_cookie"
    ),
    "a cookie with another path": one(
        cookie, openings("visitor"), edits.rewriting("Path=/", "Path=/shop"), "path_is_the_configured_one"
    ),
    "a cookie that outlives the client": one(
        cookie, openings("visitor"), edits.rewriting("Path=/", "Path=/; Max-Age=60"), "is_a_session_cookie"
    ),
    "an application's cookie lost": one(
        cookie, every("application"), edits.without_cookie("app"), "application_cookies_survive"
    ),
    "no cookie for one status": one(
        cookie, openings("status"), edits.without_cookie(), "cookie_is_set_on_every_status"
    ),
    "a cookie before the annotation": one(
        annotation,
        every("before"),
        edits.setting("session_id=x; Path=/"),
        "without_policy_traffic_is_unsticky",
        "annotation_switches_stickiness_on",
    ),
    "a new session on the draining pod": one(
        drain, every("newcomer", where=DRAINING), reaches(VICTIM), "draining_pod_gets_no_new_session"
    ),
    "a session that leaves the draining pod early": one(
        drain,
        visits_of("resident", VICTIM, DRAINING),
        reaches(PODS[0]),
        "pinned_sessions_stay_until_the_pod_stops",
    ),
    "another pod's session that a drain moves": one(
        drain, of_others(DRAINING), reaches(SUCCESSOR), "other_sessions_are_untouched"
    ),
    "a newcomer that fails in the drain": one(drain, every("newcomer", where=DRAINING), refused, "no_request_fails"),
    "a request in flight that is cut": one(
        drain,
        visits_of("in-flight", VICTIM, lambda e: "delay" in e.path),
        refused,
        "in_flight_request_completes",
    ),
}


@pytest.mark.parametrize("make", sorted({edit.make for edit in EDITS.values()}, key=lambda make: make.__name__))
def test_unedited_everything_conforms(make: Make) -> None:
    found = judged(recorded(make), make)

    assert found[Status.CONFORMS]
    assert not found[Status.VIOLATES] | found[Status.INCONCLUSIVE]


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
@settings(max_examples=8)
@given(data=st.data())
def test_a_counter_example_violates_exactly_what_it_contradicts(edit: Edit, data: st.DataObject) -> None:
    history = recorded(edit.make)
    struck = data.draw(st.sampled_from([exchange.seq for exchange in edit.pick(history)]))
    mutant = edits.edited(history, lambda _: [history.exchanges[struck - 1]], edit.change)

    assert judged(mutant, edit.make)[Status.VIOLATES] == edit.objects


# Edits of what was seen of the cluster, each with the verdicts that are no longer conformance.


def weight_kept(history: History) -> History:
    """The Admin API never shows the draining pod at weight 0."""
    return edits.told(history, Happening.TARGET, VICTIM, weight="1")


def hold_broken(history: History) -> History:
    """SIGTERM reaches the pod before its preStop was let go."""
    return edits.shifted(history, Happening.SIGTERM, -0.5)


def end_unseen(history: History) -> History:
    """Nobody saw the pod end."""
    return edits.without(edits.without(history, Happening.SIGTERM), Happening.POD_GONE)


def test_a_weight_that_stays_violates_one_requirement_and_takes_the_moment_from_another() -> None:
    found = judged(weight_kept(recorded(drain)), drain)

    assert found[Status.VIOLATES] == {"terminating_target_has_weight_zero"}
    assert found[Status.INCONCLUSIVE] == {
        "draining_pod_gets_no_new_session",
        "pinned_sessions_stay_until_the_pod_stops",  # less of the drain is left in which pinned requests tell
    }


@pytest.mark.parametrize("edit", [hold_broken, end_unseen])
def test_a_drain_whose_moments_are_wrong_is_evidence_of_nothing(edit: Callable[[History], History]) -> None:
    found = judged(edit(recorded(drain)), drain)

    assert not found[Status.CONFORMS] | found[Status.VIOLATES]
