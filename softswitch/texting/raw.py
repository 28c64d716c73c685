"""Short messages as their octets: which are texts, and which are passed on as they are.

Binary messages, "flash" texts, and segments that a business has cut itself reach the phone with
exactly the octets that were sent. Such a text's body is these octets, and its content type says how
they are coded.
"""

from __future__ import annotations

import re

from msgspec.structs import replace

from smpp import gsm, segments
from smpp.bodies import ShortMessage, find_tlv
from smpp.codes import DataCoding, EsmClass, Tag
from smpp.segments import Part, Reassembly

_TYPE = re.compile(r"application/vnd\.smpp;coding=(\d{1,3});udh=([01])")
_PLAIN = frozenset({DataCoding.DEFAULT, DataCoding.IA5, DataCoding.LATIN1, DataCoding.UCS2})
"""Codings of texts that lose nothing when they are coded anew."""
MAX_SEPTETS, MAX_OCTETS = 160, 140


def with_header(message: ShortMessage) -> ShortMessage:
    """A segment that TLVs describe (sar_msg_ref_num and others) as one with a user data header;
    other messages as they are."""
    values = [find_tlv(message.tlvs, tag) for tag in _SAR]
    if message.esm_class & EsmClass.UDH or None in values:
        return message
    reference, total, number = (int.from_bytes(value or b"", "big") for value in values)
    if not (reference < 1 << 16 and 1 <= number <= total <= segments.MAX_SEGMENTS):
        return message
    if total == 1:
        return message
    header = segments.header(Part(reference, total, number), wide=True)
    return replace(
        message,
        short_message=header + message.payload,
        esm_class=message.esm_class | EsmClass.UDH,
    )


_SAR = (Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM)


def text_of(message: ShortMessage) -> str | None:
    """The text of a message that may be cut and coded anew; None: it is passed on as it is."""
    if message.esm_class & EsmClass.UDH or message.data_coding not in _PLAIN:
        return None
    return gsm.text_of(message.payload, message.data_coding)


def fits(message: ShortMessage) -> bool:
    """True if a message that is passed on as it is fits into one short message of 140 octets.

    In the default alphabet eight septets travel in seven octets; the header counts whole octets.
    """
    octets = message.payload
    if gsm.text_of(b"", message.data_coding) is None or not _is_gsm(message.data_coding):
        return len(octets) <= MAX_OCTETS
    if not message.esm_class & EsmClass.UDH:
        return len(octets) <= MAX_SEPTETS
    header = octets[0] + 1 if octets else 0
    return header <= len(octets) and len(octets) - header <= (MAX_OCTETS - header) * 8 // 7


def _is_gsm(data_coding: int) -> bool:
    """True for the default alphabet, with or without a message class."""
    return data_coding == DataCoding.DEFAULT or data_coding & 0xF4 in (0xF0, 0x10)


def joined(segments_kept: Reassembly, message: ShortMessage, source: str, now: float) -> str | None:
    """The text of a message, once all its segments have come; None: some are missing still.

    Empty if it is no text.

    Raises:
        ValueError: the user data header is damaged.
    """
    octets: tuple[bytes, ...] | None = (message.payload,)
    if message.esm_class & EsmClass.UDH:
        part, rest = segments.read_header(message.payload)
        octets = (rest,)
        if part is not None and part.total > 1:
            octets = segments_kept.add(source, message.destination.digits, part, rest, now)
    if octets is None:
        return None
    texts = [gsm.text_of(one, message.data_coding) for one in octets]
    return "" if None in texts else "".join(filter(None, texts))


def content_type(message: ShortMessage) -> str:
    """The content type that names the coding of a message's octets, for :func:`read`."""
    udh = int(bool(message.esm_class & EsmClass.UDH))
    return f"application/vnd.smpp;coding={message.data_coding};udh={udh}"


def read(content_type: str) -> tuple[int, bool] | None:
    """data_coding, and True if the octets begin with a user data header; None: it is a text."""
    found = _TYPE.fullmatch(content_type)
    return None if found is None else (int(found[1]), found[2] == "1")
