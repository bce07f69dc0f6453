"""Requests that hang keep no other from going."""

import asyncio
import contextlib
from datetime import timedelta

from stickyconf.model import Answered, Unknown
from stickyconf.ports import Request
from stickyconf.targets.traffic import HANGS_SECONDS, MOST_IN_FLIGHT, HttpTraffic, Turns

HANGING = 2 * MOST_IN_FLIGHT
PATIENCE = 6.0  # seconds, less than the hanging ones take in turn


async def swallow(reader, writer):
    """Answer what is asked at /, and nothing else."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
        while (await reader.readuntil(b"\r\n\r\n")).startswith(b"GET / "):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
        await reader.read()


def test_others_go_on_although_more_requests_hang_than_may_be_under_way(loop):
    """As when the address of a pod that has gone swallows what its sessions ask."""

    async def play():
        async with await asyncio.start_server(swallow, "127.0.0.1", 0) as listening:
            traffic = HttpTraffic(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", timedelta(seconds=8))

            async def ask(number, path):
                async with traffic.line(fresh=True) as line:
                    return await line.send(Request("GET", "a.test", path, f"{path}{number}"))

            hanging = [asyncio.create_task(ask(number, "/nowhere")) for number in range(HANGING)]
            async with asyncio.timeout(PATIENCE):
                served = [await ask(number, "/") for number in range(20)]
            return served, await asyncio.gather(*hanging)

    served, hung = loop.run(play())
    assert all(isinstance(reply.outcome, Answered) for reply in served)
    assert all(isinstance(reply.outcome, Unknown) for reply in hung)


def test_a_turn_is_given_back_once(loop):
    """Whether it hangs or not: never more are under way than may be, but for those that hang."""

    async def play():
        turns, under_way, most = Turns(2), 0, 0

        async def one(seconds):
            nonlocal under_way, most
            async with turns.one("a recording"):
                under_way += 1
                most = max(most, under_way)
                await asyncio.sleep(seconds)
                under_way -= 1

        async with asyncio.timeout(30):
            await asyncio.gather(one(2 * HANGS_SECONDS), one(2 * HANGS_SECONDS), *(one(0.01) for _ in range(10)))
            hung, most = most, 0
            await asyncio.gather(*(one(0.01) for _ in range(10)))
        return hung, most

    hung, most = loop.run(play())
    assert (hung, most) == (4, 2)


def test_a_burst_of_one_recording_does_not_keep_another_waiting(loop):
    """Hundreds of new sessions at once, as when a crowd arrives, and a resident of another recording among them."""

    async def play():
        order = []

        async def answer(reader, writer):
            with contextlib.closing(writer):
                order.append((await reader.readuntil(b"\r\n\r\n")).split()[1])
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
            traffic = HttpTraffic(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", timedelta(seconds=8))

            async def ask(part, path):
                async with part.line(fresh=True) as line:
                    await line.send(Request("GET", "a.test", path, path))

            crowd, other = traffic.part(), traffic.part()
            burst = [asyncio.create_task(ask(crowd, "/crowd")) for _ in range(200)]
            await asyncio.sleep(0)  # now all of them wait for their turn
            await ask(other, "/other")
            await asyncio.gather(*burst)
        return order

    assert loop.run(play()).index(b"/other") <= 2 * MOST_IN_FLIGHT


def test_one_that_is_cancelled_leaves_its_turn_to_others(loop):
    """While it waits, and at the very moment at which it is its turn."""

    async def play():
        turns, went = Turns(1), []

        async def one(name):
            async with turns.one(name):
                went.append(name)
                await asyncio.sleep(0.01)
            if name == "first":  # now the third one has been called, and has not gone yet
                tasks["called"].cancel()

        tasks = {name: asyncio.create_task(one(name)) for name in ("first", "waits", "called", "last")}
        await asyncio.sleep(0)
        tasks["waits"].cancel()
        async with asyncio.timeout(5):
            await tasks["last"]
            await one("later")
        return went

    assert loop.run(play()) == ["first", "last", "later"]
