"""A browser's phone without a browser: SIP over WebSocket by hand, media by aiortc, which has an
ICE agent, DTLS and codecs of its own."""

import asyncio
import fractions
import re
import struct

import numpy as np
import pytest
from wire import WebPhone

aiortc = pytest.importorskip("aiortc", reason="aiortc isn't installed (pip install aiortc)")
av = pytest.importorskip("av")

from aiortc import RTCPeerConnection, RTCSessionDescription  # noqa: E402
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack  # noqa: E402
from aiortc.rtcconfiguration import RTCConfiguration  # noqa: E402
from aiortc.rtcrtpparameters import RTCRtpCodecCapability  # noqa: E402

RATE, FRAME = 48_000, 960
PCMU = RTCRtpCodecCapability(mimeType="audio/PCMU", clockRate=8000, channels=1)
OPUS = RTCRtpCodecCapability(mimeType="audio/opus", clockRate=48000, channels=2)


class Tone(MediaStreamTrack):
    """A steady tone, in real time."""

    kind = "audio"

    def __init__(self, hertz):
        super().__init__()
        self.hertz = hertz
        self.sent = 0
        self._begun = None

    async def recv(self):
        loop = asyncio.get_running_loop()
        self._begun = self._begun or loop.time()
        await asyncio.sleep(max(0.0, self._begun + self.sent * FRAME / RATE - loop.time()))
        at = np.arange(self.sent * FRAME, (self.sent + 1) * FRAME)
        samples = (8000 * np.sin(2 * np.pi * self.hertz * at / RATE)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "s16", "mono")
        frame.sample_rate, frame.pts = RATE, self.sent * FRAME
        frame.time_base = fractions.Fraction(1, RATE)
        self.sent += 1
        return frame


class Ear:
    """The sound that arrives, as one channel of floats."""

    def __init__(self, track):
        self.frames, self.rate = [], None
        self._task = asyncio.ensure_future(self._listen(track))

    async def _listen(self, track):
        try:
            while True:
                frame = await track.recv()
                samples = frame.to_ndarray().astype(float)
                channels = len(frame.layout.channels)
                self.frames.append(samples.reshape(-1, channels).mean(axis=1))
                self.rate = frame.sample_rate
        except MediaStreamError:
            pass

    def share(self, hertz, seconds=1.0):
        """The part of the energy of the last seconds that is within 20 Hz of a tone, 0 to 1."""
        if not self.frames:
            return 0.0
        samples = np.concatenate(self.frames)[-int(seconds * self.rate) :]
        power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
        near = np.abs(np.fft.rfftfreq(len(samples), 1 / self.rate) - hertz) < 20
        return float(power[near].sum() / max(power.sum(), 1e6 * len(samples)))


class BrowserPhone(WebPhone):
    """One line's phone, with one call at a time."""

    async def begin(self, hertz, codecs=None):
        """A peer connection that will send a tone."""
        self.tone = Tone(hertz)
        self.ear = None
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))

        @self.pc.on("track")
        def _(track):
            self.ear = Ear(track)

        sender = self.pc.addTransceiver(self.tone, "sendrecv")
        if codecs is not None:
            sender.setCodecPreferences(codecs)

    async def offer(self):
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return self.pc.localDescription.sdp

    async def call(self, target, hertz=440, codecs=None, change=lambda sdp: sdp):
        """Call, and be answered; `change` spoils what we say."""
        await self.begin(hertz, codecs)
        self.target = f"sip:{target}@{self.domain}"
        self.call_id = f"{self._unique}call{next(self._count)}"
        await self.prove(
            "INVITE", self.target, body=change(await self.offer()), call_id=self.call_id
        )
        return await self.answered()

    async def answered(self):
        ok = await self.hear(200)
        await self.acknowledge(ok)
        await self.pc.setRemoteDescription(RTCSessionDescription(ok.body.decode(), "answer"))
        return ok.body.decode()

    async def acknowledge(self, ok):
        self.to = ok.get(b"to").decode()
        self.contact_of_switch = bytes(ok.contacts[0].uri).decode()
        await self.request("ACK", self.contact_of_switch, to=self.to, call_id=self.call_id,
                           cseq=ok.cseq.number)  # fmt: skip

    async def pick_up(self, hertz=880, codecs=None, change=lambda sdp: sdp):
        """Wait to be called, and answer; what was offered."""
        invite = await self.hear("INVITE")
        await self.respond(invite, 180)
        await self.begin(hertz, codecs)
        offered = invite.body.decode()
        await self.pc.setRemoteDescription(RTCSessionDescription(offered, "offer"))
        await self.pc.setLocalDescription(await self.pc.createAnswer())
        await self.respond(invite, 200, body=change(self.pc.localDescription.sdp))
        self.invite = invite
        await self.hear("ACK")
        return offered

    def streams(self):
        """The packets that came of each SSRC, in the order in which they began."""
        (receiver,) = self.pc.getReceivers()
        kept = receiver._RTCRtpReceiver__remote_streams
        return [stream.packets_received for stream in kept.values()]

    async def connected(self):
        async with asyncio.timeout(10):
            while self.pc.connectionState != "connected":
                assert self.pc.connectionState not in ("failed", "closed")
                await asyncio.sleep(0.02)

    async def hang_up(self):
        await self.request("BYE", self.contact_of_switch, to=self.to, call_id=self.call_id)
        await self.hear(200)
        await self.pc.close()


def lines(sdp, name):
    """The values of an attribute."""
    return re.findall(rf"^a={name}:?([^\r\n]*)", sdp, re.M)


def with_events(sdp):
    """A description of aiortc's, which has no telephone events, with them as browsers have them."""
    sdp = re.sub(r"^(m=audio [^\r\n]*)", r"\1 126 63", sdp, count=1, flags=re.M)
    return (
        sdp.rstrip("\r\n") + "\r\na=rtpmap:126 telephone-event/8000\r\na=rtpmap:63 red/48000/2\r\n"
    )


class Keypad:
    """Telephone events (RFC 4733) in the stream of an aiortc sender, which has none: its packets
    pass through here, and those that follow a key get later sequence numbers."""

    def __init__(self, phone):
        self._transport = phone.pc.getSenders()[0].transport
        self._send, self._transport._send_rtp = self._transport._send_rtp, self._pass
        self._added, self._last = 0, None

    async def _pass(self, data):
        if not 192 <= data[1] <= 223:
            first, second, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", data)
            sequence = (sequence + self._added) & 0xFFFF
            self._last = sequence, timestamp, ssrc
            data = struct.pack("!BBHII", first, second, sequence, timestamp, ssrc) + data[12:]
        await self._send(data)

    async def press(self, keys):
        await asyncio.sleep(0.1)  # a packet has passed by then
        for key in keys:
            began_at = self._last[1]
            for number in range(8):
                ends, duration = number >= 5, 160 * (min(number, 5) + 1)
                sequence, _, ssrc = self._last
                sequence = (sequence + 1) & 0xFFFF
                self._added += 1
                self._last = sequence, self._last[1], ssrc
                head = struct.pack("!BBHII", 0x80, 126 | (0x80 if number == 0 else 0), sequence,
                                   began_at, ssrc)  # fmt: skip
                event = "0123456789*#".index(key)
                await self._send(head + struct.pack("!BBH", event, 0x80 * ends | 10, duration))
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.2)
