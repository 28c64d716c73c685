"""The cost of a transcoded call: the sound tier's CPU time for one tick of it, both directions
together.

The engine runs in this process without sockets; packets are made beforehand.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.machine import describe
from rtp import g722, opus
from rtp.control import Bridge, Open, Opened, SetRemote, Side, SideSpec, Start
from rtp.disk import Disk
from rtp.engine import Engine
from rtp.formats import Encoding, Formats, OpusTerms
from rtp.g711 import PCMA, PCMU
from rtp.g722 import G722
from rtp.opus import OpusEncoder
from rtp.packet import HEADER
from rtp.ports import PortPool
from rtp.samples import FRAME_SAMPLES, Samples
from rtp.sound import SoundTier

OPUS = 111
TERMS = OpusTerms(recoverable=True)
NAMES: dict[int, Encoding] = {0: "PCMU", 8: "PCMA", 9: "G722", OPUS: "OPUS"}
HOSTS = {"a": ("192.0.2.1", 4000), "b": ("192.0.2.2", 4000)}
TICK_SECONDS = 0.02
ENCODERS: dict[int, Callable[[], Any]] = {
    0: lambda: PCMU, 8: lambda: PCMA, 9: G722, OPUS: lambda: OpusEncoder(TERMS),
}  # fmt: skip


class _NoSockets:
    def bind(self, rtp_port: int) -> None:
        pass

    def release(self, rtp_port: int) -> None:
        pass

    def keep_none(self) -> None:
        pass


def packets(payload_type: int, sound: Samples) -> list[bytes]:
    """A stream of packets of 20 ms."""
    encoder = ENCODERS[payload_type]()
    step = 960 if payload_type == OPUS else FRAME_SAMPLES
    return [
        HEADER.pack(0x80, payload_type, number & 0xFFFF, number * step, 1)
        + encoder.encode(sound[number * FRAME_SAMPLES :][:FRAME_SAMPLES])
        for number in range(len(sound) // FRAME_SAMPLES)
    ]


def remote(session: int, side: Side, payload_type: int) -> SetRemote:
    clock, terms = (48_000, TERMS) if payload_type == OPUS else (8000, None)
    return SetRemote(
        session, side, *HOSTS[side], 4001, "sendrecv",
        formats=Formats(NAMES[payload_type], payload_type, None, clock, clock, terms),
    )  # fmt: skip


def measure(a: int, b: int, calls: int, ticks: int) -> float:
    """Seconds of CPU for a call's tick."""
    start = Start("127.0.0.1", 20_000, 29_999, 0, 3.0, 60.0, 300.0, 5.0)
    pool = PortPool(20_000, 29_999, lambda ports: None, 5.0)
    tier = SoundTier(Disk(lambda result: None), lambda bits: 1)
    engine = Engine(start, pool, _NoSockets(), tier)
    ports: list[tuple[int, int]] = []
    for session in range(1, calls + 1):
        engine.handle(Open(session, SideSpec(None), SideSpec(None)), 0.0)
        opened = next(m for m in engine.take_messages() if isinstance(m, Opened))
        ports.append((opened.a_rtp_port, opened.b_rtp_port))
        engine.handle(remote(session, "a", a), 0.0)
        engine.handle(remote(session, "b", b), 0.0)
        engine.handle(Bridge(session, True), 0.0)
    time_of = np.arange(ticks * FRAME_SAMPLES) / 8000
    voice = 5000 * np.sin(2 * np.pi * 300 * time_of) * (1 + np.sin(2 * np.pi * 3 * time_of)) / 2
    noise = np.random.default_rng(1).normal(0, 200, len(voice))
    sound = (voice + noise).astype(np.int16)
    said = packets(a, sound), packets(b, sound)
    began = time.process_time()
    for number in range(ticks):
        now = number * TICK_SECONDS
        for pair in ports:
            engine.receive(pair[0], said[0][number], HOSTS["a"], now)
            engine.receive(pair[1], said[1][number], HOSTS["b"], now)
        engine.tick(now)
    return (time.process_time() - began) / ticks / calls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each call")
    parser.add_argument("--quick", action="store_true", help="a few seconds, for a first look")
    arguments = parser.parse_args()
    print(describe())
    ticks = 100 if arguments.quick else round(arguments.seconds / TICK_SECONDS)
    for name, payload_type, there in (
        ("PCMU", 0, True), ("G722", 9, g722.AVAILABLE), ("OPUS", OPUS, opus.AVAILABLE),
    ):  # fmt: skip
        if there:
            cost = measure(payload_type, 8, arguments.calls, ticks)
            print(
                f"{name} and PCMA, {arguments.calls} calls: {cost * 1e6:.0f} us of CPU a tick of"
                f" one, {TICK_SECONDS / cost:.0f} such calls a core"
            )


if __name__ == "__main__":
    main()
