"""The echo workload: one HTTP server that says which pod it is. Standard library only, the same file on every target.

The body reads as kong/go-echo's does ("Running on Pod <name>."), so that the documentation's own commands work on it.
The query of a request asks for more: ``status=404``, ``delay=1.5`` (seconds), ``set-cookie=a%3D1`` (repeatable),
``bytes=1000`` (size of the body), ``until=sigterm`` (answer only when the pod is told to stop), ``mirror=1`` (the body
is the request's own), ``digest=1`` (the SHA-256 of the request's body, in Echo-Received), ``events=0.1`` (server-sent
events, one every so many seconds until the pod is told to stop). A request with the header Echo-Early-Hints gets a
response 103 first. An upgrade to a WebSocket is accepted unless a status is asked for; each message comes back with
the name of the pod before it. What it sees goes to standard output, one JSON object a line.

``/-/ready`` is the readiness probe; after a post to ``/-/unready`` it fails, until one to ``/-/ready``. ``/-/hold`` is
the preStop hook: it is answered when a client posts to ``/-/release``, or after ``seconds=30``; until then the pod is
terminating and serves. After a post to ``/-/die`` nothing but that hook lives on: the server neither listens nor has a
connection left, as if its process had been killed. After a post to ``/-/answer?status=503`` this is the status of every
request that asks for none, until the next such post.

Environment: POD_NAME, POD_NAMESPACE, POD_IP, NODE_NAME (downward API); ECHO_LISTEN (the port, default 1027; a name in
_PORT would be taken by Kubernetes, which sets ECHO_PORT for a Service called echo); ECHO_LOG_CONNECTIONS (if set, every
connection is recorded, not only what is asked on it).

A run starts many of these, so the start is kept cheap: one thread, and no module that loads others. ``_socket`` and
``_signal`` are what ``socket`` and ``signal`` wrap. What is asked for rarely is loaded when it is asked for.
"""

import _signal
import _socket
import os
import select
import sys
import time

POD = os.environ.get("POD_NAME", os.uname().nodename)
NAMESPACE = os.environ.get("POD_NAMESPACE", "")
NODE = os.environ.get("NODE_NAME", "")
ADDRESS = os.environ.get("POD_IP", "")
PORT = int(os.environ.get("ECHO_LISTEN", "1027"))
LOG_CONNECTIONS = "ECHO_LOG_CONNECTIONS" in os.environ

BEYOND_SIGTERM = 0.25  # seconds for which a request with until=sigterm outlasts it
LINGER = 1.0  # seconds for which a connection may be idle; one that was idle for longer at SIGTERM is closed at once
CHUNK = 1 << 16  # bytes that are read at once
LONGEST_HEAD = 1 << 18  # bytes of a request before its body; it is refused if it has more
BACKLOG = 512

WHOAMI = (
    f"Welcome, you are connected to node {NODE}.\nRunning on Pod {POD}.\n"
    f"In namespace {NAMESPACE}.\nWith IP address {ADDRESS}.\n"
).encode()

WEBSOCKET_KEY = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10  # its opcodes, section 5.2
GOING_AWAY = b"\x03\xe9"  # its status 1001, section 7.4.1


class Wait:
    """What a coroutine waits for: a descriptor, an event or a moment. Awaited, it is False if the moment came first."""

    def __init__(self, descriptor=-1, what=0, seconds=None):
        self.descriptor, self.what = descriptor, what
        self.moment = None if seconds is None else time.monotonic() + seconds
        self.task = None  # the coroutine, while it waits

    def __await__(self):
        return (yield self)


class Loop:
    """Runs coroutines that await Waits, all in this one thread."""

    def __init__(self):
        self.running = True
        self._epoll = select.epoll()
        self._watched = {}  # descriptor -> the Wait for it
        self.timed = set()  # the Waits with a moment

    def watch(self, descriptor):
        """Let Waits name this descriptor, until it is closed."""
        self._epoll.register(descriptor, select.EPOLLONESHOT)

    def go(self, task, answer=None):
        """Run a coroutine until it waits or ends."""
        try:
            wait = task.send(answer)
        except StopIteration:
            return
        wait.task = task
        if wait.descriptor >= 0:
            self._watched[wait.descriptor] = wait
            self._epoll.modify(wait.descriptor, wait.what | select.EPOLLONESHOT)
        if wait.moment is not None:
            self.timed.add(wait)

    def resume(self, wait, answer):
        """Let go on what waits; nothing if it has gone on already."""
        task, wait.task = wait.task, None
        if task is not None:
            self._watched.pop(wait.descriptor, None)
            self.timed.discard(wait)
            self.go(task, answer)

    def run(self):
        """Run what was started, until ``running`` is False."""
        while self.running:
            soonest = min((wait.moment for wait in self.timed), default=None)
            timeout = None if soonest is None else max(0.0, soonest - time.monotonic())
            for descriptor, _ in self._epoll.poll(timeout):
                if descriptor in self._watched:
                    self.resume(self._watched[descriptor], True)
            now = time.monotonic()
            for wait in [wait for wait in self.timed if wait.moment <= now]:
                self.resume(wait, False)


