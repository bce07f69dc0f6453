"""Brings a bare cluster to the state that is asked for: definitions, controller and gateway, all of them working."""

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from importlib import resources
from typing import Any

import httpx2
import yaml
from lightkube import ApiError
from lightkube.codecs import from_dict

from embedded_cluster.client import ApiClient, CustomResourceDefinition, Deployment, EndpointSlice, Gateway, Object, Pod
from embedded_cluster.environment import load_hook
from embedded_cluster.informer import Informer, Key, key_of
from embedded_cluster.objects import condition, is_ready
from embedded_cluster.overrides import Endpoints, Overrides
from embedded_cluster.parts import NotComing
from embedded_cluster.polling import within

_CONTROLLER, _GATEWAYS = Key("kong", "kong-controller"), Key("kong", "kong-gateway")
_GATEWAY = Key("kong", "kong")
_STARTING = 0.02  # seconds between two looks whether the API server is there
_SHOWN = 12  # last lines of its log
_RESTARTS = 2  # a container of ours that has ended again after so many will not come up

Say = Callable[[str], None]
"""Tells the user what is being waited for."""


async def server_version(client: ApiClient) -> str:
    """Wait until the API server answers: its version. The caller sets the limit."""
    told: list[str] = []

    async def answers() -> bool:
        with contextlib.suppress(httpx2.ConnectError):
            told.append(str((await client.read("version"))["gitVersion"]))
        return bool(told)

    await within(math.inf, answers, pause=_STARTING)
    return told[0]


async def install(client: ApiClient, overrides: Overrides, say: Say) -> Endpoints:
    """Create the definitions and the objects of ``crds/`` and ``manifests/``, and wait until all of them work.

    Raises :class:`NotComing`.
    """
    definitions, objects = list(_load("crds")), list(_load("manifests"))
    if change := load_hook(overrides.hooks.get("crds", "")):
        definitions = change(definitions)
    objects = overrides.applied_to(objects, definitions)
    namespaces = [obj for obj in objects if obj["kind"] == "Namespace"]
    custom = [obj for obj in objects if obj["apiVersion"].startswith("gateway.networking.k8s.io/")]
    rest = [obj for obj in objects if obj not in namespaces and obj not in custom]
    say("the API server to take definitions and manifests")

    async def define() -> None:
        await _create(client, definitions)
        await _established(client, [key_of(obj) for obj in definitions], say)
        await _create(client, custom)

    async def deploy() -> None:
        await _create(client, namespaces)
        await _create(client, rest)

    await asyncio.gather(define(), deploy())
    return await _working(client, overrides, say)


