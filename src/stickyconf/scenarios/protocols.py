"""Sessions that are more than short requests over HTTP/1.1: large bodies, shared connections, sockets, streams.

sockets   [=====m=====================m==========m============]   open, a message (m) on each now and then
streams   [e==e==e==e==e==e==e==e]                                 an event (e) every STREAM_BEAT seconds
beside         a route comes | answers                             an unrelated change of the configuration
one pod                              act | drained | released: gone
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from functools import partial

from stickyconf.model import Happening, Refused
from stickyconf.ports import POD, Channel, ChannelEnded
from stickyconf.scenarios.changes import answers, create
from stickyconf.scenarios.ending import any_pod, delete_pod, gone, in_turn, settled
from stickyconf.scenarios.stage import Scenario, Stage
from stickyconf.scenarios.workload import NEIGHBOUR, upstream_name

SOCKETS, STREAMS = 10, 8
STREAM_BEAT = 0.25  # seconds between two events of a stream
PATIENCE = 10.0  # seconds after which a message or an event is not known to come
LARGE = 1_000_000  # bytes
CHANGE = "protocols-change"


def carry_large_bodies(arm: str = "large", *, sessions: int, requests: int) -> Scenario:
    """Let each client send so many bodies of 1 MB, which the pod sends back."""

    async def play(stage: Stage) -> None:
        stage.recorder.plan |= {f"{arm}.sessions": sessions, f"{arm}.requests": requests, f"{arm}.bytes": LARGE}
        chance = random.Random(stage.seed)  # noqa: S311 - reproducible, not secret

        async def one() -> None:
            async with stage.client(arm) as client:
                for _ in range(requests):
                    body = chance.randbytes(LARGE)
                    await client.send("POST", "/?mirror=1&digest=1", body=body, mirrored=True)

        await asyncio.gather(*(one() for _ in range(sessions)))

    return play


def share_a_connection(*, sessions: int, others: int, rounds: int) -> Scenario:
    """Let ``sessions`` clients of the case's own application and ``others`` of another share one HTTP/2 connection.

    A gateway that does not speak HTTP/2 on its plain port is recorded as such.
    """

    async def play(stage: Stage) -> None:
        host = stage.host_name(NEIGHBOUR)
        for manifest in stage.manifests.neighbour(stage.namespace, host):
            await stage.target.cluster.apply(manifest)
        pods = await stage.waiter.until("the neighbour's pod", "rollout", partial(_neighbours, stage), bool)
        await stage.observers.follow_logs(pods)
        upstream = upstream_name(stage.namespace, NEIGHBOUR)
        await stage.converge(sticky=True, upstream=upstream, host=host, pods=pods)
        async with stage.target.traffic.line(http2=True) as line:
            own = [stage.client_on(line, "multiplexed") for _ in range(sessions)]
            strange = [stage.client_on(line, "coalesced", host=host) for _ in range(others)]
            if isinstance((first := await own[0].get("/")).outcome, Refused):
                stage.recorder.event(Happening.UNSUPPORTED, "http2", reason=first.told())
                return
            for arm, clients in (("multiplexed", own), ("coalesced", strange)):
                stage.recorder.plan |= {f"{arm}.sessions": len(clients), f"{arm}.requests": rounds}
            for _ in range(rounds):
                await asyncio.gather(*(client.get("/?delay=0.01") for client in [*own, *strange]))

    return play


async def _neighbours(stage: Stage) -> dict[str, str]:
    pods = await stage.target.cluster.list(POD, stage.namespace, f"app={NEIGHBOUR}")
    ready = [pod for pod in pods if pod["status"].get("podIP") and pod["status"].get("phase") == "Running"]
    return {pod["metadata"]["name"]: f"{pod['status']['podIP']}:1027" for pod in ready}


def keep_channels_open() -> Scenario:
    """Open sockets and streams, change a route, end the streams, drain a pod, and talk on the sockets meanwhile."""

    async def play(stage: Stage) -> None:
        stage.recorder.plan |= {"socket.sessions": SOCKETS, "socket.requests": 2, "stream.sessions": STREAMS}
        stage.recorder.plan |= {"stream.requests": 2}
        stage.observers.poll_targets(stage.gateways)
        async with contextlib.AsyncExitStack() as stay:
            sockets = [await stay.enter_async_context(_socket(stage)) for _ in range(SOCKETS)]
            async with contextlib.AsyncExitStack() as streaming:
                for _ in range(STREAMS):
                    await streaming.enter_async_context(stream(stage))
                await _talk(stage, sockets)
                await create(stage, CHANGE)
                await answers(stage, CHANGE, host=CHANGE)
                await _talk(stage, sockets)
                await events_heard(stage, "stream")
            held = [socket.pod for socket in sockets if socket.pod in stage.pods]
            victim = held[0] if held else any_pod(stage)
            async with in_turn(stage):
                await delete_pod(stage, victim)
                victims = await settled(stage)
            await _talk(stage, sockets)
            await stage.release(victims)
            await gone(stage, victims)
            await _talk(stage, [socket for socket in sockets if socket.pod not in victims])

    return play


class _Socket:
    """A channel that was opened, the pod it reached, and the id of its request."""

    def __init__(self, channel: Channel, request_id: str, pod: str | None) -> None:
        self.channel, self.request_id, self.pod = channel, request_id, pod
        self.over = pod is None


@contextlib.asynccontextmanager
async def _socket(stage: Stage) -> AsyncIterator[_Socket]:
    """Open a session by an upgrade, close it, and open another socket of the session with its cookie."""
    async with stage.client("socket") as client:
        request = client.request("GET", "/")
        async with stage.target.traffic.socket(request) as channel:
            client.took(request, channel.reply)
        request = client.request("GET", "/")
        async with stage.target.traffic.socket(request) as channel:
            exchange = client.took(request, channel.reply)
            yield _Socket(channel, request.request_id, exchange.pod)


async def _talk(stage: Stage, sockets: list[_Socket]) -> None:
    """Say something on every socket that is open, and record what came back."""

    async def one(socket: _Socket) -> None:
        said = stage.recorder.next_request_id("message")
        try:
            await socket.channel.say(said)
            heard = await socket.channel.hear(PATIENCE)
        except TimeoutError:
            heard = ""
        except ChannelEnded as end:
            socket.over = True
            stage.recorder.event(Happening.CUT, socket.request_id, why=str(end))
            return
        stage.recorder.event(Happening.MESSAGE, socket.request_id, said=said, heard=heard)

    await asyncio.gather(*(one(socket) for socket in sockets if not socket.over))


@contextlib.asynccontextmanager
async def stream(stage: Stage, arm: str = "stream") -> AsyncIterator[None]:
    """Open a session, ask for events with its cookie, and record each until the block ends."""
    async with stage.client(arm) as client:
        await client.get("/")
        request = client.request("GET", f"/?events={STREAM_BEAT:g}")
        async with stage.target.traffic.stream(request) as channel:
            client.took(request, channel.reply)
            following = asyncio.create_task(_follow(stage, channel, request.request_id))
            try:
                yield
            finally:
                following.cancel()
                await asyncio.wait([following])


async def _follow(stage: Stage, channel: Channel, request_id: str) -> None:
    try:
        while True:
            heard = await channel.hear(PATIENCE)
            stage.recorder.event(Happening.MESSAGE, request_id, said="", heard=heard)
    except TimeoutError:
        stage.recorder.event(Happening.MESSAGE, request_id, said="", heard="")
    except ChannelEnded as end:
        stage.recorder.event(Happening.CUT, request_id, why=str(end))


async def events_heard(stage: Stage, arm: str, count: int = 2) -> None:
    """Return when so many more events of each stream of an arm have come, or one that was cut will send none.

    A gateway that holds them back is no failure of ours: it is recorded.
    """
    since = stage.recorder.now()

    async def fewest() -> int:
        heard = [event.subject for event in stage.recorder.events(Happening.MESSAGE) if event.when > since]
        cut = {event.subject for event in stage.recorder.events(Happening.CUT)}
        streams = {name for name in {*heard, *cut} if name.startswith(f"{arm}-")}
        return min((count if name in cut else heard.count(name) for name in streams), default=0)

    await stage.expect(f"{count} events of every stream", "traffic", fewest, lambda least: least >= count)
