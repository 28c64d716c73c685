"""The CPU time of one conference speaker in each tick of 20 ms: an engine without sockets.

Rooms of five in which everybody sends G.711 in packets of 20 ms, which come many at once, as from a
ring. What is counted is the process's own CPU time, so that what else the machine does matters
little.

    python -m benchmarks.conference_ticks [--speakers 1500] [--seconds 10]
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from benchmarks.machine import describe
from rtp.control import Hear, Open, Opened, SetRemote, SideSpec, Start
from rtp.disk import Disk
from rtp.engine import Engine
from rtp.frame_table import FrameTable
from rtp.g711 import PCMU
from rtp.packet import HEADER, HEADER_BYTES, HEADER_FIELDS
from rtp.ports import PortPool
from rtp.samples import FRAME_SAMPLES
from rtp.sound import SoundTier

HOST = ("192.0.2.1", 4000)
ROOM_OF = 5
TICK_SECONDS = 0.02
VOICES = 16
"""Streams that differ, of which the speakers send one each."""
WARM_UP_TICKS = 10
"""So long packets come one by one, as before their sources are known, and nothing is measured."""
TURNS = 10
"""In which the packets of a tick come: one in 2 ms."""


class _NoSockets:
    def bind(self, rtp_port: int) -> None:
        pass

    def release(self, rtp_port: int) -> None:
        pass

    def keep_none(self) -> None:
        pass


def streams(ticks: int) -> list[list[bytes]]:
    """Voices that come and go, as packets of 20 ms."""
    chance = np.random.default_rng(1)
    time_of = np.arange(ticks * FRAME_SAMPLES) / 8000
    made = []
    for number in range(VOICES):
        loudness = np.maximum(0, np.sin(2 * np.pi * (0.3 + number / 40) * time_of + number))
        sound = 6000 * loudness * np.sin(2 * np.pi * (200 + 20 * number) * time_of)
        octets = PCMU.encode((sound + chance.normal(0, 40, len(sound))).astype(np.int16))
        made.append(
            [
                HEADER.pack(0x80, 0, tick & 0xFFFF, tick * FRAME_SAMPLES, number)
                + octets[tick * FRAME_SAMPLES :][:FRAME_SAMPLES]
                for tick in range(ticks)
            ]
        )
    return made


def measure(speakers: int, ticks: int) -> tuple[float, float]:
    """Seconds of CPU for a speaker's tick and for the packet that came before it."""
    start = Start("127.0.0.1", 10_000, 65_535, 0, 3.0, 60.0, 300.0, 5.0)
    pool = PortPool(10_000, 65_535, lambda ports: None, 5.0)
    table = FrameTable()
    tier = SoundTier(Disk(lambda result: None), lambda bits: 1, table=table)
    engine = Engine(start, pool, _NoSockets(), tier)
    ports, rows = [], []
    for session in range(1, speakers + 1):
        engine.handle(Open(session, SideSpec(None), None), 0.0)
        ports.append(next(m for m in engine.take_messages() if isinstance(m, Opened)).a_rtp_port)
        engine.handle(SetRemote(session, "a", *HOST, HOST[1] + 1, "sendrecv"), 0.0)
        engine.handle(Hear(session, "a", "room", 1 + session // ROOM_OF), 0.0)
        opened = engine.session(session)
        assert opened is not None
        inbound = opened.relay.sides[0].inbound
        assert inbound is not None
        rows.append(table.join(inbound))
    said = streams(ticks)
    ticking = receiving = 0.0
    for number in range(WARM_UP_TICKS):
        now = number * TICK_SECONDS
        for index, port in enumerate(ports):
            engine.receive(port, said[index % VOICES][number], HOST, now)
        engine.tick(now)
    order = np.arange(speakers) % VOICES
    for number in range(WARM_UP_TICKS, ticks):
        voices = b"".join(voice[number] for voice in said)
        packets = np.frombuffer(voices, np.uint8).reshape(VOICES, -1)[order]
        began = time.process_time()
        for turn in np.array_split(np.arange(speakers), TURNS):
            came = packets[turn]
            heads = came[:, :HEADER_BYTES].view(HEADER_FIELDS)[:, 0]
            sizes = np.full(len(turn), packets.shape[1])
            taken = table.put(np.array(rows)[turn], heads, sizes, came[:, HEADER_BYTES:])
            assert taken.all()
        received = time.process_time()
        engine.tick(number * TICK_SECONDS)
        ticking += time.process_time() - received
        receiving += received - began
        engine.take_messages()
    measured = (ticks - WARM_UP_TICKS) * speakers
    return ticking / measured, receiving / measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speakers", type=int, default=1500)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--quick", action="store_true", help="a few seconds, for a first look")
    arguments = parser.parse_args()
    print(describe())
    ticks = 50 if arguments.quick else round(arguments.seconds / TICK_SECONDS)
    ticking, receiving = measure(arguments.speakers, ticks)
    print(
        f"{arguments.speakers} speakers in rooms of {ROOM_OF}: {ticking * 1e6:.1f} us of CPU a tick"
        f" and {receiving * 1e6:.1f} us a packet of one"
    )


if __name__ == "__main__":
    main()
