"""A control plane of Konnect: what is given of it, what KIC says of its reports, and what is never said."""

import asyncio
from pathlib import Path

import pytest
import trustme

from stickyconf.checks.affinity import REPORTED
from stickyconf.ports import OutOfReach
from stickyconf.secrecy import known
from stickyconf.targets.installation import BadOption, Installation
from stickyconf.targets.kind.konnect import ADDRESS, read_konnect
from stickyconf.targets.kong import IngressController


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A client certificate and its private key."""
    leaf = trustme.CA().issue_cert("kic.test")
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    leaf.cert_chain_pems[0].write_to_path(certificate)
    leaf.private_key_pem.write_to_path(key)
    return certificate, key


def test_both_files_are_read_and_the_key_is_hidden(files):
    certificate, key = files
    konnect = read_konnect("b4cfe2ab", "", str(certificate), str(key))
    assert (konnect.control_plane, konnect.address) == ("b4cfe2ab", ADDRESS)
    assert konnect.secret("kong")["stringData"]["tls.key"].strip() == key.read_text().strip()
    line = key.read_text().splitlines()[1]
    assert line not in known().hide(f"tls: failed to parse {line}")
    assert line not in repr(konnect)


def test_none_is_named_by_default():
    assert read_konnect("", "", "", "") is None


def test_what_is_missing_is_said(files, tmp_path):
    certificate, key = files
    (tmp_path / "key").write_text("hello, this is a secret")
    for given, said in (
        (("", ADDRESS, "", ""), "name the control plane there, too"),
        (("id", "", "", str(key)), "not given: --konnect-cert"),
        (("", "", str(certificate), str(key)), "not given: --konnect-control-plane"),
        (("id", "", str(certificate), str(tmp_path / "nothing")), "cannot be read: No such file"),
        (("id", "", str(certificate), str(tmp_path / "key")), "is not in PEM"),
    ):
        with pytest.raises(BadOption, match=said) as refusal:
            read_konnect(*given)
        assert "hello" not in str(refusal.value)


class Cluster:
    """A cluster with KIC's Deployment and one pod of it."""

    def __init__(self, *settings: str, log: str = "") -> None:
        containers = [{"name": "kic", "image": "kong/kubernetes-ingress-controller:3.5.13", "args": list(settings)}]
        spec = {"selector": {"matchLabels": {"app": "kic"}}, "template": {"spec": {"containers": containers}}}
        self._deployment, self._log = {"metadata": {"name": "kic"}, "spec": spec}, log

    async def get(self, *_: object) -> object:
        return self._deployment

    async def list(self, *_: object) -> object:
        return [{"metadata": {"name": "kic-1"}}]

    async def log(self, *_: object) -> str:
        return self._log


def controller(*settings: str, log: str = "") -> IngressController:
    installed = Installation(target="kind", kubeconfig=Path("k"), tempo=None, controller="kic")
    return IngressController(Cluster(*settings, log=log), None, installed)


def test_a_controller_says_which_control_plane_it_reports_to():
    """On any cluster: also one whose KIC somebody else has set up so."""
    on = ["--konnect-sync-enabled=true", "--konnect-control-plane-id=b4cfe2ab"]
    assert asyncio.run(controller(*on).konnect()) == "b4cfe2ab"
    with pytest.raises(OutOfReach, match="takes an account"):
        asyncio.run(controller().konnect())


@pytest.mark.parametrize(
    ("log", "last"),
    [
        ("started\n", ""),
        (f"started\n1 {REPORTED}\nmore\n", f"1 {REPORTED}"),
        (f"1 {REPORTED}\n2 Failed to upload configuration to Konnect\n3 more\n", "2 Failed to upload"),
        ("1 Failed to create Konnect client, skipping\n", "1 Failed to create"),
    ],
)
def test_what_it_said_last_of_a_report_is_found(log, last):
    said = asyncio.run(controller(log=log).reported())
    assert said.startswith(last)
    assert bool(said) is bool(last)
