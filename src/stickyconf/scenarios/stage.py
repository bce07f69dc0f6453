"""A stage: one case's own namespace, host name, workload and record."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import stickyconf
from stickyconf.checks.readiness import SEEN_LATE_SECONDS
from stickyconf.model import Exchange, Happening, History, Setup, differences
from stickyconf.ports import ENDPOINT_SLICE, POD, HarnessError, Line, Rejected, Target, WorkloadBroken
from stickyconf.scenarios.client import Client
from stickyconf.scenarios.observers import Observers
from stickyconf.scenarios.pods import ready_pods
from stickyconf.scenarios.recorder import Recorder
from stickyconf.scenarios.settling import ASSUMED_WORKERS, PROBE, Asked, Settling
from stickyconf.scenarios.workload import ECHO_PORT, SERVICE, Manifests, Policy, Topology, upstream_name
from stickyconf.wait import Waiter, WaitFailed

T = TypeVar("T")

Shown = tuple[dict[str, Any] | None, dict[str, int]]
"""What one gateway replica shows: the fields of an upstream, None if there is none, and address -> weight."""

HARMS = frozenset(
    {
        Happening.RESTARTED,
        Happening.FAILED,
        Happening.DIED,
        Happening.TERMINATING,
        Happening.POD_GONE,
        Happening.ENDPOINT_REMOVED,
        Happening.GATEWAY_GONE,
    }
)
"""What may have made requests fail or stray."""


@dataclass
class Stage:
    """Where a scenario plays.

    ``pods`` are the pods that are ready now, name -> "ip:port"; ``first_pods`` are the names of those that were ready
    when the experiment began. ``workers`` is how many worker processes the gateway's replicas have in all. ``drain``:
    whether drain support is on; None if that is not known. ``refused`` is what the API server said of the case's policy
    if it did not admit it. ``others`` is set when every other recording has ended, if this one lasts until then;
    ``session_age``: the seconds for which it keeps sessions open at the least. ``minutes``: how long a soak lasts.
    ``authority``: the certificate, in PEM, of who issued the case's own; "" while it is not served over TLS. ``apart``
    is held while a pod is brought to its end, if the recordings of the run are to do that one after the other.
    """

    name: str
    target: Target
    waiter: Waiter
    manifests: Manifests
    topology: Topology
    namespace: str
    host: str
    seed: int
    drain: bool | None = None
    recorder: Recorder = field(default_factory=Recorder)
    pods: dict[str, str] = field(default_factory=dict)
    first_pods: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    workers: int = 1
    refused: str = ""
    others: asyncio.Event | None = None
    session_age: float = 0.0
    minutes: float = 0.0
    authority: str = ""
    apart: contextlib.AbstractAsyncContextManager[Any] = field(default_factory=contextlib.nullcontext)

    def __post_init__(self) -> None:
        """Start watching as soon as there is something to watch."""
        self.started = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.observers = Observers(self.target, self.recorder, self.namespace, self.upstream)
        self.recorder.patience = self.waiter.budgets["silence"].total_seconds()
        self._clients = 0

    @property
    def upstream(self) -> str:
        """The name of the case's Kong upstream."""
        return upstream_name(self.namespace)

    def host_name(self, label: str = "") -> str:
        """Return a host name of this case: its own, or the one with a label before it."""
        return f"{label}.{self.host}" if label else self.host

    @property
    def policy(self) -> Policy:
        """The policy of the case; the default one if the case has none."""
        return self.topology.policy or Policy()

    @contextlib.asynccontextmanager
    async def client(
        self,
        arm: str,
        *,
        fresh: bool = False,
        http2: bool = False,
        keeps: bool = True,
        host: str = "",
        secure: bool = False,
    ) -> AsyncIterator[Client]:
        """Open a new session of an arm, at the case's own host name or at another; ``secure``: over TLS."""
        traffic = self.target.traffic
        authority, gateway = (self.authority, traffic.over_tls().address) if secure else ("", "")
        async with traffic.line(fresh=fresh, http2=http2, authority=authority) as line:
            yield self.client_on(line, arm, keeps=keeps, host=host, gateway=gateway)

    def client_on(self, line: Line, arm: str, *, keeps: bool = True, host: str = "", gateway: str = "") -> Client:
        """Return a new session of an arm on a line that others may share, to another address if one is given."""
        self._clients += 1
        return Client(
            self.recorder,
            line,
            arm=arm,
            session=f"{arm}-{self._clients:03d}",
            host=host or self.host,
            gateway=gateway or self.target.proxy_url,
            keeps=keeps,
        )

    async def play(self, scenarios: Iterable[Scenario]) -> None:
        """Play scenarios one after the other, unless the gateway answers nothing for the budget ``silence``.

        Then the rest is not played, and the record says so: what was seen until then is judged, with that doubt.
        """
        playing = asyncio.create_task(self._play(scenarios))
        silent = asyncio.create_task(self.recorder.silent.wait())
        try:
            await asyncio.wait((playing, silent), return_when=asyncio.FIRST_COMPLETED)
            if playing.done():
                playing.result()
            else:
                self.recorder.event(Happening.SILENT, self.target.proxy_url, seconds=f"{self.recorder.patience:g}")
        finally:
            for task in (playing, silent):
                task.cancel()
            await asyncio.gather(playing, silent, return_exceptions=True)

    async def _play(self, scenarios: Iterable[Scenario]) -> None:
        if self.topology.replicas:
            await self.deploy()
            await self.converge(sticky=self.topology.policy is not None and self.topology.attached)
        for scenario in scenarios:
            await scenario(self)

    async def deploy(self) -> None:
        """Create the workload, wait until every pod is ready, and then create its route.

        So the gateway gets the upstream with all of its targets at once: a worker that answers at all has them all.
        Raises WorkloadBroken at once if the pods of an earlier recording could not come up.
        """
        cluster, tempo, workload = self.target.cluster, self.target.tempo, self.target.workload
        if workload.broken:
            raise WorkloadBroken(f"not recorded: {workload.broken}")
        for secret in self.manifests.pull_secret(self.namespace):
            await cluster.create(secret)
        for manifest in self.manifests.echo(self.namespace, self.topology, tempo.hold, tempo.grace):
            await cluster.apply(manifest)
        if self.topology.policy:
            await self._apply_policy(self.manifests.policy(self.namespace, self.topology.policy.spec))
        try:
            await self.refresh_pods(self.topology.replicas)
        except WorkloadBroken as error:
            if workload.broken:  # another recording has found out meanwhile, and told it in full
                raise WorkloadBroken(f"not recorded: {workload.broken}") from error
            workload.broken = str(error)
            raise
        await self.waiter.until("every ready pod to be an endpoint", "rollout", self._unlisted, lambda left: not left)
        await cluster.apply(self.manifests.route(self.namespace, self.host, self.topology))

    async def _unlisted(self) -> set[str]:
        """Return the ready pods that no EndpointSlice lists as ready yet."""
        slices = await self.target.cluster.list(ENDPOINT_SLICE, self.namespace)
        endpoints = [endpoint for item in slices for endpoint in item.get("endpoints") or ()]
        ready = [endpoint for endpoint in endpoints if (endpoint.get("conditions") or {}).get("ready")]
        return self.pods.keys() - {(endpoint.get("targetRef") or {}).get("name") for endpoint in ready}

    async def _apply_policy(self, manifest: Mapping[str, Any]) -> None:
        """Apply the case's policy. One that is refused is not our error: without it, nothing converges."""
        try:
            await self.target.cluster.apply(manifest)
        except Rejected as refusal:
            self.refused = refusal.message
            name, code = manifest["metadata"]["name"], str(refusal.code)
            self.recorder.event(Happening.REJECTED, name, code=code, reason=refusal.reason, message=refusal.message)

    async def refresh_pods(self, replicas: int) -> None:
        """Wait until so many pods are ready, and remember them.

        The first time they are the pods that the experiment begins with. Later an event says which are ready then.
        """
        self.pods = await ready_pods(self.target.cluster, self.waiter, self.namespace, replicas)
        if self.first_pods:
            self.recorder.event(
                Happening.PODS_READY, f"Deployment/{SERVICE}", pods=json.dumps(sorted(self.pods), separators=(",", ":"))
            )
        else:
            self.first_pods = tuple(sorted(self.pods))
        self.observers.addresses.update({address: name for name, address in self.pods.items()})
        await self.observers.follow_logs(self.pods)

    async def converge(
        self,
        sticky: bool,
        *,
        upstream: str = "",
        host: str = "",
        path: str = "",
        pods: Mapping[str, str] | None = None,
        policy: Policy | None = None,
    ) -> bool:
        """Wait until every gateway replica shows an upstream as asked, and every worker acts on it.

        A worker does if new sessions reach a pod and get the policy's cookie; without the policy, if they get none.
        What is not given is the case's own. ``pods`` are those behind the upstream, name -> "ip:port"; ``path`` is what
        is asked for, the policy's cookie path unless it is given. What was seen is recorded, converged or not: a
        gateway that never gets there is a finding, not our failure.
        """
        name, host = upstream or self.upstream, host or self.host
        addresses = set((self.pods if pods is None else pods).values())
        wanted = _fields(policy or self.policy)
        watched = bool(self.gateways)
        self.gateways = tuple(await self.target.gateway.replicas())
        if not self.gateways:
            raise HarnessError("no gateway replica is running, so nothing can be observed")
        if not watched and not self.others:  # others may take the gateway away on purpose
            self.observers.watch_gateway(await self.target.gateway.pods())
        await self.count_workers(self.gateways)
        if self.refused:
            self.recorder.event(Happening.UNCONVERGED, "the policy", budget="admission", last=self.refused)
            return False

        shown: dict[str, Shown] = {}

        async def differing() -> str:
            shown.update(await self._shown(name))
            said = {replica: _differing(*one, addresses, wanted, sticky) for replica, one in shown.items()}
            return "; ".join(f"on {replica} {'; '.join(lines)}" for replica, lines in said.items() if lines)

        try:
            await self.waiter.until(
                f"{name} on {len(self.gateways)} gateway replica(s)", "programmed", differing, lambda left: not left
            )
        except WaitFailed as failure:
            self._record_shown(name, await self._shown(name))
            self.recorder.event(Happening.UNCONVERGED, name, budget=failure.budget, last=failure.last)
            return False
        self._record_shown(name, shown)
        self.observers.watch_cluster()  # until now pods were still on their way to be ready
        if not await self.settled(cookie_set(name, policy or self.policy, sticky), host, policy, path):
            last = self.recorder.events(Happening.UNSETTLED, name)[-1].detail["last"]
            self.recorder.event(Happening.UNCONVERGED, name, budget="workers", last=last)
            return False
        self.recorder.event(Happening.CONVERGED, name, sticky=str(sticky).lower())
        return True

    async def count_workers(self, replicas: Iterable[str]) -> None:
        """Learn how many workers these gateway replicas have in all; one that does not say is taken to have many."""
        told = [await self.target.gateway.workers(replica) for replica in replicas]
        self.workers = sum(one or ASSUMED_WORKERS for one in told)

    async def settled(
        self, asked: Asked, host: str = "", policy: Policy | None = None, path: str = "", *, secure: bool = False
    ) -> bool:
        """Wait until every worker of the gateway shows a behaviour, and record whether they did.

        New sessions at a host name show it, at a path, or under that of a policy's cookie; the case's own if none are
        given. ``secure``: over TLS.
        """
        settling = Settling(
            self.recorder,
            self.waiter,
            self.workers,
            lambda: self.client(PROBE, fresh=True, keeps=False, host=host, secure=secure),
            path or (policy or self.policy).cookie_path,
        )
        return await settling.settled(asked)

    async def reached(self, pods: Collection[str]) -> bool:
        """Wait until each of these pods has got a new session, within the budget ``workers``, and say whether it did.

        A worker that has placed one on a pod has the configuration with it. No other worker need have, so that what
        is judged afterwards has to leave room for some that do not.
        """
        missing = set(pods)

        async def look() -> set[str]:
            async with self.client(PROBE, fresh=True, keeps=False) as client:
                for _ in range(2 * len(self.pods)):
                    missing.discard((await client.get(self.policy.cookie_path)).pod or "")
            return missing

        try:
            await self.waiter.until("every added pod to get a new session", "workers", look, lambda left: not left)
        except WaitFailed:
            return False  # what is judged afterwards shows it
        return True

    async def expect(
        self, what: str, budget: str, look: Callable[[], Awaitable[T]], holds: Callable[[T], bool]
    ) -> bool:
        """Wait for something that the system under test can keep from happening, and say whether it happened.

        That it did not is recorded, and never our failure.
        """
        try:
            await self.waiter.until(what, budget, look, holds)
        except WaitFailed as failure:
            self.recorder.event(Happening.MISSED, what, budget=failure.budget, last=failure.last)
            return False
        return True

    async def _shown(self, name: str) -> dict[str, Shown]:
        gateway = self.target.gateway
        return {
            replica: (await gateway.upstream(replica, name), await gateway.targets(replica, name))
            for replica in self.gateways
        }

    def _record_shown(self, name: str, shown: Mapping[str, Shown]) -> None:
        for replica, (upstream, targets) in shown.items():
            self.record_upstream(replica, name, upstream)
            if name == self.upstream:  # events of targets do not say whose they are
                self.observers.compare_targets(replica, targets)

    async def look(self) -> None:
        """Record what every gateway replica shows of the upstream now; its targets are polled already."""
        for replica in self.gateways:
            shown = await self.target.gateway.upstream(replica, self.upstream)
            self.record_upstream(replica, self.upstream, shown)

    def record_upstream(self, replica: str, name: str, upstream: dict[str, Any] | None) -> None:
        """Record what a gateway replica shows of an upstream; None if it shows none."""
        shown = json.dumps(upstream, sort_keys=True)
        self.recorder.event(Happening.UPSTREAM, name, gateway=replica, upstream=shown)

    async def release(self, pods: Iterable[str]) -> None:
        """Let preStop of these pods return. Recorded before it is asked for: until then the pods certainly serve."""
        for pod in pods:
            self.recorder.event(Happening.RELEASED, pod)
            await self.target.cluster.post_to_pod(pod, self.namespace, ECHO_PORT, "/-/release")

    async def release_all(self, namespace: str) -> None:
        """Release every pod of a namespace, so that none holds when it is cleared."""
        for pod in await self.target.cluster.list(POD, namespace, "app=echo"):
            await self.target.cluster.post_to_pod(pod["metadata"]["name"], namespace, ECHO_PORT, "/-/release")

    async def close(self) -> History:
        """Stop watching, wait for the pods' own records, and close the history."""
        with contextlib.suppress(WaitFailed):  # what stays unseen is in the history, and is judged there
            await self.waiter.until(
                "every answer in the log of its pod", "pod_logs", self._unseen, lambda unseen: not unseen
            )
        await self._seen_through()
        await self.observers.stop()
        return self.recorder.history(self._setup())

    async def _seen_through(self) -> None:
        """If requests failed or strayed just now, look on until the cluster has told why; if the gateway is, too.

        A node takes some seconds to see that a container has ended, or that a probe fails.
        """
        now = self.recorder.now()
        if not self.recorder.troubled(now - SEEN_LATE_SECONDS, self.policy.cookie):
            return

        async def told() -> bool:
            seen = (event for what in HARMS for event in self.recorder.events(what))
            return any(event.when > now - SEEN_LATE_SECONDS for event in seen)

        with contextlib.suppress(WaitFailed):  # nothing had happened to them
            await self.waiter.until("what happened to pods and gateway", "aftermath", told, bool)
        for replica in self.gateways:
            try:
                await self.target.gateway.upstream(replica, self.upstream)
            except HarnessError as error:
                self.recorder.event(Happening.GATEWAY_GONE, replica, why=str(error))

    async def _unseen(self) -> set[tuple[str, str]]:
        return self.recorder.unseen()

    def _setup(self) -> Setup:
        target = self.target
        return Setup(
            name=self.name,
            started=self.started,
            suite=stickyconf.__version__,
            target=target.name,
            implementation=target.implementation,
            versions=dict(target.versions),
            namespace=self.namespace,
            host=self.host,
            cookie=self.policy.cookie,
            cookie_path=self.policy.cookie_path,
            policy=self.topology.policy.spec if self.topology.policy else {},
            drain=self.drain,
            pods=self.first_pods,
            gateways=self.gateways,
            seed=self.seed,
            tempo={"sync": target.tempo.sync, "hold": target.tempo.hold, "grace": target.tempo.grace},
            plan=dict(self.recorder.plan),
            lateness=self.recorder.lateness,
        )


