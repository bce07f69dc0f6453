"""Watch streams: the changes of a selection, as lines of JSON."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass

from embedded_cluster.apiserver.kinds import Kind
from embedded_cluster.apiserver.selectors import Selection
from embedded_cluster.apiserver.status import expired
from embedded_cluster.apiserver.store import Change, Entry, Store, Watcher, encode

BOOKMARK_PERIOD = 60.0  # seconds between bookmarks on a quiet watch, as kube-apiserver sends them
LONGEST = 3600.0  # seconds a watch lasts when the client does not say

INITIAL_EVENTS_END = "k8s.io/initial-events-end"

Render = Callable[[Entry], bytes]


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What a watch asks for. *after* is a revision; None begins with the present state."""

    after: int | None = None
    timeout: float = LONGEST  # seconds
    bookmarks: bool = False
    initial_events: bool | None = None


async def stream(
    store: Store, kind: Kind, selection: Selection, options: WatchOptions, render: Render
) -> AsyncGenerator[bytes, None]:
    """The chunks of a watch response, each one or more whole lines; *render* makes the JSON of an object.

    A start that is too old is reported inside the stream, as an ERROR event with a 410 ``Status``: that is how
    kube-apiserver answers from its watch cache. A reader that falls too far behind has its stream ended.
    """
    from_state = options.after is None or options.initial_events is True
    after = store.revision if options.after is None or from_state else options.after
    try:
        watcher, missed = store.watch(kind.storage, after, selection)
    except LookupError:
        oldest = store.collection(kind.storage).forgotten
        yield _event("ERROR", encode(expired(after, oldest).status))
        return
    try:
        if from_state and options.initial_events is not False:
            lines = [_event("ADDED", render(entry)) for entry in store.entries(kind.storage) if selection(entry.obj)]
            if options.initial_events and options.bookmarks:
                lines.append(_bookmark(kind, store.revision, initial=True))
            yield b"".join(lines)
        elif missed:
            yield _lines(missed, selection, render)
        async for chunk in _follow(store, kind, watcher, selection, options, render):
            yield chunk
    finally:
        store.unwatch(kind.storage, watcher)


async def _follow(
    store: Store, kind: Kind, watcher: Watcher, selection: Selection, options: WatchOptions, render: Render
) -> AsyncIterator[bytes]:
    clock = asyncio.get_running_loop().time
    end = clock() + options.timeout
    while (left := end - clock()) > 0 and not watcher.ended:
        batch = await watcher.next_batch(min(left, BOOKMARK_PERIOD))
        if batch:
            yield _lines(batch, selection, render)
        elif options.bookmarks and not watcher.ended:
            yield _bookmark(kind, store.revision)


def _lines(changes: list[Change], selection: Selection, render: Render) -> bytes:
    return b"".join(line for change in changes if (line := _line(change, selection, render)))


def _line(change: Change, selection: Selection, render: Render) -> bytes:
    """The event a change is to this selection, if any: an object that enters it is ADDED, one that leaves DELETED."""
    now = change.type != "DELETED" and selection(change.entry.obj)
    before = change.previous is not None and selection(change.previous.obj)
    if now:
        return _event("MODIFIED" if before else "ADDED", render(change.entry))
    if not before or change.previous is None:
        return b""
    if change.type == "DELETED":
        return _event("DELETED", render(change.entry))
    # The state it was last selected in, under the revision that took it out.
    last = change.previous.obj
    metadata = {**last["metadata"], "resourceVersion": str(change.revision)}
    return _event("DELETED", render(Entry({**last, "metadata": metadata}, change.revision)))


def _event(kind: str, obj: bytes) -> bytes:
    return b'{"type":"' + kind.encode() + b'","object":' + obj + b"}\n"


def _bookmark(kind: Kind, revision: int, *, initial: bool = False) -> bytes:
    metadata: dict[str, object] = {"resourceVersion": str(revision), "creationTimestamp": None}
    if initial:
        metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
    return _event("BOOKMARK", encode({"kind": kind.name, "apiVersion": kind.api_version, "metadata": metadata}))
