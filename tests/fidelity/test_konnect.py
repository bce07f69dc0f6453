"""What the kind target installs for Konnect reaches a real KIC: it then reports, to a stand-in of Konnect.

Needs STICKYCONF_KIC, the path of a KIC binary. The stand-in takes whoever has a certificate of the test's authority,
has nothing to begin with, and believes everything. It says nothing about Konnect itself.
"""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from stickyconf.checks.affinity import REPORTED
from stickyconf.targets.kind.konnect import Konnect, read_konnect
from tests.fidelity.clusters import KIC, running
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(not KIC, reason="STICKYCONF_KIC names no KIC binary to have report")

CONTROL_PLANE = "b4cfe2ab-0000-4000-8000-000000000000"
BASE = f"/kic/api/control-planes/{CONTROL_PLANE}"
PATIENCE = 150.0  # seconds: a KIC that starts, and 10 s from one report to the next


class Endpoint(BaseHTTPRequestHandler):
    """Answers as an empty control plane, and notes what it was asked."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str, str]]

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length) or b"null")
        whose = dict(pair for part in self.connection.getpeercert()["subject"] for pair in part)  # type: ignore[attr-defined]
        self.server.seen.append((self.command, self.path, whose.get("organizationalUnitName", "")))  # type: ignore[attr-defined]
        said = json.dumps(self._said(body)).encode()
        self.send_response(200 if self.command != "POST" else 201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def _said(self, body: Any) -> Any:
        nodes = "/kic-nodes" in self.path
        if self.command == "GET":
            return {"items": [], "page": {}} if nodes else {"data": [], "next": None}
        return {"item": {"id": str(uuid.uuid4())}} if nodes else body or {}

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - http.server's names

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def endpoint(authority: trustme.CA) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    server.seen = []  # type: ignore[attr-defined]
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def with_settings(konnect: Konnect, authority: Path, script: Path) -> Path:
    """Write a program that is KIC with the environment that kind's Deployment gives it."""
    held = konnect.secret("kong")["stringData"]
    lines = ["#!/bin/sh", f"export SSL_CERT_FILE={authority}"]
    for item in konnect.controller_env():
        value = item.get("value") or held[item["valueFrom"]["secretKeyRef"]["key"]]
        lines.append(f"export {item['name']}='{value}'")
    script.write_text("\n".join([*lines, f'exec "{KIC}" "$@"']) + "\n")
    script.chmod(0o700)
    return script


def test_a_real_kic_reports_by_our_settings(tmp_path: Path) -> None:
    authority = trustme.CA()
    leaf = authority.issue_cert("kic.test", organization_unit_name="the run's controller")
    files = {name: tmp_path / name for name in ("ca.pem", "tls.crt", "tls.key")}
    authority.cert_pem.write_to_path(files["ca.pem"])
    leaf.cert_chain_pems[0].write_to_path(files["tls.crt"])
    leaf.private_key_pem.write_to_path(files["tls.key"])
    with endpoint(authority) as server:
        address = f"https://127.0.0.1:{server.server_port}"
        konnect = read_konnect(CONTROL_PLANE, address, str(files["tls.crt"]), str(files["tls.key"]))
        assert konnect is not None
        program = with_settings(konnect, files["ca.pem"], tmp_path / "kic")
        with running("--controller-binary", str(program), "--sync-period", "3") as cluster:
            [pod] = [
                one["metadata"]["name"]
                for one in cluster.get("/api/v1/namespaces/kong/pods")["items"]
                if one["metadata"]["name"].startswith("kong-controller")
            ]
            log = f"/api/v1/namespaces/kong/pods/{pod}/log"
            eventually("KIC to say that it has reported", lambda: REPORTED in cluster.api.get(log).text, PATIENCE)
        seen = list(server.seen)  # type: ignore[attr-defined]
    assert {whose for _, _, whose in seen} == {"the run's controller"}
    assert {path.startswith(BASE) for _, path, _ in seen} == {True}
    assert [path for method, path, _ in seen if method != "GET"], "nothing was written"
