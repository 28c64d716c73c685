"""An engine: ports, sessions and silence, over a network that is a dictionary."""

import errno
import os
import struct

from rtp.control import (
    Agree,
    Close,
    Closed,
    Drain,
    Latched,
    Open,
    Opened,
    OpenFailed,
    Ping,
    Pong,
    SetRemote,
    SideSpec,
    Silent,
    Start,
    decode_from_worker,
    decode_to_worker,
    encode,
)
from rtp.disk import Disk
from rtp.engine import Engine
from rtp.formats import Formats
from rtp.ports import PortPool
from rtp.sound import SoundTier

ALICE, BOB = ("192.0.2.1", 4000), ("198.51.100.2", 5000)


class Host:
    """Ports that may be taken, and descriptors that may run out."""

    def __init__(self, occupied=(), descriptors=1000):
        self.occupied = set(occupied)
        self.descriptors = descriptors
        self.bound = set()

    def bind(self, rtp_port):
        if rtp_port in self.occupied:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        if len(self.bound) >= self.descriptors:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        self.bound.add(rtp_port)

    def release(self, rtp_port):
        self.bound.remove(rtp_port)

    def keep_none(self):
        pass


def engine_on(host, first=20000, last=20019):
    start = Start("127.0.0.1", first, last, 1_000_000, 3.0, 60.0, 300.0, 5.0)
    pool = PortPool(first, last, lambda ports: None, 5.0)
    return Engine(start, pool, host, SoundTier(Disk(lambda result: None), lambda bits: 1))


def opened(engine, session=1, now=0.0):
    engine.handle(Open(session, SideSpec(ALICE[0]), SideSpec(BOB[0])), now)
    (message,) = engine.take_messages()
    return message


def negotiate(engine, now, a_direction="sendrecv", session=1):
    engine.handle(SetRemote(session, "a", *ALICE, 4001, a_direction), now)
    engine.handle(SetRemote(session, "b", *BOB, 5001, "sendrecv"), now)


def test_a_side_without_ports_is_not_negotiated():
    """The switch is the called side; whatever is said of another has nowhere to go."""
    engine = engine_on(Host())
    engine.handle(Open(1, SideSpec(ALICE[0]), None), 0.0)
    (message,) = engine.take_messages()
    negotiate(engine, 1.0)
    engine.handle(Agree(1, "b", Formats()), 1.0)
    for sequence in range(5):
        assert engine.receive(message.a_rtp_port, rtp(sequence), ALICE, 1.1) is None
    assert not engine.session(1).relay.sides[1].negotiated


def rtp(sequence):
    return struct.pack(">BBHII", 0x80, 0, sequence, sequence * 160, 1)


def test_a_session_from_open_to_close():
    host = Host()
    engine = engine_on(host)
    assert opened(engine) == Opened(1, 20000, 20002)
    assert host.bound == {20000, 20002}
    negotiate(engine, 1.0)
    assert engine.receive(20000, rtp(1), ALICE, 1.1) == (20002, rtp(1), BOB)
    assert engine.receive(20002, rtp(1), BOB, 1.2) == (20000, rtp(1), ALICE)
    assert engine.take_messages() == [Latched(1, "a", *ALICE), Latched(1, "b", *BOB)]
    engine.handle(Close(1), 2.0)
    (closed,) = engine.take_messages()
    assert isinstance(closed, Closed)
    assert closed.figures.a.packets == closed.figures.b.packets == 1
    assert closed.figures.b.last_packet_at == 1_001_200
    assert host.bound == set()
    assert engine.receive(20000, rtp(2), ALICE, 2.1) is None


def test_rtcp_has_the_odd_ports():
    engine = engine_on(Host())
    opened(engine)
    negotiate(engine, 1.0)
    report = bytes.fromhex("80c90001 00000001")
    passed = engine.receive(20001, report, ("192.0.2.1", 4001), 1.1)
    assert passed == (20003, report, (BOB[0], 5001))


def test_ports_of_other_programs_are_passed_over():
    host = Host(occupied={20000, 20002, 20006})
    assert opened(engine_on(host)) == Opened(1, 20004, 20008)


def test_the_range_is_used_up():
    host = Host()
    engine = engine_on(host, last=20005)
    opened(engine, 1)
    failed = opened(engine, 2)
    assert isinstance(failed, OpenFailed)
    assert "no free media port in 20000-20005: 3 pairs are in use" in failed.reason
    assert len(host.bound) == 2  # the pair that there was has been given back
    engine.handle(Close(1), 0.0)
    engine.take_messages()
    # Ports on which nothing was heard need no rest: the first ones are free again at once.
    assert opened(engine, 3, now=5.0) == Opened(3, 20000, 20002)


def test_descriptors_run_out():
    failed = opened(engine_on(Host(descriptors=1)))
    assert isinstance(failed, OpenFailed)
    assert "out of file descriptors" in failed.reason
    assert "LimitNOFILE" in failed.reason


