"""Container logs: one file per run of a container, each line with the moment it came, readable while it grows."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class LogRequest:
    """Which part of a log is wanted: the parameters of ``pods/NAME/log``."""

    follow: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    since: int = 0  # nanoseconds since the epoch; earlier lines are left out
    limit_bytes: int | None = None


class ContainerLog:
    """The output of one run of a container. A stored line is ``2006-01-02T15:04:05.999999999Z text``."""

    def __init__(self, path: Path) -> None:
        """Create the file *path*, in a directory that exists."""
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._size = 0
        self._partial = b""
        self._ended = False
        self._news = asyncio.Event()
        self._readers = 0
        self._discarded = False

    def append(self, output: bytes) -> None:
        """Take in output as it comes, cut anywhere; a log that is closed takes in no more."""
        if self._fd < 0:
            return
        *lines, self._partial = (self._partial + output).split(b"\n")
        if lines:
            stamp = _timestamp(time.time_ns())
            self._size += os.write(self._fd, b"".join(b"%b %b\n" % (stamp, line) for line in lines))
            self._wake()

    def end(self) -> None:
        """No more output comes."""
        if self._partial:
            self.append(b"\n")
        self._ended = True
        self._wake()

    def discard(self) -> None:
        """This log is not opened again; readers that have it open read to the end."""
        self._discarded = True
        self._close_if_unused()

    async def read(self, request: LogRequest) -> AsyncIterator[bytes]:
        """The lines that *request* asks for, in pieces; with ``follow`` until the container has ended."""
        left = request.limit_bytes
        self._readers += 1
        try:
            async for stored in self._stored(request):
                piece = stored if request.timestamps else _without_timestamps(stored)
                if left is not None:
                    piece = piece[:left]
                    left -= len(piece)
                if piece:
                    yield piece
                if left == 0:
                    return
        finally:
            self._readers -= 1
            self._close_if_unused()

    async def _stored(self, request: LogRequest) -> AsyncIterator[bytes]:
        offset = self._size
        lines = os.pread(self._fd, offset, 0).splitlines(keepends=True)
        if request.since:
            since = _timestamp(request.since)
            lines = [line for line in lines if line.split(b" ", 1)[0] >= since]
        if request.tail_lines is not None:
            lines = lines[max(0, len(lines) - request.tail_lines) :]
        yield b"".join(lines)
        while request.follow:
            news, ended = self._news, self._ended
            if offset < self._size:
                grown = os.pread(self._fd, self._size - offset, offset)
                offset += len(grown)
                yield grown
            elif ended:
                return
            else:
                await news.wait()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _close_if_unused(self) -> None:
        if self._discarded and not self._readers and self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _timestamp(nanoseconds: int) -> bytes:
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{fraction:09}Z".encode()


def _without_timestamps(stored: bytes) -> bytes:
    return b"".join(line.split(b" ", 1)[1] for line in stored.splitlines(keepends=True))
