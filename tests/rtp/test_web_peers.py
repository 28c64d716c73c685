"""A browser on a side of an engine: what passes, what gets no answer, and when it is gone."""

from itertools import count

import msgspec
import pytest
from browser import Browser, certificate, check, fingerprint
from test_engine_sessions import BOB, Host
from test_engine_sessions import rtp as header

from rtp.control import (
    Close,
    Closed,
    Keyed,
    Latched,
    Open,
    Opened,
    SetRemote,
    SideSpec,
    Silent,
    Start,
    TellFigures,
    WebTerms,
)
from rtp.disk import Disk
from rtp.engine import Engine
from rtp.ports import PortPool
from rtp.rtcp import parse_compound
from rtp.sound import SoundTier

SOUND = b"as clear as can be"
STRANGER = ("203.0.113.9", 9)
A, B = 20_000, 20_002


def rtp(sequence):
    return header(sequence) + SOUND


@pytest.fixture
def engine():
    start = Start(
        "127.0.0.1", A, 20_019, 1_000_000, 3.0, 60.0, 300.0, 5.0, certificate=certificate("switch")
    )
    pool = PortPool(A, 20_019, lambda ports: None, 5.0)
    return Engine(start, pool, Host(), SoundTier(Disk(lambda result: None), lambda bits: 1))


def browser_on(engine, **options):
    """A browser on side a of session 1, and a plain phone on side b."""

    def send(data, source, now):
        assert engine.receive(A, data, source, now) is None
        return [datagram for port, datagram, _ in engine.take_datagrams() if port == A]

    browser = Browser(send, **options)
    engine.handle(Open(1, SideSpec(), SideSpec(BOB[0])), 0.0)
    remote(engine, browser.terms)
    engine.handle(SetRemote(1, "b", *BOB, 5001, "sendrecv"), 0.0)
    assert engine.take_messages() == [Opened(1, A, B)]
    return browser


def remote(engine, terms, now=0.0, keys=None, session=1):
    engine.handle(SetRemote(session, "a", None, 9, 9, "sendrecv", keys=keys, web=terms), now)


def test_a_browser_and_a_phone_hear_each_other(engine):
    browser = browser_on(engine)
    browser.connect(1.0)
    latched, keyed = engine.take_messages()
    assert latched == Latched(1, "a", *browser.address)
    assert isinstance(keyed, Keyed) and keyed.keys.suite == "AEAD_AES_128_GCM"
    sealed = browser.srtp.seal(rtp(1))
    assert engine.receive(A, sealed, browser.address, 1.1) == (B, rtp(1), BOB)
    port, back, target = engine.receive(B, rtp(7), BOB, 1.2)
    assert (port, target) == (A, browser.address)
    assert SOUND not in back and browser.srtp.open(back) == rtp(7)
    engine.handle(Close(1), 2.0)
    *_, closed = engine.take_messages()
    assert isinstance(closed, Closed)
    assert (closed.figures.a.packets, closed.figures.b.packets) == (1, 1)
    assert closed.figures.a.strays == 0


def test_nothing_passes_before_the_keys_are_made(engine):
    browser = browser_on(engine)
    assert engine.receive(B, rtp(1), BOB, 1.0) is None
    assert engine.receive(A, rtp(1), browser.address, 1.0) is None
    browser.send(check(), browser.address, 1.0)  # nominated, not keyed
    assert engine.receive(B, rtp(2), BOB, 1.1) is None
    assert engine.receive(A, rtp(2), browser.address, 1.1) is None


def test_rtcp_goes_by_the_same_port(engine):
    browser = browser_on(engine)
    browser.connect(1.0)
    report = bytes.fromhex("80c90001 00000001")
    out = engine.receive(A, browser.srtp.seal(report), browser.address, 1.1)
    assert out == (B + 1, report, (BOB[0], 5001))
    port, back, _ = engine.receive(B + 1, report, (BOB[0], 5001), 1.2)
    assert port == A and browser.srtp.open(back) == report


def reports_to(engine, browser, begun, seconds):
    """The RTCP that the switch sends to the browser by itself, with the second of each."""
    found = []
    for second in range(begun, begun + seconds):
        found += [(second, out) for out in browser.send(check(), browser.address, float(second))]
        engine.expire(second + 0.5)
        found += [(second, data) for port, data, _ in engine.take_datagrams() if port == A]
    rtcp = [(second, data) for second, data in found if data[0] >> 6 == 2]
    return [(second, parse_compound(browser.srtp.open(data))) for second, data in rtcp]


