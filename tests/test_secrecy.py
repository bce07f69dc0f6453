"""A value that is known to be secret is hidden wherever it turns up, however it is written there."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
import yaml

from stickyconf.reporting.redaction import redact
from stickyconf.scenarios.secured import _issued
from stickyconf.secrecy import REDACTED, Secrets, secret_values

SECRET = 'sw0rd/fish+"quoted"'
LICENCE = json.dumps({"license": {"payload": {"license_key": "ASDASDASDASDASDASDASD_ASDASDA"}, "signature": "6" * 64}})


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        json.dumps({"note": SECRET}),
        json.dumps({"note": SECRET + "é"}, ensure_ascii=False),
        f"http://gateway/?k={quote(SECRET, safe='')}",
        base64.b64encode(SECRET.encode()).decode(),
        f"data:\n  a: {base64.b64encode((SECRET + chr(10)).encode()).decode()}",
        f"Traceback: KeyError({SECRET!r})",
    ],
)
def test_every_spelling_is_hidden(written: str) -> None:
    hidden = Secrets([SECRET]).hide(written)

    assert REDACTED in hidden
    assert "fish" not in hidden
    assert base64.b64encode(SECRET.encode()).decode()[:16] not in hidden


def test_what_a_secret_in_base64_says_is_one_too() -> None:
    secrets = Secrets([base64.b64encode(b"correct horse battery").decode()])

    assert secrets.hide("it is: correct horse battery") == f"it is: {REDACTED}"


def test_a_licence_is_known_by_its_parts() -> None:
    said = Secrets([LICENCE]).hide("invalid signature " + "6" * 64 + " of ASDASDASDASDASDASDASD_ASDASDA")

    assert said == f"invalid signature {REDACTED} of {REDACTED}"


def test_a_key_of_several_lines_is_known_by_each() -> None:
    key = "-----BEGIN PRIVATE KEY-----\n" + "A1b2" * 16 + "\n" + "C3d4" * 10 + "\n-----END PRIVATE KEY-----\n"

    assert "C3d4" not in Secrets([key]).hide("    " + "C3d4" * 10)


def test_the_key_that_a_run_makes_is_hidden_from_then_on() -> None:
    """As the gateway's configuration has it, in a Secret, and line by line; the certificate stays."""
    _, chain, key = _issued("shop.test")
    lines = [line for line in key.splitlines() if not line.startswith("-----")]
    configuration = {"certificates": [{"cert": chain, "key": key}]}
    written = [
        json.dumps(configuration),
        json.dumps({"config": yaml.safe_dump(configuration)}),
        json.dumps({"data": {"tls.key": base64.b64encode(key.encode()).decode()}}),
        *(f"cannot use {line}" for line in lines),
    ]
    for text in written:
        left = redact(text)
        assert not [line for line in lines if line in left]
        assert base64.b64encode(key.encode()).decode()[40:80] not in left
    assert chain.splitlines()[1] in redact(written[0])


def test_of_two_secrets_of_which_one_holds_the_other_nothing_stays() -> None:
    assert (
        Secrets(["hunter2hunter2", "hunter2hunter2-and-more"]).hide("x hunter2hunter2-and-more y") == f"x {REDACTED} y"
    )


@pytest.mark.parametrize("value", ["", "true", "short", "10.0.0.1:8080", "/etc/passwd", "12345678"])
def test_what_is_no_secret_stays(value: str) -> None:
    text = f"before {value} after"

    assert Secrets([value]).hide(text) == text


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("KONG_LICENSE_DATA", True),
        ("GITHUB_TOKEN", True),
        ("KONG_PG_PASSWORD", True),
        ("MY_SECRET_1", False),
        ("CLIENT_SECRET", True),
        ("DEPLOY_KEY", True),
        ("apikey", True),
        ("PATH", False),
        ("KEYBOARD", False),
        ("PWD", False),
        ("TOKENIZERS_PARALLELISM", False),
    ],
)
def test_variables_that_sound_secret(name: str, secret: bool) -> None:
    assert bool(list(secret_values({name: "some-value"}))) is secret


def test_of_a_header_the_credential_alone_is_secret_too() -> None:
    assert list(secret_values({"Authorization": "Bearer abc", "Accept": "*/*"})) == ["Bearer abc", "abc"]
