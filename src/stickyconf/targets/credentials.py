"""What authenticates a context's requests: read from its kubeconfig, and got anew when it has ended."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from stickyconf.ports import TargetLost
from stickyconf.secrecy import known
from stickyconf.targets.execplugin import Issued, PluginFailed, run_plugin

TOKEN_FILE_SECONDS = 60.0
"""How long a token file's content is used without reading it again, as client-go does: it may be rotated."""

PAUSE_SECONDS = 10.0
"""How long a plugin that failed is not run again: a run that ends asks for much at once."""

_IMPERSONATION = ("as", "as-uid", "as-groups", "as-user-extra")


class Credentials:
    """The credentials of one user of a kubeconfig, shared by all that use them on one event loop."""

    def __init__(self, user: Mapping[str, Any], cluster: Mapping[str, Any]) -> None:
        """Take the user's section of a kubeconfig, with absolute paths, and the cluster's."""
        self._user, self._cluster = user, cluster
        self._lock = asyncio.Lock()
        self._now: Issued | None = None
        self._failed: tuple[float, TargetLost] | None = None

    async def current(self) -> Issued:
        """Return credentials that have not expired; TargetLost, in one line, if none can be got."""
        async with self._lock:
            if self._now is None or (self._now.expires and self._now.expires <= datetime.now(UTC)):
                self._now = await self._issued()
            return self._now

    async def renew(self, refused: Issued) -> bool:
        """Get credentials anew after the server refused these, and say whether it is worth asking again.

        A second caller finds them renewed already. False if the kubeconfig can have no others.
        """
        async with self._lock:
            if self._now is refused:
                if not (self._user.get("exec") or self._user.get("tokenFile")) or self._user.get("token"):
                    return False
                self._now = None
                self._now = await self._issued()
            return True

    async def _issued(self) -> Issued:
        if self._failed and time.monotonic() < self._failed[0] + PAUSE_SECONDS:
            raise self._failed[1]
        try:
            issued = await self._read()
        except PluginFailed as error:
            self._failed = time.monotonic(), error
            raise
        if "\n" in issued.authorization or "\r" in issued.authorization:
            raise TargetLost("the context's token has several lines; give the token alone")
        known().keep(issued.authorization.partition(" ")[2])
        # A new object each time, even if the plugin gave the same token again: `renew` tells them apart by identity.
        return replace(issued)

    async def _read(self) -> Issued:
        """Return what the user's section gives, the first of: token, token file, password, plugin, OIDC token."""
        user = self._user
        if asked := next((name for name in _IMPERSONATION if user.get(name)), ""):
            raise TargetLost(f"the context's user impersonates another ({asked}), which is not supported")
        if user.get("token"):
            return Issued(f"Bearer {str(user['token']).strip()}")
        if user.get("tokenFile"):
            return _from_file(Path(user["tokenFile"]))
        if user.get("username"):
            both = f"{user['username']}:{user.get('password') or ''}"
            known().keep(str(user.get("password") or ""))
            return Issued(f"Basic {base64.b64encode(both.encode()).decode()}")
        if user.get("exec"):
            return await run_plugin(user["exec"], self._cluster)
        if user.get("auth-provider"):
            return _from_provider(user["auth-provider"])
        return Issued()


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Credentials]] = WeakKeyDictionary()


def credentials_of(user: Mapping[str, Any], cluster: Mapping[str, Any]) -> Credentials:
    """Return the credentials of a user: the same for the same user, so that a plugin is not run once a client."""
    of_loop = _shared.setdefault(asyncio.get_running_loop(), {})
    return of_loop.setdefault(json.dumps([user, cluster], sort_keys=True), Credentials(user, cluster))


def _from_file(file: Path) -> Issued:
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise TargetLost(f"the token file {file} cannot be read: {error}") from error
    if not token:
        raise TargetLost(f"the token file {file} is empty")
    return Issued(f"Bearer {token}", expires=datetime.now(UTC) + timedelta(seconds=TOKEN_FILE_SECONDS))


def _from_provider(provider: Mapping[str, Any]) -> Issued:
    """Return an OIDC token that has not ended; anything else of an auth provider is refused in one line.

    The token is not refreshed: issuers may give each refresh token once, and the owner of the kubeconfig would be
    logged out by a run that took it.
    """
    name = provider.get("name")
    if name != "oidc":
        raise TargetLost(
            f"the auth provider {name!r} is not supported (kubectl has dropped it, too); use a credential plugin (exec)"
        )
    token = str((provider.get("config") or {}).get("id-token") or "")
    ends = _end(token)
    if ends is None:
        raise TargetLost("the context's OIDC login holds no id-token that can be read; log in again with kubectl")
    if ends <= datetime.now(UTC):
        raise TargetLost(
            f"the context's OIDC token ended at {ends.isoformat(timespec='seconds')}, and this suite does not renew it"
            " (issuers may let that be done once); have kubectl do so: any command with the context"
        )
    return Issued(f"Bearer {token}", expires=ends)


def _end(token: str) -> datetime | None:
    """Return when a JSON Web Token ends; None for a text that is none, or has no end."""
    try:
        _, claims, _ = token.split(".")
        read = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        return datetime.fromtimestamp(float(read["exp"]), UTC)
    except (ValueError, TypeError, KeyError, OverflowError, OSError, binascii.Error):
        return None
