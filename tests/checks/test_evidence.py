"""What checks ask of a history before they trust it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stickyconf.checks import contradictions, evidence, gateway_departures
from stickyconf.model import Happening, Sighting
from stickyconf.stats import MISSED, witness_sample_size
from tests.histories import Dialect, Tape, affinity, drain
from tests.histories.edits import edited, every, meant_for, nth, plus, reaches, refused, unknown


def test_client_and_pods_agree_on_every_conforming_history() -> None:
    assert contradictions(affinity()) == []
    assert contradictions(drain()) == []


def test_an_answer_that_its_pod_did_not_log_contradicts() -> None:
    history = affinity()
    gone = history.exchanges[4]
    sightings = tuple(sighting for sighting in history.sightings if sighting.request_id != gone.request_id)

    [told] = contradictions(replace(history, sightings=sightings))

    assert "exchange #5 (GET /, session control-005) reached echo-b (200)" in told
    assert f"the log of echo-b does not show request {gone.request_id}" in told


def test_an_answer_that_another_pod_logged_contradicts() -> None:
    history = affinity()
    first, *rest = history.sightings
    moved = (Sighting("echo-c", first.request_id, first.when), *rest)

    assert len(contradictions(replace(history, sightings=moved))) == 1


def test_a_pod_may_log_what_the_client_never_learnt() -> None:
    history = affinity()
    doubtful = edited(edited(history, nth("pinned", 3), unknown), nth("pinned", 4), refused)

    assert contradictions(replace(doubtful, sightings=history.sightings)) == []


def test_an_answer_meant_for_another_client_contradicts_nothing() -> None:
    history = edited(affinity(), nth("pinned", 3), reaches("echo-c"), meant_for("crowd-030-1"))

    assert contradictions(replace(history, sightings=affinity().sightings)) == []


def test_a_gateway_that_goes_away_by_itself_is_told_with_its_reason() -> None:
    history = plus(affinity(), Happening.GATEWAY_GONE, "kong-1", 1.5, why="it was started again: exit code 137")

    assert gateway_departures(affinity()) == []
    assert gateway_departures(history) == [
        "the gateway went away at 1.50 s: kong-1: it was started again: exit code 137"
    ]


def test_a_gateway_that_the_scenario_takes_away_is_the_scenarios_own() -> None:
    history = plus(affinity(), Happening.GATEWAY_GONE, "kong-1", 1.5, why="it was deleted")

    assert gateway_departures(plus(history, Happening.DELETED, "Gateway/kong-1", 1.4)) == []
    assert len(gateway_departures(plus(history, Happening.DELETED, "Gateway/kong-1", 1.6))) == 1
    assert len(gateway_departures(plus(history, Happening.DELETED, "echo-a", 1.4))) == 1


@pytest.mark.parametrize(("clients", "telling"), [(1, 4), (2, 8), (3, 0), (4, 16), (6, 0), (7, 28), (30, 0), (31, 124)])
def test_clients_in_lockstep_tell_nothing_where_the_pods_divide_their_number(clients: int, telling: int) -> None:
    """Five rounds of requests over three pods, dealt in turn or not: what counts is how they follow each other."""
    tape = Tape()
    tape.lockstep("pinned", 0.0, sessions=clients, requests=5)

    assert len(evidence.dealt_elsewhere(tape.history(), "pinned")) == telling


def test_requests_of_other_arms_take_their_turn_too() -> None:
    tape = Tape()
    tape.lockstep("pinned", 0.0, sessions=3, requests=5)
    for turn in range(5):
        tape.visit(tape.open("passerby"), turn * 0.03 + 0.001)

    assert len(evidence.dealt_elsewhere(tape.history(), "pinned")) == 12


def test_a_gateway_that_deals_in_turn_and_pins_nobody_is_never_taken_for_one_that_pins() -> None:
    """Whatever the number of clients: either their requests stray, or they are too few that tell."""
    for clients in range(1, 14):
        for requests in (2, 5, 9):
            tape = Tape(dialect=Dialect())
            tape.sticky = False
            tape.lockstep("pinned", 0.0, sessions=clients, requests=requests)
            history = edited(tape.history(), every(), lambda e: replace(e, cookie_fields=("session_id=ignored",)))

            strayed = any(len({e.pod for e in own}) > 1 for own in history.sessions("pinned").values())
            assert strayed or evidence.tested_too_little(history, ["pinned"])


def test_thirteen_requests_tell_on_three_pods() -> None:
    assert witness_sample_size(1 - 1 / 3, MISSED) == 13
