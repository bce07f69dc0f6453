"""The controllers keep what is in step with what was asked for, seen through the API of a running cluster."""

from pathlib import Path
from typing import Any

import pytest
from lightkube.types import CascadeType, PatchType

from embedded_cluster.client import (
    ConfigMap,
    Deployment,
    EndpointSlice,
    Namespace,
    Object,
    Pod,
    ReplicaSet,
    Service,
)
from embedded_cluster.controllers.replicaset import victims
from embedded_cluster.controllers.rollout import Bounds, Generation, size_of_new, sizes_of_old, template_hash
from embedded_cluster.objects import is_active, is_ready, selects
from tests.embedded.conftest import Space, endpoints, seen
from tests.waiting import PATIENCE, eventually

SLEEP = ["sh", "-c", "trap 'exit 0' TERM; sleep 600 & wait"]
HELD = {"preStop": {"exec": {"command": ["sh", "-c", "until test -e go; do sleep 0.05; done"]}}}
"""A pod that is on its way out until :func:`release` lets it end."""
NEVER_READY = {"exec": {"command": ["false"]}, "periodSeconds": 60}


def release(space: Space, pod: Object) -> None:
    """Let a held pod end."""
    (Path(space.cluster.said["dir"]) / "pods" / pod["metadata"]["uid"] / "go").touch()


def template(**container: Any) -> Object:
    """A pod template labelled app=echo; no machine is so busy that its grace period ends by itself."""
    main = {"name": "main", "image": "test", "command": SLEEP, **container}
    return {
        "metadata": {"labels": {"app": "echo"}},
        "spec": {"terminationGracePeriodSeconds": 600, "containers": [main]},
    }


def deployment(space: Space, replicas: int = 3, *, strategy: Object | None = None, **container: Any) -> None:
    """Create the Deployment *echo*."""
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "echo"}}, "template": template(**container)}
    space.create(Deployment, "echo", spec=spec | ({"strategy": strategy} if strategy else {}))


def patch(space: Space, content: Object) -> None:
    """Merge *content* into the Deployment *echo*."""
    space.client.patch(Deployment, "echo", content, namespace=space.name, patch_type=PatchType.MERGE)


def settled(space: Space, replicas: int) -> Object:
    """Wait until the Deployment *echo* has exactly so many pods, all up to date and available."""

    def look() -> Object | None:
        found = space.get(Deployment, "echo")
        status = found["status"] if found else {}
        counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
        seen = found and status.get("observedGeneration") == found["metadata"]["generation"]
        return found if seen and counts == [replicas] * 3 else None

    return dict(eventually(f"{replicas} replicas settled", look))


def pods(space: Space) -> list[Object]:
    """The pods of *echo* that are not on their way out."""
    return [pod for pod in space.list(Pod, app="echo") if is_active(pod)]


