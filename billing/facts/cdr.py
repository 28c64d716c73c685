"""Call detail records: what happened to one attempt, written once and never changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from billing.facts.money import format_amount


def leg_key(call_id: str, leg: str) -> str:
    """The key of a leg in the books, for its reservation and the transaction that settles it."""
    return call_id if leg == "a" else f"{call_id}-{leg}"


class SideMedia(Struct, frozen=True):
    """Media received from one side (RFC 3550); `lost` may be below zero when packets came twice.

    `jitter_us` is in microseconds, `mos_hundredths` the MOS times 100, None without packets;
    `round_trip_us` to that side's peer and back, None if RTCP didn't tell. `one_way`: for some
    seconds nothing came from it though it was spoken to.
    """

    packets: int = 0
    octets: int = 0
    lost: int = 0
    jitter_us: int = 0
    mos_hundredths: int | None = None
    strays: int = 0
    round_trip_us: int | None = None
    one_way: bool = False


class MediaFigures(Struct, frozen=True):
    """Sound from the caller and from the called side."""

    caller: SideMedia
    callee: SideMedia


DIRECTIONS = ("outgoing", "incoming", "internal", "forwarded", "service")
TYPES = ("on_net", "local", "national", "mobile", "international", "special", "service")


class Cdr(Struct, frozen=True):
    """One attempt, in the order in which it is shown. Stamps are epoch milliseconds."""

    call_id: str
    """The switch's own id of the call."""
    leg: str
    direction: str
    """One of `DIRECTIONS`."""
    type: str
    """One of `TYPES`."""
    account: int | None
    line: str | None
    calling: str
    called: str
    called_dialled: str
    presented: str | None
    trunk: str | None
    setup_at: int
    ringing_at: int | None
    answered_at: int | None
    ended_at: int
    ring_ms: int
    duration_ms: int
    """Answer to end, by the monotonic clock."""
    sip_status: int
    cause: int
    """Q.850."""
    ended_by: str
    """caller, callee, credit, timer, media_timeout, operator or restart."""
    codec: str | None = None
    media: MediaFigures | None = None
    recovered: bool = False
    sip_call_id: str = ""
    """Call-ID of the caller's leg, to find it in a trace."""
    tariff: str | None = None
    prefix: str | None = None
    billed_seconds: int = 0
    price_micros: int = 0
    currency: str | None = None
    package: str | None = None
    answered_by: str | None = None
    """The service of the switch that answered, such as "voicemail"; None: the called phone did, or
    the call wasn't answered."""
    cost_micros: int | None = None
    """Micros that the trunk charges us; None: its tariff isn't known."""
    cost_currency: str | None = None
    decisions: str | None = None
    """JSON of what the switch decided for the call; rows for people leave it out."""

    @property
    def id(self) -> str:
        """Follows from the call and its leg, so that writing it again changes nothing."""
        return f"{self.call_id}-{self.leg}"

    @property
    def key(self) -> str:
        """The key of the record's leg in the books."""
        return leg_key(self.call_id, self.leg)

    def to_json(self) -> bytes:
        """Every field as it is, in order and without its name, for the store; :meth:`from_json`
        reads it back."""
        return _encode(astuple(self))

    @classmethod
    def from_json(cls, data: bytes) -> Cdr:
        """The record of :meth:`to_json`'s octets, or of an object with the fields' names, as
        versions before 0.2 stored it.

        Raises:
            msgspec.ValidationError: the octets are no record.
        """
        if data.startswith(b"{"):
            return _decode_named(data)
        return cls(*astuple(_decode(data)))

    # Any in this file: rows hold whatever JSON can, which mypy has no name for.
    def to_row(self) -> dict[str, Any]:
        """The record as people and scripts see it: RFC 3339 stamps in UTC with milliseconds, the
        price as a decimal string."""
        row: dict[str, Any] = {"id": self.id}
        for name, shown, show in _SHOWN:
            value = getattr(self, name)
            row[shown] = value if value is None or show is None else show(value)
        return row


class _Unnamed(Cdr, frozen=True, array_like=True):
    """A record as an array of its fields."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Unnamed).decode
_decode_named = msgspec.json.Decoder(Cdr).decode


def show_stamp(epoch_ms: int) -> str:
    """RFC 3339, UTC, with milliseconds."""
    seconds, ms = divmod(epoch_ms, 1000)
    return f"{_show_second(seconds)}.{ms:03d}Z"


@lru_cache(maxsize=64)  # records of a moment share their seconds
def _show_second(epoch_seconds: int) -> str:
    return datetime.fromtimestamp(epoch_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def media_row(media: MediaFigures) -> dict[str, Any]:
    """Both sides as people and scripts see them."""
    return {"caller": _side_row(media.caller), "callee": _side_row(media.callee)}


def _side_row(side: SideMedia) -> dict[str, Any]:
    mos = side.mos_hundredths
    return {
        "packets": side.packets,
        "octets": side.octets,
        "lost": side.lost,
        "jitter_ms": _milliseconds(side.jitter_us),
        "mos": None if mos is None else f"{mos // 100}.{mos % 100:02d}",
        "strays": side.strays,
        "round_trip_ms": None if side.round_trip_us is None else _milliseconds(side.round_trip_us),
        "one_way": side.one_way,
    }


def _milliseconds(microseconds: int) -> str:
    return f"{microseconds // 1000}.{microseconds % 1000:03d}"


def _shown(name: str) -> tuple[str, str, Callable[[Any], object] | None]:
    """A field, its name for people, and how its value is shown; None: as it is."""
    if name in ("price_micros", "cost_micros"):
        return name, name.removesuffix("_micros"), format_amount
    if name.endswith("_at"):
        return name, name, show_stamp
    return name, name, media_row if name == "media" else None


_SHOWN = tuple(_shown(name) for name in Cdr.__struct_fields__ if name != "decisions")
