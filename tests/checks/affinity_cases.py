"""Histories for the checks of affinity."""

import json

from stickyconf.checks.affinity import KONNECT, REPORTED
from stickyconf.model import Happening
from tests.checks.cases import Cases
from tests.histories import Dialect, affinity, drawn
from tests.histories.edits import (
    answered,
    arranged,
    by_gateway,
    edited,
    every,
    follow_ups,
    having,
    lacking,
    lapsing,
    meant_for,
    nth,
    only,
    openings,
    planned,
    plus,
    reaches,
    refused,
    sending,
    setting,
    unconnected,
    unconverged,
    unknown,
)
from tests.histories.tape import PODS

STAYING = affinity()
CROWD = list(STAYING.sessions("crowd"))


def konnected(history, said=f"2026-11-27T10:00:00Z info {REPORTED}"):
    """The controller said this of its last report to Konnect."""
    return plus(history, Happening.STATUS, f"{KONNECT}b4cfe2ab", 900.0, status=json.dumps({"said": said}))


def reporting(dialect=None):
    """Affinity while the controller reports to Konnect."""
    return konnected(affinity(dialect))


def opener_of_last(arm):
    """The pod on which the session of an arm's last request was opened."""
    return STAYING.sessions(arm)[STAYING.arm(arm)[-1].session][0].pod


def straying(arm):
    """An arm's last request reaches another pod."""
    return edited(STAYING, nth(arm, -1), reaches("echo-elsewhere"))


def deleted(history, pod, when):
    """The suite deletes a pod, which is seen a moment later."""
    return plus(plus(history, Happening.DELETED, pod, when), Happening.TERMINATING, pod, when + 0.1)


def strays(arm):
    """What every check of affinity rejects in one of its arms."""
    return {
        f"a {arm} request on another pod": (
            edited(STAYING, nth(arm, -1), reaches("echo-elsewhere")),
            "to stay there / exchange",
        ),
        f"a {arm} session that opens with a failure": (
            edited(STAYING, nth(arm, 0), refused),
            "to be served / exchange",
        ),
        f"a {arm} request refused": (edited(STAYING, nth(arm, -1), refused), "to be served / exchange"),
        f"a {arm} request answered 503 by the gateway": (
            edited(STAYING, nth(arm, -1), by_gateway(503)),
            "was answered 503 by the gateway itself",
        ),
        f"a {arm} request for which the gateway knows no route any more": (
            edited(STAYING, nth(arm, -1), by_gateway(404)),
            "was answered 404 by the gateway itself",
        ),
        f"two connections of {arm} refused": (
            edited(edited(STAYING, nth(arm, -1), unconnected), nth(arm, -2), unconnected),
            "to be served / exchange",
        ),
        f"a {arm} session that strays while another's pod is not ready": (
            lapsing(straying(arm), next(pod for pod in PODS if pod != opener_of_last(arm))),
            "to stay there / exchange",
        ),
        f"a {arm} session that strays long after a lapse of its pod": (
            lapsing(straying(arm), opener_of_last(arm), since=-2.0, until=-1.0),
            "to stay there / exchange",
        ),
        f"a {arm} session that strays before its pod is deleted": (
            deleted(straying(arm), opener_of_last(arm), STAYING.arm(arm)[-1].received + 0.5),
            "to stay there / exchange",
        ),
        f"a {arm} session that strays long before its pod is evicted": (
            plus(straying(arm), Happening.FAILED, opener_of_last(arm), STAYING.arm(arm)[-1].received + 30, why="?"),
            "to stay there / exchange",
        ),
    }


