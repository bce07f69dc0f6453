"""The licence of Kong Gateway Enterprise: read and checked before anything starts, handed over as a Secret.

It is a credential: it is never part of a message, and is in no child process's arguments or environment.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from stickyconf import secrecy
from stickyconf.ports import Manifest
from stickyconf.releases.known import known
from stickyconf.targets.installation import BadOption, NoTarget

VARIABLE = "KONG_LICENSE_DATA"
SECRET, KEY = "kong-enterprise-license", "license"
"""The Secret and the key in it, as KIC's own manifest names them."""

BYTE_ORDER_MARK = "\ufeff"
"""Some editors write it before a text, and JSON does not allow it."""

HOW = f"set {VARIABLE} to the licence's JSON, or give --kong-license-file FILE"


class Unlicensed(NoTarget):
    """The gateway cannot be judged without a licence, and there is none."""


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence that can be read and has not expired. ``expires`` is its last day."""

    text: str = field(repr=False)
    expires: date

    def secret(self, namespace: str) -> Manifest:
        """Return the Secret the gateway reads it from when it starts."""
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET, "namespace": namespace},
            "type": "Opaque",
            "stringData": {KEY: self.text},
        }


def read_licence(file: Path | None, today: date, environ: MutableMapping[str, str] = os.environ) -> Licence | None:
    """Return the licence in ``file``, else the one in KONG_LICENSE_DATA, else None.

    Raises BadOption, which never quotes it, for one that is no JSON, has no expiry date or expired before ``today``.
    """
    if file is None:
        text, source = environ.get(VARIABLE, "").removeprefix(BYTE_ORDER_MARK).strip(), VARIABLE
        return _checked(text, source, today) if text else None
    try:
        return _checked(file.read_text(encoding="utf-8-sig").strip(), f"--kong-license-file {file}", today)
    except OSError as error:
        raise BadOption(f"--kong-license-file {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadOption(f"--kong-license-file {file} is no text; give the licence's JSON as Kong sent it") from None


def hide(licence: Licence | None, environ: MutableMapping[str, str] = os.environ) -> None:
    """Take the licence out of what child processes inherit, and have it redacted in every text."""
    environ.pop(VARIABLE, None)
    if licence:
        secrecy.known().keep(licence.text)


def inheritable(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment for a child process that is started before ``hide``: workers still need what it hides."""
    return {name: value for name, value in environ.items() if name != VARIABLE}


def _checked(text: str, source: str, today: date) -> Licence:
    try:
        expires = date.fromisoformat(json.loads(text)["license"]["payload"]["license_expiration_date"])
    except ValueError:  # also what json raises, whose message quotes nothing but whose attributes hold the text
        raise BadOption(f"{source} is no JSON with a date; give the licence exactly as Kong sent it") from None
    except (KeyError, TypeError):
        raise BadOption(f"{source} has no license.payload.license_expiration_date; is it a Kong licence?") from None
    if expires < today:
        raise BadOption(f"{source}: the licence expired on {expires}; give a current one")
    return Licence(text, expires)


def gateway_version(image: str) -> tuple[int, int] | None:
    """Return major and minor version that an image's tag names, or None if it names none (``latest``, a digest)."""
    tag = re.search(r":v?(\d+)\.(\d+)[^/]*$", image.partition("@")[0])
    return (int(tag[1]), int(tag[2])) if tag else None


def demand(image: str, licence: Licence | None) -> None:
    """Raise Unlicensed if this gateway cannot be configured without a licence; sooner than it would time out."""
    version = gateway_version(image)
    needed_from = known().gateway.licence_needed_from
    if licence is None and is_from(version, needed_from):
        raise Unlicensed(
            f"{image} cannot be configured without a licence (Kong Gateway Enterprise {needed_from} and later),"
            f" and there is none: {HOW}"
        )


def is_from(version: tuple[int, int] | None, first: str) -> bool:
    """Whether a gateway's version is the minor ``first`` or a later one; False if the version is not known."""
    return version is not None and version >= tuple(map(int, first.split(".")))
