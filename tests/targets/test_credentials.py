"""Credentials are got as kubectl gets them, got anew when they end, and what is wrong with them is one line."""

import base64
import contextlib
import json
import ssl
from datetime import UTC, datetime, timedelta

import pytest
import trustme
import yaml
from aiohttp import web

from stickyconf.ports import NAMESPACE, HarnessError, Kind, Rejected, TargetLost
from stickyconf.secrecy import known
from stickyconf.targets.kubernetes import KubernetesCluster

PLUGIN = """\
#!/bin/sh
echo run >> {directory}/runs
printf '{{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {{'
printf '"token": "plugin-token-%s"'
printf ', "expirationTimestamp": "{ends}"}}}}'
"""
KINDS = {"kind": "APIResourceList", "resources": [{"name": "namespaces", "kind": "Namespace", "namespaced": False}]}
FAR, PAST = "2999-01-01T00:00:00Z", "2001-01-01T00:00:00Z"


class ApiServer:
    """Answers discovery and lists no namespaces, to whoever shows an Authorization that ``takes`` accepts."""

    def __init__(self):
        self.seen, self.takes, self.answers = [], lambda _: True, {}

    async def serve(self, request):
        shown = request.headers.get("Authorization", "")
        self.seen.append(shown)
        if request.path in self.answers:
            return self.answers[request.path]()
        if not self.takes(shown):
            return web.json_response(
                {"kind": "Status", "reason": "Unauthorized", "message": "Unauthorized"}, status=401
            )
        said = {
            "/version": {"gitVersion": "v1.34.0"},
            "/apis": {"kind": "APIGroupList", "groups": []},
            "/api/v1": KINDS,
        }
        return web.json_response(said.get(request.path, {"kind": "NamespaceList", "items": []}))


@contextlib.asynccontextmanager
async def served(ssl_context=None):
    server, app = ApiServer(), web.Application()
    app.router.add_route("*", "/{path:.*}", server.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context)
    await site.start()
    server.url = f"http{'s' if ssl_context else ''}://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


def kubeconfig(tmp_path, server, user, **of_cluster):
    """Write a kubeconfig; a user of None is a context without one."""
    context = {"cluster": "c"} | ({"user": "u"} if user is not None else {})
    content = {
        "contexts": [{"name": "mine", "context": context}],
        "clusters": [{"name": "c", "cluster": {"server": server.url} | of_cluster}],
        "users": [{"name": "u", "user": user}] if user is not None else [],
    }
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(content))
    return file


def plugin(tmp_path, script):
    file = tmp_path / "login"
    file.write_text(script)
    file.chmod(0o755)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./login"}}


def issuing(tmp_path, ends):
    """A plugin that counts its runs and issues plugin-token-1, plugin-token-2 and so on."""
    count = f'"$(wc -l < {tmp_path}/runs | tr -d " ")"'
    script = PLUGIN.format(directory=tmp_path, ends=ends).replace("%s\"'", f"%s\"' {count}")
    return plugin(tmp_path, script)


def runs(tmp_path):
    file = tmp_path / "runs"
    return len(file.read_text().splitlines()) if file.exists() else 0


def using(loop, tmp_path, user, then, prepare=lambda _: None):
    """Connect as a user, and return what ``then(server, cluster)`` does."""

    async def use():
        async with served() as server:
            prepare(server)
            file = kubeconfig(tmp_path, server, user)
            async with KubernetesCluster(file, tmp_path / "cache", "mine") as cluster:
                return await then(server, cluster)

    return loop.run(use())


async def authorization(server, cluster):
    await cluster.list(NAMESPACE)
    return server.seen[-1]


def jwt(ends):
    claims = base64.urlsafe_b64encode(json.dumps({"exp": ends.timestamp()}).encode()).decode().rstrip("=")
    return f"header.{claims}.signature"


IN_AN_HOUR = datetime.now(UTC) + timedelta(hours=1)
USERS = {
    "token": ({"token": "abcdefgh-1"}, "Bearer abcdefgh-1"),
    "token that looks like a number": ({"token": "0123456789"}, "Bearer 0123456789"),
    "token with a newline": ({"token": "abcdefgh-2\n"}, "Bearer abcdefgh-2"),
    "password": ({"username": "me", "password": "12345678"}, "Basic bWU6MTIzNDU2Nzg="),
    "nothing": ({}, ""),
    "no user": (None, ""),
    "OIDC": ({"auth-provider": {"name": "oidc", "config": {"id-token": jwt(IN_AN_HOUR)}}}, f"Bearer {jwt(IN_AN_HOUR)}"),
}


