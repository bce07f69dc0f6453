"""The variables by which a kubelet tells every container of the Services (Kubernetes documentation, "Service",
section "Environment variables").

Names are the Service's, in capitals and with ``_`` for ``-``: a Service ``echo`` gives ``ECHO_SERVICE_HOST``,
``ECHO_SERVICE_PORT``, ``ECHO_PORT`` (an address, not a number) and more. A program that reads a variable of such a
name for its own settings fails on every real cluster, so it has to fail here as well.
"""

from lightkube import ApiError

from embedded_cluster.client import ApiClient, Object, Service

API_SERVER = ("default", "kubernetes")
"""Namespace and name of the Service whose variables every container gets, no matter what its pod says."""


async def service_links(pod: Object, client: ApiClient) -> dict[str, str]:
    """The variables for the containers of *pod*: of ``kubernetes`` in ``default``, and of every Service of the pod's
    namespace unless ``enableServiceLinks`` is false. Raises ``ApiError`` or ``httpx2.HTTPError``."""
    namespace = pod["metadata"]["namespace"]
    services = []
    if namespace != API_SERVER[0] or not pod["spec"].get("enableServiceLinks", True):
        services += await _api_server(client)
    if pod["spec"].get("enableServiceLinks", True):
        services += [each async for each in client.list(Service, namespace=namespace)]
    links: dict[str, str] = {}
    for service in services:
        links |= variables_of(service)
    return links


def variables_of(service: Object) -> dict[str, str]:
    """The variables of one Service; none for one without an address or without ports."""
    spec = service["spec"]
    address, ports = spec.get("clusterIP"), spec.get("ports") or []
    if not ports or address in (None, "", "None"):
        return {}
    prefix = _name(service["metadata"]["name"])
    links = {f"{prefix}_SERVICE_HOST": address, f"{prefix}_SERVICE_PORT": str(ports[0]["port"])}
    links |= {f"{prefix}_SERVICE_PORT_{_name(port['name'])}": str(port["port"]) for port in ports if port.get("name")}
    links[f"{prefix}_PORT"] = _url(address, ports[0])
    for port in ports:
        protocol = port.get("protocol", "TCP")
        link = f"{prefix}_PORT_{port['port']}_{protocol.upper()}"
        links |= {
            link: _url(address, port),
            f"{link}_PROTO": protocol.lower(),
            f"{link}_PORT": str(port["port"]),
            f"{link}_ADDR": address,
        }
    return links


async def _api_server(client: ApiClient) -> list[Object]:
    namespace, name = API_SERVER
    try:
        return [await client.get(Service, name, namespace=namespace)]
    except ApiError as error:
        if error.status.code == 404:  # it has been deleted
            return []
        raise


def _url(address: str, port: Object) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"{port.get('protocol', 'TCP').lower()}://{host}:{port['port']}"


def _name(text: str) -> str:
    return text.upper().replace("-", "_")
