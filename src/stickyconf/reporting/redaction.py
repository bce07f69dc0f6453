"""What may not leave the machine: credentials, keys and licences. Everything attached or written passes here.

They are found by the names beside them, and by their values if those are known (``secrecy``). Cookies stay, whatever
their names: they are the evidence this suite is about. If a text is ambiguous, more is taken out than need be, never
less.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml

from stickyconf.plainyaml import LOADER
from stickyconf.secrecy import REDACTED, known

LIMIT = 1_000_000
"""The most one attachment or diagnostic file may have, in bytes."""


def redact(text: str) -> str:
    """Return the text with every credential in it replaced by ``[redacted]``; names and the text around them stay.

    Takes out: Authorization headers and bearer tokens, JSON Web Tokens, user names and passwords in addresses, private
    keys (PEM, also in base64), the values of names that sound secret, Kong licences, and every value that is known to
    be secret.
    """
    text = known().hide(text)
    if not _suspicious(text):
        return text
    parts = _COOKIE.split(text)  # what is no cookie, and cookies, in turn
    parts[::2] = [_plain(part) for part in parts[::2]]
    return "".join(parts)


def redact_data(value: Any, name: str = "") -> Any:
    """Return nested data (as JSON or YAML has it) with every credential replaced; ``name`` is the key it stands under.

    Beside what ``redact`` finds in each text: values under names that sound secret, {name, value} pairs such as a
    container's environment, values that follow their name in a list such as headers and arguments, the contents of
    Secret objects, and Kong's credentials.
    """
    return _walked(value, name, lambda _: REDACTED)


def remember_credentials(value: Any) -> None:
    """Make every credential in nested data (a kubeconfig, a manifest, an object) known: it is hidden from now on."""
    found: list[str] = []

    def take(credential: str) -> str:
        found.append(credential)
        return REDACTED

    _walked(value, "", take)
    known().keep(*found)


@cache
def remember_file(path: Path) -> None:
    """Do so with a file of YAML documents. Raises OSError if it cannot be read; what is no YAML has no names."""
    try:
        documents = list(yaml.load_all(path.read_text(encoding="utf-8"), Loader=LOADER))
    except yaml.YAMLError:
        return
    for document in documents:
        remember_credentials(document)


def _walked(value: Any, name: str, credential: Callable[[str], str]) -> Any:
    """Return nested data with every text redacted and every credential replaced by ``credential(it)``."""
    match value:
        case bool() | None:
            return value
        case int() | float():
            return credential(str(value)) if _is_secret(name) else value
        case str():
            if name.lower() in _COOKIE_NAMES or not value:
                return known().hide(value)
            return credential(value) if _is_secret(name) else redact(value)
        case Mapping():
            return {key: _walked(item, _name_of(str(key), value, name), credential) for key, item in value.items()}
        case list() | tuple():
            return [_walked(item, _name_before(value, n) or name, credential) for n, item in enumerate(value)]
        case _:
            return _walked(str(value), name, credential)


def publishable(text: str) -> str:
    """Return the text redacted and no longer than LIMIT bytes: of a longer one the end, after a line that says so."""
    return _publishable(text, len(known()))


@lru_cache(maxsize=32)  # the cases of a module attach the same history, timeline and manifests
def _publishable(text: str, _known: int) -> str:
    data = redact(text).encode("utf-8", errors="replace")
    if len(data) <= LIMIT:
        return data.decode()
    kept = LIMIT - 100  # room for the line below
    return f"[the first {len(data) - kept} of {len(data)} bytes are left out]\n" + data[-kept:].decode(errors="ignore")


# Patterns begin with what is rare: one that began with "any name" would take quadratic time on a line of base64.
_WORD = (
    r"(?:password|passwd|passphrase|secret|token|credential|api[-_]?key|access[-_]?key|private[-_]?key"
    r"|client-key-data|license[-_]?(?:data|key))"
)
# Names that only data has, of Kong's entities and plugins: in a text they would be found where nothing is secret.
_KONG_WORD = (
    r"(?:jwks?|secret_id|hmac_key|signing_key|encryption_key|aws_key|authorization_value|header_value|param_value"
    r"|service_account_json)"
)
_SECRET_NAME = re.compile(rf"-{{0,2}}[\w.-]*{_WORD}|(?:proxy-)?authorization|(?:[\w.-]*_)?{_KONG_WORD}", re.IGNORECASE)
_KEY_SET = re.compile(r"(?:[\w.-]*_)?jwks?", re.IGNORECASE)
# One of these is in every text that a rule below acts on; most texts have none, and are let through at once. In lower
# case, and looked for as they are: an expression would take a hundred times as long on a history.
_HINTS = (
    *("password", "passwd", "passphrase", "secret", "token", "credential", "client-key-data", "license"),
    *(f"{kind}{mark}key" for kind in ("api", "access", "private") for mark in ("", "-", "_", " ")),
    *("authorization", "bearer", "eyj", "ls0t"),
)
_USER_IN_ADDRESS = re.compile(r"://[^/\s@\"']+@")


def _suspicious(text: str) -> bool:
    lowered = text.lower()
    return any(hint in lowered for hint in _HINTS) or _USER_IN_ADDRESS.search(text) is not None


_COOKIE_NAMES = frozenset({"cookie", "set-cookie", "cookie_fields"})
_KONG_CREDENTIALS = ("_credentials", "_secrets")


@lru_cache(maxsize=10_000)  # the names of headers and fields come again and again
def _is_secret(name: str) -> bool:
    return _SECRET_NAME.fullmatch(name) is not None


def _name_of(key: str, mapping: Mapping[Any, Any], above: str) -> str:
    """Return the name to judge a mapping's value by: its key, or what follows from the keys around it."""
    if key == "value" and isinstance(mapping.get("name"), str):
        return str(mapping["name"])  # an environment variable
    if key == "key" and above.endswith(_KONG_CREDENTIALS):
        return "api-key"  # for example a keyauth_credential
    if above == _INSIDE or (key in {"data", "stringData"} and mapping.get("kind") == "Secret"):
        return _INSIDE
    if _KEY_SET.fullmatch(above):
        return _INSIDE  # a JSON Web Key: which of its members are private depends on its type
    return key


