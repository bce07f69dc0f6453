"""The Kubernetes API as the parts of the cluster use it: a lightkube client and the resource classes.

Objects are lightkube's *generic* resources, which are dictionaries in the API's own words
(``pod["spec"]["nodeName"]``), not its typed models: an object read here and written back keeps every field,
also those that no model knows, custom resources and built-in ones read alike, and a manifest, a patch and
an object have one shape. It also saves the import of the models in every process.
"""

import argparse
import os
from pathlib import Path
from typing import Any, Self

import httpx2
import yaml
from lightkube import ApiError, AsyncClient, KubeConfig
from lightkube.config.client_adapter import verify_cluster
from lightkube.core.exceptions import ConfigError
from lightkube.core.generic_client import BasicRequest
from lightkube.core.resource import ApiInfo, ResourceDef
from lightkube.generic_resource import (
    GenericGlobalStatus,
    GenericNamespacedStatus,
    create_global_resource,
    create_namespaced_resource,
)
from lightkube.types import CascadeType, PatchType

from embedded_cluster.transport import AiohttpTransport

Object = dict[str, Any]
"""A Kubernetes object as JSON has it."""

Namespace = create_global_resource("", "v1", "Namespace", "namespaces")
Node = create_global_resource("", "v1", "Node", "nodes")
ConfigMap = create_namespaced_resource("", "v1", "ConfigMap", "configmaps")
Event = create_namespaced_resource("", "v1", "Event", "events")
Pod = create_namespaced_resource("", "v1", "Pod", "pods")
Secret = create_namespaced_resource("", "v1", "Secret", "secrets")
Service = create_namespaced_resource("", "v1", "Service", "services")
ServiceAccount = create_namespaced_resource("", "v1", "ServiceAccount", "serviceaccounts")
Deployment = create_namespaced_resource("apps", "v1", "Deployment", "deployments")
ReplicaSet = create_namespaced_resource("apps", "v1", "ReplicaSet", "replicasets")
EndpointSlice = create_namespaced_resource("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices")
Ingress = create_namespaced_resource("networking.k8s.io", "v1", "Ingress", "ingresses")
IngressClass = create_global_resource("networking.k8s.io", "v1", "IngressClass", "ingressclasses")
CustomResourceDefinition = create_global_resource(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions"
)
GatewayClass = create_global_resource("gateway.networking.k8s.io", "v1", "GatewayClass", "gatewayclasses")
Gateway = create_namespaced_resource("gateway.networking.k8s.io", "v1", "Gateway", "gateways")
HTTPRoute = create_namespaced_resource("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes")
ReferenceGrant = create_namespaced_resource("gateway.networking.k8s.io", "v1beta1", "ReferenceGrant", "referencegrants")
KongUpstreamPolicy = create_namespaced_resource(
    "configuration.konghq.com", "v1beta1", "KongUpstreamPolicy", "kongupstreampolicies"
)


class PodBinding(GenericNamespacedStatus):
    """``/api/v1/namespaces/NAMESPACE/pods/NAME/binding``: how a scheduler gives a pod to a node."""

    _api_info = ApiInfo(
        ResourceDef("", "v1", "Binding"),
        "pods",
        ["post"],
        parent=ResourceDef("", "v1", "Pod"),
        action="binding",
    )


class NamespaceFinalize(GenericGlobalStatus):
    """``/api/v1/namespaces/NAME/finalize``: the only place where a namespace's ``spec.finalizers`` change."""

    _api_info = ApiInfo(
        ResourceDef("", "v1", "Namespace"),
        "namespaces",
        ["put"],
        parent=ResourceDef("", "v1", "Namespace"),
        action="finalize",
    )


