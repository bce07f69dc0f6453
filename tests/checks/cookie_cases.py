"""Histories for the checks of the cookie itself."""

from stickyconf.model import Happening
from tests.checks.cases import Cases
from tests.histories import cookie
from tests.histories.conforming import APPLICATION_COOKIES
from tests.histories.edits import (
    answered,
    arranged,
    by_gateway,
    edited,
    every,
    follow_ups,
    having,
    lacking,
    nth,
    only,
    openings,
    planned,
    reaches,
    refused,
    rewriting,
    sending,
    setting,
    unconnected,
    unconverged,
    unknown,
    unsettled,
    without,
    without_cookie,
)
from tests.histories.tape import PODS, UPSTREAM

PLAIN = cookie()
UNDER_A_PATH = cookie(name="shop-session", path="/app")
NEVER_SET = edited(PLAIN, every(), without_cookie())


def with_attributes(text):
    """The same history, with other attributes on the cookie."""
    return edited(PLAIN, every(), rewriting("; Path=/", text))


def valued(value):
    """The same history, with another value of the cookie, and sent back as such."""
    pods = [rewriting(f"=at-{pod};", f"={value};") for pod in PODS]
    history = edited(PLAIN, every(), *pods)
    return edited(history, every(where=lambda e: bool(e.cookie_fields)), sending(f"session_id={value}"))


def incomplete(arm):
    """What leaves a check unsure that reads one arm."""
    return {
        f"nothing in the arm {arm}": (lacking(PLAIN, arm), f"arm {arm}, as planned"),
        f"fewer {arm} requests than planned": (planned(PLAIN, **{f"{arm}_requests": 99}), "as planned"),
        f"a {arm} request with an unknown outcome": (edited(PLAIN, nth(arm, -1), unknown), "known outcome"),
        f"a {arm} session that no pod opened": (
            edited(PLAIN, nth(arm, 0), by_gateway(404)),
            "every request to be served by a pod",
        ),
        f"a {arm} session whose first request failed": (
            edited(PLAIN, nth(arm, 0), refused),
            "every request to be served by a pod",
        ),
        "a policy that never arrived": (unconverged(PLAIN), "to arrive on every gateway replica"),
    }


NO_COOKIE = {
    "no cookie at all": (NEVER_SET, "cookies session_id to look at"),
    "a policy that never arrived": (unconverged(PLAIN), "to arrive on every gateway replica"),
}

