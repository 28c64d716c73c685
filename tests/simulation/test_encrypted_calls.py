"""SRTP by SDES through a whole switch: who is offered it, who must have it, what is shown of it.

The phones of the simulation send no SRTP of their own; what passes is shown in
tests/rtp/test_srtp.py.
"""

import base64
import re

import pytest
from exchange import Exchange
from phones import sdp

from rtp.control import Keys
from rtp.packet import HEADER
from rtp.srtp import Srtp

SUITE = "AES_CM_128_HMAC_SHA1_80"
KEYS = {letter: base64.b64encode(bytes([ord(letter)]) * 30).decode() for letter in "abc"}


def crypto(letter, tag="1", suite=SUITE):
    return f"a=crypto:{tag} {suite} inline:{KEYS[letter]}\r\n"


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("995", 60_000, 1, 1))
    yield made
    assert made.log.errors == []
    made.close()


def phones(exchange, a=None, b=None):
    """Two, whose lines have these settings."""
    found = []
    for index, policy in enumerate((a, b), 1):
        line = exchange.line(
            f"+99532200000{index}", exchange.account(10_000_000), srtp=policy
        )  # fmt: skip
        phone = exchange.phone(line, f"198.51.100.{index}")
        phone.register()
        found.append(phone)
    exchange.run(1.0)
    return found


def speaks(phone, protocol, lines):
    """Have a phone say this of SRTP in its answers."""
    described = phone._sdp

    def describe(*how):
        body = described(*how)
        body = body.replace(b"RTP/AVP", protocol.encode())
        return body.replace(b"a=rtpmap:101", lines.encode() + b"a=rtpmap:101")

    phone._sdp = describe


def offer(protocol, lines=""):
    return sdp("198.51.100.1", 40_002, protocol=protocol, crypto=lines)


def said(description):
    """The protocol, and tag and suite of each key."""
    text = description.decode()
    protocol = re.search(r"m=audio \d+ (\S+)", text)[1]
    return protocol, re.findall(r"a=crypto:(\d+) (\S+)", text)


def keys_in(description):
    return re.findall(r"inline:(\S+)", description.decode())


def nothing_left(exchange):
    exchange.run_until_idle()
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)


def suites(exchange):
    (call,) = exchange.switch.calls.values()
    return call.media.suite("a"), call.media.suite("b")


def test_a_secure_caller_and_a_plain_callee_each_have_their_own(exchange):
    a, b = phones(exchange)
    session = a.call("+995322000002", offer("RTP/SAVP", crypto("a", "5")))
    exchange.run(5.0)
    assert a.status == 200
    assert said(session.remote_description) == ("RTP/SAVP", [("5", SUITE)])
    assert said(b.talking[0].remote_description) == ("RTP/AVP", [])
    assert suites(exchange) == (SUITE, None)
    assert keys_in(session.remote_description) != [KEYS["a"]]
    a.hang_up(session)
    nothing_left(exchange)


def test_a_line_that_must_is_offered_it_whatever_the_caller_has(exchange):
    a, b = phones(exchange, b="required")
    speaks(b, "RTP/SAVP", crypto("b"))
    session = a.call("+995322000002")
    exchange.run(5.0)
    protocol, offered = said(b.talking[0].remote_description)
    assert protocol == "RTP/SAVP" and offered[0] == ("1", SUITE) and len(offered) == 4
    assert len(set(keys_in(b.talking[0].remote_description))) == 4  # a key for each suite
    assert said(session.remote_description) == ("RTP/AVP", [])
    assert suites(exchange) == (None, SUITE)
    a.hang_up(session)
    nothing_left(exchange)


def test_both_sides_have_keys_of_their_own(exchange):
    a, b = phones(exchange, "required", "required")
    speaks(b, "RTP/SAVP", crypto("b"))
    session = a.call("+995322000002", offer("RTP/SAVP", crypto("a")))
    exchange.run(5.0)
    assert suites(exchange) == (SUITE, SUITE)
    to_a, to_b = keys_in(session.remote_description), keys_in(b.talking[0].remote_description)
    assert not {*to_a, *to_b} & {*KEYS.values()} and not {*to_a} & {*to_b}
    a.hang_up(session)
    nothing_left(exchange)


def test_a_line_that_must_calls_in_the_clear_in_vain(exchange):
    a, b = phones(exchange, a="required")
    a.call("+995322000002")
    nothing_left(exchange)
    assert a.status == 488 and "Received" not in b.events


def test_an_answer_in_the_clear_from_a_line_that_must_ends_the_call(exchange):
    a, b = phones(exchange, b="required")
    speaks(b, "RTP/AVP", "")
    a.call("+995322000002")
    nothing_left(exchange)
    assert a.status == 480  # the called phone's failure, of which the caller is told no 488
    (cdr,) = exchange.store.cdrs()
    assert (cdr.sip_status, cdr.price_micros) == (480, 0)


