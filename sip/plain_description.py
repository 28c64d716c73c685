"""Plain descriptions passed on by substitution: one stream of sound in the clear, of which only
origin, address and port are new in each call.

Each phone says the same in all its calls. What :mod:`sip.offer_answer` makes of it is worked out
once, by that module, and remembered as octets. A property test compares the two.
"""

from __future__ import annotations

from functools import lru_cache

from msgspec import Struct

from sip.grammar import octets
from sip.offer_answer import Codec, codecs, numbered_as, relayed
from sip.sdp import PLAIN_RTP, Attribute, Media, Origin, SessionDescription

_PlainStream = tuple[tuple[str, ...], tuple[Attribute, ...]]
"""Formats and attributes of a stream."""
_ANY_PORT, _ANY_HOST = 9, "192.0.2.1"


class PlainRelay(Struct, frozen=True, gc=False):
    """Our own description of a plain stream but for origin, address and port."""

    lines: bytes
    """The rest of its m= line, from behind the port, and the lines below."""
    codecs: tuple[Codec, ...]

    def write(self, origin_id: int, version: int, address: str, port: int) -> bytes:
        """The description as it is sent."""
        host = _plain_host(address)
        return b"v=0\r\no=- %d %d %s\r\ns=-\r\nc=%s\r\nt=0 0\r\nm=audio %d %s" % (
            origin_id, version, host, host, port, self.lines
        )  # fmt: skip


def relayed_plainly(
    description: SessionDescription,
    direction: str,
    answering: SessionDescription | None,
    added: tuple[Codec, ...],
) -> PlainRelay:
    """As :func:`relayed` of :func:`numbered_as`, for a description with a plain target
    (:attr:`sip.offer_answer.MediaTarget.plain`).

    Args:
        direction: of the target, or the one that overrides it.
        answering: the offer that this answers, with a plain target, too.
        added: as there.
    """
    heard, offer = description.media[0], None if answering is None else answering.media[0]
    offered = None if offer is None else (offer.formats, offer.attributes)
    return _plain_relay((heard.formats, heard.attributes), direction, offered, added)


@lru_cache(maxsize=512)
def _plain_relay(
    heard: _PlainStream, direction: str, offer: _PlainStream | None, added: tuple[Codec, ...]
) -> PlainRelay:
    description = _of_stream(heard)
    answering = None if offer is None else _of_stream(offer)
    ours = relayed(
        description if answering is None else numbered_as(description, answering),
        origin_id=0,
        version=0,
        address=_ANY_HOST,
        port=_ANY_PORT,
        hold_direction=direction,
        answering=answering,
        added=added,
    )
    written = bytes(ours)
    port = b"\r\nm=audio %d " % _ANY_PORT
    return PlainRelay(written.partition(port)[2], codecs(ours.media[0]))


def _of_stream(stream: _PlainStream) -> SessionDescription:
    formats, attributes = stream
    media = Media("audio", _ANY_PORT, PLAIN_RTP, formats, attributes=attributes)
    return SessionDescription(Origin("-", "0", "0", _ANY_HOST), media=(media,))


@lru_cache(maxsize=256)
def _plain_host(address: str) -> bytes:
    """An address of ours as o= and c= name it."""
    return b"IN %s %s" % (b"IP6" if ":" in address else b"IP4", octets(address))