def unsure(arm):
    """What leaves every check of affinity unsure in one of its arms."""
    pod, last = opener_of_last(arm), STAYING.arm(arm)[-1].received
    return {
        f"a {arm} session whose pod was not ready for a moment": (
            lapsing(straying(arm), pod, since=0.0, until=99.0),
            f"{pod} was not ready throughout: its endpoint was not ready at 0.00 s, ready again at 99.00 s",
        ),
        f"a {arm} session whose pod was evicted": (
            plus(straying(arm), Happening.FAILED, pod, 1.0, why="Evicted: the node was low on memory"),
            f"{pod} was not ready throughout: it ended (Evicted: the node was low on memory) at 1.00 s",
        ),
        f"a {arm} session whose pod was deleted meanwhile": (
            deleted(straying(arm), pod, last - 0.5),
            f"{pod} was not ready throughout: it was deleted",
        ),
        f"a {arm} session whose pod was started again": (
            plus(
                edited(STAYING, nth(arm, -1), by_gateway(502)), Happening.RESTARTED, pod, last + 5, why="exit code 137"
            ),
            f"{pod} was not ready throughout: its container was started again (exit code 137)",
        ),
        f"one connection of {arm} refused": (
            edited(STAYING, nth(arm, -1), unconnected),
            "every connection to be accepted / exchange",
        ),
        f"a {arm} request with an unknown outcome": (edited(STAYING, nth(arm, -1), unknown), "known outcome"),
        f"fewer {arm} requests than planned": (
            planned(STAYING, **{f"{arm.replace('-', '__')}_requests": 99}),
            "planned",
        ),
        f"nothing in the arm {arm}": (lacking(STAYING, arm), f"arm {arm}, as planned"),
        f"{arm} requests without the cookie": (
            edited(STAYING, follow_ups(arm), sending()),
            f"every request of the arm {arm} after a session's first to carry session_id",
        ),
        f"{arm} requests with a cookie of another name": (
            edited(STAYING, follow_ups(arm), sending("session_id2=at-echo-a; my_session_id=at-echo-a")),
            f"every request of the arm {arm} after a session's first to carry session_id",
        ),
        f"a {arm} session routed from its second request on": (
            edited(STAYING, nth(arm, 0), by_gateway(404)),
            f"requests served by pods in the arm {arm}",
        ),
        f"a {arm} session never routed at all": (
            edited(STAYING, every(arm), by_gateway(404)),
            f"requests served by pods in the arm {arm}",
        ),
    }


def opened_on_one_pod(*arms):
    """Every session of these arms on one pod."""
    history = STAYING
    for arm in arms:
        history = edited(history, every(arm), reaches("echo-a"))
    return {f"all of {', '.join(arms)} on one pod": (history, "opened on at least 2 pods / on 1")}


UNEXPOSED = {
    "one pod only": (arranged(STAYING, pods=("echo-a",)), "at least 2 ready pods"),
    "no pod at all": (arranged(STAYING, pods=()), "at least 2 ready pods"),
    "a control that did not spread": (edited(STAYING, every("control"), reaches("echo-a")), "cookieless control"),
    "a control that reached one pod and nobody else": (
        edited(STAYING, every("control", where=lambda e: e.pod != "echo-a"), refused),
        "10 control requests reached 1",
    ),
    "no control": (lacking(STAYING, "control"), "cookieless control"),
    "a control that sent the cookie": (
        edited(STAYING, every("control"), sending("session_id=at-echo-a")),
        "cookieless control",
    ),
    "a policy that never arrived": (unconverged(STAYING), "to arrive on every gateway replica"),
}


def in_lockstep(arm, size):
    """A multiple of three clients in turn on three pods: dealt in turn, each comes back to its pod without a cookie."""
    own = [e for e in STAYING.exchanges if e.arm == arm]
    names = [f"{arm}-{number % size}" for number in range(len(own))]
    pods = {name: f"echo-{'abc'[number % 3]}" for number, name in enumerate(dict.fromkeys(names))}
    history = STAYING
    for name in pods:
        members = {e.seq for e, given in zip(own, names, strict=True) if given == name}
        history = edited(
            history,
            every(where=lambda e, members=members: e.seq in members),
            having(session=name),
            reaches(pods[name]),
            sending("session_id=whatever"),
        )
    return history


