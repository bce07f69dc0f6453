"""Runs and histories to report on: clean, violated, inconclusive, with a harness error, on the stand-in and on Kong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from stickyconf.model import (
    Answered,
    Event,
    Exchange,
    Finding,
    Happening,
    History,
    Measure,
    Refused,
    Setup,
    Sign,
    Status,
    Tally,
    Verdict,
)
from stickyconf.model.catalogue import Catalogue, load_catalogue
from stickyconf.model.run import CaseOutcome, CaseResult, Run

ROOT = Path(__file__).parents[2]
CATALOGUE: Catalogue = load_catalogue(ROOT / "requirements.toml")
STRAY = Finding(
    "session pinned-007, opened on echo-7d9c5-abcde, to stay there",
    "exchange #14 (GET /cart/items/7?page=2, session pinned-007) reached echo-7d9c5-fghij (200)",
    (3, 14),
    "affinity",
)


def judged(requirement: str, status: Status, *findings: Finding, measures: tuple[Measure, ...] = ()) -> CaseResult:
    """A case that gave a verdict."""
    verdict = Verdict(requirement, status, findings, measures, ("affinity",))
    return CaseResult(
        node=f"suites/test_{requirement.lower()[:3]}.py::test_{requirement.lower().replace('-', '_')}",
        title=f"{requirement} as a sentence.",
        requirement=requirement,
        outcome=CaseOutcome.JUDGED,
        verdict=verdict,
        duration=1.25,
    )


def broke(requirement: str, error: str) -> CaseResult:
    """A case that ended in an error of ours."""
    case = judged(requirement, Status.CONFORMS)
    return replace(case, outcome=CaseOutcome.HARNESS_ERROR, verdict=None, error=error)


def conforming(profile: str) -> list[CaseResult]:
    """One conforming case for each requirement of a profile."""
    measures = (Measure("sessions", 30), Measure("requests", 600))
    return [
        judged(requirement.id, Status.CONFORMS, measures=measures)
        for requirement in CATALOGUE
        if profile in requirement.profiles
    ]


def _verdict(case: CaseResult) -> Verdict:
    assert case.verdict
    return case.verdict


def without(cases: list[CaseResult], *requirements: str) -> list[CaseResult]:
    """The cases of all other requirements."""
    return [case for case in cases if case.requirement not in requirements]


def run_of(*cases: CaseResult, profiles: tuple[str, ...] = ("core",), **changes: object) -> Run:
    """A run on the embedded cluster, changed as asked."""
    run = Run(
        id="20261123T010203Z-0a1b2c",
        started="2026-11-23T01:02:03+00:00",
        duration=71.4,
        suite="0.1.0",
        target="embedded",
        implementation="embedded stand-in (Envoy 1.40.0)",
        embedded=True,
        versions={"envoy": "1.40.0", "Kubernetes": "v1.34.0+stickyconf"},
        profiles=profiles,
        strict=False,
        filtered=False,
        rejudged="",
        command="pytest --profile core",
        seed=42,
        requests=6210,
        budgets={"rollout": 60.0, "cluster": 60.0},
        alpha={"SPR-02": 1e-7, "SPR-01": 1e-7},
        cases=cases,
    )
    return replace(run, **changes)  # type: ignore[arg-type]


def clean() -> Run:
    """Every requirement of core conforms."""
    return run_of(*conforming("core"))


def on_kong() -> Run:
    """The same, on Kong."""
    return replace(
        clean(),
        target="kind",
        implementation="Kong Gateway Enterprise and KIC",
        embedded=False,
        versions={"Kong Gateway": "3.11.0.14 (sha256:9f86d081884c)", "KIC": "3.5.13"},
    )


def violated() -> Run:
    """A session strays, a pod starves, and one thing could not be told."""
    shares = Finding("shares that agree with the weights", "echo-a 300, echo-b 298, echo-c 2 (p = 3e-81)", (), "spread")
    doubt = Finding(
        "every request to have a known outcome", "1, first: exchange #88 has an unknown outcome", (88,), "x"
    )
    cases = [
        *without(conforming("core"), "AFF-01", "SPR-02", "AFF-03", "CKE-11"),
        judged("AFF-01", Status.VIOLATES, *(replace(STRAY, exchanges=(3, n)) for n in range(14, 21))),
        judged("SPR-02", Status.VIOLATES, shares),
        judged("AFF-03", Status.INCONCLUSIVE, doubt),
        judged("CKE-11", Status.CONFORMS, measures=(Measure("length", "26", "characters"), Measure("UUID", "no"))),
    ]
    return run_of(*cases)


def caused() -> Run:
    """No cookie is set: one cause and what follows from it, beside a violation of another kind."""
    bare = Finding("the cookie session_id", "none", (1,), "cookie", Sign.COOKIELESS)
    doubt = judged("CKE-02", Status.INCONCLUSIVE, Finding("cookies to look at", "none was set", (), "cookie"))
    seen = replace(doubt, verdict=replace(_verdict(doubt), tallies=(Tally(Sign.COOKIELESS, "*", 9, 9),)))
    return run_of(
        *without(conforming("core"), "CKE-01", "CKE-02", "AFF-01", "AFF-02"),
        judged("CKE-01", Status.VIOLATES, bare),
        judged("AFF-01", Status.VIOLATES, bare),
        judged("AFF-02", Status.VIOLATES, replace(STRAY, sign=Sign.STRAY)),
        seen,
    )


def inconclusive() -> Run:
    """Nothing is violated, one MUST is in doubt."""
    doubt = Finding("at least 2 ready pods", "1: nothing could have strayed", (), "affinity")
    return run_of(*without(conforming("core"), "AFF-01"), judged("AFF-01", Status.INCONCLUSIVE, doubt))


def harness_error() -> Run:
    """One case broke, one could not be asked, some have no case."""
    no_kubectl = Finding("the requirement can be judged here", "kubectl is not on this machine")
    cases = [
        *without(conforming("core"), "AFF-02", "AFF-08", "CKE-10"),
        broke("AFF-02", "HarnessError: the Kubernetes API at https://127.5.0.1:6443 does not answer"),
        judged("DOC-01", Status.NOT_APPLICABLE, no_kubectl),
    ]
    return run_of(*cases, profiles=("core", "docs"))


def history(name: str = "affinity", exchanges: int = 20) -> History:
    """Two sessions on two pods; exchange 14 strays, exchange 15 is refused."""
    setup = Setup(
        name=name,
        started="2026-11-23T01:02:03+00:00",
        suite="0.1.0",
        target="embedded",
        implementation="embedded stand-in (Envoy 1.40.0)",
        versions={"envoy": "1.40.0"},
        namespace=f"sticky-{name}-0a1b2c",
        host=f"sticky-{name}-0a1b2c.stickyconf.test",
        cookie="session_id",
        cookie_path="/",
        policy={"algorithm": "sticky-sessions"},
        drain=True,
        pods=("echo-a", "echo-b"),
        gateways=("http://127.5.1.2:8001",),
        seed=42,
        tempo={"sync": 0.2},
        plan={"pinned.sessions": 2},
    )
    return History(
        setup,
        tuple(_exchange(number) for number in range(1, exchanges + 1)),
        (
            Event(Happening.APPLIED, "HTTPRoute/echo", 0.01, {"code": "201"}),
            Event(Happening.TERMINATING, "echo-b", 0.5, {"secret": "x" * 300}),
        ),
    )


def _exchange(number: int) -> Exchange:
    pod = "echo-b" if number == 14 else "echo-a"
    headers = (("content-type", "application/json"), ("set-cookie", 'session_id="Cg4x"; Path=/; HttpOnly'))
    return Exchange(
        seq=number,
        arm="pinned",
        session=f"pinned-00{number % 2}",
        connection=f"c{number}",
        gateway="http://127.5.1.2:8000",
        sent=number / 10,
        received=number / 10 + 0.004,
        protocol="HTTP/1.1",
        method="GET",
        path="/cart",
        request_id=f"pinned-{number}",
        cookie_fields=('session_id="Cg4x"',) if number > 2 else (),
        outcome=Refused("connection reset") if number == 15 else Answered(200, headers if number < 3 else (), pod),
    )
