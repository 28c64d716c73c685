import math

from sip.timers import Timers


def test_timers_fire_once_in_time_and_carry_their_argument():
    fired = []
    timers = Timers()
    timers.arm(0.5, 10.0, lambda what, now: fired.append((what, now)), "short")
    timers.arm(32.0, 10.0, lambda what, now: fired.append((what, now)), "long")
    assert timers.next == 10.5
    timers.expire(10.49)
    assert fired == []
    timers.expire(10.5)
    assert fired == [("short", 10.5)]
    assert timers.next == 42.0
    timers.expire(50.0)
    assert fired == [("short", 10.5), ("long", 50.0)]
    assert timers.next == math.inf
    assert len(timers) == 0


def test_a_timer_that_arms_another_of_its_length_does_not_fire_it_at_once():
    timers = Timers()
    fired = []

    def again(what, now):
        fired.append(now)
        timers.arm(0.5, now, again, what)

    timers.arm(0.5, 0.0, again, None)
    for now in (0.5, 1.0, 1.5):
        timers.expire(now)
    assert fired == [0.5, 1.0, 1.5]
