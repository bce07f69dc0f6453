"""Histories for the checks of sessions beside pods that are added, or that lose theirs. The victim is echo-b."""

from stickyconf.checks.moves import removal_of
from stickyconf.model import Happening
from tests.checks.cases import Cases
from tests.checks.drain_moments import moving
from tests.histories.conforming import ACTED, SUCCESSOR, VICTIM
from tests.histories.drawn import scaled_up
from tests.histories.edits import (
    answered,
    arranged,
    between,
    by_gateway,
    edited,
    every,
    having,
    nth,
    only,
    plus,
    reaches,
    refused,
    sending,
    setting,
    shifted,
    unconverged,
    unknown,
    unsettled,
    visits_of,
    without,
    without_agreement,
    without_cookie,
)
from tests.histories.ends import BOUND, DIED, LAST, bereft, grown
from tests.histories.tape import GATEWAY

GROWN = grown()
REMOVED, KILLED, DEAD = bereft(of="removed"), bereft(of="killed"), bereft(of="dead")


def own(history, when, count=99):
    """The first visits, at this time, of one of the victim's sessions."""
    session = next(name for name, exchanges in history.sessions("resident").items() if exchanges[0].pod == VICTIM)
    return [exchange for exchange in history.sessions()[session] if when(exchange)][:count]


def others(when, count):
    """The first visits, at this time, of sessions on other pods."""
    return lambda history: [e for e in history.arm("resident") if when(e) and e.pod in ("echo-a", "echo-c")][:count]


def not_visiting(history, when):
    """Leave out what the victim's sessions sent at this time; those that come back later, come with the old cookie."""
    seqs = {e.seq for e in visits_of("resident", VICTIM, when)(history)}
    return moving_later(only(history, every(where=lambda e: e.seq not in seqs)))


def moving_later(history):
    """Let the first answer of another pod be to the old cookie, and set a new one."""
    return edited(history, moving, sending("session_id=at-echo-b"), without_cookie(), setting("session_id=new; Path=/"))


def failing(history, when, count, change):
    """Let the first visits, at this time, of one of the victim's sessions fail."""
    return moving_later(edited(history, lambda h: own(h, when, count), change))


def moved(history):
    """What a check of moved sessions must object to, whatever took the pod."""
    end = between(LAST - 0.6, LAST)
    return {
        "a session that moves twice": (
            edited(history, lambda h: own(h, end, 1), reaches("echo-z")),
            "to move from echo-b once",
        ),
        "no new cookie": (edited(history, moving, without_cookie()), "to get a new cookie with its move / none"),
        "the old cookie again": (
            edited(history, moving, without_cookie(), setting("session_id=at-echo-b; Path=/")),
            "the old one again",
        ),
        "a pod that was never ready": (
            edited(history, visits_of("resident", VICTIM, lambda e: e.pod != VICTIM), reaches("echo-unready")),
            "to move to a ready pod",
        ),
        "a worker that still follows the old cookie when its time is over": (
            unsettled(
                without(history, Happening.SETTLED, removal_of(VICTIM)),
                lambda h: h.arm("resident")[-1:],
                removal_of(VICTIM),
            ),
            "every worker of the gateway to act on it within 1 s / after 10.250 s, exchange #",
        ),
        "a session that nobody serves any more": (
            edited(history, lambda h: own(h, lambda e: e.pod != VICTIM), by_gateway(503)),
            "echo-b -> nowhere",
        ),
    }


def waiting(history, dead, seconds):
    """Let requests of the victim's sessions into nowhere for so long: the last one sent at once after the death."""
    first = min(e.sent for e in visits_of("resident", VICTIM, lambda e: e.sent > dead)(history))
    hanging = edited(history, visits_of("resident", VICTIM, lambda e: e.sent > dead), unknown)
    return edited(hanging, lambda h: own(h, lambda e: e.sent >= first), having(received=dead + seconds))


