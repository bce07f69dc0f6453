"""The informer's copy stays right whatever the server does, and the queue forgets nothing."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from embedded_cluster.client import ApiClient, ConfigMap, Object, connect
from embedded_cluster.informer import Change, Informer, Key, WorkQueue


async def soon(look: Callable[[], bool]) -> None:
    """Return when *look* is true; fails when it is not in time."""
    async with asyncio.timeout(5):
        while not look():  # noqa: ASYNC110 - what is looked at tells nobody
            await asyncio.sleep(0.005)


Watch = Callable[[web.StreamResponse, int], Awaitable[None]]


def config_map(name: str, version: int, **data: str) -> Object:
    """A ConfigMap as the server has it at *version*."""
    return ConfigMap.from_dict(
        {"metadata": {"name": name, "namespace": "ns", "resourceVersion": str(version)}, "data": data}
    )


async def send(response: web.StreamResponse, event: str, obj: Object) -> None:
    """Write one event of a watch."""
    await response.write(json.dumps({"type": event, "object": obj}).encode() + b"\n")


@asynccontextmanager
async def server(
    directory: Path, lists: list[tuple[int, list[Object]]], watches: list[Watch]
) -> AsyncIterator[ApiClient]:
    """A server that answers list and watch requests as scripted, one entry each; the last watch stays open."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            version, items = lists.pop(0)
            return web.json_response({"metadata": {"resourceVersion": str(version)}, "items": items})
        response = web.StreamResponse()
        await response.prepare(request)
        if watches:
            await watches.pop(0)(response, int(request.query["resourceVersion"]))
        else:
            await asyncio.Event().wait()
        return response

    app = web.Application()
    app.router.add_get("/api/v1/configmaps", handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    cluster = {"server": f"http://127.0.0.1:{runner.addresses[0][1]}"}
    file = directory / "kubeconfig"
    file.write_text(
        json.dumps(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": cluster}],
                "users": [{"name": "u", "user": {"token": "t"}}],
            }
        )
    )
    try:
        async with connect(file) as client:
            yield client
    finally:
        await runner.cleanup()


async def follow(client: ApiClient, until: Callable[[Informer], bool]) -> tuple[Informer, list[Change]]:
    """Run an informer until its copy is as wanted."""
    informer, changes, moved = Informer(client, ConfigMap), [], asyncio.Event()

    def note(change: Change) -> None:
        changes.append(change)
        moved.set()

    informer.on_change(note)
    task = asyncio.create_task(informer.run())
    try:
        async with asyncio.timeout(5):
            while not until(informer):
                await moved.wait()
                moved.clear()
    finally:
        task.cancel()
    return informer, changes


def names(informer: Informer) -> dict[str, str]:
    """Name and version of all objects in the copy."""
    return {obj["metadata"]["name"]: obj["metadata"]["resourceVersion"] for obj in informer.objects("ns")}


def test_a_broken_watch_goes_on_where_it_was(tmp_path):
    """After a connection breaks, the next watch begins at the last version seen; nothing is listed again."""
    seen: list[int] = []

    async def breaks(response: web.StreamResponse, version: int) -> None:
        seen.append(version)
        await send(response, "ADDED", config_map("b", 7))
        assert response._req is not None
        assert response._req.transport is not None
        response._req.transport.abort()

    async def resumes(response: web.StreamResponse, version: int) -> None:
        seen.append(version)
        await send(response, "DELETED", config_map("a", 8))
        await asyncio.Event().wait()

    async def story() -> Informer:
        async with server(tmp_path, [(5, [config_map("a", 3)])], [breaks, resumes]) as client:
            informer, _ = await follow(client, lambda informer: names(informer) == {"b": "7"})
            return informer

    asyncio.run(story())
    assert seen == [5, 7]


