"""The defaults kube-apiserver fills into built-in kinds, and what it drops from objects at creation.

Source: the ``SetDefaults_*`` functions of ``k8s.io/kubernetes/pkg/apis/*/v1/defaults.go``, and the ``PrepareForCreate``
of each strategy under ``pkg/registry``.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from embedded_cluster.apiserver.kinds import Kind

JsonObject = dict[str, Any]


def fill(kind: Kind, obj: JsonObject) -> None:
    """Fill in, in place, what the client left out of a built-in object."""
    filler = _FILLERS.get(kind.storage)
    if filler is not None:
        filler(obj)


def reset_for_create(kind: Kind, obj: JsonObject) -> None:
    """Drop, in place, what a client cannot set at creation, and put the first status."""
    if kind.storage == ("", "namespaces"):
        obj["status"] = {"phase": "Active"}
        obj["spec"] = {**(obj.get("spec") or {}), "finalizers": ["kubernetes"]}
    elif kind.storage == ("", "pods"):
        obj["status"] = {"phase": "Pending", "qosClass": _qos_class(obj.get("spec") or {})}
    elif kind.storage == ("", "services"):
        obj["status"] = {"loadBalancer": {}}
    elif "status" in kind.subresources and kind.storage != ("", "nodes"):  # kubelets register with a status
        obj.pop("status", None)
        if kind.custom is None:
            obj["status"] = {}


def _pod(pod: JsonObject) -> None:
    spec = pod.setdefault("spec", {})
    _pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    # Admission (ServiceAccount, Priority) rather than defaulting, but clients see no difference.
    account = spec.setdefault("serviceAccountName", spec.get("serviceAccount") or "default")
    spec["serviceAccount"] = account
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")


def _pod_template(template: JsonObject) -> None:
    template.setdefault("metadata", {})
    spec = template.setdefault("spec", {})
    _pod_spec(spec)
    if "serviceAccountName" in spec:  # the deprecated name follows it
        spec["serviceAccount"] = spec["serviceAccountName"]


def _pod_spec(spec: JsonObject) -> None:
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("securityContext", {})
    spec.setdefault("terminationGracePeriodSeconds", 30)
    for container in _items(spec, "containers") + _items(spec, "initContainers"):
        _container(container)
    for volume in _items(spec, "volumes"):
        if set(volume) == {"name"}:
            volume["emptyDir"] = {}
        for source in ("configMap", "secret", "downwardAPI", "projected"):
            if isinstance(volume.get(source), dict):
                volume[source].setdefault("defaultMode", 0o644)


def _container(container: JsonObject) -> None:
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    tag = str(container.get("image", "")).rpartition("/")[2].partition(":")[2]
    always = tag in ("", "latest") and "@" not in str(container.get("image", ""))
    container.setdefault("imagePullPolicy", "Always" if always else "IfNotPresent")
    for port in _items(container, "ports"):
        port.setdefault("protocol", "TCP")
    for variable in _items(container, "env"):
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if isinstance(reference, dict):
            reference.setdefault("apiVersion", "v1")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(name)
        if isinstance(probe, dict):
            probe.setdefault("timeoutSeconds", 1)
            probe.setdefault("periodSeconds", 10)
            probe.setdefault("successThreshold", 1)
            probe.setdefault("failureThreshold", 3)
            _handler(probe)
    for handler in (container.get("lifecycle") or {}).values():
        if isinstance(handler, dict):
            _handler(handler)


def _handler(handler: JsonObject) -> None:
    http = handler.get("httpGet")
    if isinstance(http, dict):
        http.setdefault("path", "/")
        http.setdefault("scheme", "HTTP")
    if isinstance(handler.get("grpc"), dict):
        handler["grpc"].setdefault("service", "")


def _deployment(deployment: JsonObject) -> None:
    spec = deployment.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxSurge", "25%")
        rolling.setdefault("maxUnavailable", "25%")
    _pod_template(spec.setdefault("template", {}))


def _replica_set(replica_set: JsonObject) -> None:
    spec = replica_set.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    _pod_template(spec.setdefault("template", {}))


def _service(service: JsonObject) -> None:
    spec = service.setdefault("spec", {})
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    for port in _items(spec, "ports"):
        port.setdefault("protocol", "TCP")
        if "port" in port:
            port.setdefault("targetPort", port["port"])
    if spec["type"] == "ExternalName":
        return
    spec.setdefault("internalTrafficPolicy", "Cluster")
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")
    if spec["type"] in ("NodePort", "LoadBalancer"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)


def _namespace(namespace: JsonObject) -> None:
    labels = namespace["metadata"].setdefault("labels", {})
    labels.setdefault("kubernetes.io/metadata.name", namespace["metadata"].get("name", ""))


def _secret(secret: JsonObject) -> None:
    secret.setdefault("type", "Opaque")
    texts = secret.pop("stringData", None) or {}
    if texts:
        encoded = {key: base64.b64encode(str(text).encode()).decode() for key, text in texts.items()}
        secret["data"] = {**(secret.get("data") or {}), **encoded}


def _endpoint_slice(endpoint_slice: JsonObject) -> None:
    for port in _items(endpoint_slice, "ports"):
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")


def _endpoints(endpoints: JsonObject) -> None:
    for subset in _items(endpoints, "subsets"):
        for port in _items(subset, "ports"):
            port.setdefault("protocol", "TCP")


def _role_binding(binding: JsonObject) -> None:
    if isinstance(binding.get("roleRef"), dict):
        binding["roleRef"].setdefault("apiGroup", "rbac.authorization.k8s.io")
    for subject in _items(binding, "subjects"):
        in_group = subject.get("kind") in ("User", "Group")
        if "apiGroup" not in subject and in_group:
            subject["apiGroup"] = "rbac.authorization.k8s.io"


_FILLERS: dict[tuple[str, str], Callable[[JsonObject], None]] = {
    ("", "pods"): _pod,
    ("", "services"): _service,
    ("", "namespaces"): _namespace,
    ("", "secrets"): _secret,
    ("", "endpoints"): _endpoints,
    ("apps", "deployments"): _deployment,
    ("apps", "replicasets"): _replica_set,
    ("discovery.k8s.io", "endpointslices"): _endpoint_slice,
    ("rbac.authorization.k8s.io", "rolebindings"): _role_binding,
    ("rbac.authorization.k8s.io", "clusterrolebindings"): _role_binding,
}


def _items(parent: JsonObject, field: str) -> list[JsonObject]:
    return [item for item in parent.get(field) or [] if isinstance(item, dict)]


def _qos_class(spec: JsonObject) -> str:
    """Kubernetes documentation, "Pod Quality of Service Classes"."""
    pairs = [
        (resources.get("requests") or {}, resources.get("limits") or {})
        for resources in (c.get("resources") or {} for c in _items(spec, "containers"))
    ]
    if not any(requests or limits for requests, limits in pairs):
        return "BestEffort"
    guaranteed = all(
        {"cpu", "memory"} <= set(limits) and all(requests.get(r, limits[r]) == limits[r] for r in ("cpu", "memory"))
        for requests, limits in pairs
    )
    return "Guaranteed" if guaranteed else "Burstable"
