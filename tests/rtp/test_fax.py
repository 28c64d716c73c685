"""T.38 in the relay: UDPTL packets, their latch and port, and what they don't count as."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_engine_sessions import ALICE, BOB, Host, engine_on, negotiate, opened, rtp
from test_media_worker_process import HOST, Phone, with_workers

from rtp.control import Close, FaxAddress, SetRemote, Silent
from rtp.udptl import sequence_of

ALICE_FAX, BOB_FAX = (ALICE[0], 4400), (BOB[0], 5500)
STRANGER = ("203.0.113.66", 4400)


def udptl(sequence, ifp=b"\x06", recovery=b"\0\0"):
    size = bytes([len(ifp)]) if len(ifp) < 128 else struct.pack(">H", 0x8000 | len(ifp))
    return struct.pack(">H", sequence) + size + ifp + recovery


def fax(engine, now, side, address, sound=None):
    """A side's description with T.38; beside sound at an address, or alone."""
    host, port = sound or (None, 0)
    direction = "sendrecv" if sound else "inactive"
    rtcp_port = port + 1 if sound else 0
    engine.handle(
        SetRemote(1, side, host, port, rtcp_port, direction, fax=FaxAddress(*address)), now
    )


def faxing(now=1.0):
    """An engine whose only call has changed to T.38."""
    engine = engine_on(Host())
    opened(engine)
    negotiate(engine, now)
    fax(engine, now, "a", ALICE_FAX)
    fax(engine, now, "b", BOB_FAX)
    return engine


# Packets


@given(st.integers(0, 65_535), st.binary(min_size=1, max_size=1400), st.binary(min_size=1))
def test_a_packet_of_any_length_has_its_sequence_number(sequence, ifp, recovery):
    assert sequence_of(udptl(sequence, ifp, recovery)) == sequence


@given(st.integers(0, 65_535), st.binary(min_size=1, max_size=300), st.data())
def test_a_packet_that_was_cut_is_none(sequence, ifp, data):
    whole = udptl(sequence, ifp, b"")
    assert sequence_of(whole[: data.draw(st.integers(0, len(whole) - 1))]) is None


@given(st.binary(max_size=40))
def test_any_octets_are_a_packet_or_none(octets):
    sequence = sequence_of(octets)
    assert sequence is None or octets.startswith(struct.pack(">H", sequence))


@pytest.mark.parametrize("octets", [b"\0\1\0\0\0\0", b"\0\1\xc1\0" + bytes(20_000), b"\0\0\0\0"])
def test_a_packet_without_an_ifp_packet_or_in_fragments_is_none(octets):
    assert sequence_of(octets) is None


# Through an engine


def test_fax_goes_by_the_odd_ports_as_it_is():
    engine = faxing()
    # A sequence number from 32,768 on looks like RTP, and some of them like RTCP.
    for sequence in (0, 1, 2, 0x8000, 0x80C8, 0x80C9, 0xFFFF, 0):
        packet = udptl(sequence)
        assert engine.receive(20001, packet, ALICE_FAX, 1.1) == (20003, packet, BOB_FAX)
        assert engine.receive(20003, packet, BOB_FAX, 1.1) == (20001, packet, ALICE_FAX)
    engine.handle(Close(1), 2.0)
    figures = engine.take_messages()[-1].figures
    assert (figures.a.fax_packets, figures.b.fax_packets) == (8, 8)
    assert (figures.a.packets, figures.a.lost, figures.a.mos, figures.a.strays) == (0, 0, None, 0)


def test_without_fax_the_odd_ports_pass_reports_alone():
    engine = engine_on(Host())
    opened(engine)
    negotiate(engine, 1.0)
    assert engine.receive(20001, udptl(0), ALICE_FAX, 1.1) is None


def test_sound_and_reports_go_on_beside_a_fax():
    engine = engine_on(Host())
    opened(engine)
    negotiate(engine, 1.0)
    fax(engine, 1.0, "a", ALICE_FAX, sound=ALICE)
    fax(engine, 1.0, "b", BOB_FAX, sound=BOB)
    report = bytes.fromhex("80c90001 00000001")
    assert engine.receive(20000, rtp(1), ALICE, 1.1) == (20002, rtp(1), BOB)
    passed = engine.receive(20001, report, (ALICE[0], 4001), 1.1)
    assert passed == (20003, report, (BOB[0], 5001))
    assert engine.receive(20001, udptl(0), ALICE_FAX, 1.1) == (20003, udptl(0), BOB_FAX)


