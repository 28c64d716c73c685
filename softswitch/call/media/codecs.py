"""The codecs of the sound tier, and the rules by which each side gets one.

G.711 comes first wherever there is a choice: the sound tier works at 8 kHz whatever the codec, and
G.711 costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from rtp import g722
from rtp import opus as opus_library
from rtp.formats import Encoding, Formats, OpusTerms
from sip import opus
from sip.offer_answer import (
    DYNAMIC_PAYLOAD_TYPES,
    EVENTS,
    NO_SOUND,
    REDUNDANCY,
    Codec,
    share_codec,
)
from sip.own_description import KEYS, event_of

OPUS_PAYLOAD_TYPE = 111
"""The dynamic payload type that most phones use for Opus."""
EVENT_PAYLOAD_TYPES = {8000: 101, opus.CLOCK_RATE: 110}
"""Payload types of telephone events by clock rate, as most phones number them."""

LAW_CODECS = (Codec(0, "PCMU", 8000, 1, None), Codec(8, "PCMA", 8000, 1, None))
_G722 = Codec(g722.PAYLOAD_TYPE, "G722", 8000, 1, None)
_OPUS = Codec(OPUS_PAYLOAD_TYPE, opus.NAME, opus.CLOCK_RATE, opus.CHANNELS, opus.OWN_PARAMETERS)
WIDE_CODECS = (
    *((_G722,) if g722.AVAILABLE else ()),
    *((_OPUS,) if opus_library.AVAILABLE else ()),
)
OWN_CODECS = (*LAW_CODECS, *WIDE_CODECS)
"""The codecs that the sound tier speaks."""
OWN_NAMES = frozenset(codec.name for codec in OWN_CODECS)

Codecs = tuple[Codec, ...]


@lru_cache(maxsize=256)  # the phones of a network say the same again and again
def needs_transcoding(a: Codecs, b: Codecs) -> bool:
    """True if two sides without a common codec can talk through the sound tier."""
    return not share_codec(a, b) and share_codec(OWN_CODECS, a) and share_codec(OWN_CODECS, b)


@lru_cache(maxsize=256)
def added_to(said: Codecs) -> tuple[Codec, ...]:
    """The codecs to offer beside one side's own: all that can be transcoded to one of them, and
    telephone events with the clock rate of each (RFC 4733 section 2.4.1)."""
    if not share_codec(OWN_CODECS, said):
        return ()
    taken = {codec.payload_type for codec in said}
    added: list[Codec] = []
    for own in OWN_CODECS:
        under = [codec.payload_type for codec in said if _is_same(codec, own)]
        is_static = own.payload_type not in DYNAMIC_PAYLOAD_TYPES
        # A codec that its side has under a dynamic number is offered by the static one as well:
        # some phones know PCMU as 0 alone.
        if not under or (is_static and own.payload_type not in under):
            added += _renumbered(own, taken)
    if added and _events_of(said):
        clocks = {codec.clock_rate for codec in _events_of(said)}
        for clock in sorted({codec.clock_rate for codec in added} - clocks):
            added += _renumbered(events_by(clock), taken)
    return tuple(added)


def _renumbered(codec: Codec, taken: set[int]) -> list[Codec]:
    """The codec under a free number if its dynamic one is taken; empty if no number is left."""
    number: int | None = codec.payload_type
    if number in taken:
        free = (other for other in reversed(DYNAMIC_PAYLOAD_TYPES) if other not in taken)
        number = next(free, None)
    is_static = codec.payload_type not in DYNAMIC_PAYLOAD_TYPES
    if number is None or (is_static and number != codec.payload_type):
        return []
    taken.add(number)
    return [Codec(number, codec.name, codec.clock_rate, codec.channels, codec.fmtp)]


def events_by(clock_rate: int) -> Codec:
    """Telephone events beside codecs of this clock rate."""
    return Codec(EVENT_PAYLOAD_TYPES[clock_rate], EVENTS, clock_rate, 1, KEYS)


def offered_codecs(*, events: bool = True) -> tuple[Codec, ...]:
    """All codecs that we speak, for a peer that made no offer."""
    clocks = dict.fromkeys(codec.clock_rate for codec in OWN_CODECS) if events else ()
    return (*OWN_CODECS, *(events_by(clock) for clock in clocks))


def answered_codecs(offered: Codecs) -> Codecs:
    """The codecs of our answer to an offer: G.711 alone if it is offered."""
    return LAW_CODECS if share_codec(LAW_CODECS, offered) else OWN_CODECS


def spoken_of(codecs: Codecs) -> Codec | None:
    """The codec that we speak with a side that has these: its first G.711 law, otherwise the first
    of its codecs that we speak; None if there is none."""
    return next(_known(codecs, LAW_CODECS), None) or next(_known(codecs, WIDE_CODECS), None)


def _known(codecs: Codecs, own: Codecs) -> Iterator[Codec]:
    for codec in codecs:
        if any(_is_same(codec, one) for one in own):
            yield codec


def _is_same(codec: Codec, own: Codec) -> bool:
    """True if two are the same codec under different numbers: the rtpmap decides."""
    return (codec.name, codec.clock_rate) == (own.name, own.clock_rate)


def common(a: Codecs, b: Codecs) -> tuple[Codec, ...]:
    """The codecs that both sides have, under a's numbers and in the order of the side that has
    fewer: the answer."""
    mine, theirs = ([codec for codec in side if codec.name not in NO_SOUND] for side in (a, b))
    first, second = (mine, theirs) if len(mine) <= len(theirs) else (theirs, mine)
    known = {(codec.name, codec.clock_rate) for codec in second}
    order = [(c.name, c.clock_rate) for c in first if (c.name, c.clock_rate) in known]
    return tuple(c for key in order for c in mine if (c.name, c.clock_rate) == key)


class Agreement:
    """The codecs that one side speaks and hears, as far as the descriptions of both sides are
    known.

    Args:
        mine: the codecs in this side's description.
        theirs: the codecs of the other side; None if it has sent none yet, or there is no other
            side.
        offered: our last offer to this side, if this side answered it: it then sends by the
            numbers of that offer (RFC 3264 section 6.1).
    """

    __slots__ = ("clock_rate", "event", "formats", "spoken", "transcodes")

    def __init__(self, mine: Codecs, theirs: Codecs | None, offered: Codecs = ()) -> None:
        self.transcodes = needs_transcoding(mine, theirs or ())
        """True if the sides can talk only by way of the sound tier."""
        shared = common(mine, theirs or ())
        self.spoken = spoken_of(shared) or spoken_of(mine)
        """The codec in which we talk to the side; None if there is none."""
        used = shared[0] if shared else self.spoken or (mine[0] if mine else None)
        self.clock_rate = 8000 if used is None else used.clock_rate
        """The clock rate of the codec that the side sends."""
        clock = self.clock_rate if self.spoken is None else self.spoken.clock_rate
        self.event = event_of(mine, clock)
        numbers = _numbers(mine, theirs or (), offered)
        self.formats = Formats(
            encoding=None if self.spoken is None else _encoding(self.spoken),
            payload_type=0 if self.spoken is None else self.spoken.payload_type,
            event_payload_type=None if self.event is None else self.event.payload_type,
            clock_rate=self.clock_rate,
            event_clock_rate=8000 if self.event is None else self.event.clock_rate,
            opus=_terms(mine),
            received=tuple((number, _encoding(codec)) for number, codec in numbers.items()),
            renumbered=tuple(_renumbering(numbers, theirs or ())),
        )


@lru_cache(maxsize=256)
def agreement(mine: Codecs, theirs: Codecs | None, offered: Codecs = ()) -> Agreement:
    """The cached :class:`Agreement` of two sides."""
    return Agreement(mine, theirs, offered)


def _numbers(mine: Codecs, theirs: Codecs, offered: Codecs) -> dict[int, Codec]:
    """The codec of each payload type that a side may send: the numbers that it was offered, and its
    own numbers, since many phones send by those. A number with two meanings has the one that was
    offered."""
    ours = added_to(theirs) or WIDE_CODECS
    by_number: dict[int, Codec] = {}
    for codecs in (ours, theirs, mine, offered):
        by_number.update((codec.payload_type, codec) for codec in codecs)
    return by_number


def _renumbering(numbers: dict[int, Codec], theirs: Codecs) -> Iterator[tuple[int, int]]:
    """Pairs of payload types: a number of one side, and the other side's number for the same
    codec."""
    for number, codec in numbers.items():
        alike = [other for other in theirs if _is_alike(other, codec)]
        if codec.name == REDUNDANCY:
            continue  # its packets name payload types inside, which the relay doesn't touch
        if not alike or any(other.payload_type == number for other in alike):
            continue
        # Two numbers of one codec differ in their parameters, as those of AMR do.
        equal = [other for other in alike if other.fmtp == codec.fmtp]
        if len(alike) == 1 or equal:
            yield number, (equal or alike)[0].payload_type


def _is_alike(one: Codec, other: Codec) -> bool:
    return (one.name, one.clock_rate, one.channels) == (
        other.name,
        other.clock_rate,
        other.channels,
    )


_READ: dict[tuple[str, int], Encoding] = {
    ("PCMU", 8000): "PCMU",
    ("PCMA", 8000): "PCMA",
    ("CN", 8000): "CN",
    **({("G722", 8000): "G722"} if g722.AVAILABLE else {}),
    **({(opus.NAME, opus.CLOCK_RATE): "OPUS"} if opus_library.AVAILABLE else {}),
}
"""The codecs that the sound tier reads besides events, by name and clock rate."""


def _encoding(codec: Codec) -> Encoding | None:
    """A codec as the sound tier knows it; None for one that it doesn't read."""
    if codec.name == EVENTS:
        return "TELEPHONE-EVENT"
    return _READ.get((codec.name, codec.clock_rate))


def _events_of(codecs: Codecs) -> list[Codec]:
    return [codec for codec in codecs if codec.name == EVENTS]


def _terms(mine: Codecs) -> OpusTerms | None:
    """The parameters with which a side wants to be sent Opus; None if it has no Opus."""
    if not opus_library.AVAILABLE:
        return None
    own = next(_known(mine, (_OPUS,)), None)
    if own is None:
        return None
    wished = opus.wishes(own.fmtp)
    return OpusTerms(wished.recoverable, wished.constant, wished.max_bitrate)
