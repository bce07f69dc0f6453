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
_MOMENTARY = {"id", "created_at", "updated_at"}
_CLASS = "/apis/gateway.networking.k8s.io/v1/gatewayclasses/kong"


def configuration(cluster: Cluster) -> Object:
    """The entities in force at the gateway by type and name, with the gateway's defaults in what was left out."""
    apps = {address: pod["metadata"]["labels"].get("app", "?") for address, pod in cluster.pods().items()}
    services = _all(cluster, "services")
    names = {entity["id"]: entity["name"] for entity in (*services, *_all(cluster, "routes"))}
    upstreams = {}
    for upstream in _all(cluster, "upstreams"):
        targets = [
            f"{apps.get(target['target'].rpartition(':')[0], 'somebody')}:{target['target'].rpartition(':')[2]}"
            f" weight {target['weight']}"
            for target in _all(cluster, f"upstreams/{upstream['name']}/targets")
        ]
        upstreams[upstream["name"]] = {**_without_ids(upstream, names), "targets": sorted(targets)}
    return {
        "services": {each["name"]: _without_ids(each, names) for each in services},
        "routes": {each["name"]: _without_ids(each, names) for each in _all(cluster, "routes")},
        "plugins": sorted((_without_ids(each, names) for each in _all(cluster, "plugins")), key=str),
        "upstreams": upstreams,
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


def _all(cluster: Cluster, kind: str) -> list[Object]:
    found: list[Object] = httpx.get(f"{cluster.said['admin_url']}/{kind}", trust_env=False).json()["data"]
    return found


def _without_ids(entity: Object, names: dict[str, str]) -> Object:
    """*entity* with names in place of ids, and of each tag that holds a uid only that it does."""
    kept = {key: value for key, value in entity.items() if value is not None and key not in _MOMENTARY}
    for reference in {"service", "route"} & set(kept):
        kept[reference] = names.get(kept[reference]["id"], "?")
    if "tags" in kept:
        kept["tags"] = sorted("k8s-uid:..." if tag.startswith("k8s-uid:") else tag for tag in kept["tags"])
    if "config" in kept:
        kept["config"] = _said(kept["config"])
    return dict(sorted(kept.items()))


def _said(value: Any) -> Any:
    """*value* without what says nothing: nulls, empty lists and maps, and switches that are off."""
    if not isinstance(value, dict):
        return value
    inside = {key: _said(item) for key, item in sorted(value.items())}
    return {key: item for key, item in inside.items() if item not in (None, False, {}, [])}


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(item) for key, item in sorted(value.items()) if key != "lastTransitionTime"}
    if isinstance(value, list):
        return sorted((_timeless(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value


def _anonymous(message: str) -> str:
    message = re.sub(r"https?://[\d.:]+", "URL", message)
    return re.sub(r"\d+\.\d+\.\d+\.\d+", "ADDRESS", message)
