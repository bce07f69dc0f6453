"""Histories for the checks of sessions beside changes of routes, annotation and policy."""

from dataclasses import replace

from stickyconf.model import Happening
from tests.checks.cases import Cases
from tests.histories import drawn
from tests.histories.changes import DELETED, EDITED, beside, reattached, renamed
from tests.histories.edits import (
    edited,
    every,
    follow_ups,
    lacking,
    nth,
    only,
    openings,
    reaches,
    refused,
    rewriting,
    sending,
    setting,
    shifted,
    told,
    unconverged,
    unknown,
    without,
    without_cookie,
)

BESIDE, REATTACHED, RENAMED = beside(), reattached(), renamed()


def early(exchange):
    return exchange.arm == "resident" and exchange.sent < EDITED


def late(exchange):
    return exchange.arm == "resident" and exchange.sent > EDITED


def unvisited(when):
    """No session is visited at these times."""
    return only(BESIDE, every(where=lambda e: e.arm != "resident" or not when(e)))


def unheld(pod):
    """No session was opened on a pod."""
    return only(BESIDE, every(where=lambda e: e.arm != "resident" or BESIDE.sessions()[e.session][0].pod != pod))


def pinned(history, arm):
    """The clients of an arm stay where they were."""
    pods = {name: exchanges[0].pod for name, exchanges in history.sessions(arm).items()}
    for name, pod in pods.items():
        history = edited(history, every(arm, where=lambda e, name=name: e.session == name), reaches(pod))
    return history


