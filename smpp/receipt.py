"""Delivery receipts: the text of appendix B of SMPP 3.4, and the TLVs that say the same.

    id:IIIIIIIIII sub:SSS dlvrd:DDD submit date:YYMMDDhhmm done date:YYMMDDhhmm
    stat:DDDDDDD err:E text:...

It is one line. Few carriers write quite this: ids are decimal or hexadecimal, padded or not, dates
have seconds, fields are missing or in another case. What is read here is read generously;
:func:`id_forms` says under which spellings of an id its message may be known.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from msgspec import Struct

from smpp.bodies import Tlvs, find_tlv
from smpp.codes import MessageState, Tag

MAX_TEXT_OCTETS = 20
"""Of the message's own text, which a receipt quotes."""
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


def id_forms(message_id: str) -> tuple[str, ...]:
    """Spellings of an id that mean the same message, the plainest first.

    Carriers answer submit_sm with "1A2B" and write "6699" into the receipt, or the other way
    round, or pad with zeros. An id that is no number has only its own spelling. A carrier's ids
    are compared by one form each: those of the answer are kept under all of these.
    """
    plain = message_id.strip().lower()
    forms = [plain]
    stripped = plain.lstrip("0") or plain
    forms.append(stripped)
    if re.fullmatch(r"[0-9]{1,20}", stripped):
        forms.append(f"{int(stripped):x}")
    if re.fullmatch(r"[0-9a-f]{1,16}", stripped):
        forms.append(str(int(stripped, 16)))
    return tuple(dict.fromkeys(forms))


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
