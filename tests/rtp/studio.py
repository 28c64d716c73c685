"""An engine in virtual time, with phones that speak and hear frames of 20 ms."""

import numpy as np

from rtp.control import Close, Hear, Open, SetRemote, SideSpec, Start
from rtp.disk import Loaded, Written
from rtp.engine import Engine
from rtp.figures import TickFigures
from rtp.formats import Formats
from rtp.g711 import PCMU
from rtp.packet import HEADER, RtpPacket, is_rtcp
from rtp.ports import PortPool
from rtp.rtcp import parse_compound
from rtp.sound import SoundTier
from rtp.telephone_event import EventReceiver

FRAME = 160
TICK = 0.02


class Shelf:
    """Files in a dictionary; loaded on command."""

    def __init__(self):
        self.prompts = {}
        self.asked = []
        self.recordings = {}
        self.closed = []

    def load(self, path):
        self.asked.append(path)

    def open(self, recording, path, channels):
        self.recordings[recording] = b""

    def write(self, recording, data):
        self.recordings[recording] += data

    def close(self, recording):
        self.closed.append(recording)


class Ports:
    def bind(self, rtp_port):
        pass

    def release(self, rtp_port):
        pass

    def keep_none(self):
        pass


class Phone:
    """Sends what it says, numbered from its own beginning, and keeps what it hears."""

    def __init__(self, studio, session, side, port, address, law, samples):
        self.studio, self.session, self.side = studio, session, side
        self.port, self.address, self.law = port, address, law
        self.samples = samples
        self.sequence, self.timestamp = 65_530, 0xFFFFFF00
        self.ssrc = hash(address) & 0xFFFFFFFF
        self.datagrams = []

    def say(self, samples):
        """One packet of sound."""
        header = HEADER.pack(0x80, self.law.payload_type, self.sequence, self.timestamp, self.ssrc)
        self.skip(len(samples))
        self.studio.arrives(self, header + self.law.encode(np.asarray(samples, np.int16)))

    def skip(self, samples):
        """As if a packet had been lost on its way."""
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.timestamp = (self.timestamp + samples) & 0xFFFFFFFF

    def press(self, payload, timestamp, payload_type=101):
        packet = RtpPacket(payload_type, self.sequence, timestamp, self.ssrc, payload)
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.studio.arrives(self, bytes(packet))

    @property
    def packets(self):
        return [RtpPacket.parse(data) for data in self.datagrams]

    @property
    def heard(self):
        """Samples of all packets of sound."""
        sound = [p for p in self.packets if p.payload_type in (0, 8, 9)]
        octets = b"".join(packet.payload for packet in sound)
        return self.law.decode(octets)

    def heard_in(self, law):
        """Samples of all packets under the number of its own law, decoded by another's table."""
        sound = [p.payload for p in self.packets if p.payload_type == self.law.payload_type]
        return law.decode(b"".join(sound))

    @property
    def digits(self):
        receiver = EventReceiver()
        events = [p for p in self.packets if p.payload_type == 101]
        return "".join(receiver.receive(p.timestamp, p.payload) or "" for p in events)


class Studio:
    """An engine and its phones, from `now` on."""

    def __init__(self, now=1000.0, table=None):
        self.now = now
        self.shelf = Shelf()
        start = Start("127.0.0.1", 20_000, 29_999, 0, 3.0, 60.0, 300.0, 5.0)
        draws = iter(range(1_000_000, 9_000_000, 37))
        self.tier = SoundTier(self.shelf, lambda bits: next(draws) % (1 << bits), 0, table)
        pool = PortPool(20_000, 29_999, lambda ports: None, 5.0)
        self.engine = Engine(start, pool, Ports(), self.tier)
        self.phones = {}
        self.reports = []
        self.told = []
        self.sessions = 0

    def tell(self, message):
        self.engine.handle(message, self.now)
        self.listen()

    def listen(self):
        self.engine.take_changed()
        for message in self.engine.take_messages():
            self.told.append(message)
            if type(message).__name__ == "Opened":
                self.opened = message

    def phone(self, session, side, port, *, law=PCMU, packet_ms=20, events=101, formats=None):
        host = f"192.0.2.{1 + len(self.phones)}" if len(self.phones) < 250 else "198.51.100.1"
        address = (host, 4000 + 2 * len(self.phones))
        phone = Phone(self, session, side, port, address, law, 8 * packet_ms)
        self.phones[address] = phone
        self.tell(
            SetRemote(
                session,
                side,
                *address,
                address[1] + 1,
                "sendrecv",
                formats=formats or Formats(law.name, law.payload_type, events),
                packet_ms=packet_ms,
            )
        )
        return phone

    def caller(self, **how):
        """A caller who talks with the switch itself."""
        self.sessions += 1
        self.tell(Open(self.sessions, SideSpec(None), None))
        return self.phone(self.sessions, "a", self.opened.a_rtp_port, **how)

    def call(self, **how):
        """Two who talk with each other."""
        self.sessions += 1
        self.tell(Open(self.sessions, SideSpec(None), SideSpec(None)))
        opened = self.opened
        return (
            self.phone(self.sessions, "a", opened.a_rtp_port, **how),
            self.phone(self.sessions, "b", opened.b_rtp_port, **how),
        )

    def arrives(self, phone, data):
        forward = self.engine.receive(phone.port, data, phone.address, self.now)
        if forward is not None:
            self._deliver(*forward[1:])

    def _deliver(self, data, target):
        self.phones[target].datagrams.append(data)

    def tick(self, late=0.0):
        """Go on to the next 20 ms."""
        self.now = (round(self.now / TICK) + 1) * TICK + late
        for port, data, target in self.engine.tick(self.now):
            if is_rtcp(data):
                self.reports.append((self.now, port, target, parse_compound(data)))
            else:
                self._deliver(data, target)
        self.engine.expire(self.now)
        self.engine.watch(self.now)
        self.listen()

    def run(self, frames, *speaking):
        """Each (phone, sound) says a frame before each tick."""
        for number in range(frames):
            for phone, sound in speaking:
                phone.say(sound(number) if callable(sound) else sound[number * FRAME :][:FRAME])
            self.tick()

    def loads(self, path, samples=None, reason=""):
        self.engine.disk_told(Loaded(path, samples, reason), self.now)
        self.listen()

    def writes(self, recording, problem=""):
        self.engine.disk_told(Written(recording, problem), self.now)
        self.listen()

    def hear(self, phone, source, **how):
        self.tell(Hear(phone.session, phone.side, source, **how))

    def close(self, phone):
        self.tell(Close(phone.session))

    def messages(self, kind):
        return [message for message in self.told if isinstance(message, kind)]

    def figures(self, seconds: float = 300.0) -> TickFigures:
        return self.tier.figures(seconds)


def law_of(samples, law=PCMU):
    """Samples after a telephone line."""
    return law.decode(law.encode(np.asarray(samples, np.int16)))


def sine(hertz, frames, amplitude=5000):
    time = np.arange(frames * FRAME) / 8000
    return law_of(np.rint(amplitude * np.sin(2 * np.pi * hertz * time)).astype(np.int16))
