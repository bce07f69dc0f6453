"""Set-Cookie as a user agent reads it (RFC 6265, section 5.2), and nothing of it is lost."""

from __future__ import annotations

import re
from dataclasses import dataclass

# RFC 6265, section 4.1.1: a cookie-value is cookie-octets, optionally inside one pair of double quotes.
_COOKIE_VALUE = re.compile(r'"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*"|[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*')
_WHITE_SPACE = " \t"  # all that section 5.2 trims; other characters that look like space belong to the value

KNOWN_ATTRIBUTES = frozenset(
    {"expires", "max-age", "domain", "path", "secure", "httponly", "samesite", "partitioned", "priority"}
)


@dataclass(frozen=True, slots=True)
class SetCookie:
    """One Set-Cookie header field.

    ``value`` keeps its quotes: a user agent sends them back as they came (RFC 6265, section 5.2).
    ``attributes`` are (name, value) pairs as spelt and in order; a flag such as ``Secure`` has the value "".
    """

    name: str
    value: str
    attributes: tuple[tuple[str, str], ...]

    def attribute(self, name: str) -> str | None:
        """Return the last value of an attribute, its name compared without case, or None if it is absent."""
        for spelt, value in reversed(self.attributes):
            if spelt.lower() == name.lower():
                return value
        return None

    @property
    def unknown_attributes(self) -> tuple[str, ...]:
        """Attribute names no browser knows, such as the misspelling ``Same-Site``."""
        return tuple(spelt for spelt, _ in self.attributes if spelt.lower() not in KNOWN_ATTRIBUTES)

    @property
    def legal_value(self) -> bool:
        """Whether the value is made of cookie-octets only (RFC 6265, section 4.1.1)."""
        return bool(_COOKIE_VALUE.fullmatch(self.value))


def parse_set_cookie(field: str) -> SetCookie | None:
    """Read one Set-Cookie field value; None if a user agent would ignore it (no "=", or no name)."""
    pair, *rest = field.split(";")
    name, equals, value = pair.partition("=")
    name = name.strip(_WHITE_SPACE)
    if not equals or not name:
        return None
    attributes = []
    for part in rest:
        spelt, _, text = part.partition("=")
        if spelt.strip(_WHITE_SPACE):
            attributes.append((spelt.strip(_WHITE_SPACE), text.strip(_WHITE_SPACE)))
    return SetCookie(name, value.strip(_WHITE_SPACE), tuple(attributes))


def path_matches(request_path: str, cookie_path: str) -> bool:
    """Whether a cookie with this Path goes with a request for that path (RFC 6265, section 5.1.4)."""
    if request_path == cookie_path:
        return True
    return request_path.startswith(cookie_path) and (cookie_path.endswith("/") or request_path[len(cookie_path)] == "/")


def prefix_faults(cookie: SetCookie) -> tuple[str, ...]:
    """Return what keeps a browser from storing a cookie because of the prefix of its name; nothing if it has none.

    RFC 6265bis, section 4.1.3: ``__Secure-`` needs Secure, ``__Host-`` also Path=/ and no Domain. Browsers compare the
    prefix without case (section 5.7). They also want it over TLS, which is not the cookie's doing.
    """
    name, faults = cookie.name.lower(), []
    if name.startswith(("__secure-", "__host-")) and cookie.attribute("secure") is None:
        faults.append("no Secure")
    if name.startswith("__host-"):
        if (path := cookie.attribute("path")) != "/":
            faults.append("no Path" if path is None else f"Path={path}")
        if domain := cookie.attribute("domain"):
            faults.append(f"Domain={domain}")
    return tuple(faults)
