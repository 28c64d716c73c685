"""PDUs: exact octets, inverses, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpp.bodies import (
    Address,
    Alert,
    Bind,
    BindResponse,
    Cancel,
    DataMessage,
    Empty,
    MessageId,
    MultiMessage,
    MultiResponse,
    Outbind,
    Pdu,
    Query,
    QueryResponse,
    Replace,
    ShortMessage,
)
from smpp.codes import GENERIC_NACK, RESPONSE, Command, Status, Tag
from smpp.pdu import MAX_PDU_OCTETS, Framer, FramingError, PduError, decode, encode

SUBMIT = bytes.fromhex(
    "00000039 00000004 00000000 00000005"
    "00"  # service_type
    "05 00 43697479 6e657400"  # alphanumeric "Citynet"
    "01 01 393935353939303030303031 00"  # international, E.164
    "00 00 00 00 00 01 00 00 00"  # esm_class ... sm_default_msg_id
    "05 48656c6c6f"
)

texts = st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=5)
octet = st.integers(0, 255)
short = st.binary(max_size=254)
addresses = st.builds(
    Address, octet, octet, st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=20)
)
tlvs = st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=40)), max_size=5).map(tuple)
ids = st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=64)
failures = st.lists(st.tuples(addresses, st.integers(0, 2**32 - 1)), max_size=4).map(tuple)
destinations = st.lists(addresses | texts, max_size=9).map(tuple)
message = {
    "short_message": short,
    "data_coding": octet,
    "esm_class": octet,
    "registered_delivery": octet,
    "service_type": texts,
    "protocol_id": octet,
    "priority_flag": octet,
    "schedule_delivery_time": texts,
    "validity_period": texts,
    "replace_if_present": octet,
    "sm_default_msg_id": octet,
    "tlvs": tlvs,
}
BODIES = {
    Command.BIND_TRANSCEIVER: st.builds(Bind, texts, texts, texts, octet, addresses),
    Command.BIND_RECEIVER | RESPONSE: st.builds(BindResponse, texts, tlvs),
    Command.OUTBIND: st.builds(Outbind, texts, texts),
    Command.ENQUIRE_LINK: st.just(Empty()),
    Command.SUBMIT_SM: st.builds(ShortMessage, addresses, addresses, **message),
    Command.DELIVER_SM: st.builds(ShortMessage, addresses, addresses, **message),
    Command.SUBMIT_SM | RESPONSE: st.builds(MessageId, ids, tlvs),
    Command.DATA_SM: st.builds(DataMessage, addresses, addresses, octet, octet, octet, texts, tlvs),
    Command.SUBMIT_MULTI: st.builds(MultiMessage, addresses, destinations, **message),
    Command.SUBMIT_MULTI | RESPONSE: st.builds(MultiResponse, ids, failures, tlvs),
    Command.QUERY_SM: st.builds(Query, ids, addresses),
    Command.QUERY_SM | RESPONSE: st.builds(QueryResponse, ids, texts, octet, octet),
    Command.CANCEL_SM: st.builds(Cancel, ids, addresses, addresses, texts),
    Command.REPLACE_SM: st.builds(Replace, ids, addresses, short, texts, texts, octet, octet, tlvs),
    Command.ALERT_NOTIFICATION: st.builds(Alert, addresses, addresses, tlvs),
}
pdus = st.sampled_from(sorted(BODIES)).flatmap(
    lambda command: st.builds(
        Pdu, st.just(command), st.integers(0, 0x7FFFFFFF), BODIES[command], st.just(0)
    )
)


def test_a_submit_sm_has_the_octets_of_the_specification():
    sent = Pdu(
        Command.SUBMIT_SM,
        5,
        ShortMessage(
            Address(5, 0, "Citynet"),
            Address(1, 1, "995599000001"),
            b"Hello",
            registered_delivery=1,
        ),
    )
    assert encode(sent) == SUBMIT
    assert decode(SUBMIT) == sent


def test_a_refused_request_has_a_header_alone():
    refused = Pdu(Command.SUBMIT_SM | RESPONSE, 7, MessageId(), Status.THROTTLED)
    assert encode(refused).hex() == "00000010800000040000005800000007"
    assert decode(encode(refused)) == refused


def test_a_message_of_more_than_254_octets_stands_in_a_tlv():
    long = b"x" * 400
    with pytest.raises(ValueError, match="254"):
        encode(Pdu(Command.SUBMIT_SM, 1, ShortMessage(Address(), Address(), long)))
    carried = ShortMessage(Address(), Address(), tlvs=((Tag.MESSAGE_PAYLOAD, long),))
    found = decode(encode(Pdu(Command.SUBMIT_SM, 1, carried))).body
    assert isinstance(found, ShortMessage)
    assert found.payload == long


def fault_of(octets: bytes) -> PduError | None:
    try:
        decode(octets)
    except PduError as error:
        return error
    return None


@given(pdus)
def test_reading_is_the_inverse_of_writing(pdu):
    assert decode(encode(pdu)) == pdu


@given(pdus, st.data())
def test_a_pdu_cut_anywhere_is_refused_or_is_another_whole_one(pdu, data):
    whole = encode(pdu)
    cut = whole[: data.draw(st.integers(16, len(whole)))]
    fault = fault_of(cut)
    if fault is None:
        assert encode(decode(cut))[4:] == cut[4:]
    else:
        assert fault.sequence == pdu.sequence
        assert fault.status in (Status.INVALID_MESSAGE_LENGTH, Status.INVALID_COMMAND_LENGTH)


@given(st.binary(min_size=16, max_size=300))
def test_any_octets_are_a_pdu_or_a_named_fault(octets):
    fault = fault_of(octets)
    assert fault is None or fault.status is not Status.OK


@pytest.mark.parametrize("position", range(17, len(SUBMIT)))
def test_a_submit_sm_cut_at_each_octet_is_an_invalid_length(position):
    with pytest.raises(PduError) as caught:
        decode(SUBMIT[:position])
    assert caught.value.status is Status.INVALID_MESSAGE_LENGTH
    assert caught.value.sequence == 5


def test_an_unknown_command_is_named():
    with pytest.raises(PduError) as caught:
        decode(bytes.fromhex("00000010000001110000000000000009"))
    assert caught.value.status is Status.INVALID_COMMAND_ID
    assert caught.value.sequence == 9


def test_another_commands_body_is_refused():
    with pytest.raises(ValueError, match="Query"):
        encode(Pdu(Command.SUBMIT_SM, 1, Query("1", Address())))


@pytest.mark.parametrize(
    ("bind", "limit"),
    [
        (Bind("x" * 16), 15),
        (Bind("x", "y" * 9), 8),
        (Bind("x\0y"), 15),
    ],
)
def test_strings_that_do_not_fit_are_not_written(bind, limit):
    with pytest.raises(ValueError, match=f"doesn't fit into {limit} octets"):
        encode(Pdu(Command.BIND_RECEIVER, 1, bind))


class TestFraming:
    def test_pdus_are_cut_out_however_the_octets_arrive(self):
        stream = SUBMIT * 3
        framer = Framer()
        found = [pdu for octet in stream for pdu in framer.feed(bytes((octet,)))]
        assert found == [SUBMIT] * 3
        assert Framer().feed(stream) == [SUBMIT] * 3

    @pytest.mark.parametrize("length", [0, 4, 15, MAX_PDU_OCTETS + 1, 2**32 - 1])
    def test_lengths_that_no_pdu_has_end_the_connection(self, length):
        with pytest.raises(FramingError):
            Framer().feed(length.to_bytes(4, "big"))

    def test_generic_nack_has_no_body(self):
        nack = Pdu(GENERIC_NACK, 0, Empty(), Status.INVALID_COMMAND_LENGTH)
        assert encode(nack).hex() == "00000010800000000000000200000000"