class ApiClient(AsyncClient):
    """A lightkube client that can also read discovery, delete one particular object, and merge a status."""

    async def __aenter__(self) -> Self:
        """The client; it is closed at the end of the context."""
        return self

    async def read(self, path: str) -> Object:
        """What the server has at *path*, such as ``apis`` or ``version``. Raises ``ApiError``."""
        anything: Any = dict
        request = BasicRequest("GET", path, response_type=anything)
        response = await self._client.send(self._client.build_adapter_request(request))  # type: ignore[no-untyped-call]
        read: Object = self._client.handle_response("get", response, request)
        return read

    async def remove(
        self, obj: Object, *, grace_period: int | None = None, cascade: CascadeType | None = None
    ) -> Object | None:
        """Delete exactly this object: another one that has since taken its name stays (uid precondition).

        *grace_period* is in seconds; 0 removes the object at once. Returns the object as the server left
        it (a deletionTimestamp, finalizers to wait for), or None when it is gone. Raises ``ApiError``.
        """
        metadata = obj["metadata"]
        resource: Any = type(obj)
        request = self._client.prepare_request(
            "delete", resource, name=metadata["name"], namespace=metadata.get("namespace")
        )
        options: Object = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "preconditions": {"uid": metadata["uid"]},
        }
        if grace_period is not None:
            options["gracePeriodSeconds"] = grace_period
        if cascade is not None:
            options["propagationPolicy"] = cascade.value
        request.data = options  # lightkube's own delete() sends no body, so it cannot name a precondition
        request.response_type = resource
        try:
            response = await self._client.send(self._client.build_adapter_request(request))  # type: ignore[no-untyped-call]
            left: Object = self._client.handle_response("delete", response, request)
        except ApiError as error:
            # 409: the name belongs to another object now, so this one is gone as well.
            if error.status.code in (404, 409):
                return None
            raise
        # A server answers with the object while it lingers, with a Status or the last state once it is gone.
        lingers = left.get("kind") != "Status" and "deletionTimestamp" in left.get("metadata", {})
        return left if lingers and left["metadata"].get("deletionGracePeriodSeconds") != 0 else None

    async def merge_status(self, obj: Object, status: Object) -> Object:
        """Merge *status* into the object's ``status`` subresource; lists are replaced. Raises ``ApiError``.

        A conflict (409) says that the name belongs to another object by now.
        """
        metadata = obj["metadata"]
        resource: Any = type(obj)
        merged = await self.patch(
            resource.Status,
            metadata["name"],
            {"metadata": {"uid": metadata["uid"]}, "status": status},
            namespace=metadata.get("namespace"),
            patch_type=PatchType.MERGE,
        )
        whole: Object = resource(merged)  # the subresource answers with the object, not with the status alone
        return whole


def add_kubeconfig_argument(parser: argparse.ArgumentParser) -> None:
    """Let a command take ``--kubeconfig FILE`` (default: the environment's ``KUBECONFIG``)."""
    parser.add_argument(
        "--kubeconfig",
        metavar="FILE",
        default=os.environ.get("KUBECONFIG"),
        help="how to reach the API server (default: $KUBECONFIG)",
    )


def connect(kubeconfig: str | os.PathLike[str] | None) -> ApiClient:
    """A client for the current context of the file *kubeconfig*.

    Raises ``ValueError`` with one line when the file is missing or is not a kubeconfig.
    """
    if not kubeconfig:
        raise ValueError("no kubeconfig: name one with --kubeconfig or in the environment's KUBECONFIG")
    try:
        config = KubeConfig.from_file(Path(kubeconfig)).get()
        if config is not None and config.user is not None:
            # trust_env would send requests for loopback through a proxy that the environment names.
            tls = verify_cluster(config.cluster, config.user, config.abs_file, trust_env=False)
            return ApiClient(config, timeout=httpx2.Timeout(30), trust_env=False, transport=AiohttpTransport(tls))
    except (ConfigError, KeyError, TypeError, OSError, yaml.YAMLError) as error:
        raise ValueError(f"{kubeconfig} is not a usable kubeconfig: {error}") from error
    raise ValueError(f"{kubeconfig} is not a usable kubeconfig: its current context names no user")
