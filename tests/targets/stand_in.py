"""A manifest built like KIC's all-in-one, whose containers are the embedded stand-ins: what is installed then works."""

from importlib import resources
from typing import Any

import yaml

import embedded_cluster
from stickyconf.targets.kind.install import Sources

POD_IP = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}


def _variables(**values: str) -> list[dict[str, Any]]:
    return [POD_IP, *({"name": name, "value": value} for name, value in values.items())]


def _deployment(name: str, container: dict[str, Any], **pod: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "kong"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"serviceAccountName": "kong-serviceaccount", "containers": [container], **pod},
            },
        },
    }


def _service(name: str, ports: list[dict[str, Any]], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "kong"},
        "spec": {"selector": {"app": "proxy-kong"}, "ports": ports, **spec},
    }


def controller() -> dict[str, Any]:
    """The Deployment of the controller."""
    container = {
        "name": "ingress-controller",
        "image": "kong/kubernetes-ingress-controller:3.5",
        "command": ["python3", "-m", "embedded_cluster.ingress"],
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            *_variables(
                CONTROLLER_KONG_ADMIN_SVC="kong/kong-admin",
                CONTROLLER_PUBLISH_SERVICE="kong/kong-proxy",
                CONTROLLER_HEALTH_PROBE_BIND_ADDRESS="$(POD_IP):10254",
            ),
        ],
        "ports": [{"name": "health", "containerPort": 10254}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "health"}, "periodSeconds": 1},
    }
    deployment = _deployment("ingress-kong", container)
    deployment["spec"]["replicas"] = 1
    return deployment


def gateway() -> dict[str, Any]:
    """The Deployment of the gateway, with the reference to a licence and the pull secret that the real one has."""
    licence = {"secretKeyRef": {"name": "kong-enterprise-license", "key": "license"}}
    container = {
        "name": "proxy",
        "image": "kong/kong-gateway:3.11",
        "command": ["python3", "-m", "embedded_cluster.gateway"],
        "env": [
            {"name": "KONG_LICENSE_DATA", "valueFrom": licence},
            *_variables(
                KONG_PROXY_LISTEN="$(POD_IP):8000",
                KONG_ADMIN_LISTEN="$(POD_IP):8001",
                KONG_STATUS_LISTEN="$(POD_IP):8100",
                KONG_ROUTER_FLAVOR="expressions",
                KONG_NGINX_WORKER_PROCESSES="2",
                EMBEDDED_DATA_PLANE="python",
            ),
        ],
        "ports": [
            {"name": "proxy", "containerPort": 8000},
            {"name": "kong-admin", "containerPort": 8001},
            {"name": "status", "containerPort": 8100},
        ],
        "readinessProbe": {"httpGet": {"path": "/status/ready", "port": "status"}, "periodSeconds": 1},
    }
    return _deployment("proxy-kong", container, imagePullSecrets=[{"name": "kong-enterprise-edition-docker"}])


def all_in_one() -> list[dict[str, Any]]:
    """The objects, in the order of the real manifest."""
    proxy = [
        {"name": "proxy", "port": 80, "targetPort": 8000},
        {"name": "proxy-ssl", "port": 443, "targetPort": 8443},
    ]
    # No pod has a port of the first one's name, so only the second is served: the stand-in speaks no TLS.
    admin = [
        {"name": "admin-tls", "port": 8444, "targetPort": "admin-tls"},
        {"name": "kong-admin", "port": 8001, "targetPort": "kong-admin"},
    ]
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kong"}},
        *_definitions("configuration.konghq.com"),
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "kong-serviceaccount", "namespace": "kong"},
        },
        _service("kong-admin", admin, clusterIP="None", publishNotReadyAddresses=True),
        _service("kong-proxy", proxy, type="LoadBalancer"),
        controller(),
        gateway(),
    ]


def sources(gateway_yaml: str) -> Sources:
    """What ``install`` takes: the embedded cluster's definitions, this manifest, and the project's own Gateway."""
    return Sources(
        gateway_api=_definitions("gateway.networking.k8s.io"),
        kic=all_in_one(),
        gateway=list(yaml.safe_load_all(gateway_yaml)),
    )


def _definitions(group: str) -> list[dict[str, Any]]:
    files = resources.files(embedded_cluster).joinpath("crds").iterdir()
    found = [yaml.safe_load(file.read_text()) for file in files if file.name.endswith(".yaml")]
    return [item for item in found if item["spec"]["group"] == group]
