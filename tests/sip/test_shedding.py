"""How many new requests of a class may wait while more come than can be served."""

from sip.shedding import CALM_SECONDS, LEAST_PLACES, MEASURE_SECONDS, WAIT_SECONDS, Shedding


def test_as_many_wait_as_are_served_in_the_time_that_they_may_wait():
    shedding = Shedding(1000, served=50, now=1.0)
    assert shedding.has_place(999, 1.0)
    shedding.measure(50 + 5, is_dry=False, now=1.0 + MEASURE_SECONDS / 2)
    assert shedding.places == 1000  # not known yet
    shedding.measure(50 + 200, is_dry=False, now=1.0 + 2 * MEASURE_SECONDS)
    assert shedding.places == int(200 / (2 * MEASURE_SECONDS) * WAIT_SECONDS)
    assert shedding.has_place(shedding.places - 1, 2.0)
    assert not shedding.has_place(shedding.places, 2.0)


def test_there_are_some_places_though_hardly_anything_is_served():
    shedding = Shedding(3, served=0, now=1.0)
    shedding.measure(0, is_dry=False, now=2.0)
    assert shedding.places == LEAST_PLACES


def test_there_are_more_places_when_none_was_taken():
    shedding = Shedding(20, served=0, now=1.0)
    seen = [shedding.places]
    for turn in range(1, 5):
        shedding.measure(0, is_dry=True, now=1.0 + turn)
        shedding.measure(0, is_dry=False, now=1.0 + turn + MEASURE_SECONDS / 2)
        seen.append(shedding.places)
    assert seen == [20, 26, 33, 42, 53]


def test_it_is_over_when_nothing_was_rejected_for_a_while():
    shedding = Shedding(10, served=0, now=1.0)
    assert not shedding.has_place(10, 1.5)
    assert not shedding.is_over(1.5 + CALM_SECONDS - 0.01)
    assert shedding.has_place(9, 2.0)
    assert shedding.is_over(1.5 + CALM_SECONDS)
