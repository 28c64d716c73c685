"""Requests and responses of provisioning as values, and what has to be done beside answering."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from msgspec import Struct

from softswitch.control.actor import Actor
from softswitch.control.errors import OperationError
from softswitch.control.values import Value


class Request(Struct, frozen=True):
    """A request as it came.

    Args:
        path: decoded, with a slash at its beginning.
        query: the first value of each name.
        headers: by their names in lower case.
        peer: the address of the phone, not that of a proxy of ours before it.
        secure: True if it came by HTTPS.
        certificate_names: the names in the verified certificate of the client; None: it showed
            none.
        now_ms: epoch milliseconds.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    peer: str
    secure: bool
    certificate_names: frozenset[str] | None
    now_ms: int


class Seen(Struct, frozen=True):
    """A device has asked for something."""

    device_id: str
    at: int
    address: str
    agent: str


class Arrived(Struct, frozen=True):
    """A device has used the token that it was handed last: the earlier one is void."""

    device_id: str
    token_hash: str


class Fetched(Struct, frozen=True):
    """An app has fetched texts that waited for a phone of its line."""

    actor: Actor
    line: str
    text_ids: tuple[int, ...]


class Strike(Struct, frozen=True):
    """A guess from an address, for the list of bans that SIP has too."""

    address: str


Effect: TypeAlias = Seen | Arrived | Fetched | Strike
"""To be done soon; the response doesn't wait for it."""


class Response(Struct, frozen=True):
    """The answer to a request."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    effects: tuple[Effect, ...] = ()


class FirmwareFile(Struct, frozen=True):
    """A firmware file is the answer: its path below the folder of firmware."""

    path: str
    effects: tuple[Effect, ...] = ()


class Wanted(Struct, frozen=True):
    """An operation of the switch that has to be performed before the answer is known.

    Args:
        then: makes the response of the operation's result.
        refused: makes it of a refusal.
    """

    actor: Actor
    operation: str
    arguments: Mapping[str, object]
    then: Callable[[Value], Response]
    refused: Callable[[OperationError], Response]
    effects: tuple[Effect, ...] = ()


Outcome: TypeAlias = Response | FirmwareFile | Wanted

_PRIVATE = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
)
"""Fields of every response: what is in it is for this client alone."""

NOT_FOUND = Response(
    404, (*_PRIVATE, ("Content-Type", "text/plain; charset=utf-8")), b"Not found.\n"
)
"""The answer to a wrong token, to a right one with another phone's MAC, and to a file that isn't
there: all the same, so that none tells anything."""
BUSY = Response(
    503,
    (*_PRIVATE, ("Content-Type", "text/plain; charset=utf-8"), ("Retry-After", "30")),
    b"Try again later.\n",
)


def ok(media_type: str, body: bytes, effects: tuple[Effect, ...] = ()) -> Response:
    """A response with a body."""
    return Response(200, (*_PRIVATE, ("Content-Type", media_type)), body, effects)
