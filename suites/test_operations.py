"""Controller and gateway are restarted, upgraded and scaled under traffic."""

from stickyconf import checks
from stickyconf.cases import recorded, requirement
from stickyconf.scenarios.operations import grow_and_replace_the_gateway, restart_and_upgrade_the_controller

controller = recorded("controller-replaced", restart_and_upgrade_the_controller(), alone=True)
gateway = recorded("gateway-replaced", grow_and_replace_the_gateway(more=2), alone=True)


@requirement("ROB-04")
def test_controller_restart_is_not_noticed(controller, judge):
    """The controller's pod is deleted under load: sessions stay, nothing fails, and a later change gets through."""
    judge(checks.controller_restart_is_not_noticed, controller)


@requirement("UPG-01")
def test_controller_upgrade_is_not_noticed(controller, judge):
    """The controller becomes its next release under load: sessions stay, nothing fails, later changes get through."""
    judge(checks.controller_upgrade_is_not_noticed, controller)


@requirement("LIF-11")
def test_new_replica_serves_from_the_first(gateway, judge):
    """One gateway becomes three under traffic: each new one knows every session from its first ready moment."""
    judge(checks.new_replica_serves_from_the_first, gateway)


@requirement("ROB-06")
def test_replicas_honour_each_others_cookies(gateway, judge):
    """A session opened at one gateway replica is led to its pod by each of the others."""
    judge(checks.replicas_honour_each_others_cookies, gateway)


@requirement("ROB-05")
def test_cookie_outlives_the_gateway(gateway, judge):
    """No gateway replica is left of those that set the cookies, and they lead where they did."""
    judge(checks.cookie_outlives_the_gateway, gateway)


@requirement("UPG-02")
def test_gateway_upgrade_is_not_noticed(gateway, judge):
    """Every gateway replica becomes the next release under load: sessions stay, and nothing fails."""
    judge(checks.gateway_upgrade_is_not_noticed, gateway)
