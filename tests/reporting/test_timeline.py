"""A timeline shows every session, what failed, what happened, and where a verdict points; legibly, and never more."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stickyconf.model import Answered, Event, Finding, Happening, History, Refused, Unknown
from stickyconf.reporting.timeline import Timelines, timeline
from stickyconf.reporting.timeline.canvas import round_steps
from stickyconf.reporting.timeline.cumulative import new_sessions
from stickyconf.reporting.timeline.lanes import MOST_LANES, sections
from stickyconf.reporting.timeline.moments import moments, rows
from stickyconf.reporting.timeline.pods import lettered
from tests.histories import affinity, drain, sticky_page
from tests.histories.arbitrary import histories
from tests.reporting import examples
from tests.reporting.examples import STRAY

SVG = "{http://www.w3.org/2000/svg}"
MOST_BYTES = 300_000


def drawn(history: History, *findings: Finding) -> ElementTree.Element:
    """Draw, and read the picture back as any XML reader would."""
    text = timeline(history, findings)
    assert len(text.encode()) < MOST_BYTES
    return ElementTree.fromstring(text)  # noqa: S314 - our own


def texts(picture: ElementTree.Element) -> list[str]:
    return ["".join(one.itertext()) for one in picture.iter(f"{SVG}text")]


def marked(picture: ElementTree.Element, kind: str) -> list[ElementTree.Element]:
    return [one for one in picture.iter() if one.get("class") == kind]


def visits(sessions: int, requests: int = 20) -> History:
    """So many sessions of the example's kind, each on one of two pods, one after the other."""
    [template, *_] = examples.history().exchanges
    made = [
        replace(template, session=f"pinned-{s:04d}", sent=s * 0.01 + r, received=s * 0.01 + r + 0.004, outcome=answer)
        for s in range(sessions)
        for r, answer in enumerate([Answered(200, (), "echo-a" if s % 2 else "echo-b")] * requests)
    ]
    made.sort(key=lambda exchange: exchange.sent)
    return replace(
        examples.history(), exchanges=tuple(replace(one, seq=number) for number, one in enumerate(made, start=1))
    )


def changed(history: History, number: int, **fields: object) -> History:
    """One exchange of a history is another."""
    exchanges = list(history.exchanges)
    exchanges[number] = replace(exchanges[number], **fields)  # type: ignore[arg-type]
    return replace(history, exchanges=tuple(exchanges))


def test_every_session_has_a_lane_with_its_pod_and_its_requests() -> None:
    shown = texts(drawn(visits(30)))

    assert [text for text in shown if text.startswith("pinned-0")] == [
        f"pinned-{number:04d}" for number in [*range(1, 30, 2), *range(0, 30, 2)]
    ], "sorted by pod, then by the first request"
    assert shown.count("20 A") == shown.count("20 B") == 15


def test_a_picture_stands_alone_and_says_what_it_is() -> None:
    picture = drawn(examples.history())

    assert picture.find(f"{SVG}title") is not None
    assert "affinity: 20 requests of 2 sessions on 2 pods" in texts(picture)[0]
    style = picture.findtext(f"{SVG}style") or ""
    assert "prefers-color-scheme:dark" in style
    assert "http" not in timeline(examples.history()).replace("http://www.w3.org/2000/svg", "").replace("HTTPRoute", "")


def test_failure_doubt_and_the_gateways_own_answers_look_different() -> None:
    plain = visits(3)
    odd = changed(plain, 5, outcome=Refused("reset"))
    odd = changed(odd, 9, outcome=Unknown("no answer in 15 s"))
    odd = changed(odd, 12, outcome=Answered(404, (), None))
    odd = changed(odd, 15, outcome=Answered(503, (), None))

    found = {kind: len([one for one in marked(drawn(odd), kind) if one.tag == f"{SVG}path"]) for kind in KINDS}
    assert found == {"bad": 3, "doubt": 2, "own": 2}, "each once more, in the legend"
    assert not any(marked(drawn(plain), kind) for kind in KINDS)


KINDS = ("bad", "doubt", "own")


def test_the_exchanges_a_verdict_cites_are_circled_and_named() -> None:
    picture = drawn(examples.history(), STRAY)

    assert [one.get("data-exchange") for one in marked(picture, "ring") if one.get("data-exchange")] == ["3", "14"]
    assert {"#3", "#14", "cited by the verdict"} <= set(texts(picture))
    assert any(text.startswith("expected session pinned-007") for text in texts(picture))


def test_without_a_citation_nothing_is_circled() -> None:
    assert not marked(drawn(examples.history(), replace(STRAY, place="spread")), "ring")


def test_hundreds_of_sessions_are_thin_and_what_is_odd_stays_legible() -> None:
    odd = changed(visits(300), 1234, outcome=Answered(200, (), "echo-stranger"))
    stray = odd.exchanges[1234]

    shown = texts(drawn(odd, Finding("to stay", "it strayed", (stray.seq,), "affinity")))

    assert stray.session in shown
    assert "19 B, 1 C" in shown or "19 A, 1 C" in shown
    assert f"#{stray.seq}" in shown
    assert {"149 sessions", "150 sessions"} <= set(shown)


def test_thousands_are_bundled() -> None:
    many = visits(1500, requests=5)

    [section] = sections(many, lettered(many), frozenset())

    assert len(section.lanes) <= MOST_LANES + 2
    assert sum(lane.sessions for lane in section.lanes) == 1500
    drawn(many)


