"""More than a switch can do, for seconds, and a normal load again: how much is served whole."""

import pytest
from overload import (
    CALLS_PER_SECOND,
    REGISTRATIONS_PER_SECOND,
    calling,
    passed,
    registering,
)

KINDS = {
    "registrations": (registering, REGISTRATIONS_PER_SECOND),
    "calls": (calling, CALLS_PER_SECOND),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("times", "seconds"), [(2, 3), (5, 2)])
def test_overload_leaves_most_of_the_goodput_and_is_over_soon(kind, times, seconds):
    make, highest = KINDS[kind]
    switch = make()
    before = switch.offer(0.9 * highest, 0.5)
    switch.rest(0.1)
    assert passed(before) == 1.0
    switch.offer(times * highest, seconds)
    assert switch.goodput >= 0.8 * highest
    switch.offer(highest / 2, 2)
    began = switch.offer(highest / 2, 1)
    switch.rest(3)
    assert passed(began) > 0.998


def test_a_refused_sender_hears_so_before_it_repeats_its_request():
    switch = registering()
    began = switch.offer(1.5 * REGISTRATIONS_PER_SECOND, 2)
    switch.rest(1)
    refused = [attempt for attempt in began if attempt.status == 503]
    assert len(refused) > 100
    assert all(attempt.repeats == 0 for attempt in refused)


def test_the_same_seed_gives_the_same_load_and_the_same_service():
    told = []
    for _ in range(2):
        switch = calling(seed=5)
        began = switch.offer(3 * CALLS_PER_SECOND, 0.5)
        told.append([(attempt.status, attempt.connected) for attempt in began])
    assert told[0] == told[1]