def recovering(history, dead):
    """What a check of a recovery accepts, rejects and is unsure of beside moves; the pod is dead since a moment."""
    soon, late = between(dead, dead + BOUND), between(dead + BOUND, LAST)
    doubts = {
        "nobody deleted a pod": (without(history, Happening.DELETED), "a pod to be deleted"),
        "a change that never arrived": (unconverged(history), "to arrive on every gateway replica"),
        "no session on the pod": (
            only(history, every(where=lambda e: history.sessions()[e.session][0].pod != VICTIM)),
            "sessions on echo-b before it ended",
        ),
        "no visit right after": (not_visiting(history, soon), "right after echo-b had died"),
        "no visit after the bound": (not_visiting(history, late), "after the settle bound / none"),
        "unknown outcomes ever after": (
            edited(history, visits_of("resident", VICTIM, lambda e: e.sent > dead), unknown),
            "resident-002 to be served again / exchange",
        ),
    }
    return Cases(
        accepts={
            "sessions that recover at once": history,
            "three failures, then no more": failing(history, soon, 3, refused),
            "failures before anything happened": edited(
                history, lambda h: own(h, between(0.5, ACTED - 0.3), 4), by_gateway(503)
            ),
            "a request without an answer, and the next one served": edited(history, lambda h: own(h, late, 1), unknown),
        },
        rejects={
            "a session that waits for 61 s": (
                waiting(history, dead, 61.0),
                "to be served again within 60 s",
            ),
            "a failure after the bound": (
                edited(history, lambda h: own(h, late, 1), refused),
                "to be served again 1 s after echo-b had died",
            ),
            "no route after the bound": (
                edited(history, lambda h: own(h, late, 1), by_gateway(404)),
                "to be served again 1 s after echo-b had died",
            ),
        },
        doubts=doubts,
    )


SOON = between(DIED, DIED + BOUND)
KILLED_CASES, DEAD_CASES = recovering(KILLED, ACTED), recovering(DEAD, DIED)