def test_silence_is_reported_once_and_billed_to_the_last_packet():
    engine = engine_on(Host())
    opened(engine)
    assert engine.next_deadline() is None
    negotiate(engine, 10.0)
    assert engine.next_deadline() == 70.0
    for second in range(11, 21):
        engine.receive(20000, rtp(second), ALICE, float(second))
    engine.take_messages()
    engine.expire(70.0)
    assert engine.take_messages() == []
    assert engine.next_deadline() == 80.0
    engine.expire(80.0)
    assert engine.take_messages() == [Silent(1, 1_020_000)]
    engine.expire(engine.next_deadline())
    engine.expire(engine.next_deadline())
    assert engine.take_messages() == []


def test_while_draining_a_silent_session_is_reported_sooner_and_one_with_sound_is_not():
    engine = engine_on(Host())
    opened(engine, 1)
    opened(engine, 2)
    negotiate(engine, 0.0)
    negotiate(engine, 0.0, session=2)
    engine.receive(20004, rtp(1), ALICE, 1.0)
    engine.handle(Drain(10.0), 30.0)
    for second in range(31, 60):
        engine.receive(20004, rtp(second), ALICE, float(second))
        engine.expire(float(second))
        silent = [m for m in engine.take_messages() if isinstance(m, Silent)]
        assert silent == ([Silent(1, None)] if second == 40 else [])


def test_while_draining_a_session_on_hold_keeps_its_time():
    engine = engine_on(Host())
    opened(engine)
    negotiate(engine, 0.0, "sendonly")
    engine.handle(Drain(10.0), 30.0)
    engine.expire(299.0)
    assert engine.take_messages() == []
    engine.expire(300.0)
    assert engine.take_messages() == [Silent(1, None)]


def test_silence_is_reported_again_after_packets():
    engine = engine_on(Host())
    opened(engine)
    negotiate(engine, 0.0)
    engine.expire(60.0)
    assert engine.take_messages() == [Silent(1, None)]
    engine.receive(20000, rtp(1), ALICE, 90.0)
    engine.take_messages()
    engine.expire(120.0)
    assert engine.next_deadline() == 150.0
    engine.expire(150.0)
    assert engine.take_messages() == [Silent(1, 1_090_000)]


def test_one_talker_is_no_silence():
    engine = engine_on(Host())
    opened(engine)
    negotiate(engine, 0.0)
    engine.receive(20002, rtp(1), BOB, 59.0)
    engine.take_messages()
    engine.expire(60.0)
    assert engine.take_messages() == []


def test_reports_without_sound_are_silence():
    engine = engine_on(Host())
    opened(engine)
    negotiate(engine, 0.0)
    report = bytes.fromhex("80c90001 00000001")
    for second in range(3, 60, 3):
        engine.receive(20001, report, ("192.0.2.1", 4001), float(second))
    engine.take_messages()
    engine.expire(60.0)
    assert engine.take_messages() == [Silent(1, None)]


def test_on_hold_silence_may_last_longer():
    engine = engine_on(Host())
    opened(engine)
    negotiate(engine, 0.0, a_direction="sendonly")
    assert engine.next_deadline() == 300.0
    negotiate(engine, 100.0)
    assert engine.next_deadline() == 160.0


def test_a_ringing_call_is_not_silent():
    engine = engine_on(Host())
    opened(engine)
    engine.handle(SetRemote(1, "a", *ALICE, 4001, "sendrecv"), 0.0)
    assert engine.next_deadline() is None


def test_an_answer_counts_anew():
    """Early media of the same description was silent while it rang."""
    engine = engine_on(Host())
    opened(engine)
    negotiate(engine, 0.0)
    engine.expire(60.0)
    engine.take_messages()
    negotiate(engine, 70.0)
    engine.expire(engine.next_deadline())
    assert engine.take_messages() == []
    engine.expire(130.0)
    assert engine.take_messages() == [Silent(1, None)]


def test_what_concerns_nobody_is_passed_over():
    engine = engine_on(Host())
    engine.handle(Close(9), 0.0)
    negotiate(engine, 0.0, session=9)
    assert engine.receive(20000, rtp(1), ALICE, 0.0) is None
    engine.handle(Ping(), 0.0)
    assert engine.take_messages() == [Pong()]


def test_messages_survive_the_wire():
    to_worker = [Open(1, SideSpec("192.0.2.1"), SideSpec()), Close(1), Ping()]
    assert decode_to_worker(encode(to_worker)) == to_worker
    engine = engine_on(Host())
    opened(engine)
    negotiate(engine, 0.0)
    engine.receive(20000, rtp(1), ALICE, 1.0)
    engine.handle(Close(1), 2.0)
    messages = engine.take_messages()
    assert decode_from_worker(encode(messages)) == messages
