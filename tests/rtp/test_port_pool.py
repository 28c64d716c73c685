"""Port pairs: order, rest and exhaustion."""

import random
from collections import deque

import pytest

from rtp.client import MediaError, split_ports
from rtp.ports import PortPool, PortsExhausted


def no_shuffle(ports):
    pass


def test_pairs_are_even_and_whole():
    pool = PortPool(20001, 20007, no_shuffle, 5.0)
    assert [pool.take(0.0), pool.take(0.0), pool.take(0.0)] == [20002, 20004, 20006]
    with pytest.raises(PortsExhausted, match="20001-20007: 3 pairs are in use, 0 rest"):
        pool.take(0.0)


def test_a_used_pair_rests():
    pool = PortPool(20000, 20003, no_shuffle, 5.0)
    assert pool.take(0.0) == 20000
    pool.give_back(20000, 10.0)
    assert pool.take(10.0) == 20002
    with pytest.raises(PortsExhausted, match="1 pairs are in use, 1 rest"):
        pool.take(14.9)
    assert pool.take(15.0) == 20000


def test_a_pair_that_another_program_holds_rests_longer():
    pool = PortPool(20000, 20005, no_shuffle, 5.0)
    pool.occupied(pool.take(0.0), 0.0)
    pool.give_back(pool.take(0.0), 0.0)
    assert pool.take(0.0) == 20004
    assert pool.take(5.0) == 20002
    with pytest.raises(PortsExhausted):
        pool.take(59.9)
    assert pool.take(60.0) == 20000
    assert pool.in_use == 3


def test_the_order_is_shuffled():
    pool = PortPool(20000, 29999, random.Random(1).shuffle, 5.0)
    taken = [pool.take(0.0) for _ in range(5000)]
    assert len(set(taken)) == 5000
    assert taken != sorted(taken)


def test_no_pair_at_all():
    with pytest.raises(ValueError, match="20001-20002"):
        PortPool(20001, 20002, no_shuffle, 5.0)


def test_workers_share_a_range_in_whole_pairs():
    assert split_ports((20000, 29999), 1) == [(20000, 29999)]
    assert split_ports((20001, 20011), 2) == [(20002, 20005), (20006, 20011)]
    with pytest.raises(MediaError, match="2 media workers"):
        split_ports((20001, 20004), 2)


def test_a_pair_that_no_packet_reached_needs_no_rest():
    pool = PortPool(20000, 20003, no_shuffle, 5.0)
    pool.give_back(pool.take(0.0), 1.0, rests=False)
    assert [pool.take(1.0), pool.take(1.0)] == [20002, 20000]


def calls_served(per_second: int, seconds: int, *, heard: bool) -> int:
    """Calls of half a second each, of two pairs each, that the default ports serve in a row."""
    pool = PortPool(20000, 29999, no_shuffle, 5.0)
    talking: deque[tuple[float, int, int]] = deque()
    served = 0
    for index in range(per_second * seconds):
        now = index / per_second
        while talking and talking[0][0] <= now:
            ended, *ports = talking.popleft()
            for port in ports:
                pool.give_back(port, ended, rests=heard)
        try:
            talking.append((now + 0.5, pool.take(now), pool.take(now)))
        except PortsExhausted:
            return served
        served += 1
    return served


def test_the_default_ports_serve_a_burst_of_2000_short_calls_in_5_seconds():
    assert calls_served(400, 5, heard=True) == 2_000


def test_calls_without_sound_never_use_up_the_default_ports():
    assert calls_served(2_000, 30, heard=False) == 60_000
    assert calls_served(2_000, 30, heard=True) == 2_500


@pytest.mark.parametrize("heard", [True, False])
def test_2000_short_calls_within_5_seconds_find_ports_in_the_default_range(heard):
    """Each takes two pairs for 60 ms, and those that heard sound rest for 5 s. Calls without sound
    could go on for ever."""
    pool = PortPool(20_000, 29_999, random.Random(1).shuffle, 5.0)
    talking: deque[tuple[float, int]] = deque()
    for number in range(2_000 if heard else 20_000):
        now = number / 400
        while talking and talking[0][0] <= now:
            pool.give_back(talking.popleft()[1], now, rests=heard)
        talking.extend((now + 0.06, pool.take(now)) for _ in range(2))
    assert pool.in_use == len(talking) <= 50
