"""Layouts of heads: which fields a message has, and in which order.

A phone writes the same fields in the same order in all its messages of one kind; only their values
are new. So all that follows from the names alone is worked out once for each layout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter

from msgspec import Struct

from sip.fields import known_name

MAX_LAYOUTS = 1_024
"""A dozen for each kind of phone; the least used is forgotten first."""
_IN_REQUEST = (b"via", b"max-forwards", b"cseq", b"call-id", b"from", b"to")
_IN_RESPONSE = (b"via", b"cseq", b"call-id", b"from", b"to")
_COPIED_TO_SOME = frozenset({b"record-route", b"timestamp"})
"""Fields that some answers copy."""
_EXTENDING = frozenset({b"require", b"proxy-require", b"content-encoding"})
_RESTRICTING = _EXTENDING | {b"content-type", b"accept"}
"""Fields that may ask for what we don't know (:mod:`sip.capabilities`)."""
_START = 0
"""The place of the start line among the parts of a head."""

Pick = Callable[[Sequence[bytes]], tuple[bytes, ...]]
"""Takes some of the parts into which :data:`sip.fields.split_plainly` cuts a head."""
_nothing_whole: Pick = itemgetter(_START, _START)
"""Of a head that lacks a field: start lines alone are no message."""


class Layout(Struct, frozen=True):
    """The names of a head's fields in order, and what they say."""

    keys: tuple[bytes, ...]
    """Long names in lower case."""
    repeats: bool
    """True if a field stands several times."""
    answers_plainly: bool
    """True if every answer to a request copies one value each of Via, From, To, Call-ID and CSeq,
    and nothing else (RFC 3261 section 8.2.6)."""
    asks_nothing: bool
    """True if no field may ask for what we don't know, as in nearly all requests but INVITEs."""
    asks_by_types: bool
    """True if only Content-Type and Accept may, each standing once, as in nearly all INVITEs."""
    of_request: Pick
    """Via, Max-Forwards, CSeq, Call-ID, From, To, the start line and, if there is one, Contact."""
    of_response: Pick
    """The same without Max-Forwards."""


@lru_cache(maxsize=MAX_LAYOUTS)
def layout_of(names: bytes) -> Layout:
    """The layout of a head.

    Args:
        names: of its fields, as they stand on the wire, joined by colons, which no name holds.

    Raises:
        KeyError: a name isn't known, yet.
    """
    keys = tuple(map(known_name, names.split(b":")))
    repeats = len(set(keys)) < len(keys)
    answers_plainly = not repeats and _COPIED_TO_SOME.isdisjoint(keys)
    return Layout(
        keys,
        repeats,
        answers_plainly,
        _RESTRICTING.isdisjoint(keys),
        not repeats and _EXTENDING.isdisjoint(keys),
        _pick(keys, _IN_REQUEST),
        _pick(keys, _IN_RESPONSE),
    )


def _pick(keys: tuple[bytes, ...], needed: tuple[bytes, ...]) -> Pick:
    if not set(keys).issuperset(needed):
        return _nothing_whole
    places = [_value(keys.index(name)) for name in needed] + [_START]
    if b"contact" in keys:
        places.append(_value(keys.index(b"contact")))
    pick: Pick = itemgetter(*places)
    return pick


def _value(field: int) -> int:
    """The place of a field's value, behind the start line and the field's name."""
    return 2 + 2 * field


NO_LAYOUT = Layout((), False, False, False, False, _nothing_whole, _nothing_whole)
"""Of a request that isn't read by its layout: nothing is known of it."""
