"""Credential plugins of a kubeconfig (``exec``): run as kubectl runs them, and quoted in one line if they fail.

The official client runs a plugin once, logs what went wrong, and goes on without credentials; so this is written here,
as client-go has it. https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from stickyconf.ports import TargetLost
from stickyconf.secrecy import known

PLUGIN_SECONDS = 60.0
"""How long a plugin may take, in seconds. It cannot ask the user anything: it has no terminal."""

VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
KIND = "ExecCredential"
MOST_WORDS = 400
"""How much of a plugin's own words is quoted, in characters."""


class PluginFailed(TargetLost):
    """A credential plugin gave no credentials; the message is one line, in the plugin's own words if it had any."""


@dataclass(frozen=True, slots=True)
class Issued:
    """Credentials: the value of Authorization, or a client certificate with its key (PEM), good until ``expires``."""

    authorization: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    expires: datetime | None = None


async def run_plugin(plugin: Mapping[str, Any], cluster: Mapping[str, Any]) -> Issued:
    """Run the plugin that a user's ``exec`` describes and return what it issued; ``cluster`` is the context's cluster.

    The credentials are hidden in every text from now on. Raises PluginFailed.
    """
    command, version = str(plugin.get("command", "")), str(plugin.get("apiVersion", ""))
    if version not in VERSIONS:
        raise PluginFailed(f"the credential plugin {command!r} is for {version or 'no version'}; known: {VERSIONS}")
    if plugin.get("interactiveMode") == "Always":
        raise PluginFailed(f"the credential plugin {command!r} needs a terminal (interactiveMode: Always)")
    status = _status(await _output(command, plugin, _asked(plugin, version, cluster)), command, version)
    token, certificate, key = (
        str(status.get(name) or "") for name in ("token", "clientCertificateData", "clientKeyData")
    )
    known().keep(token, key)
    if bool(certificate) != bool(key) or not (token or certificate):
        raise PluginFailed(f"the credential plugin {command!r} gave neither a token nor a certificate with its key")
    return Issued(
        authorization=f"Bearer {token}" if token else "",
        certificate=f"{certificate}\n{key}" if certificate else "",
        expires=_expiry(status, command),
    )


def _asked(plugin: Mapping[str, Any], version: str, cluster: Mapping[str, Any]) -> str:
    spec: dict[str, Any] = {"interactive": False}
    if plugin.get("provideClusterInfo"):
        spec["cluster"] = {name: value for name, value in cluster.items() if name != "extensions"}
    return json.dumps({"apiVersion": version, "kind": KIND, "spec": spec})


async def _output(command: str, plugin: Mapping[str, Any], asked: str) -> bytes:
    variables = {item["name"]: str(item.get("value", "")) for item in plugin.get("env") or ()}
    try:
        process = await asyncio.create_subprocess_exec(
            command,
            *map(str, plugin.get("args") or ()),
            env=os.environ | variables | {"KUBERNETES_EXEC_INFO": asked},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except FileNotFoundError as error:
        hint = _one_line(str(plugin.get("installHint") or ""))
        raise PluginFailed(f"the credential plugin {command!r} is not installed{': ' if hint else ''}{hint}") from error
    except (OSError, ValueError) as error:
        raise PluginFailed(f"the credential plugin {command!r} cannot be started: {error}") from error
    try:
        async with asyncio.timeout(PLUGIN_SECONDS):
            said, complained = await process.communicate()
    except TimeoutError as error:
        raise PluginFailed(f"the credential plugin {command!r} did not end within {PLUGIN_SECONDS:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        words = _one_line(complained.decode(errors="replace")) or "it said nothing"
        raise PluginFailed(f"the credential plugin {command!r} failed (exit status {process.returncode}): {words}")
    return said


def _status(said: bytes, command: str, version: str) -> Mapping[str, Any]:
    try:
        credential = json.loads(said)
    except ValueError:  # what was said may be a secret: neither it nor an error that holds it is passed on
        raise PluginFailed(f"the credential plugin {command!r} did not print an {KIND} as JSON") from None
    if not isinstance(credential, dict) or credential.get("kind") != KIND:
        raise PluginFailed(f"the credential plugin {command!r} printed JSON that is no {KIND}")
    if credential.get("apiVersion") != version:
        raise PluginFailed(f"the credential plugin {command!r} answered in another version than {version}")
    status = credential.get("status")
    return status if isinstance(status, dict) else {}


def _expiry(status: Mapping[str, Any], command: str) -> datetime | None:
    if not status.get("expirationTimestamp"):
        return None
    try:
        expires = datetime.fromisoformat(str(status["expirationTimestamp"]))
    except ValueError as error:
        raise PluginFailed(f"the credential plugin {command!r} gave an expirationTimestamp that is no time") from error
    return expires if expires.tzinfo else expires.replace(tzinfo=UTC)


def _one_line(text: str) -> str:
    words = known().hide(" ".join(text.split()))
    return words if len(words) <= MOST_WORDS else f"{words[:MOST_WORDS]} ..."
