"""The sound tier of real workers: sockets, files, and a clock that isn't virtual."""

import asyncio
import os
import signal

import numpy as np
import pytest
from test_media_worker_process import HOST, Phone, call_on, with_workers

from rtp.control import PlayItem
from rtp.formats import Formats
from rtp.g711 import PCMU
from rtp.packet import RtpPacket
from rtp.session import WorkerLost
from rtp.sound_file import load
from rtp.telephone_event import TelephoneEvent
from rtp.wav import file_bytes

FRAME = 160
TONE = PCMU.decode(PCMU.encode((5000 * np.sin(np.arange(100 * FRAME) / 5)).astype(np.int16)))


class Caller(Phone):
    """Somebody who talks with the switch itself."""

    def __init__(self, session):
        super().__init__()
        self.session = session
        formats = Formats(event_payload_type=101)
        session.set_remote("a", self.host, self.port, self.port + 1, "sendrecv", formats=formats)
        self.packets = []
        self.sequence = 0

    def say(self, samples):
        packet = RtpPacket(0, self.sequence, self.sequence * FRAME, 77, PCMU.encode(samples))
        self.sequence += 1
        self.send(bytes(packet), self.session.a_port)

    def press(self, digit):
        event = TelephoneEvent("0123456789*#".index(digit), False, 160)
        packet = RtpPacket(101, self.sequence, self.sequence * FRAME, 77, bytes(event))
        self.sequence += 1
        self.send(bytes(packet), self.session.a_port)

    async def talk(self, sound):
        """Say it in real time, and keep what is heard meanwhile."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for number, frame in enumerate(sound.reshape(-1, FRAME)):
            await asyncio.sleep(max(0.0, begun + 0.02 * number - loop.time()))
            self.say(frame)
            self.listen()

    def listen(self):
        while True:
            try:
                self.packets.append(RtpPacket.parse(self.rtp.recv(2048)))
            except BlockingIOError:
                return

    async def hear(self, seconds):
        await asyncio.sleep(seconds)
        self.listen()

    @property
    def heard(self):
        return PCMU.decode(b"".join(packet.payload for packet in self.packets))


def holds(heard, said):
    """Whether all of `said` is somewhere in what was heard, sample by sample and in one piece."""
    return said.tobytes() in heard.tobytes()


async def caller_on(media):
    return Caller(await media.open_alone(HOST))


def test_an_echo_comes_back_sample_by_sample():
    async def story(media):
        caller = await caller_on(media)
        assert caller.session.b_port == 0
        caller.session.hear("a", "echo")
        await caller.talk(TONE)
        await caller.hear(0.2)
        # A machine that has much else to do may be late once; the sound in between is exact.
        assert any(holds(caller.heard, TONE[at : at + 30 * FRAME]) for at in (0, 4800, 9600))
        (figures,) = (await media.tick_figures()).values()
        assert figures.ticks > 90 and figures.sides == 1
        closed = await caller.session.close()
        assert closed.a.packets == 100 and closed.b.packets == 0

    with_workers(story)


def test_a_prompt_from_a_file_is_played_and_a_key_stops_it(tmp_path):
    path = tmp_path / "hello.wav"
    path.write_bytes(file_bytes(TONE))

    async def story(media):
        caller = await caller_on(media)
        session = caller.session
        digits = []
        session.on_digit = digits.append
        session.hear("a", "prompts")
        session.listen("a")
        played = await session.play("a", [PlayItem(file=str(path))])
        assert played.reason == "end"
        await caller.hear(0.05)
        assert holds(caller.heard, TONE)
        missing = await session.play("a", [PlayItem(file=str(tmp_path / "none.wav"))])
        assert missing.reason == "failed" and "No such file" in missing.problem
        playing = session.play("a", [PlayItem(tone="busy")], barge_in=True, repeat=True)
        await asyncio.sleep(0.1)
        caller.press("5")
        assert (await playing).reason == "key"
        assert [(digit.digit, digit.method) for digit in digits] == [("5", "event")]

    with_workers(story)


def test_a_message_is_recorded_to_a_file(tmp_path):
    path = tmp_path / "17.wav"

    async def story(media):
        caller = await caller_on(media)
        caller.session.hear("a", "prompts")
        recording, over = caller.session.record(str(path), "a", max_seconds=60)
        await caller.talk(TONE[: 40 * FRAME])
        await asyncio.sleep(0.1)
        caller.session.stop_recording(recording)
        recorded = await over
        assert recorded.reason == "stopped" and 700 < recorded.duration_ms < 3000
        assert np.abs(load(path).samples).max() == np.abs(TONE).max()

    with_workers(story)


def test_what_is_played_ends_with_the_session_and_what_is_recorded_is_complete(tmp_path):
    async def story(media):
        caller = await caller_on(media)
        session = caller.session
        playing = session.play("a", [PlayItem(tone="busy")], repeat=True)
        _, over = session.record(str(tmp_path / "1.wav"), "a", max_seconds=60)
        await asyncio.sleep(0.1)
        await session.close()
        assert (await playing).reason == "stopped"
        assert (await over).reason == "closed"
        assert (tmp_path / "1.wav").exists()
        assert (await session.play("a", [PlayItem(tone="busy")])).reason == "stopped"

    with_workers(story)


def test_a_worker_that_dies_fails_what_was_awaited_of_it(tmp_path):
    async def story(media):
        caller = await caller_on(media)
        playing = caller.session.play("a", [PlayItem(tone="busy")], repeat=True)
        _, over = caller.session.record(str(tmp_path / "1.wav"), "a", max_seconds=60)
        await asyncio.sleep(0.1)
        for pid in media.pids:
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(WorkerLost):
            await playing
        with pytest.raises(WorkerLost):
            await over

    with_workers(story)


@pytest.mark.parametrize(
    ("rooms", "batch_from"), [(1, None), (12, 1)], ids=["one", "twelve in batches"]
)
def test_conferences_of_three_in_one_worker(rooms, batch_from):
    """The first of each room speaks; with twelve rooms a tick sends enough to do it at once."""

    async def story(media):
        silence = np.zeros(50 * FRAME, np.int16)
        parts, talks = [], []
        for room in range(rooms):
            ann, bea, cid = [await caller_on(media) for _ in range(3)]
            for member in (ann, bea, cid):
                member.session.hear("a", "room", 1 + room)
            talks += [ann.talk(TONE[: 50 * FRAME]), bea.talk(silence), cid.talk(silence)]
            parts.append((ann, bea, cid))
        await asyncio.gather(*talks)
        await asyncio.sleep(0.1)
        for ann, *listeners in parts:
            for listener in listeners:
                listener.listen()
                starts = (0, 20 * FRAME, 35 * FRAME)
                assert any(holds(listener.heard, TONE[at : at + 12 * FRAME]) for at in starts)
            ann.listen()
            assert np.abs(ann.heard).max() == 0
        figures = await parts[0][0].session.close()
        assert (figures.a.packets, figures.a.lost) == (50, 0)

    with_workers(story, batch_from=batch_from)


def test_a_call_that_is_listened_to_comes_back_to_the_fast_lane():
    async def story(media):
        call = await call_on(media)
        await call.exchange(0, 10)
        _, over = call.session.record("/nonexistent/1.wav", "both", max_seconds=60)
        assert (await over).reason == "failed"
        await call.exchange(10, 10)
        call.session.listen("a")
        await call.exchange(20, 10)
        call.session.listen("a", digits=False)
        await call.exchange(30, 10)
        (figures,) = (await media.tick_figures()).values()
        assert figures.sides == 0
        assert (await call.close()).a.packets == 40

    with_workers(story)