def cookie_set(upstream: str, policy: Policy, sticky: bool) -> Asked:
    """Return what every worker of the gateway shows once it has the policy, or while there is none."""

    def agrees(exchange: Exchange) -> bool:
        issued = exchange.answer.set_cookies(policy.cookie) if exchange.answer else ()
        return exchange.pod is not None and bool(issued) is sticky

    what = f"set the cookie {policy.cookie} for a new session" if sticky else f"set no cookie {policy.cookie}"
    return Asked(what, upstream, agrees)


def _fields(policy: Policy) -> dict[str, str]:
    return {
        "algorithm": "sticky-sessions",
        "sticky_sessions_cookie": policy.cookie,
        "sticky_sessions_cookie_path": policy.cookie_path,
    }


def _differing(
    upstream: dict[str, Any] | None, targets: dict[str, int], addresses: set[str], wanted: dict[str, str], sticky: bool
) -> list[str]:
    """Return what a replica shows of an upstream that is not as asked, one line for each field or target."""
    if upstream is None:
        return ["there is no such upstream"]
    lines = differences(upstream, wanted) if sticky else []
    if not sticky and upstream.get("algorithm") == wanted["algorithm"]:
        lines.append(f"algorithm is still {wanted['algorithm']}")
    lines += [f"target {address} is missing" for address in sorted(addresses - set(targets))]
    lines += [f"target {address} is not one of its pods" for address in sorted(set(targets) - addresses)]
    return lines + [f"target {address} has weight 0" for address, weight in sorted(targets.items()) if weight == 0]


Scenario = Callable[[Stage], Awaitable[None]]
"""What a case does on its stage."""
