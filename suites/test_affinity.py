"""Affinity while the set of ready pods does not change."""

from stickyconf import checks
from stickyconf.cases import recorded, requirement
from stickyconf.checks.affinity import PINNED_REQUESTS, PINNED_SESSIONS
from stickyconf.scenarios.crowded import send_many_cookies
from stickyconf.scenarios.konnect import look_at_konnect
from stickyconf.scenarios.secured import serve_over_tls, visit_over_tls
from stickyconf.scenarios.visits import come_and_go, roam, send_among_other_cookies, visit, visit_in_parallel

# 31 x 20: a cookie ignored for 5% of the requests stays unseen with a probability of 1e-13.
# 11 among other cookies: by chance all of them open on one of 3 pods once in 60,000 runs.
# No round of requests (7, 11, 31, 121; 12 + 2 x 10) is a multiple of 3: dealt in turn to 3 pods, every client would
# come back to its own without being pinned.
history = recorded(
    "affinity",
    visit("control", sessions=60, requests=1, cookies="discard"),
    visit("pinned", sessions=PINNED_SESSIONS, requests=PINNED_REQUESTS, connections="fresh"),
    visit("fresh", sessions=10, requests=15, connections="fresh"),
    visit("kept", sessions=10, requests=15, connections="kept"),
    visit_in_parallel(sessions=7, burst=12),
    roam(sessions=7, paths=("/", "/cart", "/cart/items/7?page=2")),
    visit("crowd", sessions=121, requests=4),
    serve_over_tls(),
    visit_over_tls(sessions=10, requests=5, strangers=12),
    send_among_other_cookies(sessions=11, requests=4),
    send_many_cookies(sessions=5, requests=8),
    come_and_go(residents=12, rounds=10, passersby=10),
    look_at_konnect(),
    long=True,
)


@requirement("AFF-01")
def test_live_session_keeps_its_pod(history, judge):
    """Every answered request reaches the pod that opened its session."""
    judge(checks.one_pod_per_session, history)


@requirement("AFF-02")
def test_session_keeps_its_pod_however_it_connects(history, judge):
    """A session keeps its pod over a fresh TCP connection per request, and over one kept-alive connection."""
    judge(checks.pinned_however_connected, history)


@requirement("AFF-03")
def test_parallel_requests_of_a_session_share_its_pod(history, judge):
    """Requests of one session that are under way at the same time all reach its pod."""
    judge(checks.parallel_requests_share_a_pod, history)


@requirement("AFF-04")
def test_session_keeps_its_pod_across_methods_and_paths(history, judge):
    """GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS on several paths all reach the session's pod."""
    judge(checks.every_method_and_path_is_pinned, history)


@requirement("AFF-05")
def test_a_crowd_of_sessions_keeps_its_pods(history, judge):
    """Of 121 sessions open at the same time each keeps its pod, and every ready pod holds some."""
    judge(checks.crowd_keeps_its_pods, history)


@requirement("AFF-06")
def test_cookie_pins_wherever_it_stands(history, judge):
    """The cookie pins first, in the middle and last among others, and in split Cookie fields over HTTP/2."""
    judge(checks.cookie_pins_wherever_it_stands, history)
    judge(checks.split_cookie_pins, history)


@requirement("PRO-01")
def test_sessions_stay_over_tls(history, judge):
    """A session keeps its pod through an HTTPS listener, with a new connection and handshake for each request."""
    judge(checks.sessions_stay_over_tls, history)


@requirement("AFF-11")
def test_cookie_pins_among_many(history, judge):
    """The cookie pins as the last of 50 cookies of 4 KB, and of 100 of 8 KB if these are served."""
    judge(checks.cookie_pins_among_many, history)


@requirement("AFF-09")
def test_sessions_stay_while_others_come_and_go(history, judge):
    """Sessions do not move while 100 other clients open sessions and leave."""
    judge(checks.residents_stay_while_others_come_and_go, history)


@requirement("KON-01")
def test_reporting_to_konnect_changes_nothing(history, judge):
    """Sessions stay on their pods while the controller reports to a control plane of Konnect."""
    judge(checks.sticky_while_reporting_to_konnect, history)


@requirement("ROB-12")
def test_answer_is_the_askers_own(history, judge):
    """Every answer carries the id of the request that it was given for, and none that of another client's."""
    judge(checks.answer_is_the_askers_own, history)


@requirement("SPR-07")
def test_latency_is_observed(history, judge):
    """How long answers take in each part of the experiment: median, 99th percentile, slowest."""
    judge(checks.latency_observed, history)
