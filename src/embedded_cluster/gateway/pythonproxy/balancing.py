"""Which target gets a request: the one its cookie names or, for a new session, the next one by weight."""

import hashlib
from dataclasses import dataclass, field

from embedded_cluster.gateway.health import Health, Probe


@dataclass
class Target:
    """One target and its place in the rotation."""

    host: str
    port: int
    weight: int
    credit: int = 0
    failures: int = 0
    """Bad answers to clients in a row; of answers to probes these are misses."""
    misses: int = 0
    successes: int = 0
    out: bool = False
    """Whether health checks have taken it out."""

    @property
    def cookie(self) -> str:
        """The cookie value that names it: the same in every replica, and no address in plain text."""
        return hashlib.sha256(f"{self.host}:{self.port}".encode()).hexdigest()[:32]


@dataclass
class Pool:
    """The targets of one upstream."""

    targets: list[Target] = field(default_factory=list)
    checks: Health | None = None

    def keep(self, before: "Pool") -> None:
        """Go on from the point that *before* had reached, for every target that it had: in the rotation, and in what
        health checks have found.
        """
        known = {target.cookie: target for target in before.targets}
        for target in self.targets:
            if (same := known.get(target.cookie)) is None:
                continue
            target.credit = same.credit
            if self.checks:
                target.failures, target.out = same.failures, same.out

    def named(self, cookie: str) -> Target | None:
        """Return the target that *cookie* names, with any weight; None when it names none, or one that is out."""
        return next((target for target in self.targets if target.cookie == cookie and not target.out), None)

    def answered(self, target: Target, status: int) -> None:
        """Count the answer of a target to a client."""
        if self.checks and self.checks.failures:
            target.failures = target.failures + 1 if status in self.checks.statuses else 0
            target.out |= target.failures >= self.checks.failures

    def probed(self, target: Target, probe: Probe, *, good: bool) -> None:
        """Count the answer of a target to a probe."""
        if good:
            target.successes, target.misses = target.successes + 1, 0
            if target.out and target.successes >= probe.successes > 0:
                target.out, target.failures = False, 0
        else:
            target.successes, target.misses = 0, target.misses + 1
            target.out |= target.misses >= probe.failures > 0

    def following(self, tried: list[Target]) -> Target | None:
        """Return the next target that was not *tried*; None when no other takes new sessions.

        The smooth weighted round robin of nginx: each gains its weight, the one with most is taken and loses the sum.
        """
        open_ones = [target for target in self.targets if target.weight and not target.out and target not in tried]
        if not open_ones:
            return None
        for target in open_ones:
            target.credit += target.weight
        chosen = max(open_ones, key=lambda target: target.credit)
        chosen.credit -= sum(target.weight for target in open_ones)
        return chosen