class Event:
    """Something that happens once."""

    def __init__(self):
        self.happened = False
        self._waits = []

    async def wait(self, seconds=None):
        """Return when it has happened, or after so many seconds."""
        if not self.happened:
            wait = Wait(seconds=seconds)
            self._waits.append(wait)
            await wait

    def set(self):
        """Let go on all that wait for it."""
        self.happened = True
        for wait in self._waits:
            LOOP.resume(wait, True)


LOOP = Loop()


def log(event, **fields):
    """Write one line of the pod's own record, whole and at once: the suite checks its own view against it."""
    fields = {"event": event, "pod": POD, "at": time.time(), **fields}
    sys.stdout.write("{" + ", ".join(f'"{name}": {as_json(value)}' for name, value in fields.items()) + "}\n")
    sys.stdout.flush()


def as_json(value):
    """Return a string or number as JSON; only a string that needs escapes takes the library for it."""
    if not isinstance(value, str):
        return repr(value)
    if value.isascii() and value.isprintable() and '"' not in value and "\\" not in value:
        return f'"{value}"'
    import json

    return json.dumps(value)


def unquoted(text):
    """Return a part of a query as it was meant: + is a space, and %3D an equals sign."""
    plain, *coded = text.replace("+", " ").encode("latin-1").split(b"%")
    return b"".join([plain, *(bytes([int(part[:2], 16)]) + part[2:] for part in coded)]).decode()


class Request:
    """What stands before the body of a request."""

    def __init__(self, head):
        """Raises ValueError for what is none, and for numbers that are none."""
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, version = first.split(" ")
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self.path, _, query = self.target.partition("?")
        self.query = {}  # name -> the values
        for pair in filter(None, query.split("&")):
            name, _, value = pair.partition("=")
            self.query.setdefault(unquoted(name), []).append(unquoted(value))
        self.id = self.headers.get("echo-request-id", "")
        said = self.headers.get("connection", "").lower()
        self.upgrade = self.headers.get("upgrade", "").lower() if "upgrade" in said else ""
        self.last = "close" in said or (version == "HTTP/1.0" and "keep-alive" not in said)
        self.length = int(self.headers.get("content-length", "0"))
        self.chunked = "chunked" in self.headers.get("transfer-encoding", "").lower()

    def number(self, name, default=0):
        """Return the number that the query gives under this name."""
        return float(self.query[name][0]) if name in self.query else default


