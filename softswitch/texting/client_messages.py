"""Messages of businesses as this switch reads them, and its receipts as businesses read them."""

from __future__ import annotations

from smpp import receipt
from smpp.bodies import Address, DataMessage, MultiMessage, ShortMessage
from smpp.codes import EsmClass, MessageState, Ton
from smpp.receipt import Receipt
from smpp.times import parse
from softswitch.texting.carrier import address_type
from softswitch.texting.message import State, StoredText

MAX_AHEAD_SECONDS = 366 * 86_400.0
"""A message may be scheduled so long ahead."""

MESSAGE_STATES = {
    State.WAITING: MessageState.EN_ROUTE,
    State.SENDING: MessageState.EN_ROUTE,
    State.SENT: MessageState.EN_ROUTE,
    State.DELIVERED: MessageState.DELIVERED,
    State.FAILED: MessageState.UNDELIVERABLE,
    State.EXPIRED: MessageState.EXPIRED,
    State.CANCELLED: MessageState.DELETED,
    State.UNKNOWN: MessageState.UNKNOWN,
}


def one_of(message: MultiMessage, destination: Address) -> ShortMessage:
    """A submit_multi's message to one of its destinations."""
    return ShortMessage(
        message.source,
        destination,
        message.short_message,
        message.data_coding,
        message.esm_class,
        message.registered_delivery,
        schedule_delivery_time=message.schedule_delivery_time,
        validity_period=message.validity_period,
        tlvs=message.tlvs,
    )


def short_of(message: ShortMessage | DataMessage) -> ShortMessage:
    """A data_sm as the submit_sm that says the same."""
    if isinstance(message, ShortMessage):
        return message
    return ShortMessage(
        message.source,
        message.destination,
        data_coding=message.data_coding,
        esm_class=message.esm_class,
        registered_delivery=message.registered_delivery,
        tlvs=message.tlvs,
    )


def times_of(message: ShortMessage, wall_ms: int) -> tuple[int | None, int | None]:
    """The times of a message in epoch milliseconds: when it is due, and the end of its validity.

    Raises:
        ValueError: no times, over a year away, or over before it is due.
    """
    now = wall_ms / 1000
    due = parse(message.schedule_delivery_time, now)
    expires = parse(message.validity_period, now if due is None else max(due, now))
    if due is not None and due > now + MAX_AHEAD_SECONDS:
        raise ValueError("it is to go in more than a year")
    if expires is not None and expires <= max(now, due or now):
        raise ValueError("its validity is over before it is due")
    return (
        None if due is None else int(due * 1000),
        None if expires is None else int(expires * 1000),
    )


def shown(sender: str, source: Address) -> str:
    """A sender as people write it: an international number with its "+", a name as it is."""
    if source.ton == Ton.INTERNATIONAL and not sender.startswith("+"):
        return f"+{sender}"
    return sender


def receipt_of(text: StoredText) -> ShortMessage:
    """The receipt of a text as deliver_sm: from its recipient to its sender."""
    facts = text.text
    short, tlvs = receipt.write(
        Receipt(
            str(text.id),
            MESSAGE_STATES[text.state],
            "000",
            facts.created_at / 1000,
            (text.done_at or facts.created_at) / 1000,
            facts.body[:20].decode("utf-8", "ignore"),
        )
    )
    return ShortMessage(
        Address(*address_type(facts.recipient), facts.recipient.removeprefix("+")),
        Address(*address_type(facts.sender), facts.sender.removeprefix("+")),
        short,
        esm_class=EsmClass.RECEIPT,
        tlvs=tlvs,
    )
