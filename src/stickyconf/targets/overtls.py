"""How the gateway is reached over TLS: by the port of its proxy's Service that is for TLS."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from stickyconf.ports import ENDPOINT_SLICE, SERVICE, Cluster, OutOfReach, TlsEntrance
from stickyconf.targets.installation import Installation
from stickyconf.targets.kubeconfig.portforward import port_forwarded
from stickyconf.targets.kubeconfig.reach import ready_behind
from stickyconf.targets.kubernetes import KubernetesCluster

HANDSHAKE_SECONDS = 5.0
"""How long the first handshake may take, through the Kubernetes API."""


@dataclass(frozen=True, slots=True)
class OverTls:
    """The way over TLS, if there is one.

    ``port`` is that of the Service, which a Gateway's listener names; ``address`` gives the base address over TLS for
    the plain one of a replica. ``missing`` says why there is no way; "" if there is one.
    """

    missing: str = ""
    port: int = 0
    address: Callable[[str], str] = str

    def entrance(self, plain: str) -> TlsEntrance:
        """Return where a client of a replica's plain address goes instead; OutOfReach if there is no way."""
        if self.missing:
            raise OutOfReach(self.missing)
        return TlsEntrance(self.address(plain), self.port)


@contextlib.asynccontextmanager
async def over_tls(cluster: KubernetesCluster, installed: Installation) -> AsyncIterator[OverTls]:
    """Find the way over TLS: an address that is known, a pod's own if these are reached, a port-forward to a pod.

    What answers there need not be looked at: the certificate that clients ask for shows whether it is the gateway. A
    port-forward is closed in the end.
    """
    name = f"Service {installed.namespace}/{installed.proxy_service}"
    port = await _tls_port(cluster, installed)
    if port is None:
        yield OverTls(f"{name} has no port for TLS")
    elif installed.tls_url:
        there = urlsplit(installed.tls_url).port
        yield OverTls(port=port["port"], address=lambda plain: f"https://{urlsplit(plain).hostname}:{there}")
    elif installed.behind_no_service:
        yield OverTls("clients reach the gateway by a way that carries no TLS")
    else:
        labels = f"kubernetes.io/service-name={installed.proxy_service}"
        slices = await cluster.list(ENDPOINT_SLICE, installed.namespace, labels)
        pods = [one for one in ready_behind(slices, port.get("name", "")) if one[2]]
        if not pods:
            yield OverTls(f"no pod behind {name} is ready at its port for TLS")
            return
        address, target, pod = sorted(pods)[0]
        direct = f"https://[{address}]:{target}" if ":" in address else f"https://{address}:{target}"
        if installed.direct_addresses and not await _refused(direct):
            yield OverTls(port=port["port"], address=lambda _: direct)
            return
        async with port_forwarded(cluster, pod, installed.namespace, target) as forwarded:
            url = forwarded.replace("http://", "https://")
            wrong = await _refused(url)
            said = f"pod {pod} does not speak TLS at port {target}, through the Kubernetes API ({wrong})"
            yield OverTls(said if wrong else "", port["port"], lambda _: url)


async def _tls_port(cluster: Cluster, installed: Installation) -> dict[str, Any] | None:
    """Return the port for TLS of the proxy's Service, as Kong's charts and manifests name it; None if it has none."""
    if not installed.proxy_service:
        return None
    found = await cluster.get(SERVICE, installed.proxy_service, installed.namespace)
    ports = ((found or {}).get("spec") or {}).get("ports") or ()
    return next((dict(one) for one in ports if "tls" in one.get("name", "") or one["port"] in (443, 8443)), None)


async def _refused(url: str) -> str:
    """Shake hands once, whatever the certificate: "" if that went well, else what went wrong."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    where = urlsplit(url)
    try:
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            _, writer = await asyncio.open_connection(where.hostname, where.port, ssl=context)
    except (OSError, TimeoutError) as error:
        return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")
    writer.close()
    return ""
