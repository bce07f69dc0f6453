"""Sessions that are more than short requests over HTTP/1.1."""

from stickyconf import checks
from stickyconf.cases import recorded, requirement
from stickyconf.scenarios import Topology
from stickyconf.scenarios.protocols import carry_large_bodies, keep_channels_open, share_a_connection
from stickyconf.scenarios.visits import visit

# 10 and 14 clients are no multiple of 3: dealt in turn to 3 pods, they would not come back to their own.
history = recorded(
    "protocols",
    visit("control", sessions=30, requests=1, cookies="discard"),
    carry_large_bodies(sessions=10, requests=5),
    share_a_connection(sessions=10, others=4, rounds=5),
    keep_channels_open(),
    topology=Topology(hold=True, drain=True),
)


@requirement("PRO-02")
def test_sessions_share_an_http2_connection(history, judge):
    """Sessions mixed on one HTTP/2 connection stay on their pods, and reach their own host's application only."""
    judge(checks.sessions_share_a_connection, history)


@requirement("PRO-03")
def test_a_web_socket_is_pinned_and_outlives_a_drain(history, judge):
    """The 101 response sets the cookie, an upgrade with it reaches its pod, and messages go on through a drain."""
    judge(checks.a_socket_is_pinned_and_outlives_a_drain, history)


@requirement("PRO-04")
def test_a_stream_of_events_is_not_cut(history, judge):
    """A stream of a pinned session goes on while a route beside it comes."""
    judge(checks.a_stream_is_not_cut, history)


@requirement("PRO-06")
def test_large_bodies_arrive_whole(history, judge):
    """Bodies of 1 MB arrive as they were sent, both ways, and sessions stay on their pods with them."""
    judge(checks.large_bodies_arrive_whole, history)