CASES = {
    "first_response_sets_one_cookie": Cases(
        spoken=cookie,
        accepts={
            "one cookie": PLAIN,
            "one cookie of another name and path": UNDER_A_PATH,
            "a cookie of somebody else beside it": edited(PLAIN, every("visitor"), setting("lb=9; Path=/")),
            "one again later": edited(PLAIN, follow_ups("visitor"), setting("session_id=at-echo-a; Path=/")),
            "a cookie whose name differs in its case only": edited(
                PLAIN, openings("visitor"), setting("Session_Id=x; Path=/")
            ),
        },
        rejects={
            "a first response without it": (edited(PLAIN, nth("visitor", 3), without_cookie()), "0 on exchange #4"),
            "two of them": (edited(PLAIN, nth("visitor", 3), setting("session_id=b; Path=/")), "2 on exchange #4"),
            "a worker that never acts on the policy": (
                unsettled(PLAIN, nth("library-jar", 0), UPSTREAM, without_cookie()),
                "every worker of the gateway to act on it within 0 s / after 10.250 s, exchange #",
            ),
            "another name": (
                edited(PLAIN, openings("visitor"), rewriting("session_id", "SESSION_ID")),
                "0 on exchange",
            ),
            "a field that is no cookie": (
                edited(PLAIN, nth("visitor", 3), rewriting("session_id=", "session_id ")),
                "0 on exchange #4",
            ),
        },
        doubts=incomplete("visitor"),
    ),
    "path_is_the_configured_one": Cases(
        spoken=cookie,
        accepts={
            "the default path": PLAIN,
            "another path": UNDER_A_PATH,
            "in lower case": with_attributes("; path=/"),
            "among other attributes": with_attributes("; HttpOnly; Path=/; SameSite=Lax"),
        },
        rejects={
            "another path": (with_attributes("; Path=/echo"), "Path=/echo on exchange"),
            "no path": (with_attributes(""), "no Path on exchange"),
            "an empty path": (with_attributes("; Path="), "Path= on exchange"),
            "a second path that counts": (with_attributes("; Path=/; Path=/b"), "Path=/b on exchange"),
            "the default where another is configured": (
                edited(UNDER_A_PATH, every(), rewriting("; Path=/app", "; Path=/")),
                "Path=/app on the cookie shop-session / Path=/ on",
            ),
            "on one response only": (
                edited(PLAIN, nth("visitor", 2), rewriting("; Path=/", "; Path=/x")),
                "Path=/x on exchange #3",
            ),
        },
        doubts=NO_COOKIE,
    ),
    "is_a_session_cookie": Cases(
        spoken=cookie,
        accepts={
            "no lifetime": PLAIN,
            "other attributes": with_attributes("; Path=/; HttpOnly; Secure; Priority=High"),
        },
        rejects={
            "Max-Age": (with_attributes("; Path=/; Max-Age=3600"), "Max-Age=3600 on exchange"),
            "Max-Age in lower case": (with_attributes("; Path=/; max-age=1"), "Max-Age=1 on exchange"),
            "Expires": (with_attributes("; Path=/; Expires=Wed, 01 Jan 2031 00:00:00 GMT"), "Expires=Wed, 01 Jan 2031"),
            "Max-Age without a number": (with_attributes("; Path=/; Max-Age"), "Max-Age= on exchange"),
            "on one response only": (
                edited(PLAIN, nth("status", 0), rewriting("; Path=/", "; Path=/; Max-Age=5")),
                "Max-Age=5 on exchange",
            ),
        },
        doubts=NO_COOKIE,
    ),
    "value_survives_a_jar": Cases(
        spoken=cookie,
        accepts={
            "a plain value": PLAIN,
            "under a path": UNDER_A_PATH,
            "no path: that of the request counts": with_attributes(""),
            "a quoted value": valued('"MTAuMC4wLjE6MTAyNw=="'),
            "a comma, which servers should not use": valued("a,b"),
            "a space": valued("a b"),
            "half a quote": valued('"a'),
            "a character beyond ASCII": valued("pod\xe9"),
            "a value with every legal character": valued("!#$%&'()*+-./09:<=>?@AZ[]^_`az{|}~"),
        },
        rejects={
            "an empty value": (valued(""), "the value ''"),
            "an empty quoted value": (valued('""'), "the value '\"\"'"),
            "a value the jar changed": (
                edited(PLAIN, nth("library-jar", -1), sending("session_id=other")),
                "it sent session_id=other",
            ),
            "quotes the jar lost": (
                edited(
                    valued('"q"'), every("library-jar", where=lambda e: bool(e.cookie_fields)), sending("session_id=q")
                ),
                'a jar to send back session_id="q" / it sent session_id=q',
            ),
            "a value the jar did not send": (edited(PLAIN, follow_ups("library-jar"), sending()), "it sent nothing"),
            "a Secure cookie that came back changed": (
                edited(with_attributes("; Path=/; Secure"), nth("library-jar", -1), sending("session_id=other")),
                "it sent session_id=other",
            ),
        },
        doubts=NO_COOKIE
        | {
            "no library's jar": (lacking(PLAIN, "library-jar"), "sessions with a library's jar"),
            "sessions of one request": (only(PLAIN, openings("library-jar")), "to get a cookie and to go on"),
            "a path that does not cover the request": (
                edited(PLAIN, nth("library-jar", 0), rewriting("; Path=/", "; Path=/elsewhere")),
                "Path to cover the request",
            ),
            "a Secure cookie that the jar keeps from plain HTTP": (
                edited(with_attributes("; Path=/; Secure"), follow_ups("library-jar"), sending()),
                "a jar to send back",
            ),
        },
    ),
    "cookie_names_the_pod_that_served": Cases(
        spoken=cookie,
        accepts={
            "cookies that lead back": PLAIN,
            "under a path": UNDER_A_PATH,
            "as few as tell, from two pods": planned(
                edited(
                    only(PLAIN, every(where=lambda e: e.session < "visitor-014")),
                    every("visitor", where=lambda e: e.pod == "echo-c"),
                    reaches("echo-a"),
                ),
                visitor_sessions=13,
            ),
            "a third visit elsewhere: not this check's": edited(PLAIN, nth("visitor", -1), reaches("echo-x")),
        },
        rejects={
            "a cookie that leads elsewhere": (edited(PLAIN, nth("visitor", 16), reaches("echo-x")), "reached echo-x"),
            "a cookie that leads to nobody": (edited(PLAIN, nth("visitor", 16), by_gateway(503)), "answered 503"),
            "a cookie that leads to a closed port": (edited(PLAIN, nth("visitor", 16), refused), "connection reset"),
            "cookies that lead to refused connections": (
                edited(edited(PLAIN, nth("visitor", 16), unconnected), nth("visitor", 17), unconnected),
                "connection refused",
            ),
            "cookies made for another pod than the one that served": (
                edited(PLAIN, follow_ups("visitor"), reaches("echo-c")),
                "the cookie set by echo-a to lead back to it",
            ),
        },
        doubts=incomplete("visitor")
        | {
            "the only connection refused": (
                edited(PLAIN, nth("visitor", 16), unconnected),
                "every request to be served by a pod",
            ),
            "a session that comes to nothing": (
                edited(PLAIN, every("visitor", where=lambda e: e.session == "visitor-001"), refused),
                "to come back with its cookie",
            ),
            "a second visit with an unknown outcome": (edited(PLAIN, nth("visitor", 16), unknown), "known outcome"),
            "sessions that never come back": (only(PLAIN, openings("visitor")), "to come back with its cookie"),
            "clients without the cookie": (
                edited(PLAIN, nth("visitor", 16), sending()),
                "to come back with its cookie",
            ),
            "one pod only": (
                edited(PLAIN, every("visitor"), reaches("echo-a")),
                "set by at least 2 pods / 16, set by 1",
            ),
            "few cookies": (
                planned(only(PLAIN, every(where=lambda e: e.session < "visitor-013")), visitor_sessions=12),
                "13 cookies",
            ),
            "many pods": (arranged(PLAIN, pods=("echo-a", "echo-b")), "20 cookies"),
        },
    ),
    "application_cookies_survive": Cases(
        spoken=cookie,
        accepts={
            "all of them beside the gateway's": PLAIN,
            "a request that asks for more than cookies": edited(
                PLAIN, every("application"), lambda e: having(path=f"{e.path}&delay=1")(e)
            ),
            "a cookie of a plugin between them": edited(PLAIN, every("application"), setting("plugin=1; Path=/")),
            "the gateway's again with every response": edited(
                PLAIN, follow_ups("application"), setting("session_id=at-echo-a; Path=/")
            ),
        },
        rejects={
            "one lost": (edited(PLAIN, nth("application", 0), without_cookie("cart")), "the application's cookies"),
            "the only one lost": (edited(PLAIN, nth("application", -1), without_cookie("app")), "[] on exchange"),
            "all lost": (
                edited(PLAIN, nth("application", 0), *(without_cookie(n) for n in ("app", "cart", "quoted"))),
                "[] on exchange",
            ),
            "one changed": (edited(PLAIN, nth("application", 1), rewriting("a%20b", "a b")), "cart=a b; Max-Age=60"),
            "an attribute lost": (edited(PLAIN, nth("application", 1), rewriting("; Max-Age=60", "")), "'cart=a%20b'"),
            "one twice": (
                edited(PLAIN, nth("application", 1), setting(APPLICATION_COOKIES[0])),
                "'app=1; Path=/; HttpOnly', 'cart",
            ),
            "in another order": (
                edited(PLAIN, nth("application", 1), without_cookie("app"), setting(APPLICATION_COOKIES[0])),
                "['cart=a%20b; Max-Age=60',",
            ),
            "folded into one field": (
                edited(
                    PLAIN,
                    nth("application", 1),
                    without_cookie("cart"),
                    without_cookie("quoted"),
                    rewriting("; HttpOnly", f"; HttpOnly, {APPLICATION_COOKIES[1]}"),
                ),
                "HttpOnly, cart",
            ),
        },
        doubts=incomplete("application")
        | {
            "never the gateway's beside them": (
                edited(PLAIN, every("application"), without_cookie()),
                "the gateway's cookie beside several of the application's",
            ),
            "none of the application's": (
                edited(
                    edited(PLAIN, every("application"), having(path="/")), every("application"), without_cookie("app")
                ),
                "the gateway's cookie beside one of the application's",
            ),
            "never exactly one of the application's": (
                planned(
                    only(PLAIN, every(where=lambda e: e.arm != "application" or "cart" in e.path)),
                    application_sessions=1,
                ),
                "the gateway's cookie beside one of the application's",
            ),
        },
    ),
    "cookie_is_set_on_every_status": Cases(
        spoken=cookie,
        accepts={"every status": PLAIN, "under a path": UNDER_A_PATH},
        rejects={
            f"not on {status}": (
                edited(PLAIN, openings_of_status, without_cookie()),
                f"the cookie session_id on a first {status}",
            )
            for status, openings_of_status in (
                (status, nth("status", 0, where=lambda e, status=status: f"status={status}" in e.path))
                for status in (200, 204, 302, 401, 404, 500)
            )
        },
        doubts=incomplete("status")
        | {
            "a status that did not arrive": (
                edited(PLAIN, nth("status", 0, where=lambda e: "status=302" in e.path), answered(200)),
                "the workload's 302 to arrive",
            ),
            "a status nobody asked for": (
                planned(only(PLAIN, every(where=lambda e: "status=401" not in e.path)), status_sessions=5),
                "a first response with the status 401",
            ),
            "a request that asks for none": (
                edited(PLAIN, nth("status", 0), having(path="/")),
                "the workload's None to arrive",
            ),
        },
    ),
    "reissue_observed": Cases(
        spoken=cookie,
        accepts={"never": PLAIN, "always": edited(PLAIN, follow_ups("visitor"), setting("session_id=x; Path=/"))},
        doubts={"no request with a cookie": (only(PLAIN, openings("visitor")), "something to observe")},
    ),
    "attributes_observed": Cases(
        spoken=cookie,
        accepts={"a path": PLAIN, "misspelt ones": with_attributes("; Path=/; Same-Site=Lax")},
        doubts={"no cookie at all": (NEVER_SET, "something to observe")},
    ),
    "value_format_observed": Cases(
        spoken=cookie,
        accepts={"one value for each pod": PLAIN, "without the Admin API": without(PLAIN, Happening.TARGET)},
        doubts={"no cookie at all": (NEVER_SET, "something to observe")},
    ),
}
