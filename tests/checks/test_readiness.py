"""What became of pods: from which events it is read, and what of it is no lapse."""

from __future__ import annotations

from math import inf

import pytest

from stickyconf.checks.readiness import lapses
from stickyconf.model import Happening, History
from tests.histories import affinity
from tests.histories.edits import lapsing, plus
from tests.histories.tape import UPSTREAM

STAYING = affinity()
CONVERGED = plus(STAYING, Happening.CONVERGED, UPSTREAM, 1.0, sticky="true")


def told(history: History) -> list[str]:
    return [lapse.told() for own in lapses(history).values() for lapse in own]


def test_pods_that_stay_have_no_lapse() -> None:
    assert lapses(STAYING) == {}


def test_a_lapse_lasts_until_the_endpoint_is_ready_again() -> None:
    [lapse] = lapses(lapsing(lapsing(STAYING, "echo-a", 2.0, 3.0), "echo-b", 1.0, 5.0))["echo-a"]

    assert (lapse.since, lapse.until) == (2.0, 3.0)
    assert lapse.told().startswith("echo-a was not ready throughout: its endpoint was not ready at 2.00 s")


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (Happening.ENDPOINT_REMOVED, "its endpoint was removed"),
        (Happening.TERMINATING, "it was deleted"),
        (Happening.POD_GONE, "it was gone"),
        (Happening.SIGTERM, "it was told to stop"),
        (Happening.DIED, "its process died"),
        (Happening.RESTARTED, "its container was started again (OOMKilled)"),
        (Happening.FAILED, "it ended (OOMKilled)"),
    ],
)
def test_whatever_ends_a_pod_is_a_lapse_that_says_so(what: Happening, said: str) -> None:
    [lapse] = lapses(plus(STAYING, what, "echo-b", 2.0, why="OOMKilled"))["echo-b"]

    assert (lapse.what, lapse.until) == (said, inf)


def test_a_lapse_may_have_begun_before_it_was_seen_but_not_before_the_deletion_that_made_it() -> None:
    scaled = plus(STAYING, Happening.SCALED, "Deployment/echo", 4.0)
    deleted = plus(plus(scaled, Happening.DELETED, "echo-a", 5.0), Happening.TERMINATING, "echo-a", 5.1)
    [ours] = lapses(deleted)["echo-a"]
    [by_scaling] = lapses(plus(scaled, Happening.TERMINATING, "echo-b", 4.5))["echo-b"]
    [by_others] = lapses(plus(STAYING, Happening.TERMINATING, "echo-b", 20.0))["echo-b"]
    [crashed] = lapses(plus(deleted, Happening.RESTARTED, "echo-c", 20.0))["echo-c"]

    assert [ours.began, by_scaling.began, by_others.began, crashed.began] == [5.0, 4.0, 10.0, 10.0]


def test_one_end_seen_in_several_ways_is_one_lapse() -> None:
    history = plus(plus(STAYING, Happening.FAILED, "echo-b", 2.0, why="Evicted"), Happening.POD_GONE, "echo-b", 3.0)

    assert told(history) == ["echo-b was not ready throughout: it ended (Evicted) at 2.00 s"]


def test_what_pods_went_through_before_the_experiment_began_is_no_lapse() -> None:
    assert lapses(lapsing(CONVERGED, "echo-a", 0.2, 0.4)) == {}
    assert list(lapses(lapsing(CONVERGED, "echo-a", 1.2, 1.4))) == ["echo-a"]


def test_a_pod_that_comes_later_lapses_only_after_it_was_ready() -> None:
    coming = plus(CONVERGED, Happening.ENDPOINT, "echo-z", 2.0, ready="false", serving="false", terminating="false")
    ready = plus(coming, Happening.ENDPOINT, "echo-z", 3.0, ready="true", serving="true", terminating="false")

    assert lapses(coming) == {}
    assert lapses(ready) == {}
    assert list(lapses(plus(ready, Happening.TERMINATING, "echo-z", 4.0))) == ["echo-z"]
