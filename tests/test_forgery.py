"""Cookies that nobody was given: an address can be read back from every spelling, and every value can be sent."""

from __future__ import annotations

import base64
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

import pytest

from stickyconf.scenarios.forgery import malformed_values, oversize_values, spellings, unknown_values

HOST, PORT = "10.1.2.3", 1027
ADDRESS = f"{HOST}:{PORT}"


def message(text: str) -> str:
    """Read the first field of a protobuf message: key 1 and wire type 2, then the length, then so many octets."""
    octets = base64.b64decode(text)
    assert octets[0] == 1 << 3 | 2
    assert octets[1] == len(octets) - 2 < 128
    return octets[2:].decode()


def numbers(text: str) -> str:
    """Read the two numbers, each with its bytes in reverse, that stand for IP address and port."""
    host, port, _ = text.split(".")
    octets = int(host).to_bytes(4, "little")
    return f"{'.'.join(map(str, octets))}:{int.from_bytes(int(port).to_bytes(2, 'little'), 'big')}"


READ: dict[str, Callable[[str], str]] = {
    "plain": str,
    "a URL": lambda text: urlsplit(text).netloc,
    "percent-encoded": unquote,
    "base64": lambda text: base64.b64decode(text).decode(),
    "quoted base64": lambda text: base64.b64decode(text.strip('"')).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode(),
    "hexadecimal": lambda text: bytes.fromhex(text).decode(),
    "base64 of a message": message,
    "quoted base64 of a message": lambda text: message(text.strip('"')),
    "numbers in reverse": numbers,
}


@pytest.mark.parametrize("way", READ)
def test_an_address_can_be_read_back(way: str) -> None:
    assert READ[way](spellings(HOST, PORT)[way]) == ADDRESS


def test_every_spelling_is_read_back_here() -> None:
    assert set(spellings(HOST, PORT)) == set(READ)
    assert set(spellings("fd00::7", PORT)) == set(READ) - {"numbers in reverse"}


def test_ipv6_addresses_stand_in_brackets() -> None:
    assert spellings("fd00::7", PORT)["plain"] == "[fd00::7]:1027"


def test_unknown_values_are_of_the_run_and_differ_from_the_next_one_s() -> None:
    assert unknown_values(1) == unknown_values(1)
    assert set(unknown_values(1).values()) & set(unknown_values(2).values()) == {"forged"}


def test_every_value_can_be_sent_as_it_is() -> None:
    for fields in (*malformed_values("session_id").values(), *oversize_values("session_id").values()):
        for field in fields:
            octets = field.encode("latin-1")
            assert min(octets) >= 0x20, "a control character is no field value (RFC 9110, section 5.5)"
            assert 0x7F not in octets


def test_oversize_values_are_longer_than_the_longest_that_must_be_served() -> None:
    longest = max(len(field) for fields in malformed_values("s").values() for field in fields)
    assert longest > 4096
    assert min(len(field) for fields in oversize_values("s").values() for field in fields) > 2 * longest
