"""Who was under test, said the same way everywhere, so that no reader takes a stand-in for Kong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stickyconf.model.history import Setup
from stickyconf.model.run import Run

STAND_IN = "embedded stand-in"


@dataclass(frozen=True, slots=True)
class Implementation:
    """The implementation under test. ``versions`` are its parts' versions, with image digests where they are known."""

    name: str
    embedded: bool
    versions: Mapping[str, str]

    @classmethod
    def of(cls, run: Run) -> Implementation:
        """Return the implementation a run judged."""
        return cls(run.implementation, run.embedded, run.versions)

    @classmethod
    def of_setup(cls, setup: Setup) -> Implementation:
        """Return the implementation a history was recorded on."""
        return cls(setup.implementation, setup.implementation.startswith(STAND_IN), setup.versions)

    @property
    def kind(self) -> str:
        """``embedded stand-in`` or ``Kong``."""
        return STAND_IN if self.embedded else "Kong"

    @property
    def told(self) -> str:
        """Name and versions in one line; a stand-in is always called one."""
        if self.embedded:
            return self.name if self.name.startswith(STAND_IN) else f"{STAND_IN} ({self.name})"
        versions = ", ".join(f"{part} {version}" for part, version in self.versions.items())
        return f"{self.name} ({versions})" if versions else self.name

    @property
    def disclaimer(self) -> str:
        """What a stand-in's results do not say; "" for Kong. ``versions`` name ``kic`` where a real one ran."""
        if not self.embedded:
            return ""
        controller = self.versions.get("kic")
        if controller:
            return (
                f"This run says nothing about Kong Gateway. In its place was the {self.told}. "
                f"Kong Ingress Controller was a real one ({controller})."
            )
        return (
            f"This run says nothing about Kong. The implementation under test was the {self.told}, "
            "not Kong Gateway and Kong Ingress Controller."
        )
