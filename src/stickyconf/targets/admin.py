"""The Gateway port: Kong's Admin API, replica by replica, each reached in the way that works."""

from __future__ import annotations

import json
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import tenacity
import yaml

from stickyconf.plainyaml import LOADER
from stickyconf.ports import ENDPOINT_SLICE, HarnessError, OutOfReach
from stickyconf.targets.http1 import Http1Transport
from stickyconf.targets.installation import Installation
from stickyconf.targets.kubernetes import KubernetesCluster

DIRECT_SECONDS = 3.0
"""How long a replica has to answer at its own address before it is asked through the API server, in seconds."""

ANSWER_SECONDS = 10.0
"""How long it has later, for each step of an exchange, in seconds."""

PATIENCE_SECONDS, PAUSE_SECONDS = 15.0, 0.25
"""For how long an Admin API that does not answer is asked again, and how often. It is read to see how far a change has
come; one answer that the API server could not fetch from a busy gateway is no reason to end every recording."""

PAGE = 1000
"""The most entries that Kong gives in one page."""

VERIFIED, UNVERIFIED, THROUGH = "direct", "direct, certificate not verified", "through the Kubernetes API"


class _Unanswered(Exception):
    """An Admin API did not answer, or what is in front of it answered in its place."""


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """One replica's Admin API: its address, and the pod behind it ("" if that is not known)."""

    url: str
    pod: str = ""