def test_a_version_that_is_gone_is_answered_by_a_new_list(tmp_path):
    """410 Gone: what disappeared meanwhile is told as a deletion, what is unchanged is not told again."""
    gone = {"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old"}

    async def expired(response: web.StreamResponse, _: int) -> None:
        await send(response, "ERROR", gone)

    async def story() -> list[Change]:
        lists = [(5, [config_map("a", 3), config_map("b", 4)]), (9, [config_map("b", 4), config_map("c", 9)])]
        async with server(tmp_path, lists, [expired]) as client:
            _, changes = await follow(client, lambda informer: names(informer) == {"b": "4", "c": "9"})
            return changes

    changes = asyncio.run(story())
    told = [(change.latest["metadata"]["name"], change.new is not None) for change in changes]
    assert told == [("a", True), ("b", True), ("a", False), ("c", True)]


def test_own_writes_are_seen_at_once_and_once(tmp_path):
    """observe() takes an object in ahead of the watch; an older state that the watch tells later changes nothing."""
    told = asyncio.Event()

    async def lags(response: web.StreamResponse, _: int) -> None:
        await told.wait()
        await send(response, "MODIFIED", config_map("a", 6, state="old"))
        await send(response, "MODIFIED", config_map("a", 8, state="ours"))
        await send(response, "ADDED", config_map("b", 9))
        await asyncio.Event().wait()

    async def story() -> list[Change]:
        async with server(tmp_path, [(5, [config_map("a", 3)])], [lags]) as client:
            informer, changes = Informer(client, ConfigMap), []
            informer.on_change(changes.append)
            task = asyncio.create_task(informer.run())
            await informer.synced.wait()
            informer.observe(config_map("a", 8, state="ours"))
            assert informer.get(Key("ns", "a"))["data"] == {"state": "ours"}
            told.set()
            await soon(lambda: informer.get(Key("ns", "b")) is not None)
            informer.observe(config_map("a", 7, state="late"))
            task.cancel()
            return changes

    changes = asyncio.run(story())
    assert [change.latest["metadata"]["resourceVersion"] for change in changes] == ["3", "8", "9"]


def run_queue(reconcile: Callable[[str], Awaitable[float | None]], keys: list[str], until: Callable[[], bool]) -> None:
    """Work on *keys* until a condition holds."""

    async def work() -> None:
        queue: WorkQueue[str] = WorkQueue("test", reconcile)
        task = asyncio.create_task(queue.run())
        for key in keys:
            queue.add(key)
        await soon(until)
        task.cancel()

    asyncio.run(work())


def test_a_key_is_worked_on_once_at_a_time_and_again_if_it_changed_meanwhile():
    """Many adds make one turn; an add during a turn makes exactly one more after it."""
    turns: list[str] = []

    async def story() -> None:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def reconcile(key: str) -> None:
            turns.append(f"begin {key}")
            begun.set()
            await go_on.wait()
            turns.append(f"end {key}")

        queue: WorkQueue[str] = WorkQueue("test", reconcile)
        for _ in range(3):
            queue.add("a")
        task = asyncio.create_task(queue.run())
        await begun.wait()
        for _ in range(3):
            queue.add("a")
        go_on.set()
        await soon(lambda: len(turns) == 4)
        queue.add("b")  # by the time of its turn, a superfluous one of "a" would have come
        await soon(lambda: "end b" in turns)
        task.cancel()

    asyncio.run(story())
    assert turns == ["begin a", "end a", "begin a", "end a", "begin b", "end b"]


def test_a_failed_turn_is_repeated_and_does_not_stop_the_others(caplog):
    """With growing pauses, until it succeeds; the failure is in the log."""
    turns: list[str] = []

    async def reconcile(key: str) -> None:
        turns.append(key)
        if key == "bad" and turns.count("bad") < 4:
            raise KeyError("spec")

    run_queue(reconcile, ["bad", "good"], lambda: turns.count("bad") == 4)
    assert turns.count("good") == 1
    assert "KeyError" in caplog.text


def test_a_turn_may_ask_for_another():
    """The seconds that reconcile returns are waited for."""
    turns: list[str] = []

    async def reconcile(key: str) -> float | None:
        turns.append(key)
        return 0.01 if len(turns) < 3 else None

    run_queue(reconcile, ["a"], lambda: len(turns) == 3)