def test_a_line_that_never_does_is_answered_in_the_clear_or_refused(exchange):
    a, _ = phones(exchange, a="off")
    session = a.call("+995322000002", offer("RTP/AVP", crypto("a")))
    exchange.run(5.0)
    assert said(session.remote_description) == ("RTP/AVP", [])
    assert suites(exchange) == (None, None)
    a.hang_up(session)
    exchange.run(2.0)
    a.call("+995322000002", offer("RTP/SAVP", crypto("a")))
    nothing_left(exchange)
    assert a.status == 488


def test_a_caller_who_can_do_both_is_answered_securely(exchange):
    a, _ = phones(exchange)
    session = a.call("+995322000002", offer("RTP/AVP", crypto("a")))
    exchange.run(5.0)
    assert said(session.remote_description) == ("RTP/AVP", [("1", SUITE)])
    a.hang_up(session)
    nothing_left(exchange)


def test_keys_arent_offered_over_udp_unless_they_must_be(exchange):
    a, b = phones(exchange)
    session = a.call("+995322000002")
    exchange.run(5.0)
    assert said(b.talking[0].remote_description) == ("RTP/AVP", [])
    a.hang_up(session)
    nothing_left(exchange)


def test_a_hold_goes_on_with_the_same_keys(exchange):
    a, b = phones(exchange)
    session = a.call("+995322000002", offer("RTP/SAVP", crypto("a")))
    exchange.run(5.0)
    before = keys_in(session.remote_description)
    held = sdp("198.51.100.1", 40_002, "sendonly", protocol="RTP/SAVP", crypto=crypto("a"))
    session.reinvite(held, a.now)
    a.endpoint.drain()
    exchange.run(2.0)
    assert keys_in(session.remote_description) == before
    b.hold(b.talking[0])
    exchange.run(2.0)
    assert "Reinvited" in a.events
    assert keys_in(session.incoming.request.body) == before
    a.hang_up(session)
    nothing_left(exchange)


def test_a_caller_who_would_drop_what_must_be_is_refused_and_talks_on(exchange):
    a, _ = phones(exchange, a="required")
    session = a.call("+995322000002", offer("RTP/SAVP", crypto("a")))
    exchange.run(5.0)
    session.reinvite(offer("RTP/AVP"), a.now)
    a.endpoint.drain()
    exchange.run(2.0)
    assert "ReinviteRefused" in a.events and suites(exchange) == (SUITE, None)
    a.hang_up(session)
    nothing_left(exchange)


def test_the_echo_is_encrypted_too(exchange):
    a, _ = phones(exchange, a="required")
    session = a.call("*43", offer("RTP/SAVP", crypto("a")))
    exchange.run(3.0)
    assert said(session.remote_description) == ("RTP/SAVP", [("1", SUITE)])
    assert suites(exchange)[0] == SUITE
    a.hang_up(session)
    nothing_left(exchange)


def test_who_is_given_to_another_call_is_heard_there_after_however_many_packets(exchange):
    """Its phone keeps its key, and goes on counting: 65,536 packets are 22 minutes."""
    a, b = phones(exchange)
    line = exchange.line("+995322000003", exchange.account(10_000_000), srtp="required")
    c = exchange.phone(line, "198.51.100.3")
    c.sends_rtp = False
    c.register()
    speaks(c, "RTP/SAVP", crypto("c"))
    exchange.run(1.0)
    first = a.call("+995322000002")
    exchange.run(2.0)
    consultation = b.call("+995322000003")
    exchange.run(2.0)
    sealed = Srtp(Keys(SUITE, b"c" * 30, b"?" * 30))

    def say(numbers):
        before = a.heard + b.heard
        for number in numbers:
            packet = HEADER.pack(0x80, 0, number & 0xFFFF, number * 160 & 0xFFFFFFFF, 7)
            c._send(c.talking[0], sealed.seal(packet + bytes(160)))
            exchange.run(0.02)
        return a.heard + b.heard - before

    assert say(range(40_000, 65_536 + 40_000, 500)) > 125
    dialog = consultation.dialog
    b.refer(
        b.talking[0],
        f"<sip:x@example.org?Replaces={dialog.call_id}%3Bto-tag%3D{dialog.remote_tag}"
        f"%3Bfrom-tag%3D{dialog.local_tag}>".encode(),
    )
    exchange.run(5.0)
    assert b.told[-1][1] == 200 and b.talking == []
    before = a.heard
    say(range(65_536 + 40_001, 65_536 + 40_051))
    assert a.heard - before > 45
    a.hang_up(first)
    nothing_left(exchange)
