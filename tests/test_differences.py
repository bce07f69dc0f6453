"""Only what differs is told."""

import pytest

from stickyconf.model import differences

SPEC = {"algorithm": "sticky-sessions", "stickySessions": {"cookie": "id", "cookiePath": "/"}, "slots": 100}


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (SPEC, []),
        ({**SPEC, "beside": 1}, []),
        ({**SPEC, "algorithm": "round-robin"}, ["algorithm is 'round-robin', not 'sticky-sessions'"]),
        ({**SPEC, "slots": "100"}, ["slots is '100', not 100"]),
        (
            {**SPEC, "stickySessions": {"cookie": ""}},
            ["stickySessions.cookie is '', not 'id'", "stickySessions.cookiePath is absent, not '/'"],
        ),
        ({**SPEC, "stickySessions": None}, ["stickySessions is None, not {'cookie': 'id', 'cookiePath': '/'}"]),
        (
            None,
            [
                "algorithm is absent, not 'sticky-sessions'",
                "stickySessions is absent, not {'cookie': 'id', 'cookiePath': '/'}",
                "slots is absent, not 100",
            ],
        ),
    ],
)
def test_differences(shown: object, said: list[str]) -> None:
    assert differences(shown, SPEC) == said
