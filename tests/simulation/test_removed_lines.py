"""Lines that were removed, and passwords that were changed: whom the number reaches afterwards."""

from dataclasses import replace

import pytest
from exchange import Exchange

from softswitch.completion.store import CompletionStore
from softswitch.completion.waiting import Waiting
from softswitch.conference.rooms import DialInRoom, RoomStore, forget_rooms
from softswitch.operations.context import Reload
from softswitch.subscribers.directory_store import DirectoryStore
from softswitch.voicemail.store import forget_mailbox

A, B = "+995322000001", "+995322000002"


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("on_net", 60_000, 1, 1))
    yield made
    assert made.log.errors == []
    made.close()


def phone(exchange, number):
    line = exchange.line(number, exchange.account(10_000_000))
    made = exchange.phone(line, f"198.51.100.{line.id}")
    made.register()
    exchange.run(1.0)
    return made


def told(exchange, lines=(), removed=()):
    """As the server tells the switch of what an operation did."""
    exchange.switch.lines_changing(lines, removed)
    Reload(tuple(lines), tuple(removed), None, (), ()).put_into(exchange.directory)
    exchange.switch.lines_changed([*(line.id for line in lines), *removed])


def calls(exchange, caller, number):
    session = caller.call(number)
    exchange.run(5.0)
    if caller.talking:
        caller.hang_up(session)
    exchange.run(5.0)
    return caller.status


def removed_and_sold_again(exchange, number):
    kept = DirectoryStore(exchange.store.engine)
    old = exchange.directory.line_by_number(number)
    kept.remove_line(old, (forget_mailbox, forget_rooms))
    told(exchange, removed=[old.id])
    new = exchange.line(number, exchange.account(10_000_000))
    assert new.id > old.id
    return new


def test_the_phones_of_a_removed_line_ring_for_nobody_who_has_its_number_next(exchange):
    caller, former = phone(exchange, A), phone(exchange, B)
    removed_and_sold_again(exchange, B)
    assert calls(exchange, caller, B) == 480
    assert former.rung is None


def test_who_has_the_number_next_cant_call_back_the_callers_of_the_line_before(exchange):
    caller, former = phone(exchange, A), phone(exchange, B)
    assert calls(exchange, caller, B) == 200
    removed_and_sold_again(exchange, B)
    former.register()  # the phone is given the new password
    exchange.run(1.0)
    assert calls(exchange, former, "*69") == 404
    assert caller.rung is None


def test_rooms_go_with_their_line(exchange):
    phone(exchange, A)
    line = exchange.directory.line_by_number(A)
    rooms = RoomStore(exchange.store.engine)
    rooms.add(DialInRoom("77", line.id, None))
    removed_and_sold_again(exchange, A)
    assert rooms.all() == []


def test_with_a_new_password_phones_that_know_the_old_one_are_out(exchange):
    caller, thief = phone(exchange, A), phone(exchange, B)
    line = exchange.directory.line_by_number(B)
    told(exchange, [replace(line, display_name="B")])
    assert calls(exchange, caller, B) == 200
    thief.rung = None
    told(exchange, [replace(line, ha1={a: value[::-1] for a, value in line.ha1.items()})])
    assert calls(exchange, caller, B) == 480
    assert thief.rung is None


def test_D3_nobody_else_is_connected_in_the_place_of_a_removed_line_that_waited(exchange):
    callee, caller = phone(exchange, B), phone(exchange, A)
    line = exchange.directory.line_by_number(A)
    waiting = Waiting(
        "w", line.id, exchange.directory.line_by_number(B).id, B, True, "unreachable", "accepted",
        exchange.wall_ms(), exchange.wall_ms(),
    )  # fmt: skip
    exchange.switch.completion.queue.put(waiting)
    DirectoryStore(exchange.store.engine).remove_line(line, (forget_mailbox, forget_rooms))
    told(exchange, removed=[line.id])
    stranger = phone(exchange, "+995322000003")
    callee.register(7200)  # he is back
    exchange.run(10.0)
    assert stranger.rung is None and caller.rung is None
    assert CompletionStore(exchange.store.engine).load() == []
