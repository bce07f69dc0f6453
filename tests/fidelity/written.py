"""What a controller has written, to the gateway and to the cluster, in a form that two of them can be compared in.

Only what must differ between two clusters is taken out: addresses become the name of the pod's workload, uids the name
of their object, times go, and what has no order is sorted.
"""

import json
import re
from collections import Counter
from typing import Any

import httpx

from tests.fidelity.clusters import NAMESPACE, Cluster, Object

_ROUTES = f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes"
_POLICIES = f"/apis/configuration.konghq.com/v1beta1/namespaces/{NAMESPACE}/kongupstreampolicies"
_INGRESSES = f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/ingresses"
_GATEWAY = "/apis/gateway.networking.k8s.io/v1/namespaces/kong/gateways/kong"
_CLASS = "/apis/gateway.networking.k8s.io/v1/gatewayclasses/kong"


def configuration(cluster: Cluster) -> Object:
    """The declarative configuration in force at the gateway, by type and name."""
    document = json.loads(httpx.get(f"{cluster.said['admin_url']}/config", trust_env=False).json()["config"])
    names = {address: pod["metadata"]["labels"].get("app", "?") for address, pod in cluster.pods().items()}
    return {
        "services": {each["name"]: _service(each) for each in document.get("services") or ()},
        "upstreams": {each["name"]: _upstream(each, names) for each in document.get("upstreams") or ()},
        "plugins": sorted((_without_ids(each) for each in document.get("plugins") or ()), key=str),
        "rest": sorted(set(document) - {"services", "upstreams", "plugins"}),
    }


def weights(cluster: Cluster, upstream: str) -> dict[str, list[int]]:
    """The weights of an upstream's targets by what becomes of their pods: ``staying`` or ``ending``."""
    found: dict[str, list[int]] = {"staying": [], "ending": []}
    page = httpx.get(f"{cluster.said['admin_url']}/upstreams/{upstream}/targets", trust_env=False).json()
    pods = cluster.pods()
    for target in page.get("data") or ():
        pod = pods.get(target["target"].rpartition(":")[0])
        ending = pod is None or "deletionTimestamp" in pod["metadata"]
        found["ending" if ending else "staying"].append(target["weight"])
    return {key: sorted(values) for key, values in found.items()}


def statuses(cluster: Cluster) -> Object:
    """What the controller says of each object, by kind and name."""
    found = {
        f"{path.rpartition('/')[2]}/{item['metadata']['name']}": _timeless(item.get("status", {}))
        for path in (_ROUTES, _POLICIES, _INGRESSES)
        for item in cluster.get(path)["items"]
    }
    for path in (_GATEWAY, _CLASS):
        found[path.rpartition("/v1/")[2]] = _timeless(cluster.get(path).get("status", {}))
    return found


def events(cluster: Cluster) -> Object:
    """Events about the test's objects and the controller's pod: (kind, name, reason) and the messages there were."""
    found: Counter[str] = Counter()
    for namespace in (NAMESPACE, "kong"):
        for event in cluster.get(f"/api/v1/namespaces/{namespace}/events")["items"]:
            if event["reason"].startswith("KongConfiguration"):
                about = event["involvedObject"]
                name = "controller" if about["kind"] == "Pod" else about["name"]
                found[f"{event['type']} {about['kind']}/{name} {event['reason']}: {_anonymous(event['message'])}"] = 1
    return dict(sorted(found.items()))


def _service(service: Object) -> Object:
    routes = {route["name"]: _without_ids(route) for route in service.get("routes") or ()}
    return {**_without_ids({k: v for k, v in service.items() if k != "routes"}), "routes": routes}


def _upstream(upstream: Object, names: dict[str, str]) -> Object:
    targets = sorted(
        f"{names.get(target['target'].rpartition(':')[0], 'somebody')}:{target['target'].rpartition(':')[2]}"
        f" weight {target.get('weight')}"
        for target in upstream.get("targets") or ()
    )
    return {**_without_ids({k: v for k, v in upstream.items() if k != "targets"}), "targets": targets}


def _without_ids(entity: Object) -> Object:
    """*entity* without generated ids; a tag keeps its kind of content, not the uid."""
    kept = {key: value for key, value in entity.items() if key not in ("id", "created_at", "updated_at")}
    if "tags" in kept:
        kept["tags"] = sorted("k8s-uid:..." if tag.startswith("k8s-uid:") else tag for tag in kept["tags"])
    if "plugins" in kept:
        kept["plugins"] = sorted((_without_ids(plugin) for plugin in kept["plugins"]), key=str)
    return {key: kept[key] for key in sorted(kept) if kept[key] is not None}


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(item) for key, item in sorted(value.items()) if key != "lastTransitionTime"}
    if isinstance(value, list):
        return sorted((_timeless(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value


def _anonymous(message: str) -> str:
    message = re.sub(r"https?://[\d.:]+", "URL", message)
    return re.sub(r"\d+\.\d+\.\d+\.\d+", "ADDRESS", message)