@pytest.mark.parametrize(("user", "shown"), USERS.values(), ids=USERS)
def test_what_is_shown(loop, tmp_path, user, shown):
    """Each way of a kubeconfig to give credentials, or to give none, as behind a proxy that has them."""
    assert using(loop, tmp_path, user, authorization) == shown


def test_token_file_with_a_newline(loop, tmp_path):
    """A token file is trimmed, and read again if the server refuses what it held: it may have been rotated."""
    file = tmp_path / "token"
    file.write_text("from-a-file-1\n")

    async def rotated(server, cluster):
        assert await authorization(server, cluster) == "Bearer from-a-file-1"
        file.write_text("from-a-file-2\n")
        server.takes = lambda shown: shown == "Bearer from-a-file-2"
        return await authorization(server, cluster)

    assert using(loop, tmp_path, {"tokenFile": "token"}, rotated) == "Bearer from-a-file-2"


def test_plugin_is_run_again_when_its_token_has_ended(loop, tmp_path):
    """A token is used until its expirationTimestamp, and not longer; two clients share it."""
    assert using(loop, tmp_path, issuing(tmp_path, FAR), authorization) == "Bearer plugin-token-1"
    assert runs(tmp_path) == 1
    (tmp_path / "runs").unlink()

    async def each(server, cluster):
        before = runs(tmp_path)
        await cluster.list(NAMESPACE)
        await cluster.list(NAMESPACE)
        assert runs(tmp_path) == before + 2

    using(loop, tmp_path, issuing(tmp_path, PAST) | {"note": "another user"}, each)


def test_plugin_is_run_once_after_a_401(loop, tmp_path):
    """A refused token is replaced once and the request sent again; the new token is hidden, wherever it turns up."""

    async def refused(server, cluster):
        server.takes = lambda shown: shown == "Bearer plugin-token-2"
        return await authorization(server, cluster)

    assert using(loop, tmp_path, issuing(tmp_path, FAR), refused) == "Bearer plugin-token-2"
    assert runs(tmp_path) == 2
    assert "plugin-token" not in known().hide("it said plugin-token-1, plugin-token-2")


def test_credentials_that_end_for_good(loop, tmp_path):
    """If new credentials are refused as well, one line says so, and neither token is in it."""

    async def refused(server, cluster):
        server.takes = lambda _: False
        with pytest.raises(TargetLost, match="answers 401 Unauthorized; are the context's credentials valid") as told:
            await cluster.list(NAMESPACE)
        with pytest.raises(TargetLost):
            await cluster.list(Kind("v1", "Namespace"))
        return str(told.value)

    said = using(loop, tmp_path, issuing(tmp_path, FAR), refused)
    assert "\n" not in said
    assert "plugin-token" not in said
    assert runs(tmp_path) == 3


def test_401_of_a_pod(loop, tmp_path):
    """What a pod behind the API server answers says nothing of our credentials: Kong's Admin API may want its own."""

    async def of_a_pod(server, cluster):
        path = "/api/v1/namespaces/kong/pods/kong-1:8001/proxy/"
        server.answers[path] = lambda: web.json_response({"message": "Invalid credentials"}, status=401)
        return await cluster.get_from_pod("http", "kong-1", "kong", 8001, "/")

    assert using(loop, tmp_path, issuing(tmp_path, FAR), of_a_pod)[0] == 401
    assert runs(tmp_path) == 1


SAYS_NO = "#!/bin/sh\necho secret-on-stdout; echo 'Token has expired.' >&2; echo 'Run: aws sso login' >&2; exit 255\n"
NO_SUCH = {
    "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-login", "installHint": "Get\nit."}
}
ENDED = {"auth-provider": {"name": "oidc", "config": {"id-token": jwt(datetime(2020, 1, 1, tzinfo=UTC))}}}
UNUSABLE = {
    "plugin missing": (NO_SUCH, None, "the credential plugin 'no-such-login' is not installed: Get it."),
    "plugin failing": (None, SAYS_NO, "failed (exit status 255): Token has expired. Run: aws sso login"),
    "plugin without JSON": (None, "#!/bin/sh\necho secret-on-stdout\n", "did not print an ExecCredential as JSON"),
    "plugin without a token": (
        None,
        '#!/bin/sh\necho \'{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1"}\'\n',
        "gave neither a token nor a certificate",
    ),
    "OIDC that has ended": (
        ENDED,
        None,
        "OIDC token ended at 2020-01-01T00:00:00+00:00, and this suite does not renew",
    ),
    "OIDC without a token": ({"auth-provider": {"name": "oidc"}}, None, "holds no id-token that can be read"),
    "GCP": ({"auth-provider": {"name": "gcp"}}, None, "the auth provider 'gcp' is not supported"),
    "impersonation": (
        {"token": "abcdefgh-1", "as": "admin"},
        None,
        "impersonates another (as), which is not supported",
    ),
    "token file that is empty": ({"tokenFile": "/dev/null"}, None, "the token file /dev/null is empty"),
    "token file that is not there": ({"tokenFile": "absent"}, None, "absent cannot be read"),
}