def _load(folder: str) -> Iterator[Object]:
    """The objects of a folder of YAML files in this package."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C, if PyYAML was built with it
    for file in sorted(resources.files(__package__).joinpath(folder).iterdir(), key=lambda file: file.name):
        if file.name.endswith(".yaml"):
            yield from filter(None, yaml.load_all(file.read_text(encoding="utf-8"), loader))


async def _create(client: ApiClient, objects: list[Object]) -> None:
    async def create(obj: Any) -> None:
        try:
            await client.create(obj)
        except ApiError as error:
            raise NotComing(f"the API server refuses {obj['kind']} {obj['metadata']['name']}: {error}") from error

    await asyncio.gather(*(create(from_dict(obj)) for obj in objects))


async def _established(client: ApiClient, names: list[Key], say: Say) -> None:
    definitions = Informer(client, CustomResourceDefinition)

    def missing() -> str:
        for name in names:
            if not _is(definitions.get(name), "Established"):
                return f"CustomResourceDefinition {name.name} to be established"
        return ""

    await _until([definitions], missing, say)


async def _working(client: ApiClient, overrides: Overrides, say: Say) -> Endpoints:
    deployments, gateways, slices, pods = informers = [
        Informer(client, resource, namespace="kong") for resource in (Deployment, Gateway, EndpointSlice, Pod)
    ]
    crashing: list[tuple[Object, str]] = []
    awaited = [_CONTROLLER] if overrides.kong else [_CONTROLLER, _GATEWAYS]

    def missing() -> str:
        crashing.extend(_crashing(pods))
        if crashing:
            return ""
        for key in awaited:
            deployment = deployments.get(key)
            if not _is(deployment, "Available") or not _is_complete(deployment):
                return f"Deployment {key.namespace}/{key.name} to be available"
        if not _is(gateways.get(_GATEWAY), "Programmed"):
            return f"Gateway {_GATEWAY.namespace}/{_GATEWAY.name} to be programmed"
        if not (overrides.kong or _ready_address(slices)):
            return "an EndpointSlice to name a ready gateway"
        return ""

    await _until(informers, missing, say)
    if crashing:
        pod, container = crashing[0]
        raise NotComing(await _last_words(client, pod, container, "keeps ending"))
    if overrides.kong:
        return overrides.kong
    address = _ready_address(slices)
    return Endpoints(
        proxy_url=f"http://{address}:{overrides.ports['proxy']}",
        admin_url=f"http://{address}:{overrides.ports['kong-admin']}",
        tls_url=f"https://{address}:{overrides.tls_port}" if overrides.tls_port else "",
    )


async def _until(informers: Sequence[Informer], missing: Callable[[], str], say: Say) -> None:
    """Wait until nothing is *missing*; it says what is, or "", and is asked again after every change."""
    changed = asyncio.Event()
    for informer in informers:
        informer.on_change(lambda _: changed.set())
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(informer.run()) for informer in informers]
        await asyncio.gather(*(informer.synced.wait() for informer in informers))
        while what := missing():
            say(what)
            await changed.wait()
            changed.clear()
        for task in tasks:
            task.cancel()


def _is(obj: Object | None, kind: str) -> bool:
    found = condition(obj, kind) if obj else None
    return found is not None and found["status"] == "True"


def _is_complete(deployment: Object | None) -> bool:
    wanted = deployment["spec"].get("replicas", 1) if deployment else 0
    return deployment is not None and deployment["status"].get("availableReplicas", 0) == wanted


def _ready_address(slices: Informer) -> str:
    """The address of a gateway that serves, "" when there is none."""
    for found in slices.objects():
        if found["metadata"]["labels"].get("kubernetes.io/service-name") == "kong-gateway-proxy":
            for endpoint in found["endpoints"]:
                if endpoint["conditions"]["ready"]:
                    return str(endpoint["addresses"][0])
    return ""


def _crashing(pods: Informer) -> Iterator[tuple[Object, str]]:
    for pod in pods.objects():
        for status in pod.get("status", {}).get("containerStatuses") or []:
            waiting = status["state"].get("waiting", {}).get("reason")
            if waiting == "CrashLoopBackOff" and status["restartCount"] >= _RESTARTS:
                yield pod, status["name"]


async def last_words(client: ApiClient) -> list[str]:
    """What the pods in ``kong`` that are not ready have said last, one paragraph each."""
    found = [pod async for pod in client.list(Pod, namespace="kong")]
    return [
        await _last_words(client, pod, container["name"], "is not ready")
        for pod in found
        if not is_ready(pod)
        for container in pod["spec"]["containers"]
    ]


async def _last_words(client: ApiClient, pod: Object, container: str, trouble: str) -> str:
    metadata = pod["metadata"]
    try:
        lines = client.log(metadata["name"], namespace=metadata["namespace"], container=container, tail_lines=_SHOWN)
        said = [line.rstrip() async for line in lines]
    except ApiError as error:
        said = [f"(its log cannot be read: {error})"]
    states = [each.get("lastState") or each["state"] for each in pod.get("status", {}).get("containerStatuses") or []]
    reasons = [end["message"] for state in states for end in state.values() if end.get("message")]
    return "\n  ".join([f"pod {metadata['name']} {trouble}; its last words:", *reasons, *said])
