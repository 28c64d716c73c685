"""A budget of the Python that a media worker executes for a call. It may only fall.

Counts are of CPython 3.11; another version has other bytecodes.
"""

import random
import select
import socket
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from rtp.control import (
    Agree,
    Close,
    Closed,
    Open,
    Opened,
    SetRemote,
    SideSpec,
    Start,
    decode_from_worker,
    encode,
)
from rtp.control_channel import ControlChannel
from rtp.formats import Formats
from rtp.ports import PortPool
from rtp.worker_loop import Worker
from tests.rtp.studio import TICK, sine
from tests.rtp.test_frame_table import RingStudio

sys.path.append(str(Path(__file__).parent.parent / "sip"))
from bytecodes import count

pytestmark = pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="counts are of 3.11")

HOST, PORTS = "127.77.0.1", (20_400, 20_407)  # where no other test has ports in use
BUDGET = 6_530
MEMBER_BUDGET = 24
FORMATS = Formats("PCMU", 0, 101, received=((9, "G722"), (0, "PCMU"), (101, "TELEPHONE-EVENT")))


@pytest.fixture
def worker(monkeypatch):
    """A worker whose turns the test takes, and the switch's end of its control socket. Time stands
    still, so that no deadline falls into a call."""
    still = SimpleNamespace(monotonic=lambda: 1000.0, sleep=lambda seconds: None)
    monkeypatch.setattr("rtp.worker_loop.time", still)
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    here.setblocking(False)
    epoll = select.epoll()
    start = Start(HOST, *PORTS, 0, 2.0, 60.0, 600.0, 0.0, batch_from=100)
    pool = PortPool(*PORTS, random.Random(1).shuffle, 0.0)
    yield Worker(start, pool, epoll, ControlChannel(there, epoll)), here
    for open_end in (here, there, epoll):
        open_end.close()


def remote(session: int, side: str, port: int) -> SetRemote:
    return SetRemote(session, side, HOST, port, port + 1, "sendrecv", HOST, FORMATS)


def test_a_call_without_a_packet(worker):
    """Its ports, the offer, the answer, its end: four records of the switch, a turn each."""
    worker, switch = worker

    def call(session: int) -> None:
        for record in (
            [Open(session, SideSpec(HOST), SideSpec(None))],
            [remote(session, "a", 40_000)],
            [remote(session, "b", 40_002), Agree(session, "a", FORMATS)],
            [Close(session)],
        ):
            switch.send(encode(record))
            worker._turn()

    for session in (1, 2):  # from here on sockets rest open that calls have had
        call(session)
    spent = count(lambda: call(3))
    told = [message for _ in range(6) for message in decode_from_worker(switch.recv(4096))]
    assert [type(message) for message in told] == [Opened, Closed] * 3
    assert spent.total() <= BUDGET, (spent.total(), spent.most_common(12))


def test_a_tick_of_a_member_who_speaks_in_a_conference():
    """Next to nothing is done for each: of 100 more members in rooms of five, the share of one."""

    def tick(members: int) -> int:
        studio = RingStudio()
        phones = [studio.caller() for _ in range(members)]
        for number, phone in enumerate(phones):
            studio.hear(phone, "room", room=1 + number // 5)
        for _ in range(8):
            for phone in phones:
                phone.say(sine(300, 1))
            studio.come()
            studio.now += TICK
            spent = count(lambda: studio.engine.tick(studio.now))
        return spent.total()

    spent = (tick(200) - tick(100)) / 100
    assert spent <= MEMBER_BUDGET, spent
