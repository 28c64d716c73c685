"""Location conveyance (RFC 6442): where a caller for help says that the caller is."""

from __future__ import annotations

from msgspec import Struct

from sip.bodies import LOCATION_TYPE, BodyPart
from sip.errors import ParseError
from sip.fields import Field, Fields
from sip.message import Request

MAX_LOCATION_BYTES = 8_192
"""All parts together; a PIDF-LO with a street address has about one kilobyte."""
_FIELDS = (
    (b"Geolocation", b"geolocation"),
    (b"Geolocation-Routing", b"geolocation-routing"),
)


class Location(Struct, frozen=True):
    """A request's location by value, by reference, or both."""

    fields: Fields = ()
    """Geolocation and Geolocation-Routing."""
    parts: tuple[BodyPart, ...] = ()
    """PIDF-LO bodies, each with the Content-ID by which Geolocation names it."""


def location_of(request: Request) -> Location:
    """The caller's location in an INVITE. A location that can't be read or is larger than
    :data:`MAX_LOCATION_BYTES` is left out: the call itself matters more."""
    fields: list[Field] = []
    for name, key in _FIELDS:
        fields += [(name, value) for value in request.get_all(key)]
    try:
        parts = tuple(part for part in request.parts if part.content_type == LOCATION_TYPE)
    except ParseError:
        parts = ()
    if sum(len(part.body) for part in parts) > MAX_LOCATION_BYTES:
        parts = ()
    return Location(tuple(fields), parts)
