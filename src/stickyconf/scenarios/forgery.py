"""Cookies the gateway never issued: unknown values, malformed values, values that name an address."""

from __future__ import annotations

import base64
import random
import uuid
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote

from stickyconf.checks.robustness import LURED, MALFORMED, OVERSIZE, WELL_FORMED
from stickyconf.ports import POD
from stickyconf.scenarios.client import Client
from stickyconf.scenarios.stage import Scenario, Stage
from stickyconf.scenarios.workload import ECHO_PORT, NEIGHBOUR


def unknown_values(seed: int) -> dict[str, str]:
    """Return values that look like those of gateways but name no pod, by what they look like."""
    chance = random.Random(seed)  # noqa: S311 - reproducible, not secret
    return {
        "a word": "forged",
        "a UUID": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        "a digest": chance.randbytes(20).hex(),
        "base64": base64.b64encode(chance.randbytes(21)).decode(),
        "quoted base64": f'"{base64.b64encode(chance.randbytes(21)).decode()}"',
    }


def malformed_values(cookie: str) -> dict[str, tuple[str, ...]]:
    """Return Cookie fields that no gateway ever issued a cookie for, by what is wrong with them. Latin-1 text."""
    return {
        "empty": (f"{cookie}=",),
        "without-value": (cookie,),
        "without-name": ("=value",),
        "one-quote": (f'{cookie}="unfinished',),
        "illegal-characters": (f'{cookie}=a b,c\\d"e',),
        "percent": (f"{cookie}=%00%0d%0a%zz",),
        "separators": (f";;= ;{cookie}=;;",),
        "padding": (f"{cookie}=====",),
        "base64-of-nothing": (f"{cookie}={base64.b64encode(bytes(16)).decode()}",),
        "non-ascii": (f"{cookie}=s\xe9ance\xff\xfe",),
        "duplicate": (f"{cookie}=one; {cookie}=two",),
        "duplicate-fields": (f"{cookie}=one", f"{cookie}=two"),
        "4-kb": (f"{cookie}={'x' * 4096}",),
    }


def oversize_values(cookie: str) -> dict[str, tuple[str, ...]]:
    """Return Cookie fields longer than servers have to take, by their length."""
    return {f"{size}-kb": (f"{cookie}={'x' * size * 1024}",) for size in (16, 64)}


def spellings(host: str, port: int) -> dict[str, str]:
    """Return an address in the ways in which cookies have been seen to name one, by the way.

    ``host`` is an IP address. The message is Envoy's: one string field, the address, in a protobuf message.
    """
    address = ip_address(host)
    plain = f"{host}:{port}" if address.version == 4 else f"[{host}]:{port}"
    message = b"\x0a" + bytes([len(plain)]) + plain.encode()
    ways = {
        "plain": plain,
        "a URL": f"http://{plain}/",
        "percent-encoded": quote(plain, safe=""),
        "base64": base64.b64encode(plain.encode()).decode(),
        "quoted base64": f'"{base64.b64encode(plain.encode()).decode()}"',
        "base64 for URLs": base64.urlsafe_b64encode(plain.encode()).decode().rstrip("="),
        "hexadecimal": plain.encode().hex(),
        "base64 of a message": base64.b64encode(message).decode(),
        "quoted base64 of a message": f'"{base64.b64encode(message).decode()}"',
    }
    if address.version == 4:  # both numbers, their bytes in reverse: what F5's load balancers write
        number = int.from_bytes(address.packed, "little")
        ways["numbers in reverse"] = f"{number}.{int.from_bytes(port.to_bytes(2, 'big'), 'little')}.0000"
    return ways


