"""Histories on disk: they come back equal, or not at all."""

from __future__ import annotations

import gzip
import hashlib
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stickyconf.model import Answered, History
from stickyconf.model.storage import FORMAT, HistoryFileError, read_history, write_history
from tests.histories import affinity, cookie, drain, drain_page, policies
from tests.histories.arbitrary import histories
from tests.histories.edits import edited, having, nth


def stored(history: History) -> bytes:
    """Return what a history is on disk."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "history.jsonl"
        write_history(history, path)
        return path.read_bytes()


def read_back(content: bytes) -> History:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "history.jsonl"
        path.write_bytes(content)
        return read_history(path)


@pytest.mark.parametrize("make", [affinity, cookie, drain, drain_page, policies])
def test_a_history_comes_back_equal(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "literal.jsonl"
    write_history(make(), path)

    assert read_history(path) == make()
    assert [file.name for file in tmp_path.iterdir()] == ["literal.jsonl"]


def test_a_gzipped_history_is_read(tmp_path: Path) -> None:
    """A name that ends in .gz is read as gzip; one that is cut or no gzip is refused in one line."""
    path = tmp_path / "history.jsonl.gz"
    whole = gzip.compress(stored(drain()))
    path.write_bytes(whole)
    assert read_history(path) == drain()
    for spoilt in (whole[:-12], b"\x1f\x8b" + whole[20:], stored(drain()), whole[:30] + b"\xff" * 30 + whole[60:]):
        path.write_bytes(spoilt)
        with pytest.raises(HistoryFileError, match=r"history\.jsonl\.gz: cannot be read"):
            read_history(path)


@settings(max_examples=settings().max_examples // 4)
@given(histories)
def test_any_history_comes_back_equal(history: History) -> None:
    assert read_back(stored(history)) == history


@pytest.mark.parametrize(
    "character", ["\x85", "\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\r", "\n", "\x00", "\ud800", "é", "😀"]
)
def test_no_character_of_a_header_ends_a_line_early(character: str) -> None:
    answer = Answered(200, (("Set-Cookie", f"a={character}b"),), "echo-a")
    history = edited(cookie(), nth("visitor", 0), having(outcome=answer))

    assert read_back(stored(history)) == history


def test_the_file_is_lines_of_json_that_other_tools_can_read() -> None:
    first, *facts, last = [json.loads(line) for line in stored(drain()).decode("ascii").splitlines()]

    assert first["format"] == FORMAT
    assert first["setup"]["pods"] == ["echo-a", "echo-b", "echo-c"]
    assert {next(iter(fact)) for fact in facts} == {"exchange", "event", "sighting"}
    assert last["end"] == len(facts)


WHOLE = stored(replace(cookie(), exchanges=cookie().exchanges[:3], sightings=cookie().sightings[:3]))


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl"
    ends = [number for number, byte in enumerate(WHOLE) if byte == ord("\n")]
    for length in sorted({*range(0, len(WHOLE) - 1, 17), *ends[:-1], *(end + 1 for end in ends[:-1])}):
        path.write_bytes(WHOLE[:length])
        with pytest.raises(HistoryFileError, match=r"cut\.jsonl:"):
            read_history(path)


@given(st.data())
def test_a_file_with_one_byte_changed_is_refused_or_says_the_same(data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(WHOLE) - 1))
    changed = bytearray(WHOLE)
    changed[position] ^= data.draw(st.integers(1, 255))
    try:
        history = read_back(bytes(changed))
    except HistoryFileError:
        return
    assert history == read_back(WHOLE)  # one kind of line end for another


@given(st.data())
def test_a_file_with_lines_lost_doubled_or_swapped_is_refused(data: st.DataObject) -> None:
    lines = WHOLE.splitlines(keepends=True)
    shuffled = data.draw(st.lists(st.sampled_from(lines), max_size=len(lines) + 2))
    if b"".join(shuffled) == WHOLE:
        return
    with pytest.raises(HistoryFileError):
        read_back(b"".join(shuffled))


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode) | st.just(b"[" * 100_000) | st.just(b"9" * 9999))
def test_whatever_is_no_history_is_refused(content: bytes) -> None:
    with pytest.raises(HistoryFileError):
        read_back(content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["exchange", "outcome", "what"]), inner)
    ),
    max_leaves=6,
)


@given(
    setup=JSON,
    facts=st.lists(st.dictionaries(st.sampled_from(["exchange", "event", "sighting", "x"]), JSON, max_size=1)),
)
def test_facts_that_are_none_are_refused_even_in_a_file_that_closes_well(setup: object, facts: list[object]) -> None:
    """The rows that a writer of another making could have left, checksum and all."""
    lines = [json.dumps(row) for row in ({"format": FORMAT, "setup": setup}, *facts)]
    checksum = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    lines.append(json.dumps({"end": len(facts), "sha256": checksum}))

    with pytest.raises(HistoryFileError, match=r"damaged|neither"):
        read_back("\n".join(lines).encode())


def test_a_file_that_was_written_before_a_field_existed_is_read_without_it() -> None:
    rows = [json.loads(line) for line in WHOLE.splitlines()[:-1]]
    del rows[0]["setup"]["lateness"]
    for row in rows[1:]:
        row.get("exchange", {}).pop("host", None)
    lines = [json.dumps(row) for row in rows]
    lines.append(json.dumps({"end": len(rows) - 1, "sha256": hashlib.sha256("\n".join(lines).encode()).hexdigest()}))

    history = read_back("\n".join(lines).encode())

    assert history.setup.lateness == 0
    assert {exchange.host for exchange in history.exchanges} == {""}
    assert len(history.exchanges) == 3


def test_another_version_is_named(tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    path.write_text(json.dumps({"format": "stickyconf-history/0", "setup": {}}) + "\n")

    with pytest.raises(HistoryFileError, match=r"old\.jsonl: written as stickyconf-history/0, this version reads"):
        read_history(path)


def test_a_changed_digit_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "spoilt.jsonl"
    path.write_bytes(WHOLE.replace(b'"status":200', b'"status":500', 1))

    with pytest.raises(HistoryFileError, match=r"spoilt\.jsonl: damaged: its lines are not the ones that were written"):
        read_history(path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not a history"),
        (b"{}\n", "not a history"),
        (b"[]\n", "not a history line"),
        (b"\xff\xfe", "cannot be read"),
        (b"nothing of the kind\n", ":1: truncated or damaged"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(content: bytes, complaint: str) -> None:
    with pytest.raises(HistoryFileError) as error:
        read_back(content)

    assert complaint in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HistoryFileError, match="cannot be read"):
        read_history(tmp_path / "none.jsonl")


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    write_history(policies(), path)
    unwritable = replace(policies(), setup=replace(policies().setup, policy={"spec": object()}))

    with pytest.raises(TypeError):
        write_history(unwritable, path)

    assert read_history(path) == policies()
    assert [file.name for file in tmp_path.iterdir()] == ["kept.jsonl"]
