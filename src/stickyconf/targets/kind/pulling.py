"""Why a container image could not be had, told from what Docker or a node said, with what to do about it."""

from __future__ import annotations

import re

# What registries, Docker and containerd answer, in the order in which they are looked for.
_MISSING = re.compile(r"not found|manifest unknown|no such manifest|name unknown|no match for platform", re.IGNORECASE)
_REFUSED = re.compile(r"unauthorized|denied|authorization failed|forbidden|no basic auth", re.IGNORECASE)
_LIMITED = re.compile(r"toomanyrequests|too many requests|rate limit", re.IGNORECASE)
_UNREACHED = re.compile(
    r"no such host|dial tcp|i/o timeout|connection (refused|reset)|network is unreachable|server misbehaving"
    r"|TLS handshake|request canceled|deadline exceeded|x509",
    re.IGNORECASE,
)
_MALFORMED = re.compile(r"invalid reference|InvalidImageName|couldn't parse image|must be lowercase", re.IGNORECASE)
SHOWN = 300


def is_final(said: str) -> bool:
    """Whether another attempt would get the same answer."""
    return not _UNREACHED.search(said) and bool(
        _MISSING.search(said) or _REFUSED.search(said) or _MALFORMED.search(said)
    )


def pull_failure(image: str, said: str, *, option: str, otherwise: str) -> str:
    """Return one line: which image, why not, and what to do.

    ``said`` is the output of the program that tried; ``option`` names what chose the image; ``otherwise`` says how to
    provide it without a registry.
    """
    reason = " ".join(said.split())[-SHOWN:]
    if _UNREACHED.search(said):
        cause, cure = "the registry cannot be reached", f"check the network, or {otherwise}"
    elif _LIMITED.search(said):
        cause, cure = "the registry limits pulls", f"log in to it (docker login), wait, or {otherwise}"
    elif _REFUSED.search(said):
        cause, cure = "the registry refuses it", f"check its name, log in to the registry, or {otherwise}"
    elif _MISSING.search(said):
        cause, cure = "there is no such image, or none for this platform", f"check {option}"
    elif _MALFORMED.search(said):
        cause, cure = "that is no image's name", f"check {option}"
    else:
        cause, cure = "no reason that is known here", f"see what was said, or {otherwise}"
    return f"image {image} cannot be pulled: {cause}; {cure} (said: {reason})"
