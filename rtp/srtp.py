"""SRTP between the switch and one peer (RFC 3711, RFC 7714), keyed by signalling (RFC 4568) or by
DTLS (:mod:`rtp.dtls`).

Each leg has keys of its own: what comes is opened before anything else looks at it, and what goes
out is sealed last. It fails closed: what can't be opened or sealed is dropped, never passed on.

Contexts outlive renegotiations as long as their key does, for the rollover counter (RFC 3711
section 3.3.1) is part of them: after 65,536 packets a fresh one would know it wrong. Where a peer's
key goes over to another session, what came by it goes along (:attr:`Srtp.seen`). So does what we
sent by a key of ours that can't be changed (:attr:`Srtp.sent`): no index may be used twice.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pylibsrtp
from pylibsrtp._binding import ffi, lib  # type: ignore[import-not-found]  # cffi's, untyped

from rtp.control import Keys, Seen
from rtp.packet import HEADER, is_rtcp

Place = Any
"""A pointer into :func:`memory_at`, of cffi, which has no types; another one is so many octets
further on."""
MAX_SOURCES = 64
"""Synchronization sources sealed with one key; a call has a handful. libsrtp forgets none."""
MAX_OCTETS = 1356
"""Of a packet that may be sealed: pylibsrtp's 1,500 without the longest trailer."""
REPLAY_WINDOW = 1024
"""Packets (RFC 3711 section 3.3.2 asks for 64 at least); 20 s of a stream."""

_PROFILES = {
    "AES_CM_128_HMAC_SHA1_80": (pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30),
    "AES_CM_128_HMAC_SHA1_32": (pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_32, 30),
    "AEAD_AES_128_GCM": (pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 28),
    "AEAD_AES_256_GCM": (pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 44),
}
"""The profiles, with the octets of a master key and its salt."""
_SSRC_AT_RTCP = 4
MAX_ROLLOVERS = 1000
"""That a context is brought to; two weeks of a call."""
_STEP = 0x4000
"""The largest step of a sequence number that certainly means forward rather than back."""
_HALF = 0x8000
_FAULTS = (pylibsrtp.Error, ValueError)
"""Not authentic, seen before, or longer than a datagram of sound."""
# pylibsrtp's own functions copy a packet twice and make three objects for it, which costs as much
# as to encrypt it. Where packets stand in memory already, the library below it is called.
_protect, _unprotect = lib.srtp_protect, lib.srtp_unprotect


