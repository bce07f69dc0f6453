"""No secret of a run is found in what it leaves: planted in the environment, a header, a manifest and a pod."""

from __future__ import annotations

import base64
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.whole.runs import ROOT, Result, run_suite

# Where each is planted, and what it is. Letters only: no encoding and no wrapping keeps one from being found.
IN_ENVIRONMENT = "PlantedInTheEnvironmentQzvx"
IN_HEADER = "PlantedInTheRequestHeaderQzvx"
IN_MANIFEST = "PlantedInTheManifestOfThePodQzvx"
IN_SECRET = "PlantedInTheSecretObjectQzvx"
IN_GATEWAY = {
    kind: f"PlantedIn{kind.title().replace('_', '')}OfTheGatewayQzvx"
    for kind in ("keyauth", "basicauth", "hmacauth", "jwt", "oauth2", "certificates", "keys", "vaults", "licenses")
}
"""Of each kind of credential that a Kong configuration may hold, one."""

KEY_FILE = "key-of-the-run"
"""Where the planter writes the private key that the run makes for its listener for TLS, beside what the run leaves."""

PLANTED = (IN_ENVIRONMENT, IN_HEADER, IN_MANIFEST, IN_SECRET)

# A plugin of the run: it plants, lets the planted be said aloud, and has one case of each suite fail.
PLANTER = '''
import asyncio, dataclasses, json, os, pathlib, sys
import httpx, pytest, yaml
import fixtures.record
import stickyconf.scenarios.secured as secured
import stickyconf.scenarios.visits as visits
from stickyconf.cases import Judge
from stickyconf.model import Answered, Finding, Happening, Ruling
from stickyconf.scenarios.workload import Manifests
from stickyconf.targets.admin import AdminApi
from stickyconf.targets.traffic import HttpLine

IN_ENVIRONMENT, IN_HEADER, IN_MANIFEST, IN_SECRET = {planted!r}
IN_GATEWAY = {in_gateway!r}
KEY = pathlib.Path({key!r})

send, echo, call = HttpLine.send, Manifests.echo, Judge.__call__

async def send_with_a_key(self, request):
    """Every request carries a credential, and every answer says it again, as a debugging plugin of Kong would."""
    request = dataclasses.replace(request, headers={{**request.headers, "Authorization": "Bearer " + IN_HEADER}})
    reply = await send(self, request)
    if isinstance(reply.outcome, Answered):
        said = reply.outcome
        again = (("X-Api-Key", IN_HEADER), ("X-Debug", "seen: " + IN_HEADER), ("X-Env", IN_ENVIRONMENT))
        reply = dataclasses.replace(reply, outcome=dataclasses.replace(said, headers=said.headers + again))
    return reply

def echo_with_secrets(self, namespace, *rest):
    """The pod has a password in its environment and says it in its log; there is a Secret beside it."""
    for manifest in echo(self, namespace, *rest):
        if manifest["kind"] == "Deployment":
            [container] = manifest["spec"]["template"]["spec"]["containers"]
            container["env"].append({{"name": "DATABASE_PASSWORD", "value": IN_MANIFEST}})
            manifest["metadata"].setdefault("annotations", {{}})["note"] = "the password is " + IN_MANIFEST
        yield manifest
    yield {{
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {{"name": "database", "namespace": namespace}}, "stringData": {{"value": IN_SECRET}},
    }}

def judged_with_a_finding(self, check, *histories, **arguments):
    """The verdict quotes what it should not, and is a violation, so that diagnostics are collected."""
    call(self, check, *histories, **arguments)
    said = f"{{IN_ENVIRONMENT}}, Authorization: Bearer {{IN_HEADER}}"
    if self.subject.id in ("CKE-01", "API-01"):
        print(said)
        print(said, file=sys.stderr)
        self._rulings.append((histories[0].setup.name, Ruling.of([Finding("nothing said aloud", said, (1,))])))
    if self.subject.id == "CKE-02":
        key = KEY.read_text()
        raise RuntimeError("a crash that tells " + said + " and " + IN_MANIFEST + " and " + IN_SECRET + " and " + key)

visit, secret = visits.visit, secured._secret

def visit_over_tls_too(arm="pinned", **about):
    """Before its first visits a recording has a certificate and a listener of its own, and then sessions there."""
    async def play(stage):
        if arm == "visitor" and "path" not in about:
            await secured.serve_over_tls()(stage)
            await secured.visit_over_tls(sessions=1, requests=2, strangers=1)(stage)
        await visit(arm, **about)(stage)

    return play

def secret_noted(namespace, chain, key):
    KEY.write_text(key)
    return secret(namespace, chain, key)

configuration = AdminApi.configuration

def private(body):
    return "-----BEGIN PRIVATE KEY-----\\n" + body + "\\n-----END PRIVATE KEY-----\\n"

async def configuration_with_credentials(self, replica):
    """Before the configuration is read for diagnostics, one of every kind of credential is pushed into it."""
    said = IN_GATEWAY
    async with httpx.AsyncClient(base_url=replica, trust_env=False) as admin:
        document = yaml.safe_load((await admin.get("/config")).json()["config"])
        document |= {{
            "consumers": [{{"username": "somebody"}}],
            "keyauth_credentials": [{{"consumer": "somebody", "key": said["keyauth"]}}],
            "basicauth_credentials": [{{"consumer": "somebody", "username": "u", "password": said["basicauth"]}}],
            "hmacauth_secrets": [{{"consumer": "somebody", "username": "u", "secret": said["hmacauth"]}}],
            "jwt_secrets": [{{"consumer": "somebody", "key": "issuer", "secret": said["jwt"]}}],
            "oauth2_credentials": [{{"name": "app", "client_id": "c", "client_secret": said["oauth2"]}}],
            "certificates": [
                *document.get("certificates", ()),
                {{"cert": "-----BEGIN CERTIFICATE-----", "key": private(said["certificates"])}},
            ],
            "keys": [{{"name": "k", "kid": "k", "jwk": json.dumps({{"kty": "oct", "k": said["keys"]}})}}],
            "vaults": [{{"name": "hcv", "prefix": "h", "config": {{"approle_secret_id": said["vaults"]}}}}],
            "licenses": [{{"payload": json.dumps({{"license": {{"payload": {{"license_key": said["licenses"]}}}}}})}}],
        }}
        pushed = await admin.post("/config", json=document)
        assert pushed.status_code == 201, pushed.text
    return await configuration(self, replica)

AdminApi.configuration = configuration_with_credentials
visits.visit, secured._secret = visit_over_tls_too, secret_noted
HttpLine.send, Manifests.echo, Judge.__call__ = send_with_a_key, echo_with_secrets, judged_with_a_finding
'''


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A run of two suites that plants secrets in every place, and fails."""
    directory = tmp_path_factory.mktemp("planted")
    planter = PLANTER.format(planted=PLANTED, in_gateway=IN_GATEWAY, key=str(directory / KEY_FILE))
    (directory / "planter.py").write_text(planter, encoding="utf-8")
    out = directory / "out"
    arguments = ["-p", "planter", "--junitxml", str(out / "theirs.xml")]
    environment = {
        "PYTHONPATH": f"{directory}{os.pathsep}{ROOT}",
        "DEPLOY_TOKEN": IN_ENVIRONMENT,
        "GITHUB_STEP_SUMMARY": str(out / "summary.md"),
    }
    suites = ("suites/test_policy_api.py", "suites/test_cookie.py")
    return replace(run_suite(out, *arguments, *suites, environment=environment), directory=out)


def test_the_run_did_what_would_have_told(run: Result) -> None:
    """Cases failed, diagnostics were collected, and the places where secrets were show that something was taken out."""
    assert run.status == 1, run.output
    left = "\n".join(path.read_text(encoding="utf-8") for path in files(run.directory))
    for place in (
        'X-Api-Key","[redacted]',
        "DATABASE_PASSWORD\n          value: '[redacted]'",
        "a crash that tells [redacted]",
    ):
        assert place in left, place
    for name in (
        "summary.md",
        "theirs.xml",
        "latest/junit.xml",
        "latest/timelines/cookie.svg",
        "latest/manifests/cookie.yaml",
    ):
        assert (run.directory / name).is_file(), name
    [read, *_] = run.directory.glob("latest/diagnostics/*/gateway/*.yaml")
    for section in ("keyauth_credentials:", "basicauth_credentials:", "jwt_secrets:", "vaults:", "licenses:"):
        assert section in read.read_text(encoding="utf-8")


@pytest.mark.parametrize("secret", [*PLANTED, *IN_GATEWAY.values()])
def test_no_secret_is_left(run: Result, secret: str) -> None:
    """Neither the value nor its base64 is in any file, nor in what was printed."""
    told = [secret, base64.b64encode(secret.encode()).decode().rstrip("=")]
    found = [
        str(path.relative_to(run.directory))
        for path in files(run.directory)
        if any(t.encode() in path.read_bytes() for t in told)
    ]
    assert not found
    assert secret not in run.output


def test_the_private_key_of_the_listener_is_not_left(run: Result) -> None:
    """No line of the key that the run made is anywhere, although the gateway was configured with it."""
    key = (run.directory.parent / KEY_FILE).read_text(encoding="utf-8")
    lines = [line for line in key.splitlines() if not line.startswith("-----")]
    assert len(lines) > 1
    left = b"\n".join(path.read_bytes() for path in files(run.directory)) + run.output.encode()
    assert not [line for line in lines if line.encode() in left]
    [read, *_] = run.directory.glob("latest/diagnostics/*/gateway/*.yaml")
    assert "secure." in read.read_text(encoding="utf-8"), "the gateway had no certificate of the run"


def files(directory: Path) -> list[Path]:
    """Every file a run left."""
    return [path for path in sorted(directory.rglob("*")) if path.is_file()]
