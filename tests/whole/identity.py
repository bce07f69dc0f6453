"""A stand-in for a cluster whose tokens live shortly: a credential plugin, and a proxy before the API server."""

import asyncio
import base64
import contextlib
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import yaml
from aiohttp import web

PLUGIN = """\
#!/bin/sh
[ -e {directory}/revoked ] && {{ echo 'Session has ended.' >&2; echo 'Run: example-cloud login' >&2; exit 1; }}
echo run >> {directory}/runs
cat {directory}/credential
"""
CREDENTIAL = """\
{{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1",
 "status": {{"token": "{token}", "expirationTimestamp": "{ends}"}}}}
"""


class Identity:
    """Issues tokens through a plugin and passes requests on that show one which has not ended, as an API server would.

    ``lives``: how long a token is good, in seconds. ``ends_at``: once a path that starts so is asked for by POST, no
    token is good any more, and the plugin fails.
    """

    def __init__(self, directory: Path, real: Path, *, lives: float, ends_at: str = ""):
        self.directory, self.lives, self.ends_at = directory, lives, ends_at
        read = yaml.safe_load(real.read_text())
        self._cluster, self._user = read["clusters"][0]["cluster"], read["users"][0]["user"]
        self._good: dict[str, float] = {}
        self.refused = 0
        self.kubeconfig = directory / "kubeconfig"

    @property
    def tokens(self) -> int:
        """Return how many tokens were issued."""
        return len((self.directory / "runs").read_text().splitlines())

    def _issue(self) -> None:
        token = f"short-lived-token-{len(self._good)}"
        self._good[token] = time.monotonic() + self.lives
        ends = datetime.now(UTC) + timedelta(seconds=self.lives)
        beside = self.directory / "credential.new"
        beside.write_text(CREDENTIAL.format(token=token, ends=ends.isoformat()))
        beside.replace(self.directory / "credential")

    async def _issuing(self) -> None:
        while True:
            self._issue()
            await asyncio.sleep(self.lives / 3)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        revoked = self.directory / "revoked"
        if revoked.exists() or self._good.get(token, 0) < time.monotonic():
            self.refused += 1
            return web.json_response(
                {"kind": "Status", "reason": "Unauthorized", "message": "Unauthorized"}, status=401
            )
        headers = {"Authorization": f"Bearer {self._user['token']}"}
        headers |= {name: request.headers[name] for name in ("Accept", "Content-Type") if name in request.headers}
        url = self._cluster["server"].rstrip("/") + request.raw_path
        async with self._session.request(
            request.method, aiohttp.client.URL(url, encoded=True), headers=headers, data=await request.read()
        ) as answer:
            if self.ends_at and request.method == "POST" and request.path.startswith(self.ends_at):
                revoked.touch()
            passed = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
            await passed.prepare(request)
            async for piece in answer.content.iter_any():
                await passed.write(piece)
            return passed

    async def _run(self, started: threading.Event) -> None:
        trusted = ssl.create_default_context(cafile=self._cluster.get("certificate-authority"))
        if data := self._cluster.get("certificate-authority-data"):
            trusted.load_verify_locations(cadata=base64.b64decode(data).decode())
        endless = aiohttp.ClientTimeout(total=None)
        connector = aiohttp.TCPConnector(ssl=trusted, limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=endless) as self._session:
            app = web.Application(client_max_size=10**8)
            app.router.add_route("*", "/{path:.*}", self._serve)
            runner = web.AppRunner(app, shutdown_timeout=1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
            issuing = asyncio.create_task(self._issuing())
            self._write(url)
            self._stop = asyncio.Event()
            self._loop = asyncio.get_running_loop()
            started.set()
            await self._stop.wait()
            issuing.cancel()
            await runner.cleanup()

    def _write(self, url: str) -> None:
        plugin = self.directory / "login"
        plugin.write_text(PLUGIN.format(directory=self.directory))
        plugin.chmod(0o755)
        execution = {"apiVersion": "client.authentication.k8s.io/v1", "command": "./login"}
        content = {
            "contexts": [{"name": "cloud", "context": {"cluster": "cloud", "user": "me"}}],
            "clusters": [{"name": "cloud", "cluster": {"server": url}}],
            "users": [{"name": "me", "user": {"exec": execution}}],
        }
        self.kubeconfig.write_text(yaml.safe_dump(content))

    @contextlib.contextmanager
    def running(self):
        """Serve, and issue tokens, until the context ends; ``kubeconfig`` is there then."""
        started = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(self._run(started)), daemon=True)
        thread.start()
        assert started.wait(30)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._stop.set)
            thread.join(30)
