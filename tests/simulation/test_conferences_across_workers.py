"""Conferences of calls whose sound begins in several media workers: all of it comes to one."""

import contextlib

import pytest
from exchange import Exchange
from recordings import recorded
from test_conference_rooms import enter, press
from test_merged_calls import FOCUS, build, call, members, named, nothing_left, said

from rtp.session import MediaError
from softswitch.conference.rooms import DialInRoom, RoomStore


@pytest.fixture(params=[2, 3])
def exchange(tmp_path, request):
    made = Exchange(seed=1, prompts=recorded(tmp_path, "en"), workers=request.param)
    made.tariff(("995", 60_000, 1, 1))
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


def hears(exchange, phone):
    """Packets in two seconds; 100 is all there is to hear."""
    before = phone.heard
    exchange.run(2.0)
    return phone.heard - before


def sounds(exchange):
    """The sessions of all calls, by which workers they are in."""
    return [one.sound for one in exchange.switch.calls.values()]


def together(exchange):
    first, *others = sounds(exchange)
    return all(first.beside(other) for other in others)


def test_a7_calls_that_began_in_other_workers_are_merged_by_refer(exchange):
    owner, b, c, d = build(exchange, 4)
    calls = [call(exchange, owner, index) for index in (2, 3, 4)]
    assert not together(exchange)
    focus = owner.call("*87")
    exchange.run(5.0)
    for session in calls:
        owner.refer(session, FOCUS)
        exchange.run(3.0)
    assert len(members(exchange)) == 4 and together(exchange)
    for phone in (owner, b, c, d):
        assert hears(exchange, phone) > 90
    b.hold(b.talking[0])
    exchange.run(1.0)
    assert hears(exchange, b) < 5
    b.hold(b.talking[0], "sendrecv")
    exchange.run(1.0)
    assert hears(exchange, b) > 90
    owner.hang_up(focus)
    nothing_left(exchange)
    assert not (b.talking or c.talking or d.talking)


def test_a_record_counts_what_passed_before_the_move_and_after_it(exchange):
    owner, b, c = build(exchange, 3)
    calls = [call(exchange, owner, 2), call(exchange, owner, 3)]
    focus = owner.call("*87")
    exchange.run(10.0)
    for session in calls:
        owner.refer(session, FOCUS)
        exchange.run(3.0)
    exchange.run(20.0)
    assert b.talking and c.talking
    owner.hang_up(focus)
    nothing_left(exchange)
    for cdr in exchange.store.cdrs():
        if cdr.called != "*87":
            # Phones here say something every five seconds.
            assert cdr.duration_ms > 35_000
            assert abs(cdr.media.callee.packets - cdr.duration_ms / 5000) <= 1


@pytest.mark.parametrize("field", [b"Join", b"Replaces"])
def test_a7_the_owner_comes_to_where_the_call_is_that_he_brings_along(exchange, field):
    owner, b = build(exchange, 2)
    first = call(exchange, owner, 2)
    focus = owner.call("*87", extra=named(field, first))
    exchange.run(8.0)
    assert len(members(exchange)) == 2 and together(exchange)
    for phone in (owner, b):
        assert hears(exchange, phone) > 90
    press(exchange, owner, focus, "*6")
    exchange.run(3.0)
    assert said(exchange)[-1] == "conf-muted"
    owner.hang_up(focus)
    nothing_left(exchange)


def test_a7_whoever_dials_into_a_room_comes_to_one_worker(exchange):
    owner, b, c = build(exchange, 3)
    RoomStore(exchange.store.engine).add(DialInRoom("100", 1, None))
    sessions = [enter(exchange, phone, pin=None) for phone in (owner, b, c)]
    assert together(exchange)
    for phone in (owner, b, c):
        assert hears(exchange, phone) > 90
    for phone, session in zip((b, c, owner), sessions[1:] + sessions[:1], strict=True):
        phone.hang_up(session)
    nothing_left(exchange)


def test_a_call_for_which_the_conferences_worker_has_no_ports_goes_on_as_it_was(exchange):
    owner, b, c = build(exchange, 3)
    calls = [call(exchange, owner, 2), call(exchange, owner, 3)]
    focus = owner.call("*87")
    exchange.run(5.0)
    taken = take_all_ports(exchange, exchange.switch.hall.conferences[0].home)
    before = len(sounds(exchange))
    for session in calls:
        owner.refer(session, FOCUS)
        exchange.run(2.0)
    told = {status for _, status in owner.told if status >= 200}
    assert told <= {200, 503} and 503 in told
    assert len(sounds(exchange)) == before and b.talking and c.talking
    assert {event for event, _ in exchange.log.errors} == {"a call can't be merged"}
    exchange.log.errors.clear()
    exchange.loop.run_until_complete(give_back(taken))
    assert focus in owner.talking
    for session in [*owner.talking]:
        owner.hang_up(session)
    nothing_left(exchange)


def take_all_ports(exchange, home):
    """Of the worker of a session."""

    async def take():
        taken = []
        with contextlib.suppress(MediaError):
            while True:
                taken.append(await exchange.media.open(None, None, beside=home))
        return taken

    return exchange.loop.run_until_complete(take())


async def give_back(sessions):
    for session in sessions:
        await session.close()
