"""Which target gets a request: the one its cookie names or, for a new session, the next one by weight."""

import hashlib
from dataclasses import dataclass, field


@dataclass
class Target:
    """One target and its place in the rotation."""

    host: str
    port: int
    weight: int
    credit: int = 0

    @property
    def cookie(self) -> str:
        """The cookie value that names it: the same in every replica, and no address in plain text."""
        return hashlib.sha256(f"{self.host}:{self.port}".encode()).hexdigest()[:32]


@dataclass
class Pool:
    """The targets of one upstream."""

    targets: list[Target] = field(default_factory=list)

    def keep(self, before: "Pool") -> None:
        """Go on with the rotation from the point that *before* had reached, for every target that it had."""
        earned = {target.cookie: target.credit for target in before.targets}
        for target in self.targets:
            target.credit = earned.get(target.cookie, 0)

    def named(self, cookie: str) -> Target | None:
        """Return the target that *cookie* names, with any weight; None when it names none."""
        return next((target for target in self.targets if target.cookie == cookie), None)

    def following(self, tried: list[Target]) -> Target | None:
        """Return the next target that was not *tried*; None when no other takes new sessions.

        The smooth weighted round robin of nginx: each gains its weight, the one with most is taken and loses the sum.
        """
        open_ones = [target for target in self.targets if target.weight and target not in tried]
        if not open_ones:
            return None
        for target in open_ones:
            target.credit += target.weight
        chosen = max(open_ones, key=lambda target: target.credit)
        chosen.credit -= sum(target.weight for target in open_ones)
        return chosen