CASES = {
    "scale_up_moves_nobody": Cases(
        spoken=grown,
        drawn=scaled_up,
        accepts={"six pods of three": GROWN},
        rejects={
            "a session that moves to a new pod": (
                edited(GROWN, nth("resident", -1), reaches("echo-d")),
                "to stay there",
            ),
            "a session that moves to an old pod": (
                edited(GROWN, nth("resident", -1), reaches("echo-a")),
                "to stay there",
            ),
            "a request that fails meanwhile": (edited(GROWN, nth("resident", -2), refused), "to be served"),
            "a new session without a cookie": (
                edited(GROWN, nth("newcomer", 40), without_cookie()),
                "opened after pods were added, to get a cookie / none",
            ),
            "a new pod without a session": (
                edited(GROWN, every("newcomer", where=lambda e: e.pod == "echo-e"), reaches("echo-d")),
                "echo-e, which was added, to get some of 120 new sessions / none",
            ),
        },
        doubts={
            "nobody scaled": (without(GROWN, Happening.SCALED), "pods to be added / none were ready"),
            "no pod was added": (grown(added=()), "pods to be added / none were ready"),
            "pods that were never ready": (without(GROWN, Happening.PODS_READY), "pods to be added / none were ready"),
            "a change that never arrived": (unconverged(GROWN), "to arrive on every gateway replica"),
            "too few new sessions": (grown(newcomers=60), "new sessions after 3 pods were added / 60"),
            "a pod that held no session": (
                only(
                    GROWN, every(where=lambda e: GROWN.sessions()[e.session][0].pod != "echo-c" or e.arm != "resident")
                ),
                "a session on echo-c before",
            ),
            "no visit afterwards": (
                only(GROWN, every(where=lambda e: e.arm != "resident" or e.sent < ACTED)),
                "to be visited after a new pod had opened one",
            ),
            "an unknown outcome": (edited(GROWN, nth("resident", -1), unknown), "known outcome"),
        },
    ),
    "removed_pod_moves_only_its_own_sessions": Cases(
        spoken=bereft,
        accepts={
            "sessions that move, and others that stay": REMOVED,
            "a session astray before every worker had removed the target": edited(
                shifted(REMOVED, Happening.SETTLED, 0.8, removal_of(VICTIM)),
                lambda h: own(h, between(ACTED + 0.6, ACTED + 1.0), 1),
                reaches("echo-z"),
            ),
            "workers that were asked too few times, and have had their time": without_agreement(
                without(REMOVED, Happening.SETTLED, removal_of(VICTIM)), removal_of(VICTIM), 4.0
            ),
            "workers that were not asked": without(REMOVED, Happening.SETTLED, removal_of(VICTIM)),
            "a failure on the way": edited(REMOVED, lambda h: own(h, between(ACTED, ACTED + 0.2), 1), refused),
            "a request into nowhere, and the next one served": edited(
                REMOVED, lambda h: own(h, between(ACTED + 1, ACTED + 2), 1), unknown
            ),
        },
        rejects=moved(REMOVED)
        | {
            "a session astray once every worker had removed the target": (
                edited(REMOVED, lambda h: own(h, between(ACTED + 0.6, ACTED + 1.0), 1), reaches("echo-z")),
                "to move from echo-b once",
            ),
            "another session that moves": (
                edited(REMOVED, others(between(3, 4), 1), reaches(SUCCESSOR)),
                "to stay there",
            ),
            "a session that waits for 61 s": (waiting(REMOVED, ACTED, 62.0), "to be served again within 60 s"),
            "another session that fails": (edited(REMOVED, others(between(3, 4), 1), refused), "to be served"),
        },
        doubts={
            "nobody deleted a pod": (without(REMOVED, Happening.DELETED), "a pod to be deleted"),
            "a change that never arrived": (unconverged(REMOVED), "to arrive on every gateway replica"),
            "a pod that nobody saw go": (
                without(REMOVED, Happening.POD_GONE),
                "visits of sessions on other pods after echo-b was gone",
            ),
            "a pod that went at the end": (
                shifted(REMOVED, Happening.POD_GONE, 9),
                "visits of sessions on other pods after echo-b was gone",
            ),
            "no session on another pod": (
                only(REMOVED, every(where=lambda e: REMOVED.sessions()[e.session][0].pod != "echo-c")),
                "a session on echo-c before",
            ),
            "no session on the pod": (
                only(REMOVED, every(where=lambda e: REMOVED.sessions()[e.session][0].pod != VICTIM)),
                "sessions on echo-b before it ended",
            ),
            "sessions opened afterwards": (only(REMOVED, every(where=lambda e: e.sent > ACTED)), "a session on echo-b"),
            "an unknown outcome of another session": (
                edited(REMOVED, others(between(3, 4), 1), unknown),
                "known outcome",
            ),
        },
    ),
    "sessions_of_a_killed_pod_recover": Cases(
        spoken=lambda dialect: bereft(dialect, of="killed"),
        accepts=KILLED_CASES.accepts
        | {"failures until the bound": failing(KILLED, between(ACTED, ACTED + BOUND), 6, by_gateway(502))},
        rejects=KILLED_CASES.rejects | moved(KILLED),
        doubts=KILLED_CASES.doubts,
    ),
    "dead_process_is_survived": Cases(
        spoken=lambda dialect: bereft(dialect, of="dead"),
        accepts=DEAD_CASES.accepts
        | {
            "sessions that go from pod to pod while the dead target is listed": edited(
                DEAD, lambda h: own(h, between(DIED, LAST), 5), reaches("echo-z")
            ),
            "no new cookie while the dead target is listed": edited(DEAD, moving, without_cookie()),
            "the old cookie again while the dead target is listed": edited(
                DEAD, moving, without_cookie(), setting("session_id=at-echo-b; Path=/")
            ),
            "a pod removed long after": plus(DEAD, Happening.TARGET_REMOVED, VICTIM, LAST - 0.5, gateway=GATEWAY),
        },
        rejects=DEAD_CASES.rejects
        | {
            "four failures": (failing(DEAD, SOON, 4, refused), "to fail 3 times at the most"),
            "four answers of the gateway": (failing(DEAD, SOON, 4, by_gateway(502)), "to fail 3 times at the most"),
            "four errors of another pod": (
                edited(DEAD, lambda h: own(h, SOON, 4), answered(500)),
                "to fail 3 times at the most",
            ),
        },
        doubts=DEAD_CASES.doubts
        | {
            "drain support off": (arranged(DEAD, drain=False), "while it drains / drain support was off"),
            "a process that lives on": (without(DEAD, Happening.DIED), "while it drains / it did not"),
            "a pod that was removed at once": (
                plus(DEAD, Happening.TARGET_REMOVED, VICTIM, DIED + BOUND, gateway=GATEWAY),
                "while echo-b was still listed",
            ),
        },
    ),
}
