"""A trunk's health, ping by ping: "." answered, "s" answered slowly, "x" lost."""

import pytest

from softswitch.services.trunk_health import SLOW_SECONDS, TrunkAnswers, TrunkHealth


def after(pings: str) -> TrunkHealth:
    health = TrunkHealth(0.0)
    for at, ping in enumerate(pings, start=1):
        if ping == "x":
            health.failed(float(at))
        else:
            health.answered(2 * SLOW_SECONDS if ping == "s" else 0.02, float(at))
    return health


@pytest.mark.parametrize(
    ("pings", "state", "since"),
    [
        ("", "up", 0),
        ("..........", "up", 0),
        ("x", "up", 0),
        ("x........x", "degraded", 10),
        ("x.........x", "up", 0),  # the first is no longer among the last ten
        ("xx", "degraded", 2),
        ("xxx", "down", 3),
        ("..xxx", "down", 5),
        ("s.s", "degraded", 3),
        ("ssssssssss", "degraded", 2),  # slow is never down
        ("xx....", "degraded", 2),
        ("xx.....", "up", 7),
        ("xx....s....", "degraded", 2),
        ("xx....s.....", "up", 12),
        ("xxx.", "down", 3),
        ("xxx.x.x.x", "down", 3),  # one answer in between is no proof
        ("xxx..", "degraded", 5),
        ("xxx.....", "up", 8),
        ("xxx..x", "degraded", 5),
        ("xxx..xxx", "down", 8),
        ("xx.....x", "up", 7),  # what made it degraded is forgiven
        ("xx.....xx", "degraded", 9),
    ],
)
def test_states(pings, state, since):
    health = after(pings)
    assert (health.state, health.since) == (state, since)


def test_a_change_is_told_once():
    health = TrunkHealth(0.0)
    assert [health.failed(float(at)) for at in range(5)] == [False, True, True, False, False]
    assert [health.answered(0.02, float(at)) for at in range(6)] == [
        False, True, False, False, True, False
    ]  # fmt: skip


def test_figures():
    health = after(".x")
    assert (health.round_trip, health.lost) == (None, 1)
    assert after("x.").round_trip == 0.02


def test_three_unusable_answers_in_a_row_give_a_trunk_a_minutes_rest():
    answers = TrunkAnswers()
    assert [answers.failed(at) for at in (1.0, 2.0, 3.0)] == [False, False, True]
    assert [answers.rests(at) for at in (3.0, 62.9, 63.0)] == [True, True, False]
    assert [answers.end_rest(at) for at in (62.9, 63.0, 64.0)] == [False, True, False]
    assert answers.failed(70.0) and answers.rests(129.9)
