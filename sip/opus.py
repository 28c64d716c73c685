"""Opus in SDP (RFC 7587): its format, and the preferences of each side."""

from __future__ import annotations

from msgspec import Struct

from sip import grammar
from sip.grammar import octets

NAME = "OPUS"
CLOCK_RATE = 48_000
CHANNELS = 2
"""So the format is written, whatever is in the packets (section 7)."""
LOWEST_BITRATE, HIGHEST_BITRATE = 6_000, 510_000
"""The limits of maxaveragebitrate (section 6.1)."""
OWN_PARAMETERS = "maxplaybackrate=8000;sprop-maxcapturerate=8000;useinbandfec=1"
"""Our sound is a telephone's, in mono, and what a packet says of a lost one is made use of. More
isn't said, for the rest is as it is by default."""


class Wishes(Struct, frozen=True, gc=False):
    """The parameters of the Opus that a peer wants to be sent. Its other parameters are met in any
    case: we send a narrow band, one channel, and no pauses.

    Args:
        recoverable: each packet should tell of the one before, too.
        constant: packets should be of one size.
        max_bitrate: bits a second at most; 0: it doesn't say.
    """

    recoverable: bool = False
    constant: bool = False
    max_bitrate: int = 0


def wishes(parameters: str | None) -> Wishes:
    """Read a=fmtp (section 6.1); what isn't understood there is passed over."""
    said: dict[str, str] = {}
    for parameter in (parameters or "").split(";"):
        name, _, value = parameter.partition("=")
        said.setdefault(name.strip().lower(), value.strip())
    bitrate = grammar.number(octets(said.get("maxaveragebitrate", "")), HIGHEST_BITRATE) or 0
    return Wishes(
        said.get("useinbandfec") == "1",
        said.get("cbr") == "1",
        max(bitrate, LOWEST_BITRATE) if bitrate else 0,
    )
