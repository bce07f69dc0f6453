"""Watches: what clients are told, in which order, and from where on."""

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from embedded_cluster.apiserver.server import ApiServer as ApiServerApp
from embedded_cluster.apiserver.store import HISTORY, Store
from tests.embedded.apiserver_process import ApiServer, running_apiserver
from tests.waiting import PATIENCE, eventually


@pytest.fixture(scope="module")
def server() -> Iterator[ApiServer]:
    with running_apiserver() as running:
        yield running


@pytest.fixture
def path(server: ApiServer, request: pytest.FixtureRequest) -> str:
    """The ConfigMaps of a namespace of the test's own."""
    name = f"watch-{abs(hash(request.node.name)) % 10**9}"
    server.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    return f"/api/v1/namespaces/{name}/configmaps"


@contextmanager
def watching(server: ApiServer, path: str, query: str = "", **headers: str) -> Iterator[Iterator[dict[str, Any]]]:
    """The events of a watch as they come; the watch has begun when this is entered."""
    with server.client.stream("GET", f"{path}?watch=1&{query}", headers=headers) as answer:
        assert answer.status_code == 200
        yield (json.loads(line) for line in answer.iter_lines())


def create(server: ApiServer, path: str, name: str, **labels: str) -> dict[str, Any]:
    made: dict[str, Any] = server.request("POST", path, {"metadata": {"name": name, "labels": labels}})
    return made


def short(event: dict[str, Any]) -> tuple[str, str]:
    return event["type"], event["object"]["metadata"]["name"]


def test_watch_without_a_version_begins_with_what_is_there(server: ApiServer, path: str) -> None:
    create(server, path, "a")
    with watching(server, path) as events:
        assert short(next(events)) == ("ADDED", "a")
        server.patch(f"{path}/a", {"data": {"k": "v"}})
        changed = next(events)
        assert short(changed) == ("MODIFIED", "a")
        assert changed["object"]["data"] == {"k": "v"}
        server.request("DELETE", f"{path}/a")
        gone = next(events)
        assert short(gone) == ("DELETED", "a")
        assert int(gone["object"]["metadata"]["resourceVersion"]) > int(
            changed["object"]["metadata"]["resourceVersion"]
        )


def test_watch_from_a_list_misses_nothing_and_repeats_nothing(server: ApiServer, path: str) -> None:
    create(server, path, "before")
    version = server.request("GET", path)["metadata"]["resourceVersion"]
    create(server, path, "between")
    with watching(server, path, f"resourceVersion={version}") as events:
        create(server, path, "after")
        assert [short(next(events)) for _ in range(2)] == [("ADDED", "between"), ("ADDED", "after")]


def test_object_that_enters_or_leaves_the_selection_is_added_or_deleted(server: ApiServer, path: str) -> None:
    """What a client of a selection holds stays true, though the object itself is only ever modified."""
    with watching(server, path, "labelSelector=on%3Dyes") as events:
        create(server, path, "a")
        server.patch(f"{path}/a", {"metadata": {"labels": {"on": "yes"}}})
        assert short(next(events)) == ("ADDED", "a")
        server.patch(f"{path}/a", {"data": {"k": "v"}})
        assert short(next(events)) == ("MODIFIED", "a")
        left_at = server.patch(f"{path}/a", {"metadata": {"labels": {"on": "no"}}})["metadata"]["resourceVersion"]
        left = next(events)
        assert short(left) == ("DELETED", "a")
        assert left["object"]["metadata"]["labels"] == {"on": "yes"}
        assert left["object"]["metadata"]["resourceVersion"] == left_at
        server.request("DELETE", f"{path}/a")
        create(server, path, "b", on="yes")
        assert short(next(events)) == ("ADDED", "b")


def test_watch_of_one_name_and_of_one_path(server: ApiServer, path: str) -> None:
    for query, where in (("fieldSelector=metadata.name%3Db", path), ("", f"{path}/b")):
        with watching(server, where, query) as events:
            create(server, path, "a")
            create(server, path, "b")
            assert short(next(events)) == ("ADDED", "b")
        for name in "ab":
            server.request("DELETE", f"{path}/{name}")