def test_who_isnt_the_peer_sends_no_fax():
    engine = faxing()
    engine.receive(20001, udptl(0), ALICE_FAX, 1.1)
    for sequence in range(100):
        assert engine.receive(20001, udptl(sequence), STRANGER, 1.2 + sequence / 50) is None
    engine.handle(Close(1), 5.0)
    figures = engine.take_messages()[-1].figures
    assert (figures.a.strays, figures.a.fax_packets) == (100, 1)


def test_a_nats_port_is_learned_though_each_packet_is_sent_thrice():
    engine = faxing()
    behind_nat = (ALICE[0], 61_000)
    passed = [
        engine.receive(20001, udptl(step // 3), behind_nat, 1.1 + step / 50) for step in range(60)
    ]
    first = next(step for step, packet in enumerate(passed) if packet)
    assert 25 <= first <= 27  # half a second, for the announced address
    assert all(passed[first:])
    assert engine.receive(20003, udptl(0), BOB_FAX, 2.4) == (20001, udptl(0), behind_nat)


def test_a_keep_alive_from_the_peer_is_no_stray():
    engine = faxing()
    engine.receive(20001, udptl(0), ALICE_FAX, 1.1)
    assert engine.receive(20001, b"\r\n\r\n", ALICE_FAX, 1.2) is None
    engine.handle(Close(1), 2.0)
    assert engine.take_messages()[-1].figures.a.strays == 0


def test_the_end_of_a_fax_closes_its_ports_and_keeps_its_count():
    engine = faxing()
    engine.receive(20001, udptl(0), ALICE_FAX, 1.1)
    negotiate(engine, 2.0)
    assert engine.receive(20001, udptl(1), ALICE_FAX, 2.1) is None
    assert engine.receive(20000, rtp(1), ALICE, 2.1) == (20002, rtp(1), BOB)
    engine.handle(Close(1), 3.0)
    assert engine.take_messages()[-1].figures.a.fax_packets == 1


def test_a_fax_of_one_direction_is_no_silence_and_no_one_way_sound():
    engine = faxing()
    for step in range(200):
        engine.receive(20001, udptl(step), ALICE_FAX, 2.0 + step)
        engine.expire(2.0 + step)
        engine.watch(2.0 + step)
    assert engine.take_messages() == []
    engine.expire(201.0 + 60.1)
    assert engine.take_messages() == [Silent(1, 1_000_000 + 201_000)]


# Through a worker


@pytest.mark.parametrize("fast_path", [False, True])
def test_a_worker_passes_fax_on(fast_path):
    """Also where the kernel passed the sound on before, if it may."""

    async def story(media):
        session = await media.open(HOST, HOST)
        phones = Phone(), Phone()
        for side, phone in zip("ab", phones, strict=True):
            session.set_remote(side, HOST, phone.port, phone.port + 1, "sendrecv")
        await session.figures()  # the worker answers when it has done the rest
        a, b = phones
        for sequence in range(30):
            a.send(struct.pack(">BBHII", 0x80, 0, sequence, 160 * sequence, 1), session.a_port)
            assert len(await b.heard()) == 1
            b.send(struct.pack(">BBHII", 0x80, 0, sequence, 160 * sequence, 2), session.b_port)
            assert len(await a.heard()) == 1
        for side, phone in zip("ab", phones, strict=True):  # fax from the port of the sound
            session.set_remote(side, None, 0, 0, "inactive", fax=FaxAddress(HOST, phone.port))
        await session.figures()  # the worker answers when it has done the rest
        for sequence in (*range(30), 0x80C8, 0xFFFF):
            a.send(udptl(sequence, b"there"), session.a_port + 1)
            assert await b.heard() == [udptl(sequence, b"there")]
            b.send(udptl(sequence, b"back"), session.b_port + 1)
            assert await a.heard() == [udptl(sequence, b"back")]
        for phone in phones:
            phone.close()
        figures = await session.close()
        assert (figures.a.fax_packets, figures.a.packets, figures.a.strays) == (32, 30, 0)

    with_workers(story, fast_path=fast_path)
