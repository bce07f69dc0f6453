"""The licence is checked before anything starts, and is never shown."""

import json
from datetime import date

import pytest

from stickyconf.secrecy import known
from stickyconf.targets.installation import BadOption
from stickyconf.targets.kind.licence import VARIABLE, Unlicensed, demand, gateway_version, hide, read_licence

TODAY = date(2026, 11, 23)


def licence(expires: str = "2026-11-23") -> str:
    payload = {"license_expiration_date": expires, "license_key": "SENSITIVE"}
    return json.dumps({"license": {"payload": payload, "signature": "SENSITIVE", "version": "1"}})


def test_from_the_environment():
    """KONG_LICENSE_DATA is read, is good through its last day, and is not inherited by child processes."""
    environ = {VARIABLE: licence(), "PATH": "/bin"}
    read = read_licence(None, TODAY, environ)
    assert read
    assert read.expires == TODAY
    assert "SENSITIVE" not in repr(read)
    hide(read, environ)
    assert "SENSITIVE" not in known().hide(f"it said: {read.text}")
    assert environ == {"PATH": "/bin"}


def test_from_a_file(tmp_path):
    """A file that was named goes before the environment; none of both is none."""
    file = tmp_path / "license.json"
    file.write_text(licence("2027-01-01") + "\n")
    read = read_licence(file, TODAY, {VARIABLE: licence("2020-01-01")})
    assert read
    assert read.expires == date(2027, 1, 1)
    assert read.secret("kong")["stringData"] == {"license": licence("2027-01-01")}
    assert read_licence(None, TODAY, {}) is None


def test_byte_order_mark(tmp_path):
    """What an editor put before the text does not count, in a file and in the variable."""
    file = tmp_path / "license.json"
    file.write_text(licence(), encoding="utf-8-sig")
    for read in (read_licence(file, TODAY, {}), read_licence(None, TODAY, {VARIABLE: "\ufeff" + licence()})):
        assert read
        assert read.secret("kong")["stringData"] == {"license": licence()}


BAD = {
    "not JSON": ("SENSITIVE{", "KONG_LICENSE_DATA is no JSON with a date"),
    "cut short": (licence()[:-20], "KONG_LICENSE_DATA is no JSON with a date"),
    "no date": (licence("SENSITIVE"), "KONG_LICENSE_DATA is no JSON with a date"),
    "something else": ('{"key": "SENSITIVE"}', "is it a Kong licence?"),
    "a list": ('["SENSITIVE"]', "is it a Kong licence?"),
    "expired": (licence("2026-11-22"), "KONG_LICENSE_DATA: the licence expired on 2026-11-22; give a current one"),
}


@pytest.mark.parametrize(("text", "said"), BAD.values(), ids=BAD)
def test_refused_without_quoting_it(text, said):
    """The message says what is wrong, and nothing of the licence is in it or behind it."""
    with pytest.raises(BadOption) as caught:
        read_licence(None, TODAY, {VARIABLE: text})
    assert said in str(caught.value)
    assert "SENSITIVE" not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__, "a traceback would show the text"


def test_file_that_is_not_there(tmp_path):
    """The path is named."""
    with pytest.raises(BadOption, match=r"--kong-license-file .*missing cannot be read: No such file"):
        read_licence(tmp_path / "missing", TODAY, {})


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("kong/kong-gateway:3.11.0.14", (3, 11)),
        ("kong/kong-gateway:3.15", (3, 15)),
        ("registry.test:5000/kong/kong-gateway:3.15.0.4-ubuntu", (3, 15)),
        ("kong/kong-gateway:3.15.0.4@sha256:1234", (3, 15)),
        ("kong/kong-gateway:latest", None),
        ("registry.test:5000/kong/kong-gateway", None),
    ],
)
def test_version_of_an_image(image, version):
    """The tag says it, or nothing does; a registry's port is no version."""
    assert gateway_version(image) == version


def test_demanded_from_3_15():
    """A gateway that cannot be configured without a licence is not waited for; of older ones the run will tell."""
    demand("kong/kong-gateway:3.14.0.13", None)
    demand("kong/kong-gateway:latest", None)
    demand("kong/kong-gateway:3.15.0.4", read_licence(None, TODAY, {VARIABLE: licence()}))
    with pytest.raises(
        Unlicensed, match=r"3\.15\.0\.4 cannot be configured without a licence .* set KONG_LICENSE_DATA"
    ):
        demand("kong/kong-gateway:3.15.0.4", None)