def test_hundreds_of_sessions_none_of_which_is_calm_are_drawn() -> None:
    history = visits(MOST_LANES + 1, requests=2)
    failed = replace(history, exchanges=tuple(replace(one, outcome=Refused("reset")) for one in history.exchanges))

    [section] = sections(failed, lettered(failed), frozenset())

    assert sum(lane.sessions for lane in section.lanes) == MOST_LANES + 1
    drawn(failed)


def test_sessions_of_one_request_share_a_lane_for_each_pod() -> None:
    shown = texts(drawn(visits(90, requests=1)))

    assert "pinned: 90 sessions, 90 requests" in shown
    assert shown.count("45 sessions") == 2


@settings(max_examples=60)
@given(histories)
def test_any_history_is_drawn_and_none_of_its_exchanges_is_lost(history: History) -> None:
    drawn(history)
    lanes = [lane for section in sections(history, lettered(history), frozenset()) for lane in section.lanes]
    assert Counter(e.seq for lane in lanes for e in lane.exchanges) == Counter(e.seq for e in history.exchanges)
    assert sum(lane.sessions for lane in lanes) >= len(history.sessions())


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(1, 200)), max_size=30).map(sorted))
def test_labels_neither_overlap_nor_are_crossed_by_lines(labels: list[tuple[float, float]]) -> None:
    starts, widths = [start for start, _ in labels], [width for _, width in labels]
    placed = rows(starts, widths)

    for later in range(len(labels)):
        for earlier in range(later):
            above, below = placed[later], placed[earlier]
            if above is None or below is None or above > below:
                continue
            assert starts[earlier] + widths[earlier] <= starts[later]


def test_what_happened_is_told_and_what_was_so_before_is_not() -> None:
    history = drain()
    [victim] = [event.subject for event in history.happened(Happening.DELETED)]
    letter = lettered(history)[victim]

    labels = [one.label for one in moments(history, lettered(history), 10)]

    told = ["deleted", "Terminating", "weight 0", "preStop released", "SIGTERM", "gone", "removed from gateway"]
    for what in told:
        assert f"{letter} {what}" in labels
    assert not any("weight 1" in label and letter in label for label in labels)


def test_the_same_on_several_pods_at_once_is_one_label() -> None:
    events = (Event(Happening.DELETED, "echo-a", 1.0), Event(Happening.DELETED, "echo-b", 1.01))
    [moment] = moments(replace(examples.history(), events=events), {"echo-a": "A", "echo-b": "B"}, 10)

    assert moment.label == "A, B deleted"


@pytest.mark.parametrize("what", Happening)
def test_every_kind_of_event_can_be_drawn(what: Happening) -> None:
    event = Event(what, "echo-a", 1.0, {"exit": "1", "gateway": "g", "weight": "7", "ready": "true", "budget": "x"})

    drawn(replace(examples.history(), events=(event,)))


def test_a_drain_comes_with_each_pods_sum_of_new_sessions() -> None:
    history = drain()
    [victim] = [event.subject for event in history.happened(Happening.DELETED)]
    counts = {letter: len(new_sessions(history)[pod]) for pod, letter in lettered(history).items()}

    shown = texts(drawn(history))

    assert "new sessions, each pod's sum" in shown
    for letter, count in counts.items():
        assert f"{letter} {count}" in shown
    assert counts[lettered(history)[victim]] == min(counts.values())
    assert "new sessions, each pod's sum" not in texts(drawn(affinity()))


def test_a_page_without_requests_is_drawn_from_its_commands() -> None:
    shown = texts(drawn(sticky_page()))

    assert "No requests are recorded here: commands sent them." in shown
    assert any(text.endswith(": exit 0") for text in shown)


def test_what_somebody_said_is_text_and_no_markup() -> None:
    said = "<script>&\x00\x1b\ud800"
    spoilt = changed(visits(2), 1, session=said, outcome=Refused(said))

    picture = drawn(replace(spoilt, events=(Event(Happening.CLUSTER_EVENT, said, 1.0, {"reason": said}),)))

    assert not list(picture.iter(f"{SVG}script"))


def test_round_steps_are_round() -> None:
    assert list(round_steps(0.6, 2.1, 4)) == [1.0, 1.5, 2.0]
    assert list(round_steps(0, 53, 5)) == [0, 20, 40]


def test_the_file_of_a_history_shows_what_every_case_so_far_cites(tmp_path: Path) -> None:
    timelines, history = Timelines(tmp_path), examples.history()
    file = tmp_path / "affinity.svg"

    timelines.add(history)
    assert "data-exchange" not in file.read_text(encoding="utf-8")
    first = timelines.judged(history, [STRAY])
    second = timelines.judged(history, [replace(STRAY, exchanges=(7,))])
    plain = timelines.judged(history, [])

    def rings(picture: str) -> list[int]:
        return [n for n in range(1, 21) if f'data-exchange="{n}"' in picture]

    assert [rings(picture) for picture in (first, second, plain)] == [[3, 14], [7], []]
    assert rings(file.read_text(encoding="utf-8")) == [3, 7, 14]


def test_a_picture_names_no_credential(tmp_path: Path) -> None:
    finding = replace(STRAY, actual="401 for Authorization: Bearer hunter2hunter2")

    assert "hunter2" not in Timelines(tmp_path).judged(examples.history(), [finding])
