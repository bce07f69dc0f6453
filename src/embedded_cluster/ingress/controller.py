"""The loop: every sync period, what changed in the cluster goes to every gateway, and its status back."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import httpx2
from lightkube import ApiError
from lightkube.core.resource import api_info

from embedded_cluster.client import (
    ApiClient,
    EndpointSlice,
    Gateway,
    GatewayClass,
    HTTPRoute,
    Ingress,
    IngressClass,
    KongUpstreamPolicy,
    Namespace,
    Pod,
    ReferenceGrant,
    Secret,
    Service,
)
from embedded_cluster.events import EventRecorder
from embedded_cluster.informer import Informer
from embedded_cluster.ingress.gateways import Gateways, Outcome, admin_urls, without_refused
from embedded_cluster.ingress.kongstate import Failure
from embedded_cluster.ingress.snapshot import Object, Snapshot
from embedded_cluster.ingress.statuses import changes
from embedded_cluster.ingress.translation import Settings, Translation, translate

log = logging.getLogger(__name__)

# EMBEDDED_HOOK: (the configuration about to be pushed, the objects it was made of) -> the configuration to push.
Hook = Callable[[Object, Snapshot], Object]

# The fields of a snapshot, and what they are filled with.
KINDS: dict[str, Any] = {
    "namespaces": Namespace,
    "services": Service,
    "endpoint_slices": EndpointSlice,
    "ingress_classes": IngressClass,
    "ingresses": Ingress,
    "gateway_classes": GatewayClass,
    "gateways": Gateway,
    "http_routes": HTTPRoute,
    "reference_grants": ReferenceGrant,
    "policies": KongUpstreamPolicy,
    "secrets": Secret,
}


@dataclass(frozen=True, slots=True)
class Wiring:
    """What a controller serves and how.

    *admin*: the Service of the Admin APIs, or the URL of the only one; *pod*: the controller's own, where its events
    go (namespace, name); *period*: seconds from one look to the next.
    """

    settings: Settings
    admin: tuple[str, str] | str
    pod: tuple[str, str]
    period: float
    hook: Hook | None = None


class Controller:
    """Keeps the gateways configured as the cluster's objects say."""

    def __init__(self, client: ApiClient, gateways: Gateways, wiring: Wiring) -> None:
        """Take no action yet."""
        self.ready = False  # every gateway there was has once run a configuration of ours
        self._client = client
        self._gateways = gateways
        self._wiring = wiring
        self._events = EventRecorder(client, "kong-client")
        self._pod: Object | None = None
        self._informers = {name: Informer(client, resource) for name, resource in KINDS.items()}
        self._changed = True
        self._settings = wiring.settings
        self._snapshot = Snapshot()
        self._translation = Translation({}, (), frozenset())

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in self._informers.values():
                informer.on_change(self._note)
                group.create_task(informer.run())
            for informer in self._informers.values():
                await informer.synced.wait()
            self._pod = await self._own_pod()
            while True:
                began = time.monotonic()
                try:
                    await self._sync()
                except Exception:
                    # An object that was not expected: what is in force stays, and the next change may correct it.
                    log.exception("sync")
                await asyncio.sleep(max(0.0, began + self._wiring.period - time.monotonic()))

    def _note(self, _: object) -> None:
        self._changed = True

    async def _own_pod(self) -> Object | None:
        namespace, name = self._wiring.pod
        try:
            pod: Object = await self._client.get(Pod, name, namespace=namespace)
        except ApiError as error:
            log.warning("no events about pushes: pod %s/%s: %s", namespace, name, error)
            return None
        return pod

    async def _sync(self) -> None:
        await self._gateways.refresh(self._admin_urls())
        if not self._gateways.replicas:
            return  # what they can do is not known, so neither is what can be asked of them
        self._translate()
        await self._push()
        in_force = self._gateways.run(self._translation.config)
        self.ready = self.ready or in_force
        await self._write_statuses(in_force=in_force)

    def _admin_urls(self) -> list[str]:
        if isinstance(self._wiring.admin, str):
            return [self._wiring.admin.rstrip("/")]
        namespace, service = self._wiring.admin
        return admin_urls(
            endpoints
            for endpoints in self._informers["endpoint_slices"].objects(namespace)
            if endpoints["metadata"].get("labels", {}).get("kubernetes.io/service-name") == service
        )

    def _translate(self) -> None:
        """Translate anew when anything changed."""
        settings = replace(self._wiring.settings, gateway_version=self._gateways.version)
        if not self._changed and settings == self._settings:
            return
        self._changed, self._settings = False, settings
        self._snapshot = self._look()
        before = self._translation.failures
        translation = translate(self._snapshot, settings)
        if self._wiring.hook:
            translation = replace(translation, config=self._wiring.hook(translation.config, self._snapshot))
        self._translation = translation
        for failure in translation.failures:
            if failure.key not in [known.key for known in before]:
                self._tell(failure)

    def _look(self) -> Snapshot:
        """Read all objects, and give each its kind, which items of a list do not have."""
        return Snapshot(
            **{
                name: tuple(_with_kind(resource, obj) for obj in self._informers[name].objects())
                for name, resource in KINDS.items()
            }
        )

    async def _push(self) -> None:
        """Bring every gateway up to date; without the parts it refuses, if it refuses some."""
        while True:
            config = self._translation.config
            outcomes = await self._gateways.push(config)
            for outcome in outcomes:
                self._record(outcome)
            refused = [error for outcome in outcomes for error in outcome.refused]
            left, uids = without_refused(config, refused)
            if left == config:
                return
            self._translation = replace(self._translation, config=left, configured=self._translation.configured - uids)

    async def _write_statuses(self, *, in_force: bool) -> None:
        for new in changes(self._snapshot, self._settings, self._translation, in_force=in_force):
            informer = next(self._informers[name] for name, kind in KINDS.items() if isinstance(new.obj, kind))
            try:
                informer.observe(await self._client.merge_status(new.obj, new.status))
            except (ApiError, httpx2.HTTPError) as error:
                # It has been changed or deleted since; the next look sees how.
                log.debug("status of %s: %s", new.obj["metadata"]["name"], error)

    def _tell(self, failure: Failure) -> None:
        for obj in failure.objects:
            log.warning("%s %s: %s", obj["kind"], obj["metadata"]["name"], failure.message)
            self._events.record(obj, "KongConfigurationTranslationFailed", failure.message, kind="Warning")

    def _record(self, outcome: Outcome) -> None:
        url = outcome.replica.url
        if outcome.error is None:
            log.info("configured %s", url)
            if self._pod:
                message = f"successfully applied Kong configuration to {url}"
                self._events.record(self._pod, "KongConfigurationSucceeded", message)
            return
        message = f"failed to apply Kong configuration to {url}: {outcome.error or type(outcome.error).__name__}"
        log.warning("%s", message)
        if self._pod:
            self._events.record(self._pod, "KongConfigurationApplyFailed", message, kind="Warning")
        for error in outcome.refused:
            self._record_refusal(error)

    def _record_refusal(self, error: Object) -> None:
        """Report to the object that a refused entity was made of, as its tags name it."""
        about = dict(tag.split(":", 1) for tag in error.get("entity_tags") or () if tag.startswith("k8s-"))
        for obj in (obj for name in KINDS for obj in getattr(self._snapshot, name)):
            if obj["metadata"]["uid"] == about.get("k8s-uid"):
                for fault in error["errors"]:
                    message = f"invalid {fault.get('field') or error['entity_type']}: {fault['message']}"
                    self._events.record(obj, "KongConfigurationApplyFailed", message, kind="Warning")


def _with_kind(resource: Any, obj: Object) -> Object:
    definition = api_info(resource).resource
    named: Object = resource({**obj, "apiVersion": definition.api_version, "kind": definition.kind})
    return named
