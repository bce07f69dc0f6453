"""What the two stand-ins, gateway and controller, read from their environment."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class MisconfiguredError(Exception):
    """The environment asks for something impossible; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. Port 0 lets the kernel choose."""

    host: str
    port: int


def address(text: str, *, variable: str) -> Address:
    """Parse ``ADDR:PORT``. Kong's listen flags after it (``reuseport backlog=16384``) change nothing here.

    Raises :class:`MisconfiguredError`, naming *variable*, for anything else.
    """
    host, colon, port = (text.split() or [""])[0].rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise MisconfiguredError(f"{variable} must be ADDR:PORT, not {text!r}")
    return Address(host.strip("[]"), int(port))


@dataclass(frozen=True, slots=True)
class Listener:
    """One entry of Kong's ``*_LISTEN`` variables: where, and whether TLS is spoken there."""

    address: Address
    tls: bool


def listeners(text: str, *, variable: str) -> tuple[Listener, ...]:
    """Parse ``ADDR:PORT [flags], ...`` as Kong writes it; of the flags only ``ssl`` changes anything here.

    Raises :class:`MisconfiguredError`, naming *variable*, for anything else.
    """
    return tuple(
        Listener(address(entry, variable=variable), tls="ssl" in entry.split()[1:]) for entry in text.split(",")
    )


def load_hook(spec: str) -> Callable[..., Any] | None:
    """The function that ``EMBEDDED_HOOK`` names as ``MODULE:FUNCTION``; None when it names none.

    Raises :class:`MisconfiguredError` when the module or the function cannot be found.
    """
    if not spec:
        return None
    module, _, function = spec.partition(":")
    try:
        hook = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise MisconfiguredError(f"EMBEDDED_HOOK {spec!r} names no MODULE:FUNCTION: {error}") from error
    if not callable(hook):
        raise MisconfiguredError(f"EMBEDDED_HOOK {spec!r} is not a function")
    return hook  # type: ignore[no-any-return]