_INSIDE = "contents-of-a-secret"  # judged by its last word, whatever the keys below are


def _name_before(items: Sequence[Any], place: int) -> str:
    """Return the name that an item of a list follows, "" if the item before it is none."""
    before = items[place - 1] if place else None
    if isinstance(before, str) and (_is_secret(before) or before.lower() in _COOKIE_NAMES):
        return before
    return ""


def _plain(text: str) -> str:
    for rule in _RULES:
        text = rule.sub(_without_value, text)
    return _without_licences(text)


def _without_licences(text: str) -> str:
    """Take the body out of each ``"license": {...}``: up to the matching brace, or all the rest if there is none."""
    parts, position = [], 0
    while found := _LICENCE.search(text, position):
        depth, end = 0, found.end()
        for brace in _BRACE.finditer(text, found.end()):
            depth += 1 if brace.group() == "{" else -1
            end = brace.end()
            if depth == 0:
                break
        parts += [text[position : found.end()], REDACTED]
        position = end if depth == 0 else len(text)
    return "".join([*parts, text[position:]])


_LICENCE = re.compile(r'license\\*"\s*:\s*(?=\{)')
_BRACE = re.compile(r"[{}]")

# A Cookie or Set-Cookie field as a header, in JSON or as a pair: kept whole, as far as it is a row of cookies.
_COOKIE = re.compile(
    r"""((?:set-)?cookie\\?["']?[ \t]*[:,][ \t]*\\?["']?
         [^\s;,:="']+=(?:"[^"\n]*"|[^\s;,"']*)
         (?:;[ \t]*[^\s;,:="']+(?:=(?:"[^"\n]*"|[^\s;,"']*))?)*)""",
    re.IGNORECASE | re.VERBOSE,
)
# A value in quotes, those of JSON within JSON included, and one without.
_QUOTED = r"""\\"(?:(?!\\").)*\\"|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'"""
_BARE = r"""\{[^\n]*|(?:[^\s"'\\]|\\(?!["']))+"""
_UNLESS_CONSTANT = r"(?!(?:true|false|null|none|~)\b)"


def _rule(before: str, value: str, after: str = "") -> re.Pattern[str]:
    """Make a pattern whose first group stays and whose ``value`` goes."""
    return re.compile(rf"({before})(?P<value>{value}){after}", re.IGNORECASE | re.MULTILINE)


def _without_value(found: re.Match[str]) -> str:
    """Put ``[redacted]`` in the place of the value, in the quotes that were around it."""
    quote = re.match(r"""\\?["']""", found["value"])
    return f"{found[1]}{quote[0]}{REDACTED}{quote[0]}" if quote else f"{found[1]}{REDACTED}"


_RULES = (
    # Private keys: whole, cut off at the end (all that can be base64 goes), cut off at the start of the text.
    _rule(r"-----BEGIN [A-Z ]*PRIVATE KEY-----", r"(?s:.*?)", r"(?=-----END [A-Z ]*PRIVATE KEY-----)"),
    _rule(r"-----BEGIN [A-Z ]*PRIVATE KEY-----", r"(?:(?:\s|\\[nr])+[A-Za-z0-9+/=]+)+"),
    _rule(r"", r"\A(?:[A-Za-z0-9+/=]+\s+)+", r"(?=-----END [A-Z ]*PRIVATE KEY-----)"),
    # base64 of "-----BEGIN ", unless a certificate's.
    _rule(r"", r"LS0tLS1CRUdJTiB(?!DRVJUSUZJ)[A-Za-z0-9+/=]+"),
    # User and password in an address.
    _rule(r"://", r"[^/\s@\"']+", r"(?=@)"),
    _rule(r"authorization\\?[\"']?[ \t]*[:=,][ \t]*", rf"{_QUOTED}|digest[^\n]*|[^\n\"'\\]+"),
    # A name that sounds secret and its value: in a YAML block, on a YAML line, in a container's environment, anywhere
    # else, and as a command's option.
    _rule(
        rf"^(?P<indent>[ \t]*)(?:-[ \t]+)?[\w.-]*{_WORD}:[ \t]*",
        r"[|>][-+0-9]*[ \t]*(?:\n(?:(?P=indent)[ \t]+\S.*|[ \t]*$))+",
    ),
    _rule(rf"^[ \t]*(?:-[ \t]+)?[\w.-]*{_WORD}:[ \t]+", rf"{_UNLESS_CONSTANT}[^\n|>\"'\\{{][^\n]*"),
    _rule(
        rf"\bname\\?[\"']?:[ \t]*\\?[\"']?[\w.-]*{_WORD}\\?[\"']?\s*,?\s*\\?[\"']?value\\?[\"']?:[ \t]*",
        rf"{_QUOTED}|[^\n]+",
    ),
    _rule(rf"{_WORD}\\?[\"']?[ \t]*[:=][ \t]*", rf"{_UNLESS_CONSTANT}(?:{_QUOTED}|{_BARE})"),
    _rule(rf"(?<![\w-])--[\w-]{{0,60}}{_WORD}[ \t]+", r"(?!-)\S+"),
    # Tokens that stand alone.
    _rule(r"\bbearer[ \t]+", r"[A-Za-z0-9._~+/=-]{8,}"),
    _rule(r"", r"\beyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)?"),
)
