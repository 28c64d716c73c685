"""The sections of the configuration about calls: [media], [calls], [trunks] and [numbers]."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from softswitch.config.values import (
    Dialable,
    PortRange,
    Seconds,
    Section,
    comma_list,
    numeric_address,
    port_range,
)


class MediaSection(Section):
    """[media]: the relay."""

    address: Annotated[str, AfterValidator(numeric_address)] | None = None
    """IP address in our SDP. None: the advertised one, or that of the first SIP socket."""
    ports: Annotated[PortRange, BeforeValidator(port_range)] = PortRange(20000, 29999)
    """UDP ports for sound; a call takes two pairs of them."""
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes that relay sound; one serves some thousand calls."""
    fast_path: Literal["auto", "off"] = "auto"
    """Forwarding by the kernel of packets that need no processing, where the system allows it."""
    io_uring: Literal["auto", "off"] = "auto"
    """Relaying of many calls by io_uring in each worker, where the kernel has it."""
    niceness: Annotated[int, Field(ge=-20, le=0)] = -10
    """Nice level of the workers, where the system allows it (root, CAP_SYS_NICE or systemd's
    LimitNICE): below 0 sound goes before the machine's other work. 0: that of the switch."""
    silence_seconds: Seconds = 60
    """A call without RTP from either side for this long is ended."""
    hold_silence_seconds: Seconds = 300
    """The same while a side is on hold."""
    latch_seconds: Annotated[int, Field(ge=1, le=30)] = 3
    """How long after an offer or answer a side's address may be learned from its packets (NAT)."""
    quarantine_seconds: Annotated[int, Field(ge=0, le=600)] = 1
    """How long a used port rests before the next call gets it."""
    hung_seconds: Annotated[int, Field(ge=2, le=120)] = 20
    """A media worker that hasn't answered for this long is replaced, and its calls end."""
    srtp: Literal["off", "optional", "required"] = "optional"
    """SRTP (by SDES) of lines and trunks without a setting of their own: off: never; optional: if
    the peer wants it, and offered to it where SIP goes over TLS; required: no call without."""
    webrtc: Literal["auto", "on", "off"] = "auto"
    """WebRTC (browsers) of lines without a setting of their own: auto: if the phone offers it, and
    offered to phones whose SIP goes over WebSocket; on: offered to every phone; off: never. It
    needs pyOpenSSL (pip install 'softswitch[webrtc]')."""
    ice_tcp_port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    """TCP port of the first media worker for browsers that get no UDP through, such as 5349; each
    further worker has the next one. None: UDP alone."""
    dtmf: Literal["auto", "rfc4733", "info", "inband"] = "auto"
    """How keys (DTMF) are sent to lines and trunks without a setting of their own: auto: telephone
    events if their SDP has them, else INFO if they announced or used it, else tones; or in one way
    alone."""
    transcode: bool = True
    """True if sides without a common codec may talk, transcoded by the switch; else the call is
    refused with 488."""


class CallsSection(Section):
    """[calls]: limits of every call."""

    max_duration_seconds: Seconds = 14_400
    """A call that lasts longer is ended."""
    reservation_seconds: Annotated[int, Field(ge=6, le=3600)] = 60
    """Talk time that is reserved from the balance at once, and again before it is used up."""
    tolerance_ms: Annotated[int, Field(ge=0, le=900)] = 250
    """How far a call's measured duration may exceed a whole second and still be billed as that: the
    caller's clock starts later than ours, by the time that the answer travels, and the BYE travels
    too. A quarter of a second covers the way between continents and back."""
    journal_seconds: Annotated[int, Field(ge=1, le=60)] = 5
    """The interval at which live calls are noted on disk: after a crash each is billed up to its
    last note."""
    trunk_failover_seconds: Annotated[int, Field(ge=1, le=60)] = 5
    """How long a trunk may stay silent before the next one is tried."""
    drain_seconds: Annotated[int, Field(ge=0, le=86_400)] = 300
    """How long calls may go on after SIGTERM."""
    park_seconds: Annotated[int, Field(ge=0, le=30)] = 0
    """How long a call to a line without a registered phone waits for one, as for an app that a
    push message wakes; 0: it is refused at once."""
    serial_ring_seconds: Annotated[int, Field(ge=1, le=120)] = 20
    """How long phones of a higher q ring before those of a lower one."""
    suspended: Literal["finish", "end"] = "finish"
    """The handling of a line's live calls when it is suspended or its rented number's lease ends:
    they may finish, or end within seconds. Emergency calls always finish."""
    redirects: Literal["follow", "refuse"] = "follow"
    """The handling of a phone's 3xx: follow: forward the call at its line's expense; refuse: end
    it."""


class TrunksSection(Section):
    """[trunks]: settings of every trunk that has none of its own."""

    ping_seconds: Annotated[int, Field(ge=0, le=3600)] = 30
    """The interval of OPTIONS pings to a trunk; 0: none."""
    at_a_loss: Literal["last", "refuse", "allow"] = "last"
    """The handling of trunks that would cost more than the call's price: tried last, refused (never
    used), or allowed (only the cost decides)."""
    compare_seconds: Annotated[int, Field(ge=1, le=86_400)] = 180
    """The length of the call by which the costs of trunks are compared."""

    @field_validator("ping_seconds")
    @classmethod
    def _not_too_often(cls, value: int) -> int:
        if 0 < value < 10:
            raise ValueError("must be 0 (none) or at least 10")
        return value


class NumbersSection(Section):
    """[numbers]: additions to the country's numbering plan."""

    emergency: Annotated[tuple[Dialable, ...], BeforeValidator(comma_list)] = ("112",)
    """Emergency numbers: always routed, never charged."""
    area_code: Annotated[str, Field(pattern=r"^[0-9]{1,6}$")] | None = None
    """The area whose numbers may be dialled without its code, and have the type "local"."""
