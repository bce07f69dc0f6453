"""What a long history costs: to redact and write it, and to read and judge it. Each in a process of its own."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from stickyconf.checks import contradictions, one_pod_per_session
from stickyconf.model import Answered, Exchange, History, Setup, Sighting, Status
from stickyconf.model.storage import read_history, write_history
from stickyconf.reporting.histories import redacted

PODS = ("echo-a", "echo-b", "echo-c")
REQUESTS = 50  # a session
COOKIE = "session_id"
HOST, GATEWAY = "sticky-bench.stickyconf.test", "http://127.0.0.1:8000"


@dataclass(frozen=True, slots=True)
class Step:
    """What one step took: seconds, seconds of processor time, and the most memory its process had, in bytes."""

    what: str
    wall: float
    processor: float
    memory: int


def measured(exchanges: int) -> Iterator[Step]:
    """Write, then read and judge a conforming history of so many exchanges."""
    with tempfile.TemporaryDirectory(prefix="stickyconf-bench-") as directory:
        path = Path(directory) / "long.jsonl"
        for step in (_write, _judge):
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                yield process.submit(step, path, exchanges).result()


def _write(path: Path, exchanges: int) -> Step:
    history = conforming(exchanges)
    return _timed("redacted and written", lambda: write_history(redacted(history), path))


def _judge(path: Path, exchanges: int) -> Step:
    def judge() -> None:
        history = read_history(path)
        wrong, ruling = contradictions(history), one_pod_per_session(history)
        if wrong or ruling.status is not Status.CONFORMS or len(history.exchanges) != exchanges:
            raise AssertionError(f"a conforming history was not taken for one: {wrong[:1]} {ruling.findings[:1]}")

    return _timed("read and judged by AFF-01", judge)


def _timed(what: str, work: Callable[[], None]) -> Step:
    wall, processor = time.monotonic(), time.process_time()
    work()
    spent = time.monotonic() - wall, time.process_time() - processor
    return Step(what, *spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def conforming(exchanges: int) -> History:
    """Return what a gateway that pins would have been seen to do: nine requests in ten pinned, the others without."""
    made = [_exchange(number) for number in range(exchanges)]
    sightings = [Sighting(one.pod or "", one.request_id, one.sent + 0.003) for one in made]
    setup = Setup(
        name="bench",
        started="2026-01-01T00:00:00.000+00:00",
        suite="",
        target="bench",
        implementation="",
        versions={},
        namespace="sticky-bench",
        host=HOST,
        cookie=COOKIE,
        cookie_path="/",
        policy={},
        drain=False,
        pods=PODS,
        gateways=(GATEWAY,),
        seed=0,
        tempo={"sync": 3.0, "hold": 10.0, "grace": 30.0},
        plan={},
    )
    return History(setup, tuple(made), (), tuple(sightings))


def _exchange(number: int) -> Exchange:
    pinned, sent = number % 10 != 0, number / 1000
    session = f"pinned-{number // REQUESTS:06d}" if pinned else f"control-{number:07d}"
    pod = PODS[(number // REQUESTS if pinned else number) % len(PODS)]
    request = f"{session}-{number}"
    headers: tuple[tuple[str, str], ...] = (
        ("content-type", "application/json"),
        ("content-length", "312"),
        ("date", f"Thu, 01 Jan 2026 {int(sent) // 60 % 60:02d}:{int(sent) % 60:02d} GMT"),
        ("server", "envoy"),
        ("echo-pod", pod),
        ("x-kong-request-id", f"{number:032x}"),
    )
    opens = number % REQUESTS == 1
    cookie = f"{COOKIE}={number // REQUESTS:020d}"
    if opens:
        headers += (("set-cookie", f"{cookie}; Path=/; HttpOnly"),)
    return Exchange(
        seq=number + 1,
        arm="pinned" if pinned else "control",
        session=session,
        connection=f"127.0.0.1:{32768 + number // REQUESTS % 28000}",
        gateway=GATEWAY,
        sent=sent,
        received=sent + 0.004,
        protocol="HTTP/1.1",
        method="GET",
        path="/",
        request_id=request,
        cookie_fields=(cookie,) if pinned and not opens else (),
        outcome=Answered(200, headers, pod),
        host=HOST,
    )