REISSUED = edited(STAYING, follow_ups("pinned"), setting("session_id=again; Path=/"))

CASES = {
    "one_pod_per_session": Cases(
        drawn=drawn.pinned,
        spoken=affinity,
        accepts={
            "sessions that stay": STAYING,
            "a pod that fails by itself, where the session is": edited(STAYING, nth("pinned", -1), answered(500)),
            "a new cookie with every response": REISSUED,
            "an answer meant for another client: ROB-12's": edited(
                STAYING, nth("pinned", -1), reaches("echo-elsewhere"), meant_for("crowd-030-1")
            ),
            "a control that reached two of three pods": edited(
                STAYING, every("control", where=lambda e: e.pod == "echo-c"), reaches("echo-a")
            ),
            "two pods": arranged(affinity(Dialect(place=lambda number: number % 2)), pods=("echo-a", "echo-b")),
            "other sessions straying: not this check's": edited(STAYING, nth("crowd", -1), reaches("echo-elsewhere")),
        },
        rejects=strays("pinned")
        | {
            "every session dealt anew at each request": (
                edited(STAYING, every("pinned", where=lambda e: e.seq % 2 == 0), reaches("echo-b")),
                "to stay there",
            ),
            "a session that strays, beside an unknown outcome": (
                edited(edited(STAYING, nth("pinned", -1), reaches("echo-x")), nth("pinned", -2), unknown),
                "to stay there",
            ),
        },
        doubts=unsure("pinned")
        | opened_on_one_pod("pinned")
        | UNEXPOSED
        | {
            "clients in lockstep, a multiple of the pods": (in_lockstep("pinned", 6), "only a cookie can have kept"),
        },
    ),
    "pinned_however_connected": Cases(
        spoken=affinity,
        accepts={
            "sessions that stay": STAYING,
            "a kept connection that was renewed once": edited(STAYING, nth("kept", 8), having(connection="another")),
        },
        rejects=strays("fresh") | strays("kept"),
        doubts=unsure("fresh")
        | unsure("kept")
        | opened_on_one_pod("fresh", "kept")
        | UNEXPOSED
        | {
            "fresh requests on one connection": (
                edited(STAYING, every("fresh"), having(connection="one")),
                "a new connection a request",
            ),
            "kept requests each on a connection of its own": (
                edited(STAYING, every("kept", where=lambda e: e.seq % 8 < 4), having(connection="a")),
                "to reuse its connection",
            ),
        },
    ),
    "parallel_requests_share_a_pod": Cases(
        spoken=affinity,
        accepts={"sessions that stay": STAYING},
        rejects=strays("parallel"),
        doubts=unsure("parallel")
        | opened_on_one_pod("parallel")
        | UNEXPOSED
        | {
            "requests one after the other": (
                edited(STAYING, every("parallel"), lambda e: having(received=e.sent)(e)),
                "overlapping requests",
            ),
        },
    ),
    "every_method_and_path_is_pinned": Cases(
        spoken=affinity,
        accepts={"sessions that stay": STAYING},
        rejects=strays("roaming")
        | {
            "a method dealt anew": (
                edited(STAYING, every("roaming", where=lambda e: e.method == "PATCH"), reaches("echo-x")),
                "(PATCH /",
            ),
            "a path the gateway answers itself": (
                edited(STAYING, every("roaming", where=lambda e: e.path == "/cart"), by_gateway(404)),
                "/cart",
            ),
        },
        doubts=unsure("roaming")
        | opened_on_one_pod("roaming")
        | UNEXPOSED
        | {
            "no PATCH with a known outcome": (
                edited(STAYING, every("roaming", where=lambda e: e.method == "PATCH"), unknown),
                "PATCH to be served",
            ),
            "no DELETE": (
                edited(STAYING, every("roaming", where=lambda e: e.method == "DELETE"), having(method="GET")),
                "DELETE to be served",
            ),
            "one path": (edited(STAYING, every("roaming"), having(path="/")), "at least 3 paths"),
        },
    ),
    "crowd_keeps_its_pods": Cases(
        drawn=drawn.crowd,
        spoken=affinity,
        accepts={
            "sessions that stay": STAYING,
            "100 sessions": planned(
                only(STAYING, every(where=lambda e: e.session not in CROWD[100:])), crowd_sessions=100
            ),
        },
        rejects=strays("crowd")
        | {
            "a pod that holds none": (
                edited(STAYING, every("crowd", where=lambda e: e.pod == "echo-c"), reaches("echo-a")),
                "echo-c to hold some of 121 sessions",
            ),
        },
        doubts=unsure("crowd")
        | UNEXPOSED
        | {
            "a pod that holds none and was not ready throughout": (
                lapsing(
                    edited(STAYING, every("crowd", where=lambda e: e.pod == "echo-c"), reaches("echo-a")), "echo-c"
                ),
                "none; echo-c was not ready throughout",
            ),
            "99 sessions": (
                planned(only(STAYING, every(where=lambda e: e.session not in CROWD[99:])), crowd_sessions=99),
                "100 sessions open at the same time",
            ),
            "sessions one after the other": (
                edited(STAYING, openings("crowd"), lambda e: having(sent=e.sent + 1.205, received=e.sent + 1.206)(e)),
                "100 sessions open at the same time",
            ),
            "too many pods to expect one on each": (
                arranged(STAYING, pods=tuple(f"echo-{number}" for number in range(9))),
                "so that no pod stays empty by chance",
            ),
        },
    ),
    "cookie_pins_wherever_it_stands": Cases(
        spoken=affinity,
        accepts={
            "sessions that stay": STAYING,
            "a gateway that does not speak HTTP/2 in clear text": plus(
                lacking(STAYING, "cookie-split"), Happening.UNSUPPORTED, "http2", 1.0, reason="no HTTP/2 here"
            ),
        },
        rejects=strays("cookie-first") | strays("cookie-middle") | strays("cookie-last"),
        doubts=unsure("cookie-first")
        | unsure("cookie-middle")
        | unsure("cookie-last")
        | UNEXPOSED
        | {
            **{
                f"a cookie of {arm} that stands in {field!r}": (
                    edited(STAYING, follow_ups(arm), sending(field)),
                    f"{arm} to carry the cookie there among others",
                )
                for arm, field in (
                    ("cookie-first", "session_id=at-echo-a"),
                    ("cookie-first", "session_id=at-echo-a; session_id=at-echo-a"),
                    ("cookie-first", "theme=dark; session_id=at-echo-a"),
                    ("cookie-middle", "session_id=at-echo-a; theme=dark"),
                    ("cookie-middle", "theme=dark; session_id=at-echo-a"),
                    ("cookie-last", "session_id=at-echo-a; theme=dark"),
                )
            },
            "no cookie beside it that could be mistaken for it": (
                edited(STAYING, follow_ups("cookie-last"), sending("theme=dark; consent=yes; session_id=at-echo-a")),
                "cookie-last to carry a cookie xsession_id with another pod's value / 0 of",
            ),
        },
    ),
    "split_cookie_pins": Cases(
        spoken=affinity,
        accepts={
            "sessions that stay": STAYING,
            "a plain port without HTTP/2, while TLS has it": plus(
                STAYING, Happening.UNSUPPORTED, "http2", 1.0, reason="no HTTP/2 here"
            ),
        },
        rejects=strays("cookie-split"),
        doubts=unsure("cookie-split")
        | UNEXPOSED
        | {
            "one Cookie field over HTTP/2": (
                edited(STAYING, follow_ups("cookie-split"), sending("theme=dark; session_id=at-echo-a")),
                "cookie-split to carry the cookie there among others",
            ),
            "several Cookie fields, but over HTTP/1.1": (
                edited(STAYING, every("cookie-split"), having(protocol="HTTP/1.1")),
                "cookie-split to carry the cookie there among others",
            ),
        },
    ),
    "sticky_while_reporting_to_konnect": Cases(
        spoken=reporting,
        accepts={"sessions that stay": reporting()},
        rejects={said: (konnected(history), text) for said, (history, text) in strays("pinned").items()},
        doubts={said: (konnected(history), text) for said, (history, text) in unsure("pinned").items()}
        | {
            "a report that did not arrive": (
                konnected(STAYING, "Failed to upload configuration to Konnect"),
                'a report to Konnect to arrive / {"said": "Failed to upload',
            ),
            "a control plane that was not looked for": (STAYING, "a report to Konnect to arrive / none was looked for"),
        },
    ),
    "cookie_pins_among_many": Cases(
        spoken=affinity,
        accepts={
            "sessions that stay": STAYING,
            "a gateway that refuses a hundred": edited(STAYING, follow_ups("cookies-100"), by_gateway(431)),
            "a gateway that resets what is too large": edited(STAYING, follow_ups("cookies-100-h2"), refused),
            "a gateway that refuses some of a hundred": edited(STAYING, nth("cookies-100", -1), by_gateway(400)),
            "a gateway that does not speak HTTP/2": plus(
                lacking(STAYING, "cookies-50-h2", "cookies-100-h2"), Happening.UNSUPPORTED, "http2", 1.0, reason="no"
            ),
        },
        rejects=strays("cookies-50")
        | strays("cookies-50-h2")
        | {
            "fifty cookies refused": (edited(STAYING, nth("cookies-50", -1), by_gateway(431)), "was answered 431"),
            "a hundred cookies that break it": (
                edited(STAYING, nth("cookies-100", -1), by_gateway(500)),
                "to be served",
            ),
            "a request with a hundred cookies on another pod": (straying("cookies-100"), "to stay there"),
            "one over HTTP/2 on another pod": (straying("cookies-100-h2"), "to stay there"),
            "one on another pod, while others are refused": (
                edited(straying("cookies-100"), nth("cookies-100", -3), by_gateway(431)),
                "to stay there",
            ),
        },
        doubts=unsure("cookies-50")
        | unsure("cookies-50-h2")
        | UNEXPOSED
        | {
            "fewer cookies": (
                edited(STAYING, follow_ups("cookies-50"), sending("a=1; session_id=at-echo-a")),
                "requests of cookies-50 with 50 cookies / 2 at the most",
            ),
            "nothing in the arm with a hundred": (lacking(STAYING, "cookies-100"), "arm cookies-100, as planned"),
        },
    ),
    "latency_observed": Cases(
        spoken=affinity,
        accepts={"answers at once and later": STAYING},
        doubts={"no answer": (edited(STAYING, every(), by_gateway(404)), "answers of pods")},
    ),
    "residents_stay_while_others_come_and_go": Cases(
        spoken=affinity,
        accepts={"sessions that stay": STAYING},
        rejects=strays("resident"),
        doubts=unsure("resident")
        | opened_on_one_pod("resident")
        | UNEXPOSED
        | {
            "nobody else": (lacking(STAYING, "passerby"), "sessions to come and go meanwhile"),
            "others that came before": (
                edited(STAYING, every("passerby"), lambda e: having(sent=e.sent - 60, received=e.received - 60)(e)),
                "sessions to come and go meanwhile",
            ),
            "others that came later": (
                edited(STAYING, every("passerby"), lambda e: having(sent=e.sent + 60, received=e.received + 60)(e)),
                "sessions to come and go meanwhile",
            ),
            "others that nobody served": (
                edited(STAYING, every("passerby"), refused),
                "sessions to come and go meanwhile",
            ),
        },
    ),
}