def lure_to_a_neighbour() -> Scenario:
    """Put another application beside the workload, and send the workload's route cookies that name its address.

    The gateway can reach it: it has a route of its own, visited before and after. It writes down what connects to it.
    """

    async def play(stage: Stage) -> None:
        host = stage.host_name(NEIGHBOUR)
        for manifest in stage.manifests.neighbour(stage.namespace, host):
            await stage.target.cluster.apply(manifest)
        pod = await neighbour_pod(stage)
        await stage.observers.follow_logs([pod["metadata"]["name"]])
        stage.recorder.restless.add(NEIGHBOUR)  # until the gateway has its pod, it answers 503
        async with stage.client(NEIGHBOUR, host=host) as own:
            await stage.expect(
                "the gateway to reach the neighbour",
                "programmed",
                lambda: own.get("/"),
                lambda one: one.pod is not None,
            )
            await _logged(stage)
            values = spellings(pod["status"]["podIP"], ECHO_PORT)
            genuine = own.jar.value(stage.policy.cookie)
            if genuine is not None:
                values["what the gateway itself names it"] = genuine
            stage.recorder.plan |= {f"{LURED}.sessions": len(values)}
            for value in values.values():
                async with stage.client(LURED, keeps=False) as client:
                    await begin_with(client, stage, value)
            await own.get("/")

    return play


async def neighbour_pod(stage: Stage) -> Mapping[str, Any]:
    """Return the pod of the neighbour once it runs."""

    async def look() -> list[Mapping[str, Any]]:
        pods = await stage.target.cluster.list(POD, stage.namespace, f"app={NEIGHBOUR}")
        return [pod for pod in pods if pod["status"].get("podIP") and pod["status"].get("phase") == "Running"]

    [pod] = await stage.waiter.until("the neighbour's pod", "rollout", look, lambda pods: len(pods) == 1)
    return pod


async def _logged(stage: Stage) -> None:
    """Return when the pods' logs have been read as far as what was answered: later connections are later ones.

    Answers that no pod gave are in none of them; that is recorded.
    """

    async def unseen() -> int:
        return len(stage.recorder.unseen())

    await stage.expect("the neighbour's log", "pod_logs", unseen, lambda count: not count)


def forge_unknown_values(*, sessions: int, requests: int) -> Scenario:
    """Let ``sessions`` clients begin with each unknown value, and go on with the cookie that they are given."""

    async def play(stage: Stage) -> None:
        values = unknown_values(stage.seed)
        stage.recorder.plan |= {"forged.sessions": sessions * len(values), "forged.requests": requests}
        for value in values.values():
            for _ in range(sessions):
                async with stage.client("forged") as client:
                    await begin_with(client, stage, value)
                    for _ in range(requests - 1):
                        await client.get(stage.policy.cookie_path)

    return play


def send_malformed_values() -> Scenario:
    """Send each malformed and each oversize value once, and a request without a cookie before, between and after."""

    async def play(stage: Stage) -> None:
        cookie = stage.policy.cookie
        values = {MALFORMED: malformed_values(cookie), OVERSIZE: oversize_values(cookie)}
        count = sum(map(len, values.values()))
        stage.recorder.plan |= {f"{WELL_FORMED}.sessions": count + 1}
        stage.recorder.plan |= {f"{arm}.sessions": len(fields) for arm, fields in values.items()}
        await _well_formed(stage)
        for arm, named in values.items():
            await _send_each(stage, arm, named)

    return play


async def _send_each(stage: Stage, arm: str, named: Mapping[str, tuple[str, ...]]) -> None:
    for name, fields in named.items():
        async with stage.client(arm, keeps=False) as client:
            await client.send("GET", f"{stage.policy.cookie_path}?value={name}", cookie_fields=fields)
        await _well_formed(stage)


async def _well_formed(stage: Stage) -> None:
    async with stage.client(WELL_FORMED, keeps=False) as client:
        await client.get(stage.policy.cookie_path)


async def begin_with(client: Client, stage: Stage, value: str) -> None:
    """Send a session's first request with a cookie that it was not given."""
    await client.send("GET", stage.policy.cookie_path, cookie_fields=(f"{stage.policy.cookie}={value}",))
