"""A control plane of Konnect that KIC reports to: what was given of it, handed over as KIC's own variant has it.

KIC identifies itself by a client certificate (config/components/konnect/manager.yaml of its repository). The private
key is a credential: it is never part of a message, and is in no child process's arguments or environment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stickyconf import secrecy
from stickyconf.ports import Manifest
from stickyconf.targets.installation import BadOption

ADDRESS = "https://us.kic.api.konghq.com"
"""Where KIC reports to by default."""

SECRET = "konnect-client-tls"  # noqa: S105 - its name, as KIC's own manifest has it
UPLOAD_PERIOD = "10s"
"""How often KIC reports what has changed: the shortest that it takes; its default is 30 s."""


@dataclass(frozen=True, slots=True)
class Konnect:
    """A control plane by its id, Konnect's address, and the client certificate and private key for it, in PEM."""

    control_plane: str
    address: str
    certificate: str = field(repr=False)
    key: str = field(repr=False)

    def secret(self, namespace: str) -> Manifest:
        """Return the Secret that KIC reads certificate and key from."""
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET, "namespace": namespace},
            "type": "kubernetes.io/tls",
            "stringData": {"tls.crt": self.certificate, "tls.key": self.key},
        }

    def controller_env(self) -> list[dict[str, Any]]:
        """Return what KIC's environment must say, beside what it says anyway."""
        said = {
            "CONTROLLER_KONNECT_SYNC_ENABLED": "true",
            "CONTROLLER_KONNECT_CONTROL_PLANE_ID": self.control_plane,
            "CONTROLLER_KONNECT_ADDRESS": self.address,
            "CONTROLLER_KONNECT_UPLOAD_CONFIG_PERIOD": UPLOAD_PERIOD,
        }
        held = {"CONTROLLER_KONNECT_TLS_CLIENT_CERT": "tls.crt", "CONTROLLER_KONNECT_TLS_CLIENT_KEY": "tls.key"}
        return [
            *({"name": name, "value": value} for name, value in said.items()),
            *(
                {"name": name, "valueFrom": {"secretKeyRef": {"name": SECRET, "key": key}}}
                for name, key in held.items()
            ),
        ]


def read_konnect(control_plane: str, address: str, certificate: str, key: str) -> Konnect | None:
    """Return the control plane with the content of both files, the key made known as a secret; None if none is named.

    Raises BadOption if a part is missing or a file cannot be read; it never quotes one.
    """
    given = {"--konnect-control-plane": control_plane, "--konnect-cert": certificate, "--konnect-key": key}
    if not any(given.values()):
        if address:
            raise BadOption("--konnect-address: name the control plane there, too: --konnect-control-plane ID")
        return None
    if missing := [option for option, value in given.items() if not value]:
        raise BadOption(f"a control plane of Konnect needs {', '.join(given)}; not given: {', '.join(missing)}")
    private = _pem("--konnect-key", Path(key))
    secrecy.known().keep(private)
    return Konnect(control_plane, address or ADDRESS, _pem("--konnect-cert", Path(certificate)), private)


def _pem(option: str, file: Path) -> str:
    try:
        text = file.read_text(encoding="ascii").strip()
    except OSError as error:
        raise BadOption(f"{option} {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadOption(f"{option} {file} is not in PEM") from None
    if not text.startswith("-----BEGIN "):
        raise BadOption(f"{option} {file} is not in PEM")
    return f"{text}\n"
