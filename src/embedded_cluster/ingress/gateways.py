"""The gateway replicas: found through their Service, asked for their version, given configurations."""

import asyncio
import hashlib
import json
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from embedded_cluster.ingress.kongstate import never_empty
from embedded_cluster.ingress.snapshot import Object

log = logging.getLogger(__name__)

# What KIC looks for by default, and the same for an Admin API without TLS.
ADMIN_PORTS = ("kong-admin-tls", "admin-tls", "kong-admin", "admin")
_NO_CONFIGURATION = "0" * 32  # what a gateway reports that has been started anew


def admin_urls(slices: Iterable[Object]) -> list[str]:
    """The Admin APIs behind a Service's EndpointSlices, ready or not, but none that terminates."""
    return sorted(
        f"{'https' if port['name'].endswith('-tls') else 'http'}://{endpoint['addresses'][0]}:{port['port']}"
        for endpoints in slices
        for port in endpoints.get("ports") or ()
        if port.get("name") in ADMIN_PORTS
        for endpoint in endpoints.get("endpoints") or ()
        if not (endpoint.get("conditions") or {}).get("terminating")
    )


class RefusedError(Exception):
    """A gateway refused a configuration as invalid; *errors* are its ``flattened_errors``."""

    def __init__(self, message: str, errors: list[Object]) -> None:
        """Take the gateway's message and what it said about single entities."""
        super().__init__(message)
        self.errors = errors


@dataclass(slots=True)
class Replica:
    """One gateway: *given* is the fingerprint of the configuration it last answered about, *accepts* its answer."""

    url: str
    version: tuple[int, ...]
    given: str = ""
    accepts: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one push."""

    replica: Replica
    error: Exception | None = None

    @property
    def refused(self) -> list[Object]:
        """What the gateway said about single entities, if that is why."""
        return self.error.errors if isinstance(self.error, RefusedError) else []


@dataclass(slots=True)
class Gateways:
    """All replicas known and reachable now."""

    session: aiohttp.ClientSession
    replicas: dict[str, Replica] = field(default_factory=dict)

    @property
    def version(self) -> tuple[int, ...]:
        """The oldest replica's. Raises ``ValueError`` while there is none."""
        return min(replica.version for replica in self.replicas.values())

    async def refresh(self, urls: list[str]) -> None:
        """Add new replicas at *urls*, forget others, and notice which were started anew at the same address."""
        found = await asyncio.gather(*(self._look(url) for url in urls))
        self.replicas = {replica.url: replica for replica in found if replica}

    def run(self, config: Object) -> bool:
        """Is there a replica, and do all of them run *config*?"""
        wanted = fingerprint(config)
        return bool(self.replicas) and all(r.accepts and r.given == wanted for r in self.replicas.values())

    async def push(self, config: Object) -> list[Outcome]:
        """Give *config* to every replica that was not given it yet, and say what became of that.

        A replica that refuses it is not given the same one again, as it would refuse it again; one that cannot be
        reached is, by the next call.
        """
        wanted = fingerprint(config)
        behind = [replica for replica in self.replicas.values() if replica.given != wanted]
        return list(await asyncio.gather(*(self._push(replica, config, wanted) for replica in behind)))

    async def _look(self, url: str) -> Replica | None:
        known = self.replicas.get(url)
        try:
            if known is None:
                return Replica(url, _version(await self._get(f"{url}/")))
            if (await self._get(f"{url}/status"))["configuration_hash"] == _NO_CONFIGURATION:
                known.given = ""
        except (aiohttp.ClientError, TimeoutError, LookupError, ValueError) as error:
            log.info("%s does not answer as a gateway: %s", url, error or type(error).__name__)
            return None
        return known

    async def _get(self, url: str) -> Any:
        async with self.session.get(url, raise_for_status=True) as answer:
            return await answer.json()

    async def _push(self, replica: Replica, config: Object, wanted: str) -> Outcome:
        try:
            await self._post(replica.url, config)
        except RefusedError as error:
            replica.given, replica.accepts = wanted, False
            return Outcome(replica, error)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            return Outcome(replica, error)
        replica.given, replica.accepts = wanted, True
        return Outcome(replica)

    async def _post(self, url: str, config: Object) -> None:
        query = {"check_hash": "1", "flatten_errors": "1"}
        async with self.session.post(f"{url}/config", params=query, json=config) as answer:
            if answer.status == 400:
                said = await answer.json()
                raise RefusedError(said["message"], said.get("flattened_errors") or [])
            if answer.status not in (201, 304):
                raise ValueError(f"status {answer.status}: {(await answer.text())[:500]}")


def fingerprint(config: Object) -> str:
    """A text that two configurations share only when they are the same."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


def without_refused(config: Object, refused: list[Object]) -> tuple[Object, set[str]]:
    """*config* without the services, upstreams and certificates that a gateway found fault with, and whose they were.

    Returned are the rest and the uids of the objects of what was left out.

    One bad object must not keep the changes of all others from the gateways. KIC has this as an option, off by
    default (feature gate FallbackConfiguration).
    """
    # Of a target a gateway gives no name, only the entity.
    bad = {(error["entity_type"], error.get("entity_name") or error["entity"].get("target")) for error in refused}
    hosts = {upstream["name"] for upstream in config["upstreams"] if set(_parts(upstream, "upstream")) & bad}
    leaving = [
        service for service in config["services"] if service["host"] in hosts or set(_parts(service, "service")) & bad
    ]
    hosts |= {service["host"] for service in leaving}
    uids = {
        tag.removeprefix("k8s-uid:")
        for service in leaving
        for entity in (service, *service["routes"])
        for tag in entity["tags"]
        if tag.startswith("k8s-uid:")
    }
    unusable = {error.get("entity_id") for error in refused if error["entity_type"] == "certificate"}
    held = config.get("certificates") or ()
    certificates = [
        {**one, "snis": [sni for sni in one["snis"] if ("sni", sni["name"]) not in bad]}
        for one in held
        if one["id"] not in unusable
    ]
    kept = {
        **config,
        "services": [service for service in config["services"] if service["host"] not in hosts],
        "upstreams": [upstream for upstream in config["upstreams"] if upstream["name"] not in hosts],
        **({"certificates": certificates} if held else {}),
    }
    return never_empty(kept), uids


def _parts(entity: Object, kind: str) -> Iterator[tuple[str, str]]:
    yield kind, entity["name"]
    yield from (("route", route["name"]) for route in entity.get("routes") or ())
    yield from (("target", target["target"]) for target in entity.get("targets") or ())


def _version(information: Object) -> tuple[int, ...]:
    numbers = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", str(information["version"]))
    if numbers is None:
        raise ValueError(f"{information['version']!r} is no version")
    return tuple(int(number or 0) for number in numbers.groups())
