"""The API server as its own process, with certificate, token and kubeconfig: what the tests that need one share."""

import os
import selectors
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
import yaml

import embedded_cluster
from tests.waiting import PATIENCE

CRDS = Path(embedded_cluster.__file__).parent / "crds"

needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")


@dataclass
class ApiServer:
    """A running server, and how to reach it."""

    url: str
    token: str
    kubeconfig: Path
    authority: Path
    process: subprocess.Popen[str]
    directory: Path
    _client: httpx.Client | None = field(default=None, repr=False)

    @property
    def client(self) -> httpx.Client:
        """Requests with the token, as JSON."""
        if self._client is None:
            context = ssl.create_default_context(cafile=self.authority)
            headers = {"Authorization": f"Bearer {self.token}"}
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=10)
            self._client = httpx.Client(
                base_url=self.url, headers=headers, verify=context, limits=limits, timeout=PATIENCE, trust_env=False
            )
        return self._client

    def request(self, method: str, path: str, body: Any = None, *, code: int | None = None, **kwargs: Any) -> Any:
        """The JSON answer to a request; *code* is the status that it has to have, by default any 2xx."""
        if body is not None:
            kwargs["json"] = body
        answer = self.client.request(method, path, **kwargs)
        wanted = answer.is_success if code is None else answer.status_code == code
        assert wanted, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def patch(self, path: str, body: Any, kind: str = "merge", *, code: int | None = None, query: str = "") -> Any:
        """PATCH with the media type of *kind*: json, merge, strategic-merge or apply."""
        suffix = "yaml" if kind == "apply" else "json"
        headers = {"Content-Type": f"application/{kind}-patch+{suffix}"}
        return self.request("PATCH", f"{path}{query}", body, code=code, headers=headers)

    def kubectl(self, *arguments: str, stdin: str | None = None, fails: bool = False) -> str:
        """Run kubectl; returns what it printed (both streams if it *fails*, as then it has to)."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.directory), "KUBECONFIG": str(self.kubeconfig)}
        done = subprocess.run(
            ["kubectl", *arguments],  # noqa: S607 - the one on PATH is the point
            input=stdin,
            capture_output=True,
            text=True,
            env=environment,
            timeout=PATIENCE,
            check=False,
        )
        assert (done.returncode != 0) is fails, f"kubectl {arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr if fails else done.stdout

    def install_crds(self) -> None:
        """Create the project's CustomResourceDefinitions."""
        for path in sorted(CRDS.glob("*.yaml")):
            definition = yaml.safe_load(path.read_text())
            self.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)


@contextmanager
def running_apiserver(*extra: str) -> Iterator[ApiServer]:
    """Start a server on a free port of 127.0.0.1, with *extra* arguments; stop it in the end."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        write_credentials(directory, "127.0.0.1")
        token = (directory / "token").read_text()
        process = subprocess.Popen(
            command(directory, *extra), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            url = ready_url(process)
            kubeconfig = directory / "kubeconfig"
            kubeconfig.write_text(_kubeconfig(url, directory / "ca.pem", token))
            server = ApiServer(url, token, kubeconfig, directory / "ca.pem", process, directory)
            yield server
            if server._client is not None:
                server._client.close()
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=PATIENCE)
        assert "Traceback" not in errors, errors


def command(directory: Path, *extra: str, address: str = "127.0.0.1", port: int = 0) -> list[str]:
    """The command line of a server whose credentials are in *directory*."""
    return [
        *(sys.executable, "-m", "embedded_cluster.apiserver"),
        *("--address", address, "--port", str(port)),
        *("--cert", str(directory / "cert.pem"), "--key", str(directory / "key.pem")),
        *("--token-file", str(directory / "token")),
        *extra,
    ]


def ready_url(process: subprocess.Popen[str]) -> str:
    """The URL in the line ``ready URL`` that the server prints."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        assert selector.select(PATIENCE), "the API server does not say that it is ready"
    line = process.stdout.readline()
    assert line.startswith("ready https://"), f"{line!r}: {process.stderr.read() if process.stderr else ''}"
    return line.split()[1]


def write_credentials(directory: Path, address: str) -> None:
    """Write ca.pem, cert.pem, key.pem and token."""
    authority = trustme.CA()
    certificate = authority.issue_cert(address)
    authority.cert_pem.write_to_path(directory / "ca.pem")
    certificate.private_key_pem.write_to_path(directory / "key.pem")
    (directory / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    (directory / "token").write_text("open-sesame")


def _kubeconfig(url: str, authority: Path, token: str) -> str:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": str(authority)}}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    }
    return yaml.safe_dump(config)