CASES = {
    "unrelated_changes_move_nobody": Cases(
        spoken=beside,
        accepts={
            "sessions that stay": BESIDE,
            "a session that moves when its own route is edited": edited(
                BESIDE,
                nth("resident", -1),
                reaches("echo-a" if BESIDE.arm("resident")[-1].pod != "echo-a" else "echo-b"),
            ),
        },
        rejects={
            "a session that moves": (edited(BESIDE, nth("resident", 30, early), reaches("echo-x")), "to stay there"),
            "a session that fails": (edited(BESIDE, nth("resident", 30, early), refused), "to be served"),
        },
        doubts={
            "nothing changed": (without(BESIDE, Happening.CHANGED), "routes to be added and removed / 0, 0 were"),
            "nothing removed": (
                told(BESIDE, Happening.CHANGED, how="created"),
                "routes to be added and removed / 3, 0 were",
            ),
            "a route that never answered": (
                edited(BESIDE, nth("change", 0), rewriting("other-00", "other")),
                "each of 3 changes to answer / 1 were not seen to",
            ),
            "a route that never went": (
                edited(BESIDE, nth("change", -2), lambda e: replace(e, outcome=BESIDE.arm("change")[0].outcome)),
                "each of 2 changes to be gone / 1 were not seen to",
            ),
            "no visit while they were there": (
                unvisited(lambda e: 1.2 < e.sent < DELETED),
                "to be visited while every change was live",
            ),
            "no visit once they had gone": (
                unvisited(lambda e: DELETED + 0.2 < e.sent < EDITED),
                "to be visited after every change had gone",
            ),
            "a pod without a session": (unheld("echo-b"), "a session on echo-b before"),
            "an unknown outcome": (edited(BESIDE, nth("resident", 30, early), unknown), "known outcome"),
            "a change that never arrived": (unconverged(BESIDE), "to arrive on every gateway replica"),
        },
    ),
    "an_edited_route_moves_nobody": Cases(
        spoken=beside,
        accepts={
            "sessions that stay": BESIDE,
            "a session that moved before": edited(
                BESIDE,
                every("resident", where=lambda e: e.session == "resident-001" and e.sent > 1.5),
                reaches("echo-b"),
            ),
        },
        rejects={
            "a session that moves": (edited(BESIDE, nth("resident", 2, late), reaches("echo-x")), "to stay there"),
            "a session that fails": (edited(BESIDE, nth("resident", 2, late), refused), "to be served"),
        },
        doubts={
            "no edit": (without(BESIDE, Happening.CHANGED, "HTTPRoute/echo"), "HTTPRoute/echo to be edited"),
            "a rule that never answered": (
                edited(BESIDE, nth("change", -1), rewriting("inserted", "other")),
                "the inserted rule to answer",
            ),
            "a rule that answered before only": (
                edited(BESIDE, nth("change", -1), lambda e: replace(e, host="inserted.test")),
                "the inserted rule to answer",
            ),
            "no visit afterwards": (unvisited(late), "to be visited after the inserted rule had answered"),
            "a pod without a session": (unheld("echo-b"), "a session on echo-b before"),
            "an unknown outcome": (edited(BESIDE, nth("resident", 2, late), unknown), "known outcome"),
            "a change that never arrived": (unconverged(BESIDE), "to arrive on every gateway replica"),
        },
    ),
    "annotation_can_be_taken_away_and_given_back": Cases(
        spoken=reattached,
        drawn=drawn.without_annotation,
        accepts={
            "unsticky in between": REATTACHED,
            "other pods and new cookies afterwards": edited(
                edited(REATTACHED, every("again"), reaches("echo-c")),
                openings("again"),
                setting("session_id=n; Path=/"),
            ),
        },
        rejects={
            "a cookie in between": (
                edited(REATTACHED, nth("detached", 3), setting("session_id=x; Path=/")),
                "no cookie session_id without the policy",
            ),
            "clients that stay pinned": (pinned(REATTACHED, "detached"), "the requests of a client to spread"),
            "a session that strays afterwards": (
                edited(REATTACHED, nth("again", -1), reaches("echo-x")),
                "to stay there",
            ),
            "a request that fails afterwards": (edited(REATTACHED, nth("again", -1), refused), "to be served"),
        },
        doubts={
            "sessions that were not pinned before": (
                edited(REATTACHED, nth("attached", -1), reaches("echo-x")),
                "sessions pinned in the arm attached",
            ),
            "no cookies in between": (
                edited(REATTACHED, every("detached"), sending()),
                "every request of the arm detached to carry session_id",
            ),
            "no cookies afterwards": (
                edited(REATTACHED, every("again"), sending()),
                "every request of the arm again to carry session_id",
            ),
            "nothing in between": (lacking(REATTACHED, "detached"), "arm detached, as planned"),
            "nothing afterwards": (lacking(REATTACHED, "again"), "once the annotation is set again / none was"),
            "nothing before": (lacking(REATTACHED, "attached"), "of the arm attached that only a cookie"),
            "an unknown outcome": (edited(REATTACHED, nth("again", -1), unknown), "known outcome"),
            "no annotation taken away": (
                told(REATTACHED, Happening.ANNOTATED, annotation="x"),
                "the change between the arms attached and detached",
            ),
            "no annotation given back": (
                told(REATTACHED, Happening.ANNOTATED, annotation=""),
                "the change between the arms detached and again",
            ),
            "annotations after all": (
                shifted(REATTACHED, Happening.ANNOTATED, 9),
                "the change between the arms attached and detached",
            ),
            "a change that never arrived": (unconverged(REATTACHED), "to arrive on every gateway replica"),
        },
    ),
    "a_renamed_cookie_takes_over": Cases(
        spoken=renamed,
        drawn=drawn.under_the_old_name,
        accepts={"a new name": RENAMED},
        rejects={
            "the old name for new clients": (
                edited(RENAMED, openings("new-name"), rewriting("renamed_id=", "session_id=")),
                "to get the cookie renamed_id",
            ),
            "no cookie for a new client": (
                edited(RENAMED, nth("new-name", 0), without_cookie("renamed_id")),
                "to get the cookie renamed_id",
            ),
            "a new name that does not pin": (edited(RENAMED, nth("new-name", -1), reaches("echo-x")), "to stay there"),
            "an old name that still pins": (pinned(RENAMED, "old-name"), "the requests of a client to spread"),
            "an old name that is set again": (
                edited(RENAMED, nth("old-name", 3), setting("session_id=x; Path=/")),
                "no cookie session_id",
            ),
        },
        doubts={
            "no rename": (without(RENAMED, Happening.CHANGED), "the cookie to be renamed / it was not"),
            "a rename at the end": (
                shifted(RENAMED, Happening.CHANGED, 9),
                "the change between the arms old and old-name",
            ),
            "an old name that did not pin": (
                edited(RENAMED, nth("old", -1), reaches("echo-x")),
                "sessions pinned in the arm old",
            ),
            "nothing under the old name": (lacking(RENAMED, "old"), "of the arm old that only a cookie"),
            "old cookies that were not sent": (
                edited(RENAMED, every("old-name"), sending()),
                "every request of the arm old-name to carry session_id",
            ),
            "new cookies that were not sent": (
                edited(RENAMED, follow_ups("new-name"), sending()),
                "every request of the arm new-name",
            ),
            "new clients on one pod": (
                edited(RENAMED, every("new-name"), reaches("echo-a")),
                "new clients on at least 2 pods",
            ),
            "an unknown outcome": (edited(RENAMED, nth("new-name", -1), unknown), "known outcome"),
            "a change that never arrived": (unconverged(RENAMED), "to arrive on every gateway replica"),
        },
    ),
}