def test_a_browser_whose_phone_sends_no_reports_gets_ours(engine):
    browser = browser_on(engine)
    browser.connect(1.0)
    for sequence in (1, 2, 3, 5, 6, 7, 8, 9, 10, 11):  # the fourth is lost
        engine.receive(A, browser.srtp.seal(rtp(sequence)), browser.address, 1.0 + sequence / 50)
    said = reports_to(engine, browser, 2, 14)
    assert [second for second, _ in said] == [6, 11]
    report, named = said[0][1]
    (block,) = report.blocks
    assert (block.ssrc, block.fraction_lost, block.cumulative_lost) == (1, 256 // 11, 1)
    assert block.highest_sequence & 0xFFFF == 11 and named.chunks[0][0] == report.ssrc
    assert said[1][1][0].blocks[0].fraction_lost == 0  # since the last one


def test_reports_of_the_phone_itself_are_enough(engine):
    browser = browser_on(engine)
    browser.connect(1.0)
    engine.receive(A, browser.srtp.seal(rtp(1)), browser.address, 1.1)
    theirs = bytes.fromhex("80c90001 00000001")
    for second in (4, 8, 12):
        assert engine.receive(B + 1, theirs, (BOB[0], 5001), float(second)) is not None
        assert reports_to(engine, browser, second, 4) == []


def test_a_browser_in_another_ones_place_gets_reports_of_its_own(engine):
    browser = browser_on(engine)
    browser.connect(1.0)
    engine.receive(A, browser.srtp.seal(rtp(1)), browser.address, 1.1)
    assert len(reports_to(engine, browser, 2, 6)) == 1
    named = (fingerprint("another"),)
    remote(engine, msgspec.structs.replace(browser.terms, fingerprints=named), 8.0)
    engine.expire(30.0)  # no keys, and nothing to say: it ends all the same
    assert [data for _, data, _ in engine.take_datagrams() if data[0] >> 6 == 2] == []


def test_strangers_get_no_answer(engine):
    browser = browser_on(engine)
    browser.connect(1.0)
    engine.take_messages()
    hello = Browser(browser.send, STRANGER)
    hello.dtls.begin(1.1)
    (client_hello,) = hello.dtls.to_send()
    said = [check(password="wrong"), client_hello, browser.srtp.seal(rtp(1)), rtp(2), b"", b"\xff"]
    for data in said:
        assert engine.receive(A, data, STRANGER, 1.2) is None
    assert engine.receive(A + 1, check(), browser.address, 1.2) is None  # the port of RTCP
    assert engine.take_datagrams() == [] and engine.take_messages() == []
    engine.handle(TellFigures(1), 1.3)
    (figures,) = engine.take_messages()
    assert figures.figures.a.strays == len(said) + 1


def test_a_browser_with_another_certificate_is_never_heard(engine):
    browser = browser_on(engine, name="impostor")
    browser.connect(1.0)
    latched, silent = engine.take_messages()
    assert isinstance(latched, Latched) and silent == Silent(1, None)
    engine.expire(6.0)
    assert engine.take_messages() == [Silent(1, None)]
    if browser.srtp is not None:
        assert engine.receive(A, browser.srtp.seal(rtp(1)), browser.address, 1.1) is None
    assert engine.receive(B, rtp(1), BOB, 1.1) is None


def test_the_switch_begins_dtls_where_that_is_its_part(engine):
    browser = browser_on(engine, role="passive")
    named = ("sha-1 00", fingerprint("browser"))
    remote(engine, msgspec.structs.replace(browser.terms, fingerprints=named, active=True))
    browser.connect(1.0)
    assert browser.dtls.keys is not None
    assert engine.receive(A, browser.srtp.seal(rtp(1)), browser.address, 1.1) == (B, rtp(1), BOB)


def test_a_browser_that_stops_its_checks_is_gone_after_25_seconds(engine):
    browser = browser_on(engine)
    browser.connect(1.0)
    engine.receive(B, rtp(1), BOB, 1.5)
    browser.send(check(), browser.address, 5.0)
    engine.take_messages()
    for second in range(6, 30):
        engine.receive(B, rtp(second), BOB, float(second))  # the phone talks on
        engine.expire(float(second))
    assert Silent not in map(type, engine.take_messages())
    assert engine.next_deadline() == 30.0
    engine.expire(30.0)
    assert [m for m in engine.take_messages() if isinstance(m, Silent)] == [Silent(1, 1_005_000)]
    engine.expire(34.9)
    assert engine.take_messages() == []
    engine.expire(35.0)  # again, since a call that rings does nothing about it
    assert engine.take_messages() == [Silent(1, 1_005_000)]
    browser.send(check(), browser.address, 36.0)  # it is back
    engine.expire(60.9)
    assert Silent not in map(type, engine.take_messages())


def test_a_browser_that_never_checks_is_gone_25_seconds_after_both_ends_were_known(engine):
    browser = browser_on(engine)
    assert engine.next_deadline() == 25.0
    remote(engine, browser.terms, now=20.0)  # its call was answered only now
    engine.receive(B, rtp(1), BOB, 24.0)
    engine.expire(44.9)
    assert Silent not in map(type, engine.take_messages())
    engine.expire(45.0)
    assert engine.take_messages() == [Silent(1, None)]
    remote(engine, browser.terms, now=46.0)  # another page takes its place
    engine.expire(50.0)
    browser.send(check(), browser.address, 51.0)
    engine.expire(75.0)
    assert Silent not in map(type, engine.take_messages())
    engine.expire(76.0)
    assert [m for m in engine.take_messages() if isinstance(m, Silent)] == [Silent(1, 1_051_000)]


def test_a_lost_flight_is_sent_again_by_the_engines_time(engine):
    browser = browser_on(engine)
    browser.send(check(), browser.address, 1.0)
    browser.dtls.begin(1.0)
    (hello,) = browser.dtls.to_send()
    flight = browser.send(hello, browser.address, 1.0)
    assert flight and engine.next_deadline() == 1.25
    engine.expire(1.25)
    assert [data for _, data, _ in engine.take_datagrams()] == flight
    assert engine.next_deadline() == 1.75


def test_a_browser_goes_on_from_another_network(engine):
    browser = browser_on(engine)
    browser.connect(1.0)
    moved = ("192.0.2.200", 50_000)
    browser.send(check(), moved, 2.0)
    assert engine.receive(A, browser.srtp.seal(rtp(1)), moved, 2.1) == (B, rtp(1), BOB)
    assert engine.receive(A, browser.srtp.seal(rtp(2)), browser.address, 2.1) is None
    assert engine.receive(B, rtp(1), BOB, 2.2)[2] == moved


def test_an_ice_restart_keeps_the_keys(engine):
    browser = browser_on(engine)
    browser.connect(1.0)
    remote(engine, WebTerms("fresh", "fresh-password", "newer", browser.terms.fingerprints), 2.0)
    assert engine.receive(A, browser.srtp.seal(rtp(1)), browser.address, 2.1) == (B, rtp(1), BOB)
    browser.send(check("fresh:newer", "fresh-password"), STRANGER, 2.2)
    assert engine.receive(A, browser.srtp.seal(rtp(2)), STRANGER, 2.3) == (B, rtp(2), BOB)


def test_another_session_goes_on_with_the_keys_and_the_counts_of_the_first(engine):
    """A transfer: 70,000 packets later both ends still agree on the rollover counter."""
    browser = browser_on(engine)
    browser.connect(1.0)
    (keyed,) = (m for m in engine.take_messages() if isinstance(m, Keyed))
    for number in range(0, 70_001, 100):
        data = rtp(number & 0xFFFF)
        assert engine.receive(A, browser.srtp.seal(data), browser.address, 1.1) == (B, data, BOB)
        _, back, _ = engine.receive(B, data, BOB, 1.1)
        assert browser.srtp.open(back) == data
    engine.handle(TellFigures(1), 1.2)
    (figures,) = engine.take_messages()[-1:]
    keys = keyed.keys
    carried = type(keys)(keys.suite, keys.ours, keys.theirs, figures.seen[0], figures.sent[0])
    assert dict(carried.sent) == dict(carried.seen) == {1: 70_000}
    engine.handle(Open(2, SideSpec(), SideSpec(BOB[0])), 2.0)
    remote(engine, WebTerms("moved", "moved-password", "newer", browser.terms.fingerprints),
           2.0, carried, session=2)  # fmt: skip
    engine.handle(SetRemote(2, "b", *BOB, 5001, "sendrecv"), 2.0)
    engine.receive(20_004, check("moved:newer", "moved-password"), browser.address, 2.1)
    data = rtp(70_100 & 0xFFFF)
    sealed = browser.srtp.seal(data)
    assert engine.receive(20_004, sealed, browser.address, 2.2) == (20_006, data, BOB)
    _, back, _ = engine.receive(20_006, data, BOB, 2.3)
    assert browser.srtp.open(back) == data
    report = bytes.fromhex("80c90001 00000001")  # of a source whose SRTCP index isn't known
    assert engine.receive(20_007, report, (BOB[0], 5001), 2.4) is None


def test_nothing_is_left_of_a_hundred_browsers(engine):
    for number in count(1):
        browser = browser_on(engine)
        browser.connect(float(number))
        engine.handle(Close(1), float(number))
        engine.take_messages()
        engine._pool._wake(1e9)
        engine._pool._free = type(engine._pool._free)(sorted(engine._pool._free))
        if number == 100:
            break
    engine.expire(1e6)
    assert (len(engine), engine.next_deadline(), engine._web_due) == (0, None, [])
