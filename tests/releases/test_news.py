"""Newer releases are asked for over HTTP, with recorded answers, rate limits and outages, and written down."""

import json
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stickyconf.releases import asking
from stickyconf.releases.__main__ import main
from stickyconf.releases.asking import Asking, NoAnswer, Servers
from stickyconf.releases.known import FILE, known, load
from stickyconf.releases.news import news
from stickyconf.shipped import project

RECORDED = json.loads(Path(__file__).with_name("recorded.json").read_text(encoding="utf-8"))
"""Path -> answer: GitHub's and Docker Hub's answers, cut down to a few entries, with made-up newer ones."""

Answer = tuple[int, dict[str, str], bytes]


class Server:
    """Answers as recorded, unless a test puts something in between."""

    def __init__(self) -> None:
        """Begin with nothing asked."""
        self.asked: Counter[str] = Counter()
        self.tokens: dict[str, str] = {}
        self.instead: Callable[[str, int], Answer | None] = lambda _path, _time: None
        self.url = ""

    def answer(self, path: str) -> Answer:
        """Return status, headers and body."""
        self.asked[path] += 1
        if (other := self.instead(path, self.asked[path])) is not None:
            return other
        if path in RECORDED:
            return 200, {"Content-Type": "application/json"}, json.dumps(RECORDED[path]).encode()
        if "/test/e2e/manifests/" in path or "/config/crd/standard/" in path:
            return 200, {}, b"kind: Namespace\n"
        return 404, {}, b"{}"

    def servers(self) -> Servers:
        """Return it in the place of all three."""
        return Servers(self.url, self.url, self.url, pause=0.01)

    def options(self) -> list[str]:
        """Return the same as options of the command."""
        return [word for name in ("github", "hub", "raw") for word in (f"--{name}", self.url)]


@pytest.fixture
def server() -> Iterator[Server]:
    """A real one, on loopback."""
    answering = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answering.tokens[self.path] = self.headers.get("Authorization", "")
            status, headers, body = answering.answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        answering.url = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield answering
        listening.shutdown()
        thread.join()


NEW = [
    "KIC 3.5.14, released 2026-10-01",
    "KIC 3.6.0, released 2026-11-01",
    "Kong Gateway 3.15.0.5, released 2026-11-02",
    "Kong Gateway 3.16.0.0, released 2026-11-20",
    "Gateway API 1.7.0, released 2026-10-20",
    "Kubernetes node 1.36.4, released 2026-11-10",
    "Kubernetes node 1.37.0, released 2026-11-10",
]


def test_what_is_new(server):
    """Drafts, candidates, older minors, other tags and what is known are not."""
    with Asking(server.servers(), {"GITHUB_TOKEN": "SENSITIVE"}) as asked:
        assert [str(one) for one in news(known(), asked)] == NEW
    sent = {path: token for path, token in server.tokens.items() if token}
    assert sent, "GitHub is asked with the token"
    assert set(sent.values()) == {"Bearer SENSITIVE"}


def test_token_goes_to_github_only(server):
    """Docker Hub and the server of files do not get it."""
    elsewhere = Servers("http://127.0.0.1:1", server.url, server.url, pause=0.01)
    with Asking(elsewhere, {"GITHUB_TOKEN": "SENSITIVE"}) as asked:
        asked.hub_tags("kong/kong-gateway", ".*")
        asked.file("x/y/v1/config/crd/standard/z")
    assert set(server.tokens.values()) == {""}


def test_update(server, tmp_path, capsys):
    """The file has the new releases with their checksums, and all else stays; a second time nothing is new."""
    file = tmp_path / FILE
    shutil.copyfile(project() / FILE, file)
    before = file.read_text(encoding="utf-8")
    assert main(["--file", str(file), "check", *server.options()]) == 0
    assert capsys.readouterr().out.splitlines() == [f"new: {one}" for one in NEW]
    assert file.read_text(encoding="utf-8") == before, "check writes nothing"
    assert main(["--file", str(file), "update", *server.options()]) == 0
    found = load(file)
    assert found.kic.releases["3.6.0"].manifest == found.kic.releases["3.5.14"].manifest != ""
    assert found.kic.minors["3.6"].kubernetes == ("1.27", "1.35")
    assert found.kic.minors["3.6"].end_of_support is None
    assert found.gateway.releases["3.16.0.0"].image.startswith("sha256:")
    assert set(found.gateway_api.releases["1.7.0"].definitions) == set(
        known().gateway_api.releases["1.6.1"].definitions
    )
    assert "1.36.1" not in found.kubernetes.releases
    assert found.kubernetes.releases["1.37.0"].kind == "0.33.0"
    assert found.newest_kind == "0.33.0"
    assert found.defaults == known().defaults
    after = file.read_text(encoding="utf-8")
    gone = [line for line in before.splitlines() if line not in after.splitlines()]
    assert [line.partition(" =")[0] for line in gone] == ['"1.36.1"']
    assert "look up Kong's pages" in after
    capsys.readouterr()
    assert main(["--file", str(file), "check", *server.options()]) == 0
    assert capsys.readouterr().out == "nothing is newer than what releases.toml has\n"
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_outage_that_passes(server):
    """A server that answers 502 or hangs up is asked again."""
    server.instead = lambda _path, time: (502, {}, b"") if time < 3 else None
    with Asking(server.servers(), {}) as asked:
        assert len(news(known(), asked)) == len(NEW)


def test_outage_that_stays(server, capsys):
    """One line, and status 2."""
    server.instead = lambda path, _time: (503, {}, b"") if path.startswith("/v2/") else None
    with Asking(server.servers(), {}) as asked, pytest.raises(NoAnswer) as caught:
        news(known(), asked)
    assert "the server answers 503; it was asked 4 times" in str(caught.value)
    gone = [word for name in ("github", "hub", "raw") for word in (f"--{name}", "nowhere:1")]
    assert main(["check", *gone]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("releases: nowhere:1/repos/Kong/kubernetes-ingress-controller/releases")


def test_rate_limit_that_passes_soon(server):
    """It is waited out as long as the server says."""
    limited = (429, {"Retry-After": "0"}, b"")
    server.instead = lambda _path, time: limited if time == 1 else None
    with Asking(server.servers(), {}) as asked:
        assert len(news(known(), asked)) == len(NEW)


def test_rate_limit_that_lasts(server):
    """It is not waited out: the line says until when, and what helps."""
    reset = str(int(time.time() + asking.LONGEST_WAIT + 600))
    limited = (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}, b"{}")
    server.instead = lambda _path, _time: limited
    with (
        Asking(server.servers(), {}) as asked,
        pytest.raises(NoAnswer, match=r"until \d\d:\d\d UTC; wait, or set GITHUB_TOKEN"),
    ):
        news(known(), asked)
    assert max(server.asked.values()) == 1


WRONG = {
    "a login page": (200, b"<html>", "the answer is no JSON; is there a proxy in between"),
    "another API": (200, b'{"message": "moved"}', "the answer is not the list that was asked for"),
    "nothing": (200, b"[]", "the server knows no release at all"),
    "not there": (404, b"{}", "the server answers 404"),
    "refused": (403, b"{}", "the server answers 403"),
}


@pytest.mark.parametrize(("status", "body", "said"), WRONG.values(), ids=WRONG)
def test_other_answers(server, status, body, said):
    """What is no answer is not taken for one."""
    server.instead = lambda _path, _time: (status, {}, body)
    with Asking(server.servers(), {}) as asked, pytest.raises(NoAnswer) as caught:
        news(known(), asked)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