class TestDeployment:
    def test_kubectl_sees_the_rollout(self, space, kubectl):
        """rollout status, wait, scale, restart, history and undo do what they do on a real cluster."""
        deployment(space, 2)
        assert "successfully rolled out" in kubectl("rollout", "status", "deploy/echo")
        kubectl("wait", "--for=condition=Available", "deploy/echo", f"--timeout={PATIENCE:g}s")
        kubectl("scale", "deploy/echo", "--replicas=3")
        kubectl("rollout", "status", "deploy/echo", f"--timeout={PATIENCE:g}s")
        assert len(pods(space)) == 3
        before = {pod["metadata"]["name"] for pod in pods(space)}
        kubectl("rollout", "restart", "deploy/echo")
        kubectl("rollout", "status", "deploy/echo", f"--timeout={PATIENCE:g}s")
        settled(space, 3)
        assert before.isdisjoint(pod["metadata"]["name"] for pod in pods(space))
        assert "2 " in kubectl("rollout", "history", "deploy/echo")
        kubectl("rollout", "undo", "deploy/echo")
        found = settled(space, 3)
        assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
        assert len(space.list(ReplicaSet)) == 2, "the old template's ReplicaSet is used again"

    def test_a_rolling_update_stays_within_its_bounds(self, space):
        """Never fewer than replicas - maxUnavailable ready, never more than replicas + maxSurge at all."""
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
        deployment(space, 3, strategy=strategy)
        settled(space, 3)
        state = {pod["metadata"]["uid"]: pod for pod in pods(space)}
        old, version = set(state), space.version()
        patch(space, {"spec": {"template": {"metadata": {"annotations": {"version": "2"}}}}})
        settled(space, 3)

        def last(_: str, pod: Object) -> bool:
            if not is_active(pod):
                old.discard(pod["metadata"]["uid"])
            return not old

        for _, pod in space.since(version, Pod, last):
            state[pod["metadata"]["uid"]] = pod
            active = [each for each in state.values() if is_active(each)]
            assert len(active) <= 4
            assert sum(is_ready(each) for each in active) >= 3

    def test_recreate_never_runs_two_generations(self, space):
        """The last old pod has ended before the first new one is made."""
        deployment(space, 2, strategy={"type": "Recreate"})
        settled(space, 2)
        old, version = {pod["metadata"]["uid"] for pod in pods(space)}, space.version()
        patch(space, {"spec": {"template": {"metadata": {"annotations": {"version": "2"}}}}})
        settled(space, 2)
        ended = set()
        for _, pod in space.since(version, Pod, lambda _, pod: pod["metadata"]["uid"] not in old):
            if pod["metadata"]["uid"] in old and pod["status"]["phase"] in ("Succeeded", "Failed"):
                ended.add(pod["metadata"]["uid"])
        assert ended == old

    def test_a_stuck_rollout_is_reported(self, space):
        """Progressing turns False after progressDeadlineSeconds; what serves goes on serving."""
        deployment(space, 1)
        settled(space, 1)
        patch(
            space,
            {
                "spec": {
                    "progressDeadlineSeconds": 1,
                    "template": {"spec": template(readinessProbe=NEVER_READY)["spec"]},
                }
            },
        )

        def reason() -> bool:
            found = space.get(Deployment, "echo")
            assert found is not None
            conditions = {each["type"]: each for each in found["status"]["conditions"]}
            return bool(conditions["Progressing"]["reason"] == "ProgressDeadlineExceeded")

        eventually("the deadline exceeded", reason)
        assert sum(is_ready(pod) for pod in pods(space)) == 1

    def test_old_replicasets_are_forgotten(self, space):
        """Only revisionHistoryLimit of them are kept."""
        deployment(space, 1)
        patch(space, {"spec": {"revisionHistoryLimit": 1}})
        for version in ("2", "3", "4"):
            settled(space, 1)
            patch(space, {"spec": {"template": {"metadata": {"annotations": {"version": version}}}}})
        settled(space, 1)
        eventually("one old ReplicaSet", lambda: len(space.list(ReplicaSet)) == 2)


class TestReplicaSet:
    def test_a_deleted_pod_is_replaced_at_once(self, space):
        """A pod that terminates does not count, however long it takes."""
        deployment(space, 1, lifecycle=HELD)
        settled(space, 1)
        [pod] = pods(space)
        space.client.delete(Pod, pod["metadata"]["name"], namespace=space.name)

        def replaced() -> bool:
            return any(is_ready(each) for each in pods(space) if each["metadata"]["uid"] != pod["metadata"]["uid"])

        eventually("a replacement", replaced)
        assert space.get(Pod, pod["metadata"]["name"]) is not None, "the old one is still on its way out"
        release(space, pod)
        eventually("the old one has gone", lambda: space.get(Pod, pod["metadata"]["name"]) is None)

    def test_scaling_down_takes_the_cheapest_pod(self, space):
        """controller.kubernetes.io/pod-deletion-cost names the victim."""
        deployment(space, 3)
        settled(space, 3)
        victim = pods(space)[1]["metadata"]["name"]
        annotation = {"controller.kubernetes.io/pod-deletion-cost": "-1"}
        space.client.set(Pod, victim, namespace=space.name, annotations=annotation)
        patch(space, {"spec": {"replicas": 2}})
        settled(space, 2)
        assert victim not in [pod["metadata"]["name"] for pod in pods(space)]

    def test_a_pod_whose_labels_change_is_released(self, space):
        """It is replaced and lives on by itself; with its label back it is adopted again."""
        deployment(space, 1)
        settled(space, 1)
        name = pods(space)[0]["metadata"]["name"]
        # The dearer of the two, when it is back and one of them has to go.
        dear = {"controller.kubernetes.io/pod-deletion-cost": "100"}
        space.client.set(Pod, name, namespace=space.name, labels={"app": "other"}, annotations=dear)

        def owners() -> list[Object]:
            pod = space.get(Pod, name)
            assert pod is not None
            return list(pod["metadata"].get("ownerReferences") or [])

        eventually("released", lambda: not owners())
        settled(space, 1)
        space.client.set(Pod, name, namespace=space.name, labels={"app": "echo"})
        eventually("adopted", owners)
        settled(space, 1)

    def test_victims_are_the_pods_that_are_missed_least(self):
        """Without a node, pending, not ready, cheap, ready for a short time, often restarted, young."""

        def pod(
            uid: str,
            *,
            node: str = "n",
            phase: str = "Running",
            ready: str | None = "10",
            cost: str = "0",
            restarts: int = 0,
            born: str = "00",
        ) -> Object:
            conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": f"2026-01-01T00:00:{ready}Z"}]
            return {
                "metadata": {
                    "uid": uid,
                    "creationTimestamp": f"2026-01-01T00:00:{born}Z",
                    "annotations": {"controller.kubernetes.io/pod-deletion-cost": cost},
                },
                "spec": {"nodeName": node} if node else {},
                "status": {
                    "phase": phase,
                    "conditions": conditions if ready else [],
                    "containerStatuses": [{"restartCount": restarts}],
                },
            }

        ranked = [
            pod("unscheduled", node="", phase="Pending", ready=None),
            pod("pending", phase="Pending", ready=None),
            pod("not ready", ready=None),
            pod("cheap", cost="-5"),
            pod("ready for a short time", ready="20"),
            pod("often restarted", restarts=3),
            pod("young", born="05"),
            pod("veteran"),
            pod("dear", cost="7", ready="20"),
        ]
        assert [each["metadata"]["uid"] for each in victims(ranked[::-1], 9)] == [
            each["metadata"]["uid"] for each in ranked
        ]