class Srtp:
    """The contexts of one side.

    Args:
        keys: what both have agreed on; with such as can't be used nothing passes.
        counts_sent: True if our key can't be changed when the side goes over to another session.
    """

    __slots__ = (
        "_inbound",
        "_keys",
        "_opens",
        "_outbound",
        "_seals",
        "_seen",
        "_sent",
        "_sources",
    )

    def __init__(self, keys: Keys, *, counts_sent: bool = False) -> None:
        self._keys = keys
        self._seen = dict(keys.seen)
        self._inbound = _inbound(keys)
        self._sent: dict[int, int] | None = dict(keys.sent) if counts_sent else None
        self._outbound = _outbound(keys)
        self._sources: set[int] = set()
        self._point()

    def _point(self) -> None:
        """Find the contexts of the library below pylibsrtp, which live as long as its own."""
        self._opens = None if self._inbound is None else self._inbound._srtp[0]
        self._seals = None if self._outbound is None else self._outbound._srtp[0]

    def renew(self, keys: Keys) -> None:
        """Take new keys; the context of one that stays goes on."""
        before, self._keys = self._keys, keys
        if (keys.suite, keys.theirs) != (before.suite, before.theirs):
            self._seen = dict(keys.seen)
            self._inbound = _inbound(keys)
        if (keys.suite, keys.ours) != (before.suite, before.ours):
            self._outbound = _outbound(keys)
            self._sources.clear()
            if self._sent is not None:
                self._sent = dict(keys.sent)
        self._point()

    def has(self, keys: Keys) -> bool:
        """True if these are the keys in use."""
        mine = self._keys
        return (mine.suite, mine.ours, mine.theirs) == (keys.suite, keys.ours, keys.theirs)

    def open(self, data: bytes) -> bytes | None:
        """RTP or RTCP from the peer in the clear; None if it isn't authentic or came before."""
        if not is_rtcp(data):
            try:
                _, _, sequence, _, source = HEADER.unpack_from(data)
            except struct.error:
                return None
            return self.open_rtp(data, sequence, source)
        if self._inbound is None:
            return None
        try:
            return self._inbound.unprotect_rtcp(data)
        except _FAULTS:
            return None

    def open_rtp(self, data: bytes, sequence: int, source: int) -> bytes | None:
        """RTP from the peer, as :meth:`open`, for a caller that has read its header."""
        if self._inbound is None:
            return None
        try:
            clear = self._inbound.unprotect(data)
        except _FAULTS:
            return None
        _note(self._seen, sequence, source)
        return clear

    @property
    def seen(self) -> Seen:
        """Sequence numbers that came from the peer by its key."""
        return tuple(self._seen.items())

    @property
    def sent(self) -> Seen:
        """Sequence numbers that went to the peer by our key, if they are counted."""
        return () if self._sent is None else tuple(self._sent.items())

    def seal(self, data: bytes) -> bytes | None:
        """RTP or RTCP for the peer; None if it can't be sealed, and must not be sent."""
        if not is_rtcp(data):
            try:
                _, _, sequence, _, source = HEADER.unpack_from(data)
            except struct.error:
                return None
            return self.seal_rtp(data, sequence, source)
        (source,) = struct.unpack_from(">I", data, _SSRC_AT_RTCP)
        if self._outbound is None or not self._admits(source) or self._has_sent_before(source):
            return None
        try:
            return self._outbound.protect_rtcp(data)
        except _FAULTS:
            return None

    def seal_rtp(self, data: bytes, sequence: int, source: int) -> bytes | None:
        """RTP for the peer, as :meth:`seal`, for a caller that has read its header."""
        if self._outbound is None or not self._admits(source):
            return None
        try:
            sealed = self._outbound.protect(data)
        except _FAULTS:
            return None
        if self._sent is not None:
            _note(self._sent, sequence, source)
        return sealed

    def _has_sent_before(self, source: int) -> bool:
        """True for RTCP of a source that was sealed in another session: how far the index of its
        SRTCP went there isn't known."""
        sent = self._keys.sent
        return bool(sent) and source in dict(sent)

    def _admits(self, source: int) -> bool:
        """True for a synchronization source that has a context, or may have one."""
        if source in self._sources:
            return True
        if len(self._sources) >= MAX_SOURCES:
            return False
        self._sources.add(source)
        return True


def memory_at(octets: np.ndarray) -> Place:
    """The place of the first of octets in memory, which has to be kept as long as the place."""
    return ffi.from_buffer("unsigned char[]", octets) + 0


class InPlace(NamedTuple):
    """Packets of RTP where they stand in memory, and what their headers say."""

    memory: Place
    places: list[int]
    """Octets from there on to each packet."""
    octets: np.ndarray
    sequences: list[int]
    sources: list[int]


def open_in_place(sides: list[Srtp], packets: InPlace) -> np.ndarray:
    """Open packets where they stand, as :meth:`Srtp.open_rtp`.

    Args:
        sides: the side that each packet comes from; the same one may stand there several times.

    Returns:
        The octets that each has then; 0 if it isn't authentic or came before.
    """
    results = _in_place(_unprotect, [side._opens for side in sides], packets)
    for side, sequence, source, result in zip(
        sides, packets.sequences, packets.sources, results.tolist(), strict=True
    ):
        if result:
            _note(side._seen, sequence, source)
    return results