def test_watch_of_all_namespaces_sees_this_one(server: ApiServer, path: str) -> None:
    version = server.request("GET", path)["metadata"]["resourceVersion"]
    with watching(server, "/api/v1/configmaps", f"resourceVersion={version}") as events:
        create(server, path, "a")
        assert next(events)["object"]["metadata"]["namespace"] == path.split("/")[4]


def test_version_that_cannot_be_continued_is_410(server: ApiServer, path: str) -> None:
    """Reported inside the stream, where client-go, lightkube and the Python client look for it; they then list anew."""
    with watching(server, path, "resourceVersion=999999999") as events:
        (event,) = events
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")


def test_changes_are_remembered_so_far_and_no_further() -> None:
    """A watch from a version whose successors are partly forgotten would miss some, so it is refused."""
    store, kind = Store(), ("", "configmaps")
    revisions = [store.put(kind, {"metadata": {"name": "a"}}).revision for _ in range(HISTORY + 1)]
    with pytest.raises(LookupError):
        store.watch(kind, revisions[0] - 1, lambda _: True)
    _, missed = store.watch(kind, revisions[0], lambda _: True)
    assert [change.revision for change in missed] == revisions[1:]


def test_watch_ends_after_its_timeout_with_a_bookmark_that_continues_it(server: ApiServer, path: str) -> None:
    create(server, path, "a")
    begun = time.monotonic()
    with watching(server, path, "timeoutSeconds=1&allowWatchBookmarks=true") as events:
        received = list(events)
    assert time.monotonic() - begun > 0.9
    assert [event["type"] for event in received] == ["ADDED", "BOOKMARK"]
    bookmark = received[-1]["object"]
    assert bookmark["kind"] == "ConfigMap"
    with watching(server, path, f"resourceVersion={bookmark['metadata']['resourceVersion']}") as events:
        create(server, path, "b")
        assert short(next(events)) == ("ADDED", "b")


def test_streamed_list_ends_with_a_marked_bookmark(server: ApiServer, path: str) -> None:
    """What newer clients use instead of a list (WatchList)."""
    create(server, path, "a")
    query = "sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&resourceVersion=0"
    with watching(server, path, query) as events:
        assert short(next(events)) == ("ADDED", "a")
        bookmark = next(events)
        assert bookmark["type"] == "BOOKMARK"
        assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        create(server, path, "b")
        assert short(next(events)) == ("ADDED", "b")


def test_tables_can_be_watched(server: ApiServer, path: str) -> None:
    """``kubectl get -w``: rows, with the columns on the first only."""
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    create(server, path, "a")
    with watching(server, path, Accept=accept) as events:
        first = next(events)["object"]
        assert [column["name"] for column in first["columnDefinitions"]] == ["Name", "Data", "Age"]
        assert first["rows"][0]["cells"][:2] == ["a", 0]
        server.patch(f"{path}/a", {"data": {"k": "v"}})
        second = next(events)["object"]
        assert second["columnDefinitions"] is None
        assert second["rows"][0]["cells"][:2] == ["a", 1]


def test_many_watchers_all_see_every_change_in_order(server: ApiServer, path: str) -> None:
    """Fifty watchers, and a writer that waits for none of them."""
    names = [f"n{number}" for number in range(20)]

    def watch(_: int) -> list[str]:
        with watching(server, path) as events:
            return [next(events)["object"]["metadata"]["name"] for _ in names]

    with ThreadPoolExecutor(50) as pool:
        watchers = [pool.submit(watch, number) for number in range(50)]
        for name in names:
            create(server, path, name)
        for watcher in watchers:
            assert watcher.result(timeout=PATIENCE) == names


def test_closed_watch_leaves_nothing_behind() -> None:
    """A client that goes away ends its watch on the server too, without waiting for the next event."""

    async def scenario() -> None:
        server = ApiServerApp("token")
        watchers = server.registry.store.collection(("", "configmaps")).watchers
        runner = server.runner()
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/v1/configmaps?watch=1"
        headers = {"Authorization": "Bearer token"}
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
            assert answer.status == 200
            assert len(watchers) == 1
        await asyncio.to_thread(eventually, "the watch has ended", lambda: not watchers)
        await runner.cleanup()

    asyncio.run(scenario())
