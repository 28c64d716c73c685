"""Delivery receipts: the text of appendix B of SMPP 3.4, and the TLVs that say the same.

    id:IIIIIIIIII sub:SSS dlvrd:DDD submit date:YYMMDDhhmm done date:YYMMDDhhmm
    stat:DDDDDDD err:E text:...

It is one line. Few carriers write quite this: ids are decimal or hexadecimal, padded or not, dates
have seconds, fields are missing or in another case. What is read here is read generously;
:func:`answered_ids` says which messages an id may mean.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Literal, assert_never

from msgspec import Struct

from smpp.bodies import Tlvs, find_tlv
from smpp.codes import MessageState, Tag

Written = Literal["any", "same", "decimal", "hex"]
"""How a carrier's receipts write the id of its answer: as it is, in decimal where the answer has
hexadecimal, in hexadecimal where it has decimal, or in one of these ways."""
MAX_TEXT_OCTETS = 20
"""The octets of the message's own text that a receipt quotes."""
_WORDS = {
    MessageState.EN_ROUTE: "ENROUTE",
    MessageState.DELIVERED: "DELIVRD",
    MessageState.EXPIRED: "EXPIRED",
    MessageState.DELETED: "DELETED",
    MessageState.UNDELIVERABLE: "UNDELIV",
    MessageState.ACCEPTED: "ACCEPTD",
    MessageState.UNKNOWN: "UNKNOWN",
    MessageState.REJECTED: "REJECTD",
}
_STATES = {word: state for state, word in _WORDS.items()}
_STATES |= {"DELIVERED": MessageState.DELIVERED, "UNDELIVERABLE": MessageState.UNDELIVERABLE}
_STATES |= {"FAILED": MessageState.UNDELIVERABLE, "REJECTED": MessageState.REJECTED}
FINAL = frozenset(
    {
        MessageState.DELIVERED,
        MessageState.EXPIRED,
        MessageState.DELETED,
        MessageState.UNDELIVERABLE,
        MessageState.REJECTED,
    }
)
"""States after which no other comes."""
_FIELD = re.compile(r"(?i)\b(id|sub|dlvrd|submit date|done date|stat|err|text):[ ]?([^ ]*)")


class Receipt(Struct, frozen=True):
    """The outcome of a message.

    Args:
        message_id: as its submit_sm_resp named it.
        state: its state.
        error: the network's code, as written; "000" where there is none.
        submitted_at, done_at: epoch seconds, or None.
        text: the beginning of the message.
    """

    message_id: str
    state: MessageState
    error: str = "000"
    submitted_at: float | None = None
    done_at: float | None = None
    text: str = ""


def write(receipt: Receipt) -> tuple[bytes, Tlvs]:
    """Short message and TLVs of a receipt for one message to one phone."""
    delivered = int(receipt.state is MessageState.DELIVERED)
    text = (
        f"id:{receipt.message_id} sub:001 dlvrd:{delivered:03}"
        f" submit date:{_date(receipt.submitted_at)} done date:{_date(receipt.done_at)}"
        f" stat:{_WORDS.get(receipt.state, 'UNKNOWN')} err:{receipt.error[:3]:>03}"
    ).encode("latin-1")
    text += b" text:" + receipt.text.encode("latin-1", "replace")[:MAX_TEXT_OCTETS]
    return text, (
        (Tag.RECEIPTED_MESSAGE_ID, receipt.message_id.encode("latin-1") + b"\0"),
        (Tag.MESSAGE_STATE, bytes((receipt.state,))),
    )


def read(short_message: bytes, tlvs: Tlvs = ()) -> Receipt | None:
    """A receipt of a carrier, from its TLVs where they are, else from its text; None: neither.

    Error codes are read from the text or from network_error_code.
    """
    # The quoted text comes last and may hold anything, also another receipt's fields.
    head = re.split(r"(?i)\btext:", short_message.decode("latin-1"), maxsplit=1)
    fields: dict[str, str] = {}
    for name, value in _FIELD.findall(head[0]):
        fields.setdefault(name.lower(), value)
    named = find_tlv(tlvs, Tag.RECEIPTED_MESSAGE_ID)
    message_id = named.rstrip(b"\0").decode("latin-1") if named else fields.get("id", "")
    state = _state(find_tlv(tlvs, Tag.MESSAGE_STATE), fields.get("stat", ""))
    if not message_id or state is None:
        return None
    network = find_tlv(tlvs, Tag.NETWORK_ERROR_CODE)
    if "err" in fields:
        error = fields["err"]
    elif network is not None and len(network) == 3:
        error = f"{int.from_bytes(network[1:], 'big'):03}"
    else:
        error = "000"
    return Receipt(
        message_id,
        state,
        error,
        _read_date(fields.get("submit date", "")),
        _read_date(fields.get("done date", "")),
        head[1] if len(head) > 1 else "",
    )


def plain_id(message_id: str) -> str:
    """An id without blanks, capitals and padding, which carriers add to it and leave out."""
    plain = message_id.strip().lower()
    return plain.lstrip("0") or plain


def answered_ids(receipt_id: str, written: Written = "any") -> tuple[str, ...]:
    """Plain ids of answers to submit_sm that a receipt's id may mean, the likeliest first.

    Carriers answer with "1A2B" and write "6699" into the receipt, or the other way round. Where a
    carrier's habit isn't known, the id as it stands comes first.
    """
    plain = plain_id(receipt_id)
    match written:
        case "same":
            found = [plain]
        case "decimal":
            found = [_hexadecimal(plain)]
        case "hex":
            found = [_decimal(plain)]
        case "any":
            found = [plain, _hexadecimal(plain), _decimal(plain)]
        case _:
            assert_never(written)
    return tuple(dict.fromkeys(one for one in found if one))


def receipted_ids(answered_id: str, written: Written = "any") -> tuple[str, ...]:
    """Plain ids that receipts may have for the id of an answer: the other way of
    :func:`answered_ids`."""
    opposite: dict[Written, Written] = {"decimal": "hex", "hex": "decimal"}
    return answered_ids(answered_id, opposite.get(written, written))


def _hexadecimal(plain: str) -> str:
    """A decimal id in hexadecimal; empty if it isn't decimal."""
    return f"{int(plain):x}" if re.fullmatch(r"[0-9]{1,20}", plain) else ""


def _decimal(plain: str) -> str:
    """A hexadecimal id in decimal; empty if it isn't hexadecimal."""
    return str(int(plain, 16)) if re.fullmatch(r"[0-9a-f]{1,16}", plain) else ""


def _state(tlv: bytes | None, word: str) -> MessageState | None:
    if tlv and len(tlv) == 1 and tlv[0] in MessageState._value2member_map_:
        return MessageState(tlv[0])
    return _STATES.get(word.upper())


def _date(when: float | None) -> str:
    return datetime.fromtimestamp(when or 0, UTC).strftime("%y%m%d%H%M")


_DATE_FORMS = {10: "%y%m%d%H%M", 12: "%y%m%d%H%M%S", 14: "%Y%m%d%H%M%S"}


def _read_date(text: str) -> float | None:
    """YYMMDDhhmm, with or without seconds or the century, taken as UTC."""
    form = _DATE_FORMS.get(len(text))
    if form is None:
        return None
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
