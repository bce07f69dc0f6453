"""No credential gets into what is attached or written, and no evidence is lost on the way."""

from __future__ import annotations

import base64
import json
import string

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from stickyconf.reporting.redaction import LIMIT, REDACTED, publishable, redact, redact_data

# Recognisable, so that no template has it by chance.
SECRETS = st.text(string.ascii_letters + string.digits + "-._~+=", min_size=8, max_size=60).map(lambda s: f"Zq{s}9")
BASE64 = st.binary(min_size=48, max_size=400).map(lambda data: base64.encodebytes(data).decode().strip())
NOISE = st.text(string.ascii_letters + " #,.()\n", max_size=80)
SECRET_NAMES = st.sampled_from(
    [
        "password",
        "KONG_PG_PASSWORD",
        "token",
        "id-token",
        "clientSecret",
        "client-key-data",
        "Kong-Admin-Token",
        "api_key",
        "apikey",
        "privateKey",
        "KONG_LICENSE_DATA",
        "license_key",
    ]
)
PLACES = st.sampled_from(
    [
        "Authorization: Bearer {}",
        "authorization: Basic {}",
        'Authorization: Digest username="kong", response="{}"',
        'curl -H "Authorization: Bearer {}" http://127.0.0.1:8001/',
        '{{"Authorization": "Bearer {}", "Host": "echo.example"}}',
        "('Proxy-Authorization', 'Basic {}')",
        "the server said: bearer {} has expired",
        "https://kong:{}@admin.example:8444/config",
        "https://{}@admin.example:8444/config",
    ]
)
NAMED_PLACES = st.sampled_from(
    [
        "{}: {}",
        "  - {}: {} with more behind it",
        "{}={}",
        '"{}": "{}"',
        "'{}': '{}'",
        '{{\\"{}\\":\\"{}\\",\\"id\\":1}}',
        "kong start --{} {} --v",
        "kong start --{}={} --v",
        "- name: {}\n  value: {}",
        '{{"name":"{}","value":"{}"}}',
        "{}: |\n  {}\nnext: 1",
        "users:\n- name: me\n  user:\n    {}: {}",
    ]
)


@given(PLACES, SECRETS, NOISE, NOISE)
def test_no_credential_survives_wherever_it_stands(place: str, secret: str, before: str, after: str) -> None:
    assert secret not in redact(f"{before}\n{place.format(secret)}\n{after}")


@given(NAMED_PLACES, SECRET_NAMES, SECRETS, NOISE, NOISE)
def test_no_value_of_a_secret_name_survives_and_the_name_stays(
    place: str, name: str, secret: str, before: str, after: str
) -> None:
    clean = redact(f"{before}\n{place.format(name, secret)}\n{after}")

    assert secret not in clean
    assert name in clean


@given(SECRETS, SECRETS, SECRET_NAMES)
def test_a_value_of_several_words_on_a_line_of_yaml_goes_whole(one: str, other: str, name: str) -> None:
    clean = redact(f"stringData:\n  {name}: {one} {other}\n  next: 1")

    assert one not in clean
    assert other not in clean
    assert clean.endswith("next: 1")


@given(st.lists(st.text(string.ascii_letters + string.digits + "-_", min_size=5), min_size=3, max_size=3))
def test_a_json_web_token_goes_where_nothing_announces_it(parts: list[str]) -> None:
    token = "eyJ" + ".".join(parts)

    assert redact(f"who is {token}, then?") == f"who is {REDACTED}, then?"


@given(BASE64, st.sampled_from(["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"]), st.sampled_from(["\n", "\\n"]))
def test_no_line_of_a_private_key_survives_even_where_the_text_cuts_it_off(body: str, kind: str, newline: str) -> None:
    lines = body.splitlines()
    begin, end = f"-----BEGIN {kind}-----", f"-----END {kind}-----"
    whole = newline.join([begin, *lines, end])
    headless, endless = "\n".join([*lines, end]), newline.join([begin, *lines])
    encoded = base64.b64encode(whole.encode()).decode()
    locked = "\n".join([begin, "Proc-Type: 4,ENCRYPTED", "DEK-Info: AES-256-CBC,00FF", "", *lines, end])

    for text in (whole, f'{{"tls.key": "{whole}"}}', locked, headless, endless, f"client-key: {encoded}"):
        clean = redact(text)
        assert not [line for line in [*lines, encoded] if line in clean]


@given(SECRETS, SECRETS, st.sampled_from(["{}", "KONG_LICENSE_DATA={}", "license is '{}' here", "'{}"]))
def test_no_part_of_a_licence_survives(customer: str, signature: str, place: str) -> None:
    payload = {"customer": customer, "license_expiration_date": "2027-01-01", "license_key": f"{signature}_key"}
    licence = json.dumps({"license": {"payload": payload, "signature": signature, "version": "1"}})

    for text in (licence, json.dumps({"payload": licence}), licence[: licence.index(signature) + len(signature)]):
        clean = redact(place.format(text))
        assert customer not in clean
        assert signature not in clean