def seal_in_place(sides: list[Srtp], packets: InPlace) -> np.ndarray:
    """Seal packets where they stand, each at most MAX_OCTETS long, with room behind it for the
    trailer.

    Args:
        sides: the side that each packet goes to.

    Returns:
        The octets that each has then; 0 if it can't be sealed, and must not be sent.
    """
    contexts = [
        side._seals if source in side._sources or side._admits(source) else None
        for side, source in zip(sides, packets.sources, strict=True)
    ]
    results = _in_place(_protect, contexts, packets)
    for side, sequence, source, result in zip(
        sides, packets.sequences, packets.sources, results.tolist(), strict=True
    ):
        if side._sent is not None and result:
            _note(side._sent, sequence, source)
    return results


def _in_place(
    change: Callable[[Place, Place, Place], int], contexts: list[Place | None], packets: InPlace
) -> np.ndarray:
    """Octets of packets after libsrtp has changed them; 0 without a context, or when it refuses.

    Lengths go to and come from libsrtp as one array: a pointer of its own for each packet would
    cost a quarter of the cipher.
    """
    lengths = packets.octets.astype(np.int32)
    first, memory = ffi.from_buffer("int[]", lengths) + 0, packets.memory
    faults = [
        1 if context is None else change(context, memory + place, first + index)
        for index, (context, place) in enumerate(zip(contexts, packets.places, strict=True))
    ]
    lengths[np.array(faults) != 0] = 0
    return lengths


def _note(reached: dict[int, int], sequence: int, source: int) -> None:
    """Count how often a source's sequence numbers went round, as libsrtp does (RFC 3711 section
    3.3.1), which keeps it to itself."""
    last = reached.get(source)
    if last is None:
        if len(reached) < MAX_SOURCES:
            reached[source] = sequence
        return
    step = sequence - (last & 0xFFFF)
    if step == 1:  # as nearly always
        reached[source] = last + 1
        return
    if last >= _HALF:  # before, nothing is taken for older than the first
        step = (step + _HALF & 0xFFFF) - _HALF
    if step > 0:
        reached[source] = last + step


def _outbound(keys: Keys) -> pylibsrtp.Session | None:
    """A context that knows what went out by the key before, and so uses no index again."""
    context = _context(keys.suite, keys.ours, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
    if context is not None:
        for source, reached in keys.sent:
            if reached < MAX_ROLLOVERS << 16:
                for packet in _up_to(source, reached):
                    context.protect(packet)
    return context


def _inbound(keys: Keys) -> pylibsrtp.Session | None:
    """A context that knows what came by the key before."""
    context = _context(keys.suite, keys.theirs, pylibsrtp.Policy.SSRC_ANY_INBOUND)
    if context is not None:
        for source, reached in keys.seen:
            if _STEP <= reached < MAX_ROLLOVERS << 16:
                _bring(context, keys, source, reached)
    return context


def _bring(context: pylibsrtp.Session, keys: Keys, source: int, reached: int) -> None:
    """Show it packets of our own under the peer's key, which leave no process: a context has no
    other way to learn how often a source's sequence numbers went round."""
    maker = _context(keys.suite, keys.theirs, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
    assert maker is not None
    for packet in _up_to(source, reached):
        context.unprotect(maker.protect(packet))


def _up_to(source: int, reached: int) -> Iterator[bytes]:
    """Packets of a source by which a context learns how far its sequence numbers went."""
    for number in range(reached % _STEP, reached + 1, _STEP):
        yield HEADER.pack(0x80, 0, number & 0xFFFF, 0, source)


def _context(suite: str, key: bytes, direction: int) -> pylibsrtp.Session | None:
    """None: no such suite, or a key of another length; signalling knows them by then."""
    profile, length = _PROFILES.get(suite, (None, 0))
    if profile is None or len(key) != length:
        return None
    policy = pylibsrtp.Policy(key=key, ssrc_type=direction, srtp_profile=profile)
    policy.window_size = REPLAY_WINDOW
    return pylibsrtp.Session(policy)
