"""A tick that is late plays what came in time, also where packets come together."""

import random
import select
import socket
from types import SimpleNamespace

import pytest

from rtp.control import Hear, Open, Opened, SetRemote, SideSpec, Start, decode_from_worker, encode
from rtp.control_channel import ControlChannel
from rtp.packet import HEADER, RtpPacket
from rtp.ports import PortPool
from rtp.ring_lanes import RingLanes
from rtp.worker_loop import Worker

HOST, PORTS = "127.77.4.1", (20_700, 20_707)  # where no other test has ports in use
FRAME = 160


def test_frames_that_came_while_a_worker_was_held_up_are_played(monkeypatch):
    try:
        RingLanes(2048).close()
    except OSError as error:
        pytest.skip(f"there is no io_uring: {error}")
    clock = SimpleNamespace(now=1000.001)

    def sleep(seconds):
        clock.now += seconds

    still = SimpleNamespace(monotonic=lambda: clock.now, sleep=sleep)
    monkeypatch.setattr("rtp.worker_loop.time", still)
    switch, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    switch.setblocking(False)
    epoll = select.epoll()
    start = Start(HOST, *PORTS, 0, 2.0, 60.0, 600.0, 0.0, batch_from=1)
    pool = PortPool(*PORTS, random.Random(1).shuffle, 0.0)
    worker = Worker(start, pool, epoll, ControlChannel(there, epoll))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.bind((HOST, 0))
        phone.settimeout(5)
        switch.send(encode([Open(1, SideSpec(HOST), None)]))
        worker._turn()
        (opened,) = decode_from_worker(switch.recv(4096))
        assert isinstance(opened, Opened)
        at = phone.getsockname()[1]
        switch.send(encode([SetRemote(1, "a", HOST, at, at + 1, "sendrecv"), Hear(1, "a", "echo")]))
        worker._turn()

        def say(number):
            header = HEADER.pack(0x80, 0, number, number * FRAME, 7)
            phone.sendto(header + bytes([number]) * FRAME, (HOST, opened.a_rtp_port))

        def heard():
            return RtpPacket.parse(phone.recv(2048)).payload[0]

        for number in range(1, 30):  # 20 ms each
            say(number)
            clock.now = 1000.0 + 0.02 * number + 0.001
            worker._turn()
            echoed = heard()
        assert echoed == 27  # two wait
        for number in range(30, 34):
            say(number)
        clock.now += 0.08
        worker._turn()
        assert [heard() for _ in range(4)] == [28, 29, 30, 31]
    worker._ring.close()
    for open_end in (switch, there, epoll):
        open_end.close()
