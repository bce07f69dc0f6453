"""Clients go to the gateway's pods that are ready now, whatever became of the one that the run began with."""

import asyncio
from datetime import timedelta

import pytest

from stickyconf.targets.entrances import Entrances
from stickyconf.targets.traffic import HttpTraffic

SERVICE = "kong-gateway-proxy"


class Watched:
    """A cluster that shows one event after the other, and then no more; or an end."""

    def __init__(self, *events, broken=None):
        self.events, self.broken = events, broken

    async def watch(self, kind, namespace):
        for event in self.events:
            yield event
        if self.broken:
            raise self.broken
        await asyncio.Event().wait()


def endpoints(*addresses, name="kong-1", service=SERVICE, **conditions):
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": service}},
        "endpoints": [{"addresses": [address], "conditions": conditions} for address in addresses],
    }


def followed(*events, broken=None, ask=lambda entrances: entrances("")):
    async def play():
        entrances = Entrances("http://127.0.0.1:8000/")
        async with entrances.following(Watched(*events, broken=broken), "kong", SERVICE):
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return ask(entrances)

    return asyncio.run(play())


def test_a_replaced_pod_is_followed():
    """What curl or a browser is told is the new pod's address, at the port of the first."""
    events = [("ADDED", endpoints("127.0.0.1")), ("MODIFIED", endpoints("127.0.0.2"))]
    told = followed(*events, ask=lambda entrances: HttpTraffic(entrances, timedelta(seconds=1)).address())
    assert told == "http://127.0.0.2:8000"


def test_a_pod_that_is_ready_is_kept_and_one_that_is_not_is_left():
    events = [("ADDED", endpoints("127.0.0.2", "127.0.0.3"))]
    assert followed(*events, ask=lambda entrances: entrances("http://127.0.0.3:8000")) == "http://127.0.0.3:8000"
    for away in ({"ready": False}, {"ready": True, "terminating": True}):
        events = [("ADDED", endpoints("127.0.0.2")), ("ADDED", endpoints("127.0.0.3", name="kong-2", **away))]
        assert followed(*events, ask=lambda entrances: entrances("http://127.0.0.3:8000")) == "http://127.0.0.2:8000"


def test_without_a_ready_pod_the_last_one_is_asked():
    """It refuses the connection, which is what a client sees."""
    events = [("ADDED", endpoints("127.0.0.2")), ("DELETED", endpoints("127.0.0.2"))]
    assert followed(*events) == "http://127.0.0.2:8000"
    assert followed(("ADDED", endpoints("127.0.0.9", service="another"))) == "http://127.0.0.1:8000"


def test_a_watch_that_broke_is_told():
    with pytest.raises(RuntimeError, match="gone"):
        followed(broken=RuntimeError("gone"))


def test_a_fixed_address():
    assert HttpTraffic("http://127.0.0.1:8000/", timedelta(seconds=1)).address() == "http://127.0.0.1:8000"
