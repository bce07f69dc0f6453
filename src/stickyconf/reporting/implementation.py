"""Who was under test, said the same way everywhere, so that no reader mistakes a stand-in for Kong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stickyconf.model.history import Setup
from stickyconf.model.run import Run

STAND_IN = "embedded stand-in"
GATEWAY, CONTROLLER = "Kong Gateway", "Kong Ingress Controller"
CONTROLLER_PART = "controller"
"""The part among ``versions`` that says who the controller was: STAND_IN, or CONTROLLER and its version."""

UNKNOWN = "unknown"
PARTS = {
    "Kong": ("gateway", "kong gateway", "kong-gateway", "kong"),
    "KIC": ("kic", "kong-controller", "ingress-kong", "kong ingress controller", "ingress-controller", CONTROLLER_PART),
    "Kubernetes": ("kubernetes",),
}
"""The parts that matter to a reader, each with the names that targets give to it."""


@dataclass(frozen=True, slots=True)
class Implementation:
    """The implementation under test: a gateway, and the controller in front of it; each may be a stand-in.

    ``name`` is the gateway's, ``embedded`` whether it was a stand-in. ``versions`` are the parts' versions, with image
    digests if they are known.
    """

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
        """What the gateway was: ``embedded stand-in`` or ``Kong``."""
        return STAND_IN if self.embedded else "Kong"

    @property
    def gateway(self) -> str:
        """The gateway in a few words; a stand-in is always called one."""
        return self.name if not self.embedded or self.name.startswith(STAND_IN) else f"{STAND_IN} ({self.name})"

    @property
    def controller(self) -> str:
        """The controller in a few words: a stand-in, KIC with its version, or "" if it is not known.

        Histories of before it was recorded name a real one as ``kic``, and no other.
        """
        if said := self.versions.get(CONTROLLER_PART):
            return said
        if version := self.versions.get("kic"):
            return f"{CONTROLLER} {version}"
        return STAND_IN if self.embedded else ""

    @property
    def about(self) -> tuple[str, ...]:
        """Of which of Kong's parts the run says something: those that were no stand-ins."""
        real = ((GATEWAY, not self.embedded), (CONTROLLER, not self.controller.startswith(STAND_IN)))
        return tuple(part for part, was_real in real if was_real)

    @property
    def told(self) -> str:
        """Name and versions in one line; a stand-in is always called one."""
        if self.embedded:
            return f"{self.gateway} behind {self.controller}" if CONTROLLER in self.about else self.gateway
        versions = ", ".join(f"{part} {version}" for part, version in self.versions.items())
        return f"{self.name} ({versions})" if versions else self.name

    @property
    def title(self) -> str:
        """What a report's title says of the parts that were stand-ins; "" if none was."""
        match self.about:
            case ():
                return f" of the {STAND_IN} (not Kong)"
            case (only,) if only == CONTROLLER:
                return f" of {self.controller} before the {STAND_IN} (not {GATEWAY})"
            case (only,):
                return f" of {only} behind the {STAND_IN} (not {CONTROLLER})"
        return ""

    @property
    def disclaimer(self) -> str:
        """What the results do not say, because a part was a stand-in; "" if none was."""
        match self.about:
            case ():
                return (
                    f"This run says nothing about Kong. The implementation under test was the {self.gateway}, "
                    f"not {GATEWAY} and {CONTROLLER}."
                )
            case (only,) if only == CONTROLLER:
                return (
                    f"This run says nothing about {GATEWAY}. In its place was the {self.gateway}. The controller was"
                    f" a real one, {self.controller}: what it wrote and pushed is its own."
                )
            case (only,):
                return (
                    f"This run says nothing about {CONTROLLER}. In its place was the {self.controller}."
                    f" The gateway was a real one, {self.name}."
                )
        return ""


def parts(versions: Mapping[str, str]) -> dict[str, str]:
    """Return ``Kong``, ``KIC`` and ``Kubernetes``, each with its version or UNKNOWN, from the versions in a report."""
    given = {name.lower(): version for name, version in versions.items()}
    return {part: _version([given[name] for name in names if name in given]) for part, names in PARTS.items()}


def _version(given: Sequence[str]) -> str:
    """Return the first version among what a part is said to be: a version as such, or an image's tag."""
    for said in given:
        image, _, _ = said.removeprefix(f"{CONTROLLER} ").partition("@")
        tag = image.rpartition(":")[2] if "/" in image else image
        if re.match(r"v?\d", tag):
            return tag.split()[0].removeprefix("v")
    return UNKNOWN
