"""The codec of PDUs against an independent one: the same octets, and the same fields of damaged
ones."""

from __future__ import annotations

import random

import pytest
import smpp34
from hypothesis import given
from hypothesis import strategies as st

from smpp.bodies import Address, Pdu, ShortMessage
from smpp.codes import Command
from smpp.pdu import PduError, decode, encode

ROUNDS = 20_000
DAMAGES = 4
"""Changes of one PDU at most."""

ascii_text = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=20)
octet = st.integers(0, 255)
tlvs = st.lists(
    st.tuples(st.integers(0x1400, 0x3FFF), st.binary(min_size=1, max_size=40)), max_size=4
)


@st.composite
def messages(draw: st.DrawFn) -> tuple[Command, int, ShortMessage]:
    """A submit_sm or deliver_sm whose strings both codecs can write."""
    body = ShortMessage(
        Address(draw(octet), draw(octet), draw(ascii_text)),
        Address(draw(octet), draw(octet), draw(ascii_text)),
        draw(st.binary(max_size=254)),
        draw(octet),
        draw(octet),
        draw(octet),
        service_type=draw(ascii_text)[:5],
        protocol_id=draw(octet),
        priority_flag=draw(octet),
        schedule_delivery_time=draw(st.sampled_from(("", "261129080000004+"))),
        validity_period=draw(st.sampled_from(("", "000001000000000R"))),
        replace_if_present=draw(octet),
        sm_default_msg_id=draw(octet),
        tlvs=tuple(draw(tlvs)),
    )
    command = draw(st.sampled_from((Command.SUBMIT_SM, Command.DELIVER_SM)))
    return command, draw(st.integers(1, 0x7FFFFFFF)), body


def theirs(command: Command, sequence: int, body: ShortMessage) -> smpp34.SubmitSm:
    """The same message made by the other codec."""
    made = smpp34.SubmitSm if command is Command.SUBMIT_SM else smpp34.DeliverSm
    return made(
        body.source.digits,
        body.destination.digits,
        body.short_message,
        service_type=body.service_type,
        source_addr_ton=body.source.ton,
        source_addr_npi=body.source.npi,
        dest_addr_ton=body.destination.ton,
        dest_addr_npi=body.destination.npi,
        esm_class=body.esm_class,
        protocol_id=body.protocol_id,
        priority_flag=body.priority_flag,
        schedule_delivery_time=body.schedule_delivery_time,
        validity_period=body.validity_period,
        registered_delivery=body.registered_delivery,
        replace_if_present_flag=body.replace_if_present,
        data_coding=body.data_coding,
        sm_default_msg_id=body.sm_default_msg_id,
        tlvs=[smpp34.Tlv(tag, value) for tag, value in body.tlvs],
        sequence_number=sequence,
    )


@given(messages())
def test_both_write_the_same_octets_and_read_them_alike(message):
    command, sequence, body = message
    ours = encode(Pdu(command, sequence, body))
    assert theirs(*message).encode() == ours
    assert decode(ours).body == body
    assert fields_of_theirs(smpp34.decode(ours)) == fields_of(body)


def fields_of(body: ShortMessage) -> tuple[object, ...]:
    return (
        body.source, body.destination, body.short_message, body.data_coding, body.esm_class,
        body.registered_delivery, body.service_type, body.schedule_delivery_time,
        body.validity_period, body.tlvs,
    )  # fmt: skip


def fields_of_theirs(found: smpp34.SubmitSm) -> tuple[object, ...]:
    return (
        Address(found.source_addr_ton, found.source_addr_npi, found.source_addr),
        Address(found.dest_addr_ton, found.dest_addr_npi, found.destination_addr),
        found.short_message, found.data_coding, found.esm_class, found.registered_delivery,
        found.service_type, found.schedule_delivery_time, found.validity_period,
        tuple((tlv.tag, tlv.value) for tlv in found.tlvs),
    )  # fmt: skip


def damaged(whole: bytes, chance: random.Random) -> bytes:
    """A PDU with a few octets changed, taken out or put in; its length is right."""
    octets = bytearray(whole)
    for _ in range(chance.randint(1, DAMAGES)):
        at = chance.randrange(16, len(octets))
        match chance.randrange(3):
            case 0:
                octets[at] = chance.choice((0, chance.randrange(0x80)))
            case 1 if len(octets) > 24:
                del octets[at : at + chance.randint(1, 5)]
            case _:
                octets[at:at] = bytes(chance.randrange(0x80) for _ in range(3))
        if len(octets) <= 17:
            break
    octets[:4] = len(octets).to_bytes(4, "big")
    return bytes(octets)


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_message_that_we_read_the_other_codec_reads_alike(seed):
    chance = random.Random(seed)
    short = ShortMessage(Address(5, 0, "Citynet"), Address(1, 1, "995599000001"), b"Hello", 0, 0, 1)
    long = ShortMessage(
        Address(1, 1, "995322"), Address(1, 1, "995599000001"), b"\5\0\3\2\2\1" + b"x" * 80, 8,
        0x40, service_type="CMT", validity_period="000001000000000R",
        tlvs=((0x1424, b"y" * 200), (0x1400, b"\0\1")),
    )  # fmt: skip
    seeds = [
        encode(Pdu(command, 7, body))
        for command in (Command.SUBMIT_SM, Command.DELIVER_SM)
        for body in (short, long)
    ]
    read = 0
    for _ in range(ROUNDS // 4):
        octets = damaged(chance.choice(seeds), chance)
        try:
            body = decode(octets).body
        except PduError:
            continue
        assert isinstance(body, ShortMessage)
        read += 1
        assert fields_of_theirs(smpp34.decode(octets)) == fields_of(body), octets.hex()
    assert read > ROUNDS // 40