class Connection:
    """One connection of a client: what it asks and what it is answered."""

    def __init__(self, server, sock, peer):
        self.server, self.socket, self.peer = server, sock, "{}:{}".format(*peer[:2])
        self.idle = None  # while nothing is under way: the Wait for what comes next, and when it may end at SIGTERM
        self._buffer = b""
        sock.setblocking(False)
        sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        LOOP.watch(sock.fileno())

    async def serve(self):
        """Answer one request after the other until either side has had enough."""
        try:
            while not await self._serve_one():
                pass
        except OSError as error:  # the client's doing
            log("connection-error", error=repr(error))
        finally:
            self.server.connections.discard(self)
            self.socket.close()
            self.server.stop_if_done()

    async def _serve_one(self):
        """Return whether that was the last one."""
        try:
            head = await self._head()
            if head is None:
                return True
            request = Request(head)
            if request.path != "/-/ready":  # the probe says nothing new, once a second
                log("request", id=request.id, method=request.method, path=request.target)
            if request.upgrade == "websocket" and "status" not in request.query:
                return await self._websocket(request)
            if "expect" in request.headers:
                await self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            return await self._answer(request, await self._body(request))
        except ValueError:  # for all that can be wrong with it
            await self.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return True

    async def _more(self, wait=None):
        """Read once; b"" at the end, or if the wait's moment came first."""
        came = await (wait or Wait(self.socket.fileno(), select.EPOLLIN))
        data = self.socket.recv(CHUNK) if came else b""
        self._buffer += data
        return data

    async def _next(self, linger):
        """Return whether anything more comes; not if the pod is to stop, and nothing came for ``linger`` seconds."""
        if self._buffer:
            return True
        wait = Wait(self.socket.fileno(), select.EPOLLIN, linger if self.server.stopping else None)
        self.idle = (wait, time.monotonic() + linger)
        data = await self._more(wait)
        self.idle = None
        return bool(data)

    async def _head(self):
        """Return a request up to its body; None if there is no other."""
        if not await self._next(LINGER):
            return None
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > LONGEST_HEAD:
                raise ValueError("too long")
            if not await self._more():
                return None
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return head

    async def _exactly(self, size):
        """Return so many bytes. Raises OSError if the connection ends before."""
        parts, missing = [self._buffer[:size]], size - len(self._buffer)
        self._buffer = self._buffer[size:]
        while missing > 0:
            if not await self._more():
                raise OSError("the client ended in the middle")
            parts.append(self._buffer[:missing])
            missing, self._buffer = missing - len(self._buffer), self._buffer[missing:]
        return b"".join(parts)

    async def _line(self):
        while b"\r\n" not in self._buffer:
            if not await self._more():
                raise OSError("the client ended in the middle")
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    async def _body(self, request):
        """Return the body, in one piece (RFC 9112, sections 6 and 7)."""
        if not request.chunked:
            return await self._exactly(request.length)
        parts = []
        while size := int((await self._line()).split(b";")[0], 16):
            parts.append(await self._exactly(size))
            await self._line()
        while await self._line():
            pass  # trailers
        return b"".join(parts)

    async def send(self, data):
        """Send all of it."""
        view = memoryview(data)
        while view:
            try:
                view = view[self.socket.send(view) :]
            except BlockingIOError:  # noqa: PERF203 - what else says that it took none
                await Wait(self.socket.fileno(), select.EPOLLOUT)

    async def _answer(self, request, received):
        """Say who we are, as the query asks. Returns whether no other request can follow."""
        status = int(request.number("status", self.server.status))
        status = await self.server.act(self, request, status)
        if "echo-early-hints" in request.headers:
            await self.send(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")
        head = self._opening(request, status)
        if "events" in request.query:
            return await self._events(request, head)
        head.append("Content-Type: text/plain; charset=utf-8")
        if "digest" in request.query:
            import hashlib

            head.append(f"Echo-Received: {hashlib.sha256(received).hexdigest()}")
        bodiless = status in (204, 304)
        body = received if "mirror" in request.query else WHOAMI.ljust(int(request.number("bytes")), b".")
        if not bodiless:
            head.append(f"Content-Length: {len(body)}")
        if last := request.last or self.server.stopping:
            head.append("Connection: close")
        said = "\r\n".join([*head, "\r\n"]).encode("latin-1")
        await self.send(said if bodiless or request.method == "HEAD" else said + body)
        if request.path == "/-/die":
            self.server.die()
        return last

    def _opening(self, request, status):
        """Return the lines that every answer begins with."""
        lines = [
            f"HTTP/1.1 {status} As Asked",
            time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT", time.gmtime()),
            f"Echo-Pod: {POD}",
            f"Echo-Request-Id: {request.id}",
            *(f"Set-Cookie: {cookie}" for cookie in request.query.get("set-cookie", ())),
        ]
        return [*lines, f"Location: {request.path}"] if 300 <= status < 400 else lines

    async def _events(self, request, head):
        """Send an event every so many seconds, each a chunk, until the client goes or the pod is told to stop."""
        kind = ["Content-Type: text/event-stream", "Transfer-Encoding: chunked", "Connection: close", "\r\n"]
        await self.send("\r\n".join([*head, *kind]).encode("latin-1"))
        number = 0
        while not self.server.terminated.happened:
            number += 1
            event = f"id: {number}\ndata: {POD}\n\n"
            await self.send(f"{len(event):x}\r\n{event}\r\n".encode())
            if await Wait(self.socket.fileno(), select.EPOLLIN, request.number("events")):
                return True  # a client has nothing more to say but goodbye
        await self.send(b"0\r\n\r\n")
        return True

    async def _websocket(self, request):
        """Send back each message, the pod's name before it, until the client closes or the pod is told to stop."""
        import binascii
        import hashlib

        key = request.headers.get("sec-websocket-key", "").encode() + WEBSOCKET_KEY
        accepted = binascii.b2a_base64(hashlib.sha1(key, usedforsecurity=False).digest(), newline=False).decode()
        upgraded = ["Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {accepted}", "\r\n"]
        await self.send("\r\n".join([*self._opening(request, 101), *upgraded]).encode("latin-1"))
        message = b""
        while await self._next(0.0):
            final, opcode, payload = await self._frame()
            if opcode == PING:
                await self.send(frame(PONG, payload))
            elif opcode == CLOSE:
                await self.send(frame(CLOSE, payload[:2]))
                return True
            elif opcode != PONG:
                message += payload
                if final:
                    await self.send(frame(TEXT, f"{POD} ".encode() + message))
                    message = b""
        await self.send(frame(CLOSE, GOING_AWAY))
        return True

    async def _frame(self):
        """Return whether it is the last of its message, its opcode, and what it says, unmasked."""
        first, size = await self._exactly(2)
        wide = size & 0x7F
        if wide >= 126:
            wide = int.from_bytes(await self._exactly(2 if wide == 126 else 8), "big")
        mask = await self._exactly(4) if size & 0x80 else b"\0\0\0\0"
        payload = await self._exactly(wide)
        key = (mask * (wide // 4 + 1))[:wide]
        clear = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(wide, "big")
        return bool(first & 0x80), first & 0x0F, clear


def frame(opcode, payload):
    """Return one WebSocket frame, whole and unmasked, as a server sends it."""
    size = len(payload)
    if size < 126:
        return bytes([0x80 | opcode, size]) + payload
    wide, width = (126, 2) if size < 1 << 16 else (127, 8)
    return bytes([0x80 | opcode, wide]) + size.to_bytes(width, "big") + payload


class Server:
    """Listens, knows its connections, and stops when the last of them has ended."""

    def __init__(self):
        self.connections, self.hooks = set(), set()  # hooks: those on which preStop waits
        self.released, self.terminated = Event(), Event()
        self.stopping, self.ready, self.status = False, True, 200
        self._listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        self._listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        self._listener.bind((ADDRESS, PORT))
        self._listener.listen(BACKLOG)
        self._listener.setblocking(False)
        LOOP.watch(self._listener.fileno())

    async def accept(self):
        """Serve each new connection, as long as there is something to listen on."""
        while True:
            await Wait(self._listener.fileno(), select.EPOLLIN)
            self._serve_waiting()

    def _serve_waiting(self):
        while True:
            try:
                descriptor, peer = self._listener._accept()  # noqa: SLF001 - what socket.accept() calls
            except OSError:  # the queue is empty, or the one that waited has gone
                return
            if LOG_CONNECTIONS:
                log("connected", peer="{}:{}".format(*peer))
            connection = Connection(self, _socket.socket(fileno=descriptor), peer)
            self.connections.add(connection)
            LOOP.go(connection.serve())

    async def act(self, connection, request, status):
        """Do what the path and the query ask for, wait as long as they say, and return the status to answer with."""
        posted = request.method == "POST"
        if request.path == "/-/hold":
            self.hooks.add(connection)
            log("held")
            await self.released.wait(request.number("seconds"))
        elif request.path == "/-/release":
            self.released.set()
        elif request.path == "/-/answer" and posted:
            self.status = status
            return 200
        elif request.path in ("/-/ready", "/-/unready"):
            self.ready = request.path == "/-/ready" if posted else self.ready
            return 200 if self.ready or posted else 503
        elif request.path == "/-/die":
            return 200
        elif request.query.get("until") == ["sigterm"]:
            await self.terminated.wait()
            await Wait(seconds=BEYOND_SIGTERM)
        elif "delay" in request.query:
            await Wait(seconds=request.number("delay"))
        return status

    async def finish(self, woken):
        """At SIGTERM, refuse new connections, serve those there are, and end when all have ended.

        What already waits in the accept queue is served: closing it unread would reset a request that was sent.
        """
        await Wait(woken, select.EPOLLIN)
        log("sigterm")
        self.stopping = True
        self._serve_waiting()
        self._listener.close()
        self.terminated.set()
        self.released.set()  # preStop is over, however it ended
        for wait, moment in [connection.idle for connection in self.connections if connection.idle]:
            wait.moment = moment
            LOOP.timed.add(wait)
        self.stop_if_done()

    def stop_if_done(self):
        """End the process when it is to stop and nothing is left to do."""
        if self.stopping and not self.connections:
            LOOP.running = False

    def die(self):
        """Stop from one moment to the next, as a process that is killed does. Only the preStop hook lives on."""
        self._listener.close()
        for connection in self.connections - self.hooks:
            try:
                connection.socket.shutdown(_socket.SHUT_RDWR)
            except OSError as error:  # noqa: PERF203 - it has just ended by itself, the others have not
                log("connection-error", error=repr(error))
        log("died")


def main():
    """Serve until SIGTERM, then finish what was begun."""
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    _signal.set_wakeup_fd(wakes)
    _signal.signal(_signal.SIGTERM, lambda signum, stack: None)
    server = Server()
    LOOP.watch(woken)
    LOOP.go(server.accept())
    LOOP.go(server.finish(woken))
    log("listening", address=ADDRESS, port=PORT)
    LOOP.run()
    log("stopped")


if __name__ == "__main__":
    main()
