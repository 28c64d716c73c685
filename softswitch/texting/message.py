"""Texts, and the states that they go through.

    WAITING --> SENDING --> SENT --> DELIVERED, FAILED    as the carrier's receipt says
       ^           |          +----> UNKNOWN              no receipt came while one could
       +-----------+                                      refused for now: another try
       |           +--> FAILED                            refused for good by every carrier
       |           +--> UNKNOWN                           never answered, or the switch crashed
       +--> DELIVERED                                     a phone took it
       +--> FAILED, EXPIRED, CANCELLED

SENDING is on disk before a carrier is asked: after a crash such a text may have gone out or not,
and isn't sent again. They are those in the carriers' windows, and those whose answer had come but
wasn't on disk yet.

A final state never changes; :func:`next_state` is the only place with the order of states.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from msgspec import Struct


class State(StrEnum):
    """States of a text, as the database and the API name them."""

    WAITING = "waiting"
    """It is stored; a phone or a carrier hasn't taken it yet."""
    SENDING = "sending"
    """A carrier is being asked to take it."""
    SENT = "sent"
    """A carrier has taken it; its receipt is awaited."""
    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    """A carrier took it, or may have, and never said what became of it."""


FINAL = frozenset({State.DELIVERED, State.FAILED, State.EXPIRED, State.CANCELLED, State.UNKNOWN})
_FOLLOWS: dict[State, frozenset[State]] = {
    State.WAITING: frozenset(
        {State.SENDING, State.DELIVERED, State.FAILED, State.EXPIRED, State.CANCELLED}
    ),
    State.SENDING: frozenset({State.WAITING, State.SENT, State.FAILED, State.UNKNOWN}),
    State.SENT: frozenset({State.DELIVERED, State.FAILED, State.EXPIRED, State.UNKNOWN}),
}

Kind = Literal["line", "out", "in"]
"""Between two lines; to another network; from another network to a rented number."""


def next_state(state: State, event: State) -> State:
    """The state after an event: the event's own if it may follow, or else the state as it is.

    So a receipt that comes twice, or after the text was given up, changes nothing.
    """
    return event if event in _FOLLOWS.get(state, frozenset()) else state


class Text(Struct, frozen=True, kw_only=True):
    """A text to be stored.

    Args:
        origin: what made it, unique: the same origin again is the same text.
        kind: which way it goes.
        account_id: pays for it, or has it in its inbox; None: it is free.
        from_line, to_line: ids of lines of ours; None: the other side is elsewhere.
        sender: number or name as the recipient sees it; empty: withheld.
        recipient: number in E.164.
        content_type: of the body, with its charset.
        body: octets as they came; a text to another network is UTF-8.
        segments: short messages that it takes on another network; 0 on our own.
        price_micros: what it costs in all, of the account's currency.
        created_at, due_at, expires_at: epoch milliseconds: when it came, when it is to be sent,
            until when it is kept.
        has_validity: True if its sender asked for `expires_at`: carriers are told of it.
        is_report: True for a delivery report, which isn't shown among texts.
        batch_id, client_id: the batch or the business's SMPP client that it belongs to.
        wants_receipt: True if its sender asked for a delivery receipt.
    """

    origin: str
    kind: Kind
    account_id: int | None = None
    from_line: int | None = None
    to_line: int | None = None
    sender: str = ""
    recipient: str
    content_type: str = "text/plain;charset=utf-8"
    body: bytes
    segments: int = 0
    price_micros: int = 0
    currency: str = ""
    created_at: int
    due_at: int
    expires_at: int
    has_validity: bool = False
    is_report: bool = False
    batch_id: str | None = None
    client_id: int | None = None
    wants_receipt: bool = False


class StoredText(Struct, frozen=True, kw_only=True):
    """A text in the database.

    Args:
        id: rises with each text that is stored.
        carrier: the name of the carrier that took it, or empty.
        sent_at, done_at: epoch milliseconds, or None.
        error: why it failed, in a word or as the carrier's code.
        receipt: "due" until the business that asked for a receipt has taken it, then "taken", or
            "lost" if the business refuses it.
    """

    id: int
    text: Text
    state: State
    carrier: str = ""
    sent_at: int | None = None
    done_at: int | None = None
    error: str = ""
    receipt: str = ""
