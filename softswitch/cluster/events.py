"""Messages between the nodes of a cluster, and the bus that carries them.

The bus is quick and keeps nothing: a node that was away from it has missed messages, and asks for
what it may have missed. Whatever must not be lost is in the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import msgspec
from msgspec import Struct
from sqlalchemy import Connection

from softswitch.services.dialog_info import LineDialog

MAX_PAYLOAD_BYTES = 7_900
"""PostgreSQL takes less than 8,000 octets in a notification."""


class BindingsChanged(Struct, frozen=True, tag="bindings"):
    """Phones of these logins registered or went away.

    Args:
        refreshed: those of the logins whose phones are as before, but for their expiry and the way
            to them.
    """

    logins: tuple[str, ...]
    refreshed: tuple[str, ...] = ()


class LinePart(Struct, frozen=True):
    """The part of a line in a call at another node."""

    line: int
    dialogs: tuple[LineDialog, ...] = ()
    """The line's dialogs as watchers of its own account may see them."""


class CallChanged(Struct, frozen=True, tag="call"):
    """A call rings, was answered, or has other parties than before."""

    call: str
    lines: tuple[LinePart, ...]
    payers: tuple[int, ...] = ()
    """The accounts that pay for its legs, one for each leg."""
    trunks: tuple[str, ...] = ()
    """The names of the trunks that it uses."""


class CallEnded(Struct, frozen=True, tag="ended"):
    """A call is over."""

    call: str


class AccountsChanged(Struct, frozen=True, tag="accounts"):
    """The money of these accounts may have risen."""

    accounts: tuple[int, ...]


class Attempted(Struct, frozen=True, tag="attempt"):
    """An outgoing attempt that counts against an account's calls a minute.

    Args:
        at: epoch milliseconds.
    """

    account: int
    at: int


class Spent(Struct, frozen=True, tag="spent"):
    """A leg was settled: it counts against the caps on spending."""

    account: int
    at: int
    micros: int


class TextKept(Struct, frozen=True, tag="text"):
    """A text waits in the database for the phones of a line."""

    line: int


class TextsDelivered(Struct, frozen=True, tag="texts"):
    """No text waits in the database for the phones of a line any more."""

    line: int


class NewsTold(Struct, frozen=True, tag="news"):
    """There is something new in the table `changes`."""


class Joined(Struct, frozen=True, tag="joined"):
    """The node has started, or has missed messages: forget what it said before, and tell it what
    you have."""


class Alive(Struct, frozen=True, tag="alive"):
    """The node serves.

    Args:
        address: host and port of its UDP socket for other nodes.
        draining: it takes no more calls.
        hosts: it has dial-in conferences.
    """

    address: tuple[str, int]
    draining: bool = False
    hosts: bool = False


class Left(Struct, frozen=True, tag="left"):
    """The node has stopped: its calls are over."""


Message = (
    BindingsChanged
    | CallChanged
    | CallEnded
    | AccountsChanged
    | Attempted
    | Spent
    | TextKept
    | TextsDelivered
    | NewsTold
    | Joined
    | Alive
    | Left
)
OnMessage = Callable[[str, Message], None]
"""Takes the name of the node that sent a message, and the message."""


class Bus(Protocol):
    """Carries messages to all other nodes, in the order in which each node sends them."""

    def tell(self, message: Message) -> None:
        """Send a message soon; never waits."""

    def tell_within(self, connection: Connection, message: Message) -> None:
        """Send a message when a transaction is committed, and only then."""

    def listen(self, on_message: OnMessage, on_restored: Callable[[], None]) -> None:
        """Begin to hear others.

        Args:
            on_restored: called when messages may have been missed.
        """


class _Envelope(Struct, frozen=True):
    node: str
    messages: list[Message]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Envelope).decode


def packed(node: str, messages: Iterable[Message]) -> Iterator[str]:
    """Payloads with as many messages as each may hold. A message that is too large for any is left
    out: that is a call with some dozens of parties, whose lamps stay as they are."""
    room = MAX_PAYLOAD_BYTES - len(_encode(_Envelope(node, [])))
    parcel: list[Message] = []
    size = 0
    for message in messages:
        length = len(_encode(message)) + 1
        if length > room:
            continue
        if size + length > room:
            yield _encode(_Envelope(node, parcel)).decode()
            parcel, size = [], 0
        parcel.append(message)
        size += length
    if parcel:
        yield _encode(_Envelope(node, parcel)).decode()


def unpacked(payload: str) -> tuple[str, list[Message]]:
    """The node that sent a payload, and its messages.

    Raises:
        msgspec.MsgspecError: a node of another version sent it.
    """
    envelope = _decode(payload)
    return envelope.node, envelope.messages
