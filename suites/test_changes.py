"""What sessions see when things around them change: other routes, their own, the annotation, the name of the cookie."""

from stickyconf import checks
from stickyconf.cases import recorded, requirement
from stickyconf.scenarios.changes import change_what_is_beside, rename_the_cookie, take_the_policy_away_and_back
from stickyconf.scenarios.underway import while_streams_are_open

# 10 clients are no multiple of 3: dealt in turn to 3 pods, none of them would come back to its own.
history = recorded(
    "changes",
    change_what_is_beside(others=20),
    while_streams_are_open(
        take_the_policy_away_and_back(sessions=10, requests=4),
        rename_the_cookie(sessions=10, requests=4),
        streams=4,
    ),
    long=True,
)


@requirement("LIF-06")
def test_annotation_can_be_taken_away_and_given_back(history, judge):
    """Without the annotation no cookie is set and old ones do not pin; with it again, they do."""
    judge(checks.annotation_can_be_taken_away_and_given_back, history)


@requirement("LIF-07")
def test_unrelated_changes_move_nobody(history, judge):
    """No session moves while 20 other routes, Services and plugins come and go."""
    judge(checks.unrelated_changes_move_nobody, history)


@requirement("LIF-08")
def test_an_edited_route_moves_nobody(history, judge):
    """No session moves when a rule is put before the one that it uses."""
    judge(checks.an_edited_route_moves_nobody, history)


@requirement("CKE-10")
def test_a_renamed_cookie_takes_over(history, judge):
    """After stickySessions.cookie is changed, new clients get the new name, and the old one no longer pins."""
    judge(checks.a_renamed_cookie_takes_over, history)


@requirement("LIF-12")
def test_what_is_under_way_is_not_cut(history, judge):
    """A stream that is open when the policy is taken away, attached again and edited goes on."""
    judge(checks.what_is_under_way_is_not_cut, history)
