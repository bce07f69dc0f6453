"""What the user who starts a cluster wants its controller and its gateway to be, written into our manifests."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from embedded_cluster import kic
from embedded_cluster.client import Object
from embedded_cluster.gateway.planes import PLANES


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the gateway is: base URLs of one of its replicas."""

    proxy_url: str
    admin_url: str
    tls_url: str = ""
    """Where the proxy is reached over TLS; "" if it is not."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """What is wanted; *hooks* are ``MODULE:FUNCTION`` by ``gateway``, ``controller`` or ``crds``."""

    sync_period: float
    drain_support: bool
    gateway: str
    """The gateway's data plane: envoy, haproxy or python."""
    gateway_version: str
    """The release of Kong Gateway that the stand-in says it is; "" for its own choice."""
    gateway_replicas: int
    gateway_workers: int
    worker_lag: float
    """Seconds by which the last worker of a gateway is behind its Admin API."""
    drained_sessions: str
    """What sessions get while all targets have weight 0: served or refused."""
    hooks: Mapping[str, str]
    ports: Mapping[str, int]
    """Port by its name in the gateway's Deployment: proxy, proxy-tls, kong-admin, kong-admin-tls, status."""
    controller: Path | None = None
    """A KIC binary to run instead of the stand-in."""
    controller_arguments: tuple[str, ...] = ()
    """Flags for that binary, on top of what the manifest sets."""
    kong: Endpoints | None = None
    """A gateway that the user runs; the cluster then has none of its own."""

    def applied_to(self, objects: Iterable[Object], definitions: Iterable[Object]) -> list[Object]:
        """*objects* of our manifests as they are to be created; *definitions* say which kinds there are."""
        kinds = {definition["spec"]["names"]["kind"] for definition in definitions}
        chosen = []
        for obj in objects:
            match obj["kind"], obj["metadata"]["name"]:
                case "Deployment", "kong-controller":
                    self._controller(obj, kinds)
                case "Deployment", "kong-gateway":
                    if self.kong:
                        continue
                    self._gateway(obj)
                case "Service", "kong-gateway-proxy":
                    self._proxy(obj)
                case "Service", "kong-gateway-admin" if not self.controller:
                    obj["spec"]["ports"] = _without(obj["spec"]["ports"], "kong-admin-tls")
            chosen.append(obj)
        return chosen

    @property
    def tls_port(self) -> int | None:
        """Where the gateways of this cluster listen for TLS; None if they do not."""
        return self.ports["proxy-tls"] if self.kong is None and PLANES[self.gateway].tls else None

    def _proxy(self, service: Object) -> None:
        """Its target ports are numbers, which KIC compares with what the gateways say they listen on."""
        plain, over_tls = service["spec"]["ports"]
        plain["targetPort"], over_tls["targetPort"] = self._proxy_port(), self.tls_port
        if self.tls_port is None:
            service["spec"]["ports"] = [plain]

    def _proxy_port(self) -> int:
        if self.kong is None:
            return self.ports["proxy"]
        address = urlsplit(self.kong.proxy_url)
        return address.port or {"https": 443}.get(address.scheme, 80)

    def _gateway(self, deployment: Object) -> None:
        deployment["spec"]["replicas"] = self.gateway_replicas
        container = _container(deployment)
        if not self.controller:
            container["ports"] = _without(container["ports"], "kong-admin-tls")
        if self.tls_port is None:
            container["ports"] = _without(container["ports"], "proxy-tls")
        for port in container["ports"]:
            port["containerPort"] = self.ports[port["name"]]
        admin = f"$(POD_IP):{self.ports['kong-admin']}"
        if self.controller:  # KIC speaks to nothing but TLS if it finds the gateways by itself
            admin += f", $(POD_IP):{self.ports['kong-admin-tls']} ssl"
        proxy = f"$(POD_IP):{self.ports['proxy']}"
        if self.tls_port:
            proxy += f", $(POD_IP):{self.tls_port} ssl"
        _set(
            container,
            {
                "EMBEDDED_DATA_PLANE": self.gateway,
                "EMBEDDED_DRAINED_SESSIONS": self.drained_sessions,
                "EMBEDDED_GATEWAY_VERSION": self.gateway_version,
                "EMBEDDED_HOOK": self.hooks.get("gateway", ""),
                "EMBEDDED_WORKERS": str(self.gateway_workers),
                "EMBEDDED_WORKER_LAG": f"{self.worker_lag:g}",
                "KONG_PROXY_LISTEN": proxy,
                "KONG_ADMIN_LISTEN": admin,
                "KONG_STATUS_LISTEN": f"$(POD_IP):{self.ports['status']}",
            },
        )

    def _controller(self, deployment: Object, kinds: set[str]) -> None:
        container = _container(deployment)
        values = {
            "CONTROLLER_ENABLE_DRAIN_SUPPORT": str(self.drain_support).lower(),
            "CONTROLLER_PROXY_SYNC_SECONDS": f"{self.sync_period:g}",
            "EMBEDDED_HOOK": self.hooks.get("controller", ""),
        }
        _set(container, values)
        if self.kong:
            _unset(container, "CONTROLLER_KONG_ADMIN_SVC")
            _set(container, {"CONTROLLER_KONG_ADMIN_URL": self.kong.admin_url})
        if self.controller:
            container["image"] = f"binary/{self.controller.name}"
            container["command"] = [str(self.controller)]
            container["args"] = ["--kubeconfig=$(KUBECONFIG)", *self.controller_arguments]
            _unset(container, "EMBEDDED_HOOK")
            _set(container, kic.settings(kinds))


def _without(ports: list[Object], name: str) -> list[Object]:
    return [port for port in ports if port["name"] != name]


def _container(deployment: Object) -> Object:
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    found: Object = container
    return found


def _set(container: Object, values: Mapping[str, str]) -> None:
    known = {variable["name"]: variable for variable in container["env"]}
    for name, value in values.items():
        if name in known:
            known[name]["value"] = value
        else:
            container["env"].append({"name": name, "value": value})


def _unset(container: Object, name: str) -> None:
    container["env"] = [variable for variable in container["env"] if variable["name"] != name]
