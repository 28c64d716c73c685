"""Connections that peers open: how many, how long, and what comes through them; literal seconds."""

import asyncio
import socket

import pytest
from lines import Exchange, flow_of
from world import VirtualLoop

OPTIONS = b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def loop():
    made = VirtualLoop()
    yield made
    made.close()


def wait(exchange, seconds):
    exchange.loop.run_until_complete(asyncio.sleep(seconds))


def test_a_message_comes_through_and_an_answer_goes_back(loop):
    exchange = Exchange(loop)
    connection, line = exchange.connect()
    connection.data_received(OPTIONS[:10])
    connection.data_received(OPTIONS[10:] + OPTIONS)
    assert exchange.messages == [(OPTIONS, flow_of())] * 2
    exchange.pool.send(b"answer", flow_of())
    assert line.written == b"answer"
    assert line.options[socket.SO_KEEPALIVE] == 1


def test_a_double_line_end_is_answered_by_a_single_one(loop):
    connection, line = Exchange(loop).connect()
    connection.data_received(b"\r\n\r\n")
    assert line.written == b"\r\n"


def test_what_cant_be_framed_is_still_refused_and_ends_the_connection(loop):
    exchange = Exchange(loop)
    connection, line = exchange.connect()
    broken = b"INVITE sip:a SIP/2.0\r\nContent-Length: 1000000000000\r\n\r\n"
    connection.data_received(OPTIONS + broken + OPTIONS)
    assert line.closed
    connection.data_received(OPTIONS)
    assert exchange.messages == [(OPTIONS, flow_of()), (broken, flow_of())]


def test_who_says_nothing_is_closed_after_thirty_seconds(loop):
    exchange = Exchange(loop)
    pair = exchange.connect()
    wait(exchange, 29)
    assert not pair[1].closed
    wait(exchange, 4)
    assert pair[1].closed
    exchange.settle(pair)
    assert exchange.closed == [flow_of()]
    assert len(exchange.pool) == 0


def test_an_octet_a_second_holds_a_connection_no_longer(loop):
    exchange = Exchange(loop)
    connection, line = exchange.connect()
    for octet in OPTIONS[:34]:
        connection.data_received(bytes((octet,)))
        wait(exchange, 1)
        if line.closed:
            break
    assert line.closed


def test_pings_alone_are_no_message(loop):
    exchange = Exchange(loop)
    connection, line = exchange.connect()
    for _ in range(16):
        connection.data_received(b"\r\n\r\n")
        wait(exchange, 2)
    assert line.closed


def test_a_message_that_has_begun_must_end_in_thirty_seconds(loop):
    exchange = Exchange(loop)
    connection, line = exchange.connect()
    connection.data_received(OPTIONS + OPTIONS[:5])
    wait(exchange, 20)
    connection.data_received(OPTIONS[5:6])
    assert not line.closed
    wait(exchange, 13)
    assert line.closed


def test_an_idle_connection_that_nothing_needs_is_closed(loop):
    exchange = Exchange(loop)
    connection, line = exchange.connect()
    connection.data_received(OPTIONS)
    wait(exchange, 119)
    assert not line.closed
    wait(exchange, 4)
    assert line.closed


def test_a_connection_that_a_registration_needs_stays(loop):
    exchange = Exchange(loop)
    connection, line = exchange.connect()
    connection.data_received(OPTIONS)
    exchange.need(flow_of())
    wait(exchange, 7200)
    assert not line.closed


def test_a_phone_that_promised_keep_alives_is_closed_when_they_stop(loop):
    exchange = Exchange(loop, idle_seconds=20)
    connection, line = exchange.connect()
    connection.data_received(OPTIONS)
    exchange.need(flow_of(), 120)
    for _ in range(10):
        wait(exchange, 90)
        connection.data_received(b"\r\n\r\n")
    assert not line.closed
    wait(exchange, 124)
    assert line.closed


def test_one_address_gets_so_many_and_others_are_served(loop):
    exchange = Exchange(loop, connections_per_address=3)
    first = [exchange.connect(port=port) for port in range(1, 6)]
    assert [line.closed for _, line in first] == [False, False, False, True, True]
    assert not exchange.connect("192.0.2.10")[1].closed
    assert exchange.pool.refused == 2
    first[0][1].close()
    exchange.settle(first[0])
    assert not exchange.connect(port=9)[1].closed


def test_an_address_that_is_exempt_gets_as_many_as_it_wants(loop):
    exchange = Exchange(loop, connections_per_address=3)
    exchange.free.add("192.0.2.9")
    assert not any(exchange.connect(port=port)[1].closed for port in range(1, 10))


def test_two_thousand_idle_connections_end_and_leave_nothing(loop):
    exchange = Exchange(loop, connections=2_000, connections_per_address=100)
    pairs = [
        exchange.connect(f"198.51.100.{n % 25}", 1000 + n // 25) for n in range(2_600)
    ]  # 25 addresses with 104 each
    assert sum(not line.closed for _, line in pairs) == 2_000
    assert exchange.connect("203.0.113.1")[1].closed  # full, for thirty seconds
    wait(exchange, 33)
    exchange.settle(*(pair for pair in pairs if pair[0] in exchange.pool._open.values()))
    assert len(exchange.pool) == 0
    assert not exchange.connect("203.0.113.1")[1].closed


def test_a_connection_left_behind_is_closed_unless_needed(loop):
    exchange = Exchange(loop)
    _, line = exchange.connect()
    exchange.need(flow_of())
    exchange.pool.release(flow_of())
    assert not line.closed
    exchange.needed.clear()
    exchange.pool.release(flow_of())
    assert line.closed


def test_nobody_dials_a_connection_that_the_peer_had_opened(loop):
    exchange = Exchange(loop)
    exchange.pool.send(b"INVITE", flow_of())
    wait(exchange, 0)
    assert exchange.closed == [flow_of()]


def test_a_peer_that_reads_nothing_is_cut_off(loop):
    exchange = Exchange(loop)
    _, line = exchange.connect()
    line.full = 2 << 20
    exchange.pool.send(b"x", flow_of())
    assert line.closed


def test_reading_waits_while_the_switch_is_congested(loop):
    exchange = Exchange(loop)
    connection, line = exchange.connect()
    exchange.congested = True
    connection.data_received(OPTIONS)
    assert not line.reading
    exchange.pool.resume()
    assert line.reading
