"""What a target cannot do to controller and gateway is not applicable, and the verdict says why."""

import pytest

from stickyconf import checks
from stickyconf.model import Happening, Status
from tests.histories.edits import plus
from tests.histories.operations import controller, gateway


@pytest.mark.parametrize(
    ("name", "history", "subject"),
    [
        ("controller_upgrade_is_not_noticed", controller(), "Controller/upgrade"),
        ("gateway_upgrade_is_not_noticed", gateway(), "Gateway/upgrade"),
        ("replicas_honour_each_others_cookies", gateway(), "Gateway/scale"),
        ("new_replica_serves_from_the_first", gateway(), "Gateway/scale"),
    ],
)
def test_what_cannot_be_done_is_not_applicable(name, history, subject):
    """The reason is the target's own."""
    refused = plus(history, Happening.UNSUPPORTED, subject, 0.5, reason="no next release was given")

    ruling = getattr(checks, name)(refused)

    assert ruling.status is Status.NOT_APPLICABLE
    assert ruling.findings[0].actual == "no next release was given"
