"""The Python clients, unmodified: ``kubernetes`` (typed and dynamic) and ``lightkube``."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import kubernetes.client
import kubernetes.config
import kubernetes.dynamic
import kubernetes.watch
import pytest
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic.exceptions import NotFoundError
from lightkube import ApiError, AsyncClient, KubeConfig
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Pod
from lightkube.types import PatchType

from tests.embedded.apiserver_process import ApiServer, running_apiserver

POLICY: dict[str, Any] = {
    "apiVersion": "configuration.konghq.com/v1beta1",
    "kind": "KongUpstreamPolicy",
    "metadata": {"name": "sticky"},
    "spec": {
        "algorithm": "sticky-sessions",
        "hashOn": {"input": "none"},
        "stickySessions": {"cookie": "session_id"},
    },
}
Policies = create_namespaced_resource(
    "configuration.konghq.com", "v1beta1", "KongUpstreamPolicy", "kongupstreampolicies"
)


@pytest.fixture(scope="module")
def server() -> Iterator[ApiServer]:
    with running_apiserver() as running:
        running.install_crds()
        yield running


@pytest.fixture(scope="module")
def client(server: ApiServer) -> Iterator[kubernetes.client.ApiClient]:
    with kubernetes.config.new_client_from_config(str(server.kubeconfig)) as api:
        yield api


def deployment(name: str) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }


def test_typed_client_reads_what_it_wrote(client: kubernetes.client.ApiClient) -> None:
    apps = kubernetes.client.AppsV1Api(client)
    made = apps.create_namespaced_deployment("default", deployment("typed"))
    assert (made.spec.replicas, made.spec.strategy.type) == (1, "RollingUpdate")
    apps.patch_namespaced_deployment_scale("typed", "default", {"spec": {"replicas": 3}})
    assert apps.read_namespaced_deployment("typed", "default").spec.replicas == 3
    assert [item.metadata.name for item in apps.list_namespaced_deployment("default").items] == ["typed"]
    apps.delete_namespaced_deployment("typed", "default", propagation_policy="Background")
    with pytest.raises(ApiException) as missing:
        apps.read_namespaced_deployment("typed", "default")
    assert missing.value.status == 404


def test_typed_client_watches(client: kubernetes.client.ApiClient) -> None:
    core = kubernetes.client.CoreV1Api(client)
    version = core.list_namespaced_config_map("default").metadata.resource_version
    core.create_namespaced_config_map("default", {"metadata": {"name": "watched"}})
    core.patch_namespaced_config_map("watched", "default", {"data": {"a": "b"}})
    core.delete_namespaced_config_map("watched", "default")
    watch = kubernetes.watch.Watch()
    events = watch.stream(core.list_namespaced_config_map, "default", resource_version=version, timeout_seconds=5)
    seen = [(event["type"], event["object"].metadata.name) for _, event in zip(range(3), events, strict=False)]
    watch.stop()
    assert seen == [("ADDED", "watched"), ("MODIFIED", "watched"), ("DELETED", "watched")]


def test_dynamic_client_handles_custom_resources(client: kubernetes.client.ApiClient) -> None:
    dynamic = kubernetes.dynamic.DynamicClient(client)
    policies = dynamic.resources.get(api_version="configuration.konghq.com/v1beta1", kind="KongUpstreamPolicy")
    policies.create(body=POLICY, namespace="default")
    assert policies.get(name="sticky", namespace="default").spec.stickySessions.cookiePath == "/"
    patch = {"metadata": {"labels": {"a": "b"}}}
    policies.patch(body=patch, name="sticky", namespace="default", content_type="application/merge-patch+json")
    assert len(policies.get(namespace="default", label_selector="a=b").items) == 1
    services = dynamic.resources.get(api_version="v1", kind="Service")
    body = {"metadata": {"name": "applied"}, "spec": {"ports": [{"port": 80}]}, "apiVersion": "v1", "kind": "Service"}
    services.server_side_apply(body=body, name="applied", namespace="default", field_manager="test")
    policies.delete(name="sticky", namespace="default")
    with pytest.raises(NotFoundError):
        policies.get(name="sticky", namespace="default")


@pytest.mark.parametrize(
    ("spec", "field", "said"),
    [
        ({"hashOn": {"input": "ip"}}, "<nil>", "spec.hashOn.input must be set to 'none'"),
        ({"stickySessions": {"cookie": ""}}, "spec.stickySessions.cookie", "at least 1 chars long"),
        ({"algorithm": "latency"}, "<nil>", "spec.algorithm must be set to 'sticky-sessions'"),
        ({"algorithm": "random"}, "spec.algorithm", '"least-connections"'),
    ],
)
def test_rejection_is_an_api_exception_whose_body_names_the_field(
    client: kubernetes.client.ApiClient, spec: dict[str, Any], field: str, said: str
) -> None:
    api = kubernetes.client.CustomObjectsApi(client)
    body = {**POLICY, "metadata": {"name": "refused"}, "spec": {**POLICY["spec"], **spec}}
    with pytest.raises(ApiException) as refused:
        api.create_namespaced_custom_object(
            "configuration.konghq.com", "v1beta1", "default", "kongupstreampolicies", body
        )
    assert (refused.value.status, refused.value.reason) == (422, "Unprocessable Entity")
    status = json.loads(refused.value.body)
    assert (status["kind"], status["reason"]) == ("Status", "Invalid")
    assert any(cause["field"] == field and said in cause["message"] for cause in status["details"]["causes"])


def test_lightkube_writes_reads_and_watches(server: ApiServer) -> None:
    async def scenario() -> None:
        client = AsyncClient(KubeConfig.from_file(server.kubeconfig), trust_env=False)
        made = await client.create(ConfigMap(metadata=ObjectMeta(name="light", namespace="default"), data={"a": "b"}))
        assert made.metadata is not None
        assert made.metadata.uid
        version = made.metadata.resourceVersion
        patch = {"data": {"a": "c"}}
        await client.patch(ConfigMap, "light", patch, namespace="default", patch_type=PatchType.MERGE)
        async for kind, changed in client.watch(ConfigMap, namespace="default", resource_version=version):
            assert (kind, changed.data) == ("MODIFIED", {"a": "c"})
            break
        await client.create(Policies(POLICY), namespace="default")
        stored = await client.get(Policies, "sticky", namespace="default")
        assert stored["spec"]["stickySessions"]["cookiePath"] == "/"
        await client.create(Deployment.from_dict(deployment("light")), namespace="default")
        scale = await client.get(Deployment.Scale, "light", namespace="default")
        assert scale.spec is not None
        scale.spec.replicas = 2
        await client.replace(scale, "light", namespace="default")
        assert (await client.get(Deployment.Scale, "light", namespace="default")).spec == scale.spec
        assert [pod async for pod in client.list(Pod, namespace="*")] == []
        with pytest.raises(ApiError) as missing:
            await client.get(Pod, "none", namespace="default")
        assert missing.value.status.reason == "NotFound"
        await client.close()

    asyncio.run(scenario())
