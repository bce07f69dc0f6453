"""One fault breaks many requirements: what follows from it is told from what stands for itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stickyconf import checks
from stickyconf.cases import Judge
from stickyconf.checks.evidence import MOST_FINDINGS
from stickyconf.model import Answered, Exchange, Finding, History, Sign, Status, Verdict
from stickyconf.reporting.assessment import assess
from stickyconf.reporting.causes import follows
from tests.histories import affinity, cookie
from tests.histories.edits import (
    by_gateway,
    edited,
    every,
    follow_ups,
    having,
    nth,
    reaches,
    sending,
    setting,
    unconverged,
    without_cookie,
)
from tests.histories.tape import PODS
from tests.reporting.examples import CATALOGUE, conforming, judged, run_of, without

AFFINITY = {
    "AFF-01": checks.one_pod_per_session,
    "AFF-02": checks.pinned_however_connected,
    "AFF-03": checks.parallel_requests_share_a_pod,
    "AFF-04": checks.every_method_and_path_is_pinned,
    "AFF-05": checks.crowd_keeps_its_pods,
    "AFF-06": checks.cookie_pins_wherever_it_stands,
    "AFF-09": checks.residents_stay_while_others_come_and_go,
    "AFF-11": checks.cookie_pins_among_many,
}
COOKIE = {
    "CKE-01": checks.first_response_sets_one_cookie,
    "CKE-02": checks.path_is_the_configured_one,
    "CKE-04": checks.value_survives_a_jar,
    "CKE-05": checks.cookie_names_the_pod_that_served,
    "CKE-09": checks.cookie_is_set_on_every_status,
}


def dealt(exchange: Exchange) -> Exchange:
    """Without a cookie it goes to the next pod, as seen from the request before."""
    return having(outcome=_on(exchange.outcome, PODS[exchange.seq % len(PODS)]))(exchange)


def _on(outcome: object, pod: str) -> object:
    return replace(outcome, pod=pod) if isinstance(outcome, Answered) and outcome.pod else outcome


def without_cookies(history: History) -> History:
    """The gateway never sets the session cookie, so that no client has one."""
    return edited(history, every(), without_cookie(), sending(), dealt)


def with_404s(history: History, one_in: int) -> History:
    """The gateway answers one request in so many by itself."""
    return edited(history, every(where=lambda exchange: exchange.seq % one_in == 0), by_gateway(404))


def verdicts(of_affinity: History, of_cookie: History) -> dict[str, Verdict]:
    """What the checks say of two histories, as their cases do."""
    found = {}
    for history, asked in ((of_affinity, AFFINITY), (of_cookie, COOKIE)):
        for identifier, check in asked.items():
            judge = Judge(CATALOGUE[identifier])
            judge(check, history)
            found[identifier] = judge.verdict()
    return found


def test_a_conforming_run_has_no_causes() -> None:
    found = verdicts(affinity(), cookie())

    assert {verdict.status for verdict in found.values()} == {Status.CONFORMS}
    assert follows(found, CATALOGUE) == {}


def test_all_that_a_missing_cookie_breaks_follows_from_it() -> None:
    found = verdicts(without_cookies(affinity()), without_cookies(cookie()))

    assert found["CKE-01"].status is found["AFF-01"].status is found["AFF-11"].status is Status.VIOLATES
    assert found["CKE-02"].status is found["CKE-05"].status is Status.INCONCLUSIVE
    assert follows(found, CATALOGUE) == {name: ("CKE-01",) for name in found if name != "CKE-01"}


def test_of_requests_that_no_pod_serves_there_is_one_cause() -> None:
    found = verdicts(with_404s(affinity(), 20), cookie())

    violated = {name for name, verdict in found.items() if verdict.status is Status.VIOLATES}
    assert len(violated) > 5
    assert follows(found, CATALOGUE) == {name: ("AFF-01",) for name in found if name in violated - {"AFF-01"}}


def test_a_fault_of_its_own_is_not_hidden_behind_a_missing_cookie() -> None:
    """One session has a cookie all the same, and a parallel request of it goes astray."""
    lost = without_cookies(affinity())
    session = lost.arm("parallel")[-1].session
    own = every("parallel", where=lambda exchange: exchange.session == session)
    given = edited(lost, own, sending("session_id=x"), reaches("echo-a"))
    given = edited(given, lambda h: [h.sessions("parallel")[session][0]], sending(), setting("session_id=x; Path=/"))
    found = verdicts(edited(given, nth("parallel", -1), reaches("echo-b")), without_cookies(cookie()))

    assert found["AFF-03"].signs == {Sign.COOKIELESS, Sign.STRAY}
    assert "AFF-03" not in follows(found, CATALOGUE)
    assert follows(found, CATALOGUE)["AFF-04"] == ("CKE-01",)


def test_what_shows_a_sign_more_often_than_the_cause_stands_for_itself() -> None:
    """A few requests are answered 404 everywhere, but every one whose cookie comes last."""
    found = verdicts(edited(with_404s(affinity(), 20), follow_ups("cookie-last"), by_gateway(404)), cookie())

    assert "AFF-06" not in follows(found, CATALOGUE)
    assert follows(found, CATALOGUE)["AFF-04"] == ("AFF-01",)


def test_without_a_violated_presupposition_a_violation_stands_for_itself() -> None:
    """CKE-01 is not judged, so nothing has shown that the cookie is why sessions move."""
    found = verdicts(without_cookies(affinity()), without_cookies(cookie()))
    del found["CKE-01"], found["CKE-05"]

    assert "AFF-01" not in follows(found, CATALOGUE)
    assert follows(found, CATALOGUE)["AFF-02"] == ("AFF-01",)


def test_a_doubt_of_a_history_without_the_sign_is_its_own() -> None:
    found = verdicts(with_404s(affinity(), 20), cookie())
    [judged_apart] = verdicts(affinity(), unconverged(cookie())).keys() & {"CKE-05"}
    found["LIF-01"] = replace(verdicts(affinity(), unconverged(cookie()))[judged_apart], requirement="LIF-01")

    assert found["LIF-01"].status is Status.INCONCLUSIVE
    assert "LIF-01" not in follows(found, CATALOGUE)


def test_no_sign_is_lost_behind_many_others() -> None:
    """However many sessions without a cookie move, the one that moves with its cookie stays among the findings."""
    lost = without_cookies(affinity())
    last = lost.arm("crowd")[-1]
    given = edited(lost, lambda h: [h.sessions("crowd")[last.session][0]], setting("session_id=x; Path=/"))
    given = edited(given, nth("crowd", -1), sending("session_id=x"), reaches("echo-elsewhere"))
    found = verdicts(given, cookie())["AFF-05"]

    assert len(found.findings) == MOST_FINDINGS + len([finding for finding in found.findings if not finding.sign])
    assert [finding.sign for finding in found.findings[:3]] == [Sign.COOKIELESS, Sign.STRAY, Sign.COOKIELESS]


@pytest.mark.parametrize("cause_of_all", ["CKE-01", "SPR-04"])
def test_a_report_counts_causes_and_names_what_follows(cause_of_all: str) -> None:
    """A presupposition that is violated in its own way explains doubts of those that presuppose it only."""
    own, doubt = Finding("a", "b", (3,), "x"), Finding("c", "d", (4,), "x")
    cases = [
        *without(conforming("core"), cause_of_all, "AFF-02", "AFF-03"),
        judged(cause_of_all, Status.VIOLATES, replace(own, sign=Sign.OWN)),
        judged("AFF-02", Status.VIOLATES, replace(own, sign=Sign.OWN)),
        judged("AFF-03", Status.INCONCLUSIVE, doubt),
    ]
    assessment = assess(run_of(*cases), CATALOGUE)

    assert [cause.row.requirement.id for cause in assessment.causes] == sorted(
        [cause_of_all, "AFF-02"], key=list(CATALOGUE.requirements).index
    )
    [cause] = [one for one in assessment.causes if one.row.requirement.id == cause_of_all]
    assert cause.told.endswith("; 1 other follows from it: AFF-03")
    assert next(row for row in assessment.rows if row.requirement.id == "AFF-03").because == (
        f"not to be asked, because {cause_of_all} is violated, which it presupposes"
    )
