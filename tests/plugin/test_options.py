"""How many recordings are played side by side, unless --jobs says so."""

from __future__ import annotations

from argparse import Namespace

import pytest

from stickyconf.plugin import options


@pytest.mark.parametrize(
    ("target", "processors", "workers", "jobs"),
    [
        ("embedded", 1, 1, 3),
        ("embedded", 2, 1, 6),
        ("embedded", 16, 1, 8),
        ("embedded", 2, 4, 2),
        ("embedded", 2, 64, 1),
        ("kind", 2, 1, 4),
        ("kind", 8, 1, 6),
        ("kubeconfig", 64, 1, 6),
    ],
)
def test_as_many_as_the_machine_can_play(
    monkeypatch: pytest.MonkeyPatch, target: str, processors: int, workers: int, jobs: int
) -> None:
    monkeypatch.setattr(options.os, "sched_getaffinity", lambda _: set(range(processors)), raising=False)

    assert options._jobs(Namespace(target=target, gateway_workers=workers)) == jobs