@pytest.mark.parametrize(("user", "script", "said"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_cannot_be_used(loop, tmp_path, user, script, said):
    """One line says what is wrong, in the plugin's own words if it had any, and nothing of what it printed."""
    with pytest.raises(HarnessError) as told:
        using(loop, tmp_path, user or plugin(tmp_path, script), authorization)
    assert said in str(told.value)
    assert "\n" not in str(told.value)
    assert "secret-on-stdout" not in str(told.value)


def test_certificate_of_a_plugin(loop, tmp_path):
    """A plugin may issue a client certificate with its key; a new one is used when the old one has ended."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    mine = authority.issue_cert("me.test")
    pem = {"clientCertificateData": mine.cert_chain_pems[0].bytes(), "clientKeyData": mine.private_key_pem.bytes()}
    status = {name: text.decode() for name, text in pem.items()} | {"expirationTimestamp": PAST}
    credential = {"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "status": status}
    (tmp_path / "credential").write_text(json.dumps(credential))
    user = plugin(tmp_path, f"#!/bin/sh\necho run >> {tmp_path}/runs\ncat {tmp_path}/credential\n")

    async def use():
        async with served(context) as server:
            trusted = base64.b64encode(authority.cert_pem.bytes()).decode()
            file = kubeconfig(tmp_path, server, user, **{"certificate-authority-data": trusted})
            async with KubernetesCluster(file, tmp_path / "cache", "mine") as cluster:
                return await cluster.list(NAMESPACE)

    assert loop.run(use()) == []
    assert runs(tmp_path) > 1
    assert "PRIVATE KEY" not in known().hide(status["clientKeyData"])


def test_certificate_that_is_none(loop, tmp_path):
    """One line says that the kubeconfig cannot be used."""

    async def use():
        async with served(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)) as server:
            file = kubeconfig(tmp_path, server, {"client-certificate-data": "bm9uZQ==", "client-key-data": "bm9uZQ=="})
            async with KubernetesCluster(file, tmp_path / "cache", "mine"):
                pass

    with pytest.raises(HarnessError, match="the kubeconfig cannot be used"):
        loop.run(use())


def page():
    return web.Response(text="<html>\nSign in\n</html>", content_type="text/html")


BROKEN = {
    "a page": ("/apis", page, HarnessError),
    "no groups": ("/apis", lambda: web.json_response({"kind": "Status"}), HarnessError),
    "an error": ("/apis", lambda: web.Response(status=500, text="<p>\nno upstream"), HarnessError),
    "forbidden": ("/version", lambda: web.json_response({"message": "no"}, status=403), HarnessError),
    "cut": ("/version", lambda: web.Response(text='{"gitV', content_type="application/json"), HarnessError),
}


@pytest.mark.parametrize(("path", "answer", "kind"), BROKEN.values(), ids=BROKEN)
def test_server_that_is_no_api_server(loop, tmp_path, path, answer, kind):
    """Whatever answers in its place, connecting fails with our own error, in one line."""
    with pytest.raises(kind) as told:
        using(loop, tmp_path, {}, authorization, lambda server: server.answers.update({path: answer}))
    assert "\n" not in str(told.value)


LATER = {
    "a page": (page, HarnessError),
    "an error": (lambda: web.Response(status=503, text="later"), HarnessError),
    "forbidden": (lambda: web.json_response({"message": "no"}, status=403), Rejected),
    "cut": (lambda: web.Response(text='{"ite', content_type="application/json"), HarnessError),
}


@pytest.mark.parametrize(("answer", "kind"), LATER.values(), ids=LATER)
def test_answers_that_go_wrong_later(loop, tmp_path, answer, kind):
    """Discovery of a kind, and a list, fail with our own errors as well."""

    async def asked(server, cluster):
        for path in ("/api/v1/namespaces", "/apis/apps/v1"):
            server.answers[path] = answer
        with pytest.raises(kind):
            await cluster.list(NAMESPACE)
        with pytest.raises((HarnessError, Rejected)):
            await cluster.list(Kind("apps/v1", "Deployment"))

    using(loop, tmp_path, {}, asked)
