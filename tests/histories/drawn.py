"""Histories of what chance drew: so many sessions on this pod, so many on that; or so many that moved, so many not."""

from __future__ import annotations

import random

from stickyconf.checks.affinity import PINNED_REQUESTS, PINNED_SESSIONS
from stickyconf.model import Happening, History
from tests.histories import Dialect, Tape, annotation, drain, drain_page, edits, spread, sticky_page
from tests.histories.changes import reattached, renamed
from tests.histories.conforming import RELEASED, SHOWN, VICTIM
from tests.histories.ends import grown
from tests.histories.isolation import by_weight
from tests.histories.pages import served
from tests.histories.recovery import recovery
from tests.histories.rush import rush
from tests.histories.wandering import wandering

Counts = tuple[int, ...]


def in_order(order: list[int]) -> Dialect:
    """Place sessions on pods by their index, then in turn."""
    return Dialect(place=lambda number: order[number] if number < len(order) else number)


def shuffled(counts: Counts) -> list[int]:
    """The index of each pod as often as it was drawn, in any order."""
    order = [pod for pod, count in enumerate(counts) for _ in range(count)]
    random.Random(str(counts)).shuffle(order)  # noqa: S311 - reproducible, not secret
    return order


def control(counts: Counts) -> History:
    return spread(in_order(shuffled(counts)), sessions=sum(counts))


def crowd(counts: Counts) -> History:
    tape = Tape(dialect=in_order(shuffled(counts)))
    tape.lockstep("crowd", 0.0, sessions=sum(counts), requests=2)
    return tape.history()


def beside_load(counts: Counts) -> History:
    return rush(in_order([0, *shuffled(counts)]), newcomers=sum(counts), arrivals=0)


def by_backend(counts: Counts) -> History:
    light, heavy = counts
    return by_weight(light=light, heavy=heavy)


def scaled_up(counts: Counts) -> History:
    """The first pod is the one that was added."""
    order = in_order([0, 1, 0, 1, *shuffled(counts)])
    return grown(order, before=("echo-b", "echo-c"), added=("echo-a",), newcomers=sum(counts))


def back_after_an_illness(counts: Counts) -> History:
    """The first pod is the one that was out."""
    history = recovery(newcomers=sum(counts))
    pods = iter(f"echo-{'abc'[pod]}" for pod in shuffled(counts))
    return edits.edited(history, edits.every("newcomer"), lambda one: edits.reaches(next(pods))(one))


def without_policy(counts: Counts) -> History:
    order = [0]
    for step in shuffled((counts[1], counts[0])):
        order.append(order[-1] + step)
    return annotation(in_order(order), sessions=1, requests=len(order))


def without_annotation(counts: Counts) -> History:
    return reattached(_after_ten(counts), clients=1, requests=1 + sum(counts))


def under_the_old_name(counts: Counts) -> History:
    return renamed(_after_ten(counts), clients=1, requests=1 + sum(counts))


def _after_ten(counts: Counts) -> Dialect:
    """Place ten sessions in turn; then let the requests of one move or stay as was drawn."""
    order = [number % 3 for number in range(10)] + [0]
    for step in shuffled((counts[1], counts[0])):
        order.append(order[-1] + step)
    return in_order(order)


def pinned(counts: Counts) -> History:
    tape = Tape()
    at = tape.lockstep("control", 0.0, sessions=10, requests=1, cookies="discard")
    tape.lockstep("pinned", at, sessions=PINNED_SESSIONS, requests=PINNED_REQUESTS)
    return strayed(tape.history(), edits.follow_ups("pinned"), counts[0])


def new_in_a_drain(counts: Counts, *, support: bool = True) -> History:
    late = edits.every("newcomer", where=edits.between(SHOWN + 0.3, RELEASED))
    return strayed(drain(support=support), late, counts[0], pod=VICTIM)


def new_without_drain_support(counts: Counts) -> History:
    return new_in_a_drain(counts, support=False)


def strayed(history: History, pick: edits.Pick, count: int, pod: str = "") -> History:
    """Let so many of these exchanges, any of them, reach a pod that they should not."""
    chosen = random.Random(count).sample(list(pick(history)), count)  # noqa: S311
    for exchange in chosen:
        wrong = pod or ("echo-a" if exchange.pod != "echo-a" else "echo-b")
        history = edits.edited(history, lambda _, one=exchange: [one], edits.reaches(wrong))
    return history


def outside_the_path(counts: Counts) -> History:
    """Two sessions, each on a pod of its own; chance has put what is asked outside."""
    outside = shuffled(counts)
    order = [0, 1, *outside]
    return wandering(in_order(order), sessions=2, outside=len(outside))


def page_without_cookie(counts: Counts) -> History:
    pods = [f"echo-{'abc'[pod]}" for pod in shuffled(counts)]
    history = edits.told(sticky_page(), Happening.RAN, "without-cookie", stdout=served(*pods))
    return edits.told(history, Happening.RAN, "spread", stdout="")


def page_new_sessions(counts: Counts) -> History:
    pods = [("echo-c", "echo-a")[at] for at in shuffled(counts)]
    return edits.told(drain_page(), Happening.RAN, "new-sessions", stdout=served(*pods))
