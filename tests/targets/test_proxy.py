"""The proxy is asked one question before anything is recorded, and has to answer as Kong does."""

import asyncio
import contextlib

import pytest

from stickyconf.targets.installation import NoTarget
from stickyconf.targets.proxy import answering
from stickyconf.wait import Budgets, Waiter

WAITER = Waiter(Budgets.of({"proxy": 1.2}))
KONGS = (
    b"HTTP/1.1 404 Not Found\r\nServer: kong/3.11\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nVia: 1.1 kong/3.11.0.14-enterprise-edition\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 503 Unavailable\r\nX-Kong-Response-Latency: 1\r\nContent-Length: 0\r\n\r\n",
    b'HTTP/1.1 404 Not Found\r\nContent-Length: 46\r\n\r\n{"message":"no Route matched with those values"}'[:-2],
)
STRANGER = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 9\r\n\r\nIt works!"


@contextlib.asynccontextmanager
async def server(answer):
    """A port that gives this answer to everything; with "" it is silent."""

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        if answer:
            writer.write(answer)
            await writer.drain()
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


def ask(loop, answer, *, anybody=False):
    async def play():
        async with server(answer) as url:
            await answering(url, WAITER, anybody=anybody)

    loop.run(play())


@pytest.mark.parametrize("answer", KONGS)
def test_kong_answers(loop, answer):
    """Whatever the status: a 404 for a host that nobody routes is as good as any."""
    ask(loop, answer)


def test_anybody_may_answer_at_an_address_that_was_given(loop):
    """A load balancer in front of Kong may leave nothing of Kong in an answer."""
    ask(loop, STRANGER, anybody=True)


@pytest.mark.parametrize(
    ("answer", "said"),
    [(STRANGER, r"HTTP 200 of another server \(nginx\)"), (b"", "last seen: nothing|no answer")],
    ids=["a stranger", "silence"],
)
def test_it_does_not_answer(loop, answer, said):
    """One line says who answers, or that nobody does, and what to do."""
    with pytest.raises(NoTarget, match=rf"budget proxy.*({said}).*--proxy-url URL.*--budget proxy=SECONDS") as caught:
        ask(loop, answer)
    assert "\n" not in str(caught.value)


def test_a_dead_port(loop):
    """Nobody listens: what the connection ended with is told."""
    with pytest.raises(NoTarget, match="no answer \\(ConnectError: All connection attempts failed"):
        loop.run(answering("http://127.0.0.1:9", WAITER, anybody=True))
