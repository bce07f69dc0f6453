"""A local copy of one kind of object, kept up to date by list and watch, and the work queue beside it.

The pattern of every Kubernetes controller (client-go's informer and rate-limited queue, in asyncio): an
:class:`Informer` mirrors the objects and tells handlers what changed; handlers put *keys* into a
:class:`WorkQueue`; the queue calls ``reconcile(key)``, which compares what is with what should be. Nothing
depends on seeing every change, only on looking again after the last one (level-triggered).
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Hashable, Iterator
from typing import Any, Generic, NamedTuple, NoReturn, TypeVar

import httpx2
from lightkube import ALL_NS, ApiError
from lightkube.core.resource import NamespacedResource, Resource, api_info

from embedded_cluster.client import ApiClient, Object

log = logging.getLogger(__name__)


class Key(NamedTuple):
    """Names one object of a kind; *namespace* is empty for cluster-scoped kinds."""

    namespace: str
    name: str


class Change(NamedTuple):
    """What happened to one object: *old* is None when it is new, *new* is None when it is gone."""

    old: Object | None
    new: Object | None

    @property
    def latest(self) -> Object:
        """The object as last seen."""
        latest = self.new if self.new is not None else self.old
        if latest is None:
            raise ValueError("a change has an object before or after it")
        return latest


def key_of(obj: Object) -> Key:
    """The key of *obj*."""
    return Key(obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def _version(obj: Object) -> int:
    # Versions of one resource are comparable as numbers: KEP-5504 makes the custom of etcd a promise.
    return int(obj["metadata"]["resourceVersion"])


class Informer:
    """Mirrors every object of *resource*, in *namespace* or in all of them; objects are read-only.

    Start :meth:`run` as a task. ``synced`` is set once the first list is in; the copy can then only be behind.
    """

    def __init__(self, client: ApiClient, resource: type[Resource], *, namespace: str = ALL_NS) -> None:
        """Take no action yet; *resource* is one of the classes in :mod:`.client`."""
        self.synced = asyncio.Event()
        self._client = client
        self._resource: Any = resource
        self._namespace = namespace if issubclass(resource, NamespacedResource) else None
        self._objects: dict[Key, Object] = {}
        self._handlers: list[Callable[[Change], None]] = []
        self._seen = 0  # the resourceVersion up to which list and watch have told us everything
        self._failures = 0  # connections that failed since the last word from the server
        self._plural = api_info(resource).plural

    def on_change(self, handler: Callable[[Change], None]) -> None:
        """Call *handler* after every change of the copy, in order. It must not block."""
        self._handlers.append(handler)

    def get(self, key: Key) -> Object | None:
        """The object called *key*, or None."""
        return self._objects.get(key)

    def objects(self, namespace: str | None = None) -> Iterator[Object]:
        """All objects, or those of one namespace."""
        for key, obj in self._objects.items():
            if namespace is None or key.namespace == namespace:
                yield obj

    def observe(self, obj: Object) -> None:
        """Take in an object that this process has just written, ahead of the watch.

        So a reconciler that runs again at once sees its own writes and does not repeat them.
        """
        if _version(obj) > self._seen:
            self._store(obj)

    async def run(self) -> NoReturn:
        """Keep the copy until cancelled; reconnects by itself, with growing pauses of at most 5 s."""
        while True:
            try:
                if not self._seen:
                    await self._list()
                await self._watch()
            except ApiError as error:
                # 410 Gone: the version to go on from has been forgotten, so list again.
                if error.status.code == 410:
                    self._seen = 0
                self._failures += 1
                log.warning("watch of %s: %s", self._plural, error)
            except httpx2.HTTPError as error:
                self._failures += 1
                if self._failures == 1 and self.synced.is_set():  # before that, the server may be still starting
                    log.info("watch of %s: %s; connecting again", self._plural, error or type(error).__name__)
            await asyncio.sleep(_backoff(self._failures, longest=5.0))

    async def _list(self) -> None:
        listed = self._client.list(self._resource, namespace=self._namespace)
        objects = [obj async for obj in listed]
        keys = {key_of(obj) for obj in objects}
        for key in [key for key in self._objects if key not in keys]:
            self._drop(key)
        for obj in objects:
            self._store(obj)
        self._seen = int(listed.resourceVersion)
        self._failures = 0
        self.synced.set()

    async def _watch(self) -> None:
        # The server ends each watch after a while, so a connection that died silently is noticed in the end.
        seconds = random.randint(300, 600)  # noqa: S311 - spreads reconnections, no secret
        events = self._client.watch(
            self._resource,
            namespace=self._namespace,
            resource_version=str(self._seen),
            server_timeout=seconds,
        )
        async for event, obj in events:
            self._failures = 0
            if event == "DELETED":
                stored = self._objects.get(key_of(obj))
                if stored is not None and _version(stored) <= _version(obj):
                    self._drop(key_of(obj))
            elif event in ("ADDED", "MODIFIED"):
                self._store(obj)
            self._seen = _version(obj)

    def _store(self, obj: Object) -> None:
        key = key_of(obj)
        old = self._objects.get(key)
        if old is not None and _version(old) >= _version(obj):
            return  # our own write, taken in by observe() before the watch told us
        self._objects[key] = obj
        self._tell(Change(old, obj))

    def _drop(self, key: Key) -> None:
        self._tell(Change(self._objects.pop(key), None))

    def _tell(self, change: Change) -> None:
        for handler in self._handlers:
            handler(change)


K = TypeVar("K", bound=Hashable)


class WorkQueue(Generic[K]):
    """Keys whose objects need a look. A key is never reconciled twice at a time, and never forgotten.

    *reconcile* may return a number of seconds after which it wants to look again by itself. When it raises,
    the key comes back with growing pauses: 5 ms, doubled up to 5 s.
    """

    def __init__(self, name: str, reconcile: Callable[[K], Awaitable[float | None]], *, workers: int = 8) -> None:
        """*name* stands in log lines; at most *workers* keys are reconciled at a time."""
        self._name = name
        self._reconcile = reconcile
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        self._waiting: set[K] = set()  # in the queue, or due again when their present turn ends
        self._active: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._workers = workers

    def add(self, key: K) -> None:
        """Have *key* looked at soon; many calls make one look."""
        if key not in self._waiting:
            self._waiting.add(key)
            if key not in self._active:
                self._ready.put_nowait(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Have *key* looked at in *seconds*, or earlier if it is due earlier already."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= loop.time() + seconds:
                return
            timer.cancel()
        self._timers[key] = loop.call_later(seconds, self._due, key)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._work())

    def _due(self, key: K) -> None:
        del self._timers[key]
        self.add(key)

    async def _work(self) -> NoReturn:
        while True:
            key = await self._ready.get()
            self._waiting.discard(key)
            self._active.add(key)
            try:
                again = await self._reconcile(key)
            except ApiError as error:
                # A conflict only says that our copy lagged; the next look has the newer one.
                level = logging.DEBUG if error.status.code == 409 else logging.WARNING
                log.log(level, "%s %s: %s", self._name, _readable(key), error)
                self._retry(key)
            except httpx2.HTTPError as error:
                log.info("%s %s: %s", self._name, _readable(key), error or type(error).__name__)
                self._retry(key)
            except Exception:
                # As in client-go: one object that a reconciler cannot handle must not stop the others.
                log.exception("%s %s", self._name, _readable(key))
                self._retry(key)
            else:
                self._failures.pop(key, None)
                if again is not None:
                    self.add_after(key, again)
            finally:
                self._active.discard(key)
                if key in self._waiting:
                    self._ready.put_nowait(key)

    def _retry(self, key: K) -> None:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        self.add_after(key, _backoff(failures, longest=5.0))


def _backoff(failures: int, *, longest: float) -> float:
    return min(longest, 0.005 * 2.0 ** min(failures - 1, 30))


def _readable(key: Hashable) -> str:
    return "/".join(part for part in key if part) if isinstance(key, Key) else str(key)