class AdminApi:
    """Kong's Admin API as the endpoints of its Service give it, or at one address that overrides them.

    A replica is asked through the Kubernetes API (pods/proxy). If the installation says that pod addresses are this
    cluster's as seen from here, it is asked at its own address first. A certificate that is not trusted here, as Kong's
    own self-signed one, is accepted and ``ways`` says so: what is read is configuration, and nothing secret is sent.
    """

    def __init__(self, cluster: KubernetesCluster, installed: Installation, fixed: str | None = None) -> None:
        """Take the cluster to look endpoints up in, where Kong is in it, and the address that overrides that."""
        self._cluster, self._installed, self._fixed = cluster, installed, fixed or installed.admin_url
        self._verified = Http1Transport(ssl.create_default_context())
        self._unverified = Http1Transport(_anybody())
        self._direct = bool(self._fixed) or installed.direct_addresses
        self._known: dict[str, Endpoint] = {}
        self.ways: dict[str, str] = {}

    async def close(self) -> None:
        """Close every connection."""
        await self._verified.aclose()
        await self._unverified.aclose()

    async def replicas(self) -> Sequence[str]:
        """Return the base addresses of the Admin APIs that run now, sorted.

        If a new one does not answer at all: OutOfReach on a foreign cluster, HarnessError on our own.
        """
        endpoints = await self._endpoints()
        for endpoint in endpoints:
            if endpoint.url not in self.ways or self._known[endpoint.url] != endpoint:
                self._known[endpoint.url] = endpoint
                self.ways[endpoint.url] = await self._way(endpoint)
        return tuple(endpoint.url for endpoint in endpoints)

    async def pods(self) -> Sequence[str]:
        """Return the names of the replicas' pods; none if the address is fixed, and no pod known behind it."""
        return tuple(endpoint.pod for endpoint in await self._endpoints() if endpoint.pod)

    async def information(self, replica: str) -> dict[str, Any]:
        """Return the Admin API's root: version and settings."""
        return await self._get(replica, "/") or {}

    async def workers(self, replica: str) -> int | None:
        """Return how many worker processes this replica has; None if it does not say.

        Kong lists their ids, and if not those, its setting nginx_worker_processes, which may also be "auto".
        """
        information = await self.information(replica)
        running = (information.get("pids") or {}).get("workers")
        if isinstance(running, list) and running:
            return len(running)
        told = str((information.get("configuration") or {}).get("nginx_worker_processes", ""))
        return int(told) if told.isdecimal() and int(told) else None

    async def upstream(self, replica: str, name: str) -> dict[str, Any] | None:
        """Return an upstream's fields as this replica shows them, or None if it has no such upstream."""
        return await self._get(replica, f"/upstreams/{name}")

    async def targets(self, replica: str, name: str) -> dict[str, int]:
        """Return target address ("ip:port") -> weight; empty if there is no such upstream.

        ``/targets/all``, because Kong's ``/targets`` ends after 100 and does not say so (seen with 3.10).
        """
        listed = await self._listed(replica, f"/upstreams/{name}/targets/all", f"the targets of {name}")
        return {target["target"]: int(target["weight"]) for target in listed}

    async def upstreams(self, replica: str) -> Sequence[dict[str, Any]]:
        """Return the fields of all upstreams as this replica shows them."""
        return await self._listed(replica, "/upstreams", "the upstreams")

    async def _listed(self, replica: str, path: str, what: str) -> list[dict[str, Any]]:
        """Return all entries of a list, page by page. HarnessError, naming what it is, for one without an end."""
        found: list[dict[str, Any]] = []
        offset, seen = "", set[str]()
        while True:
            more = f"&offset={quote(offset, safe='')}" if offset else ""
            page = await self._get(replica, f"{path}?size={PAGE}{more}") or {}
            found += page.get("data") or ()
            offset = str(page.get("offset") or "")
            if not offset:
                return found
            if offset in seen:
                raise HarnessError(f"the Admin API at {replica} gives {what} without an end")
            seen.add(offset)

    async def configuration(self, replica: str) -> dict[str, Any]:
        """Return the whole configuration in force, for diagnostics: as data, in which credentials can be found.

        Kong gives it as YAML in a string. HarnessError if that is no mapping.
        """
        text = (await self._get(replica, "/config") or {}).get("config")
        try:
            configuration = yaml.load(text or "{}", Loader=LOADER)  # noqa: S506 - a safe loader
        except (yaml.YAMLError, AttributeError) as error:
            raise HarnessError(f"the Admin API at {replica} gives a configuration that is no YAML") from error
        if not isinstance(configuration, dict):
            raise HarnessError(f"the Admin API at {replica} gives a configuration that is no mapping")
        return configuration

    async def _endpoints(self) -> list[Endpoint]:
        if self._fixed:
            return [Endpoint(self._fixed.rstrip("/"))]
        service = self._installed.admin_service
        slices = await self._cluster.list(
            ENDPOINT_SLICE, self._installed.namespace, f"kubernetes.io/service-name={service}"
        )
        return sorted(
            {
                Endpoint(f"{_scheme(port)}://{_host(address)}:{port['port']}", _pod(endpoint))
                for item in slices
                for port in _admin_ports(item)
                for endpoint in item.get("endpoints") or ()
                if not (endpoint.get("conditions") or {}).get("terminating")
                for address in endpoint["addresses"]
            }
        )

    async def _way(self, endpoint: Endpoint) -> str:
        tried: list[str] = []
        direct = ((VERIFIED, self._verified), (UNVERIFIED, self._unverified))
        for way, http in direct if self._direct else ():
            try:
                status, body = await _got(http, endpoint.url + "/", DIRECT_SECONDS)
            except httpx.HTTPError as error:
                tried.append(f"{endpoint.url}: {error!r}")
                if "CERTIFICATE_VERIFY_FAILED" not in str(error):
                    break
                continue
            if _is_kong(body):
                return way
            tried.append(f"{endpoint.url}: HTTP {status}, not Kong's Admin API")
            break
        if endpoint.pod:
            status, body = await self._through(endpoint, "/")
            if _is_kong(body):
                return THROUGH
            tried.append(f"through the Kubernetes API: HTTP {status}")
        elif not tried:
            tried.append(f"no pod is known at {endpoint.url}, and its address is not tried without --direct-addresses")
        trouble = OutOfReach if self._installed.foreign else HarnessError
        raise trouble(f"a gateway replica's Admin API cannot be read ({'; '.join(tried)})")

    async def _through(self, endpoint: Endpoint, path: str) -> tuple[int, str]:
        url = httpx.URL(endpoint.url)
        port = url.port or (443 if url.scheme == "https" else 80)
        return await self._cluster.get_from_pod(url.scheme, endpoint.pod, self._installed.namespace, port, path)

    async def _get(self, replica: str, path: str) -> dict[str, Any] | None:
        asking = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_delay(PATIENCE_SECONDS),
            wait=tenacity.wait_fixed(PAUSE_SECONDS),
            retry=tenacity.retry_if_exception_type(_Unanswered),
            reraise=True,
        )
        answer: tuple[int, str]
        try:
            answer = await asking(self._asked, replica, path)
        except _Unanswered as error:
            raise HarnessError(f"the Admin API at {replica} {error}") from error
        status, body = answer
        if status == 404:
            if self.ways.get(replica) == THROUGH and '"kind":"Status"' in body.replace(" ", ""):
                raise HarnessError(f"the Admin API at {replica} does not answer: its pod has gone")
            return None
        if status != 200:
            raise HarnessError(f"the Admin API at {replica} answered {status} to {path}")
        data: dict[str, Any] = json.loads(body)
        return data

    async def _asked(self, replica: str, path: str) -> tuple[int, str]:
        """Ask once and return status and body; _Unanswered if Kong said nothing."""
        way = self.ways.get(replica, VERIFIED)
        if way == THROUGH:
            status, body = await self._through(self._known[replica], path)
        else:
            http = self._unverified if way == UNVERIFIED else self._verified
            try:
                status, body = await _got(http, replica + path, ANSWER_SECONDS)
            except httpx.HTTPError as error:
                raise _Unanswered(f"does not answer: {error!r}") from error
        if status in (502, 503, 504):
            raise _Unanswered(f"answered {status} to {path}")
        return status, body


async def _got(http: Http1Transport, url: str, seconds: float) -> tuple[int, str]:
    """Return status and body of a GET. Without httpx's client, which costs as much again as the exchange itself.

    Raises httpx.HTTPError if there is no answer.
    """
    response = await http.handle_async_request(
        httpx.Request("GET", url, extensions={"timeout": httpx.Timeout(seconds).as_dict()})
    )
    try:
        await response.aread()
    finally:
        await response.aclose()
    return response.status_code, response.text


def _admin_ports(item: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the ports of a slice that are the Admin API's: of several, the one with TLS, which KIC uses, too."""
    ports = [port for port in item.get("ports") or () if port.get("port")]
    return [port for port in ports if _scheme(port) == "https"][:1] or ports[:1]


def _scheme(port: dict[str, Any]) -> str:
    return "https" if "tls" in (port.get("name") or "") or port["port"] == 8444 else "http"


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _pod(endpoint: dict[str, Any]) -> str:
    reference = endpoint.get("targetRef") or {}
    return str(reference.get("name", "")) if reference.get("kind") == "Pod" else ""


def _is_kong(body: str) -> bool:
    try:
        said = json.loads(body)
    except ValueError:
        return False
    return isinstance(said, dict) and "version" in said and "configuration" in said


def _anybody() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