@given(NAMED_PLACES, SECRET_NAMES, SECRETS, NOISE)
def test_redacting_again_changes_nothing(place: str, name: str, secret: str, around: str) -> None:
    once = redact(f"{around}{place.format(name, secret)}{around}")

    assert redact(once) == once


@pytest.mark.parametrize(
    "evidence",
    [
        "Set-Cookie: session_token=0123-abcd; Path=/; HttpOnly",
        "Cookie: a=1; my-secret=0123abcd; b=2",
        '["set-cookie", "access_token=\\"Cg4xMjcuMC4wLjE6OTAwMA==\\"; Path=/"]',
        "AFF-01: expected session pinned-007 to stay on echo-6c9-x; saw exchange #14 reach echo-6c9-y [affinity #14]",
        "waited 4.1 s for 3 ready echo pods in case-affinity (budget rollout); last seen: {'echo-1': '127.3.1.4:1027'}",
        "automountServiceAccountToken: false",
        "volumes:\n- name: tls\n  secret:\n    secretName: kong-enterprise-license",
        "certificate-authority-data: " + base64.b64encode(b"-----BEGIN CERTIFICATE-----\nMIIB").decode(),
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "GET http://127.0.0.1:8000/echo?user=a@b HTTP/1.1",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ],
)
def test_evidence_stays_as_it_is(evidence: str) -> None:
    assert redact(evidence) == evidence


DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(string.ascii_letters, max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcdef", min_size=1), inner, max_size=3),
    max_leaves=8,
)


@given(DATA, SECRET_NAMES, SECRETS)
def test_nested_data_loses_secrets_at_any_depth_and_nothing_else(data: object, name: str, secret: str) -> None:
    held = [
        {name: secret},
        {"env": [{"name": name, "value": secret}]},
        {"headers": [["Authorization", f"Bearer {secret}"], ["host", "echo"]]},
        {"args": ["start", f"--{name}", secret]},
        {"kind": "Secret", "data": {"license": secret}, "stringData": {"a": {"b": secret}}},
        {"keyauth_credentials": [{"key": secret}], "jwt_secrets": [{"key": "iss", "secret": secret}]},
        {"message": f"login with {name}={secret} refused"},
    ]

    clean = redact_data({"above": data, "inside": [data, *held]})

    assert secret not in json.dumps(clean)
    assert redact_data(data) == data
    assert clean["above"] == data
    assert clean["inside"][0] == data


@pytest.mark.parametrize(
    "held",
    [
        {"keys": [{"kid": "a", "jwk": '{"kty":"oct","k":"SECRET"}'}]},
        {"plugins": [{"name": "openid-connect", "config": {"client_jwk": [{"kty": "oct", "k": "SECRET"}]}}]},
        {"vaults": [{"name": "hcv", "config": {"approle_secret_id": "SECRET"}}]},
        {"plugins": [{"name": "acme", "config": {"eab_hmac_key": "SECRET"}}]},
        {"plugins": [{"name": "oauth2-introspection", "config": {"authorization_value": "Basic SECRET"}}]},
        {"plugins": [{"name": "ai-proxy", "config": {"auth": {"header_value": "SECRET"}}}]},
        {"plugins": [{"name": "saml", "config": {"request_signing_key": "SECRET"}}]},
        {"plugins": [{"name": "x", "config": {"gcp_service_account_json": '{"k":"SECRET"}'}}]},
    ],
)
def test_credentials_of_kongs_entities_and_plugins_go(held: dict[str, object]) -> None:
    assert "SECRET" not in json.dumps(redact_data(held))


def test_nested_cookies_stay_as_they_are() -> None:
    exchange = {
        "cookie_fields": ["access_token=0123abcd; b=2"],
        "headers": [["Set-Cookie", "access_token=0123abcd; Path=/"], ["Content-Length", "3"]],
    }

    assert redact_data(exchange) == exchange


def test_a_redacted_object_can_still_be_written_as_yaml() -> None:
    clean = redact_data({"metadata": {"labels": {"app": "echo"}}, "token": 7, "pair": ("a", "b")})

    assert yaml.safe_load(yaml.safe_dump(clean)) == {
        "metadata": {"labels": {"app": "echo"}},
        "token": REDACTED,
        "pair": ["a", "b"],
    }


def test_a_long_text_keeps_its_end_and_says_what_is_left_out() -> None:
    text = "first line\n" + "x" * LIMIT + "\nKONG_PASSWORD=hunter2\nlast line"

    clean = publishable(text)

    assert len(clean.encode()) <= LIMIT
    assert clean.startswith("[the first ")
    assert clean.endswith(f"KONG_PASSWORD={REDACTED}\nlast line")
    assert publishable("short") == "short"
