"""Alphabets of short messages: GSM 03.38 (3GPP TS 23.038 section 6.2.1) and UCS-2.

In SMPP each septet of the GSM alphabet travels in an octet of its own; the radio network packs
them. A character of the extension table costs two septets, an escape and the character.
"""

from __future__ import annotations

from smpp.codes import DataCoding

ESCAPE = 0x1B
_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
_ENCODED = {character: bytes((code,)) for code, character in enumerate(_BASIC) if code != ESCAPE}
_ENCODED |= {character: bytes((ESCAPE, code)) for code, character in _EXTENSION.items()}


def fits(text: str) -> bool:
    """True if every character of a text is in the GSM alphabet or its extension table."""
    return _ENCODED.keys() >= set(text)


def encode(text: str) -> bytes:
    """A text in the GSM alphabet, a septet an octet. Raises ValueError for other characters."""
    try:
        return b"".join([_ENCODED[character] for character in text])
    except KeyError as error:
        raise ValueError(f"{error.args[0]!r} isn't in the GSM alphabet") from None


def encode_each(text: str) -> list[bytes]:
    """Each character's septets, for cutting between characters. Raises ValueError."""
    return [encode(character) for character in text]


def decode(octets: bytes) -> str:
    """Text of unpacked septets.

    An escape before a code that the extension table lacks stands for the basic character, and two
    escapes for a space (section 6.2.1.1 of TS 23.038); octets over 127 become U+FFFD.
    """
    found: list[str] = []
    escaped = False
    for octet in octets:
        if escaped:
            escaped = False
            if octet == ESCAPE:
                found.append(" ")
                continue
            character = _EXTENSION.get(octet)
            if character is not None:
                found.append(character)
                continue
        elif octet == ESCAPE:
            escaped = True
            continue
        found.append(_BASIC[octet] if octet < len(_BASIC) else "\N{REPLACEMENT CHARACTER}")
    return "".join(found)


def text_of(octets: bytes, data_coding: int) -> str | None:
    """Text of a short message without its header, or None if the coding isn't a text's.

    Damaged UTF-16 gives U+FFFD where it is damaged.
    """
    match data_coding:
        case DataCoding.DEFAULT:
            return decode(octets)
        case DataCoding.IA5 | DataCoding.LATIN1:
            return octets.decode("latin-1")
        case DataCoding.UCS2:
            return octets.decode("utf-16-be", "replace")
        case _ if data_coding & 0xF0 == 0xF0 and not data_coding & 0x04:
            # Message classes, "flash" texts: the default alphabet (TS 23.038 section 4).
            return decode(octets)
        case _ if data_coding & 0xEC == 0x08:
            return octets.decode("utf-16-be", "replace")
        case _:
            return None
