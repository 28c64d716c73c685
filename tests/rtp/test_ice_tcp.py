"""ICE over TCP at a real worker: framing, and whose connection is whose side's."""

import asyncio
import socket
import time

import pytest
from browser import Browser, certificate
from test_engine_sessions import rtp
from test_media_worker_process import HOST, Phone

from rtp.client import MediaWorkers
from rtp.session import MediaSettings
from rtp.stream_frames import MAX_FRAME_BYTES, FrameError, FrameReader, frame


def test_frames_are_cut_wherever_the_octets_are_broken():
    sent = [b"one", b"t" * 1200, b"\x00"]
    octets = frame(sent[0]) + frame(b"") + frame(sent[1]) + frame(sent[2])
    for size in (1, 2, 3, 700, len(octets)):
        reader = FrameReader()
        pieces = [octets[at : at + size] for at in range(0, len(octets), size)]
        assert [one for piece in pieces for one in reader.feed(piece)] == sent


def test_a_frame_that_is_too_long_is_refused():
    with pytest.raises(FrameError):
        FrameReader().feed((MAX_FRAME_BYTES + 1).to_bytes(2, "big"))


def free_port():
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return sock.getsockname()[1]


class Connection:
    """A connection to the worker, by which datagrams go as a browser's do."""

    def __init__(self, port):
        self.socket = socket.create_connection((HOST, port), 5)
        self.socket.settimeout(0.3)
        self.reader = FrameReader()

    def send(self, data, _address, _now):
        self.socket.sendall(frame(data))
        return self.take()

    def take(self):
        """What comes back until it is quiet for a moment."""
        found = []
        try:
            while data := self.socket.recv(4096):
                found += self.reader.feed(data)
        except TimeoutError:
            pass
        return found


def with_worker(test):
    async def run():
        port = free_port()
        settings = MediaSettings(certificate=certificate("switch"), ice_tcp_port=port)
        media = MediaWorkers(HOST, (21_000, 21_099), 1, settings)
        await media.start()
        try:
            await test(media, port)
        finally:
            await media.close()

    asyncio.run(asyncio.wait_for(run(), 30))


def test_a_browser_talks_over_tcp_with_a_phone_over_udp():
    async def test(media, port):
        session = await media.open(HOST, HOST)
        assert session.ice_tcp_port == port
        phone, connection = Phone(), Connection(port)
        browser = Browser(connection.send)
        session.set_remote("a", None, 9, 9, "sendrecv", web=browser.terms)
        session.set_remote("b", phone.host, phone.port, phone.port + 1, "sendrecv")
        await asyncio.sleep(0.1)
        await asyncio.to_thread(browser.connect)
        assert browser.srtp is not None
        connection.socket.sendall(frame(browser.srtp.seal(rtp(1))))
        for sequence in range(5):
            phone.send(rtp(sequence), session.b_port)
        back = await asyncio.to_thread(connection.take)
        assert [browser.srtp.open(data) for data in back][-1] == rtp(4)
        assert phone.rtp.recv(2048) == rtp(1)
        assert session.latched["a"][0] == f"tcp {HOST}"

    with_worker(test)


def test_a_connection_without_a_check_of_an_expected_browser_is_closed():
    async def test(media, port):
        for said in (frame(b"GET / HTTP/1.1"), b"GET / HTTP/1.1\r\n\r\n", frame(b"\x16" * 60)):
            connection = Connection(port)
            connection.socket.settimeout(5)
            connection.socket.sendall(said)
            assert await asyncio.to_thread(connection.socket.recv, 10) == b""
        silent = Connection(port)
        silent.socket.settimeout(10)
        begun = time.monotonic()
        assert await asyncio.to_thread(silent.socket.recv, 10) == b""
        assert 4.5 < time.monotonic() - begun < 8

    with_worker(test)
