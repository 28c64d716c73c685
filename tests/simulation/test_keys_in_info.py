"""Keys for phones that hear of them in INFO alone, told by events, tones and INFO (RFC 4733 and
what has no RFC); and what a line's `dtmf` says of it."""

import pytest
from exchange import Exchange

from rtp.dtmf import digit_tone
from rtp.g711 import PCMU
from rtp.packet import HEADER
from sip.offer_answer import media_target
from sip.sdp import SessionDescription
from softswitch.call.media.info_keys import MAX_WAITING

RELAY = b"application/dtmf-relay"


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("995", 60_000, 1, 1))
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


def phones(exchange, **dtmf):
    """Ana, who tells of keys by events, and Beka, who knows none; each line as it is set."""
    made = []
    for index, name in enumerate(("ana", "beka"), 1):
        line = exchange.line(
            f"+99532200000{index}", exchange.account(10_000_000), dtmf=dtmf.get(name)
        )
        phone = exchange.phone(line, f"198.51.100.{index}")
        phone.register()
        made.append(phone)
    exchange.run(1.0)
    made[1].knows_events = False
    return made


def connected(exchange, a):
    session = a.call("+995322000002")
    exchange.run(3.0)
    assert a.status == 200
    return session


def events_in(description):
    target = media_target(SessionDescription.parse(description))
    return [codec.payload_type for codec in target.codecs if codec.name == "TELEPHONE-EVENT"]


def told(key, milliseconds=160):
    return f"Signal={key}\r\nDuration={milliseconds}\r\n".encode()


def ends(exchange, a, session):
    a.hang_up(session)
    exchange.run_until_idle()
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)


def press(exchange, phone, session, codes):
    for code in codes:
        phone.tell_event(session, code)
        exchange.run(0.3)


def deafen(phone):
    """Have a phone lose every INFO; by what it heard before."""
    hears = phone.agent.receive
    phone.agent.receive = lambda data, flow, now: (
        None if data.startswith(b"INFO") else hears(data, flow, now)
    )
    return hears


def test_events_become_info_for_a_line_that_is_set_so(exchange):
    a, b = phones(exchange, beka="info")
    session = connected(exchange, a)
    assert events_in(session.remote_description) == [101]  # though Beka has none
    assert events_in(b.talking[0].remote_description) == []
    press(exchange, a, session, (1, 2, 11))
    exchange.run(1.0)
    assert b.infos == [told("1"), told("2"), told("#")]
    assert not b.heard_types[101]  # they stay here
    ends(exchange, a, session)


def test_a_caller_who_is_set_so_hears_of_the_callees_keys(exchange):
    a, b = phones(exchange, ana="info")
    b.knows_events = True
    session = connected(exchange, a)
    assert events_in(session.remote_description) == []
    press(exchange, b, b.talking[0], (7,))
    exchange.run(1.0)
    assert a.infos == [told("7")]
    a.hang_up(session)
    exchange.run_until_idle()


def test_info_passes_as_it_came_and_in_order_though_one_is_lost(exchange):
    a, b = phones(exchange, beka="info")
    session = connected(exchange, a)
    hears = deafen(b)
    for key in "123":
        session.info(RELAY, told(key, 90), a.now)
        a.endpoint.drain()
        exchange.run(0.1)
    b.agent.receive = hears
    exchange.run(2.0)
    assert b.infos == [told(key, 90) for key in "123"]
    ends(exchange, a, session)


def test_a_phone_without_events_that_says_it_takes_such_info_gets_it(exchange):
    a, b = phones(exchange)
    b.accepts = b"application/sdp, application/dtmf-relay"
    session = connected(exchange, a)
    press(exchange, a, session, (5,))
    exchange.run(1.0)
    assert b.infos == [told("5")]
    ends(exchange, a, session)


def test_a_phone_that_told_keys_so_itself_gets_them_so(exchange):
    a, b = phones(exchange)
    a.knows_events = False
    session = connected(exchange, a)
    session.info(RELAY, told("4"), a.now)
    a.endpoint.drain()
    exchange.run(1.0)
    assert b.infos == [] and b.heard > 5  # Beka heard a tone
    b.talking[0].info(RELAY, told("6"), b.now)
    b.endpoint.drain()
    exchange.run(1.0)
    assert a.infos == [told("6")]
    ends(exchange, a, session)


def test_tones_become_info_for_a_line_that_is_set_so(exchange):
    a, b = phones(exchange, beka="info")
    a.knows_events = False
    session = connected(exchange, a)
    octets = PCMU.encode(digit_tone("9", 100)) + PCMU.silence * 1600
    for number in range(len(octets) // 160):
        header = HEADER.pack(0x80, 0, 500 + number, number * 160, 7)
        a._send(session, header + octets[number * 160 :][:160])
        exchange.run(0.02)
    exchange.run(1.0)
    assert b.infos == [told("9")]
    ends(exchange, a, session)


def test_a_line_that_is_set_to_tones_is_offered_no_events(exchange):
    a, b = phones(exchange, beka="inband")
    b.knows_events = True
    session = connected(exchange, a)
    assert events_in(session.remote_description) == []
    assert events_in(b.talking[0].remote_description) == []
    before = b.heard
    session.info(RELAY, told("3"), a.now)
    a.endpoint.drain()
    exchange.run(1.0)
    assert b.infos == [] and b.heard - before >= 5
    ends(exchange, a, session)


def test_keys_are_told_across_codecs(exchange):
    a, b = phones(exchange, beka="info")
    b.codec = "PCMA"
    session = connected(exchange, a)
    press(exchange, a, session, (8,))
    exchange.run(1.0)
    assert b.infos == [told("8")] and not b.heard_types[101]
    ends(exchange, a, session)


def test_after_a_transfer_the_newcomer_decides(exchange):
    a, b = phones(exchange, beka="info")
    line = exchange.line("+995322000003", exchange.account(10_000_000))
    c = exchange.phone(line, "198.51.100.3")
    c.register()
    exchange.run(1.0)
    session = connected(exchange, a)
    b.refer(b.talking[0], b"<sip:+995322000003@example.org>")
    exchange.run(5.0)
    before = c.heard_types[101]
    press(exchange, a, session, (2,))
    exchange.run(1.0)
    assert b.infos == [] and c.infos == [] and c.heard_types[101] - before == 5
    ends(exchange, a, session)


def test_a_phone_that_answers_no_info_keeps_its_call(exchange):
    a, b = phones(exchange, beka="info")
    session = connected(exchange, a)
    hears = deafen(b)
    press(exchange, a, session, (1, 2))
    exchange.run(80.0)
    assert len(a.talking) == 1
    assert [event for event, _ in exchange.log.warnings].count("a key told in INFO was not taken")
    b.agent.receive = hears
    press(exchange, a, session, (3,))
    exchange.run(1.0)
    assert b.infos[-1] == told("3")
    ends(exchange, a, session)


def test_keys_without_end_are_not_kept(exchange):
    a, b = phones(exchange, beka="info")
    session = connected(exchange, a)
    (call,) = exchange.switch.calls.values()
    for _ in range(10 * MAX_WAITING):
        call.legs.keys_in_info().pass_on("b", RELAY, told("1"))
    exchange.run(5.0)
    assert len(b.infos) == MAX_WAITING
    ends(exchange, a, session)
