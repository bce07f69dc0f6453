"""A KIC binary that the user has built: what it is, and what it has to be told to run here."""

import functools
import json
import subprocess
from collections.abc import Container
from pathlib import Path

from embedded_cluster.machine import Unavailable

# KIC's switches for kinds of which the cluster may have no definition; without one it would not start.
_OPTIONAL_KINDS = {
    "KongIngress": "KONGINGRESS",
    "IngressClassParameters": "INGRESS_CLASS_PARAMETERS",
    "KongPlugin": "KONGPLUGIN",
    "KongClusterPlugin": "KONGCLUSTERPLUGIN",
    "KongConsumer": "KONGCONSUMER",
    "TCPIngress": "TCPINGRESS",
    "UDPIngress": "UDPINGRESS",
    "KongServiceFacade": "KONG_SERVICE_FACADE",
    "KongVault": "KONG_VAULT",
    "KongLicense": "KONG_LICENSE",
    "KongCustomEntity": "KONG_CUSTOM_ENTITY",
    "GRPCRoute": "GWAPI_GRPCROUTE",
}
_METRICS = 10255  # KIC's own default port
_VERSION_SECONDS = 20.0


@functools.cache
def version(binary: Path) -> str:
    """What *binary* says its release is. Raises :class:`~.machine.Unavailable` when it is no KIC."""
    try:
        said = subprocess.run([binary, "version"], capture_output=True, text=True, timeout=_VERSION_SECONDS, check=True)
        return str(json.loads(said.stdout)["release"])
    except (OSError, subprocess.SubprocessError, ValueError, LookupError, TypeError) as error:
        lines = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        detail = lines[-1] if lines else type(error).__name__
        raise Unavailable(f"--controller-binary: {binary} version does not answer as KIC does: {detail}") from error


def settings(kinds: Container[str]) -> dict[str, str]:
    """What KIC needs here on top of its defaults (its ``--help``; each flag is also a variable CONTROLLER_...)."""
    needed = {
        "CONTROLLER_KONG_ADMIN_TLS_SKIP_VERIFY": "true",  # as Kong's charts have it: the certificate is self-made
        "CONTROLLER_ELECTION_NAMESPACE": "$(POD_NAMESPACE)",  # asked of the service account in a real pod
        "CONTROLLER_METRICS_BIND_ADDRESS": f"$(POD_IP):{_METRICS}",
        "CONTROLLER_ANONYMOUS_REPORTS": "false",  # nothing leaves the machine
    }
    for kind, flag in _OPTIONAL_KINDS.items():
        if kind not in kinds:
            needed[f"CONTROLLER_ENABLE_CONTROLLER_{flag}"] = "false"
    return needed