class TestEndpointSlices:
    def test_each_pod_is_listed_with_its_own_port(self, space):
        """A named target port is looked up in the pod; pods with different numbers are in different slices."""
        space.create(
            Service,
            "web",
            spec={"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
        )
        for name, port in (("one", 8080), ("two", 9090)):
            space.pod(
                name,
                SLEEP,
                metadata={"labels": {"app": "web"}},
                container={"ports": [{"name": "http", "containerPort": port}]},
            )

        def ports() -> dict[str, int]:
            return {pod: found["ports"][0]["port"] for found in space.list(EndpointSlice) for pod in endpoints(found)}

        eventually("both", lambda: ports() == {"one": 8080, "two": 9090})
        found = space.list(EndpointSlice)[0]
        pod = space.get(Pod, found["endpoints"][0]["targetRef"]["name"])
        assert pod is not None
        assert found["metadata"]["labels"]["kubernetes.io/service-name"] == "web"
        assert (
            found["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io"
        )
        assert found["metadata"]["ownerReferences"][0]["kind"] == "Service"
        assert found["endpoints"][0]["addresses"] == [pod["status"]["podIP"]]
        assert found["endpoints"][0]["targetRef"]["uid"] == pod["metadata"]["uid"]
        assert found["endpoints"][0]["nodeName"] == "embedded"

    def test_not_ready_addresses_are_published_on_request(self, space):
        """publishNotReadyAddresses: ready, though the pod is not; ready still, when it terminates."""
        spec = {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {"app": "web"},
            "ports": [{"port": 80}],
        }
        space.create(Service, "web", spec=spec)
        space.pod(
            "web",
            SLEEP,
            metadata={"labels": {"app": "web"}},
            container={"readinessProbe": NEVER_READY, "lifecycle": HELD},
            terminationGracePeriodSeconds=600,
        )
        eventually("TFF", seen(space, {"web": "TFF"}))
        eventually("running", lambda: space.status("web")["phase"] == "Running")
        space.client.delete(Pod, "web", namespace=space.name)
        eventually("TFT", seen(space, {"web": "TFT"}))
        [found] = space.list(EndpointSlice)
        assert found["metadata"]["labels"]["service.kubernetes.io/headless"] == ""
        [pod] = space.list(Pod)
        release(space, pod)

    def test_a_service_without_pods_has_an_empty_slice(self, space):
        """Clients wait for the slice, not for its absence; it goes with the Service."""
        space.create(Service, "web", spec={"selector": {"app": "nobody"}, "ports": [{"port": 80}]})
        eventually("a slice", lambda: [s for s in space.list(EndpointSlice) if not s.get("endpoints")])
        space.client.delete(Service, "web", namespace=space.name)
        eventually("no slice", lambda: not space.list(EndpointSlice))


class TestNamespaces:
    def test_everything_in_a_namespace_goes_before_it(self, space):
        """Pods end with grace, and only then the namespace goes."""
        name = f"{space.name}-x"
        space.client.create(Namespace.from_dict({"metadata": {"name": name}}))
        inner = Space(space.cluster, name)
        inner.create(ConfigMap, "settings", data={})
        deployment(inner, 2, lifecycle=HELD)
        settled(inner, 2)
        space.client.delete(Namespace, name)

        def gone() -> bool:
            return name not in [each["metadata"]["name"] for each in space.client.list(Namespace)]

        eventually("terminating", lambda: not pods(inner))
        first, second = inner.list(Pod)
        release(inner, first)
        eventually("the first has ended", lambda: len(inner.list(Pod)) == 1)
        assert not gone(), "the second pod is still on its way out"
        release(inner, second)
        eventually("gone", gone)
        assert not inner.list(Pod) + inner.list(ConfigMap) + inner.list(ReplicaSet)


class TestGarbageCollection:
    def test_dependents_of_a_deployment_go_with_it(self, space):
        """In the background, which is the default."""
        deployment(space, 2)
        settled(space, 2)
        space.client.delete(Deployment, "echo", namespace=space.name)
        eventually("nothing left", lambda: not space.list(ReplicaSet) + pods(space))

    def test_foreground_deletion_takes_the_dependents_first(self, space):
        """The Deployment stays until its pods are gone."""
        deployment(space, 1, lifecycle=HELD)
        settled(space, 1)
        [pod] = pods(space)
        space.client.delete(Deployment, "echo", namespace=space.name, cascade=CascadeType.FOREGROUND)
        eventually("terminating", lambda: not pods(space))
        assert space.get(Deployment, "echo") is not None
        release(space, pod)
        eventually("gone", lambda: space.get(Deployment, "echo") is None)
        assert not space.list(ReplicaSet) + space.list(Pod)

    def test_orphans_stay(self, space):
        """--cascade=orphan leaves the ReplicaSet and its pods, without an owner; a new Deployment adopts them."""
        deployment(space, 1)
        settled(space, 1)
        [pod] = pods(space)
        space.client.delete(Deployment, "echo", namespace=space.name, cascade=CascadeType.ORPHAN)
        eventually("gone", lambda: space.get(Deployment, "echo") is None)
        [replicaset] = space.list(ReplicaSet)
        assert not replicaset["metadata"].get("ownerReferences")
        deployment(space, 1)
        settled(space, 1)
        assert [each["metadata"]["uid"] for each in pods(space)] == [pod["metadata"]["uid"]]

    def test_any_kind_of_object_can_be_owned(self, space):
        """A ConfigMap owned by another goes with it; one with a second owner stays."""
        first, second = (space.create(ConfigMap, name) for name in ("first", "second"))

        def reference(owner: Object) -> Object:
            return {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "name": owner["metadata"]["name"],
                "uid": owner["metadata"]["uid"],
            }

        space.create(ConfigMap, "one", metadata={"ownerReferences": [reference(first)]})
        space.create(ConfigMap, "both", metadata={"ownerReferences": [reference(first), reference(second)]})
        space.client.delete(ConfigMap, "first", namespace=space.name)
        eventually("collected", lambda: space.get(ConfigMap, "one") is None)

        def owners() -> list[str]:
            both = space.get(ConfigMap, "both")
            assert both is not None
            return [each["name"] for each in both["metadata"]["ownerReferences"]]

        eventually("one owner left", lambda: owners() == ["second"])


class TestArithmetic:
    @pytest.mark.parametrize(
        ("strategy", "replicas", "bounds"),
        [
            ({}, 3, Bounds(3, 1, 0)),
            ({}, 10, Bounds(10, 3, 2)),
            ({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}, 3, Bounds(3, 0, 1)),
            ({"rollingUpdate": {"maxSurge": "50%", "maxUnavailable": 5}}, 3, Bounds(3, 2, 3)),
            ({"type": "Recreate"}, 3, Bounds(3, 0, 0)),
        ],
    )
    def test_bounds(self, strategy, replicas, bounds):
        """Surge rounds up, unavailable down, and one of them is not 0."""
        assert Bounds.of({"spec": {"replicas": replicas, "strategy": strategy}}) == bounds

    def test_the_new_replicaset_grows_into_the_room_there_is(self):
        """Up to replicas + surge in all, and never beyond replicas itself."""
        bounds = Bounds(3, surge=1, unavailable=0)
        assert size_of_new(bounds, 0, 3) == 1
        assert size_of_new(bounds, 1, 4) == 1
        assert size_of_new(bounds, 1, 3) == 2
        assert size_of_new(bounds, 5, 5) == 3

    def test_old_replicasets_shrink_as_far_as_availability_allows(self):
        """Unavailable pods first, wherever they are; then the oldest."""
        bounds = Bounds(3, surge=1, unavailable=0)
        assert sizes_of_old(bounds, Generation(1, 0), [Generation(3, 3)]) == [3]
        assert sizes_of_old(bounds, Generation(1, 1), [Generation(3, 3)]) == [2]
        assert sizes_of_old(Bounds(3, 1, 1), Generation(2, 1), [Generation(1, 0), Generation(2, 2)]) == [0, 1]

    def test_equal_templates_have_equal_hashes(self):
        """Whatever the order of their fields; different ones differ."""
        assert template_hash({"a": 1, "b": 2}) == template_hash({"b": 2, "a": 1})
        assert template_hash({"a": 1}) != template_hash({"a": 2})

    def test_selectors(self):
        """matchLabels and matchExpressions together; an empty selector selects nothing."""
        labels = {"app": "web", "tier": "front"}
        assert selects({"matchLabels": {"app": "web"}}, labels)
        assert selects({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["front"]}]}, labels)
        assert not selects(
            {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, labels
        )
        assert not selects({}, labels)
        assert not selects(None, labels)
