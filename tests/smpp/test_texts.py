"""Alphabets, segments, receipts and times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpp import gsm, receipt, segments, times
from smpp.codes import DataCoding, MessageState, Tag
from smpp.receipt import Receipt, answered_ids, plain_id, receipted_ids

GEORGIAN = "გამარჯობა"


class TestAlphabet:
    def test_the_euro_sign_costs_two_septets(self):
        assert gsm.encode("a€[") == b"a\x1be\x1b<"
        assert gsm.decode(b"a\x1be\x1b<") == "a€["

    def test_codes_are_those_of_the_standard(self):
        assert gsm.encode("@£$¥\n_ÄÖÑÜ§¿äöñüà") == bytes.fromhex(
            "00 01 02 03 0a 11 5b 5c 5d 5e 5f 60 7b 7c 7d 7e 7f"
        )

    @given(st.text(st.sampled_from([*sorted(set(gsm._BASIC) - {"\x1b"}), "€", "[", "\\", "~"])))
    def test_reading_is_the_inverse_of_writing(self, text):
        assert gsm.decode(gsm.encode(text)) == text

    def test_an_unknown_escape_is_the_basic_character(self):
        assert gsm.decode(b"\x1bA\x1b\x1b") == "A "

    def test_georgian_is_not_in_it(self):
        assert not gsm.fits(GEORGIAN)
        with pytest.raises(ValueError, match="გ"):
            gsm.encode(GEORGIAN)

    @pytest.mark.parametrize(
        ("octets", "coding", "text"),
        [
            (b"\x00\x1be", 0, "@€"),
            (b"\xe9", 3, "é"),
            ("გა😀".encode("utf-16-be"), 8, "გა😀"),
            (b"Hi", 0xF0, "Hi"),
            (b"\x10\xd2", 0x18, "გ"),
            (b"\x00\x01", 4, None),
        ],
    )
    def test_each_coding_is_read(self, octets, coding, text):
        assert gsm.text_of(octets, coding) == text


class TestSegments:
    @pytest.mark.parametrize(
        ("text", "count"),
        [
            ("", 1),
            ("a" * 160, 1),
            ("a" * 161, 2),
            ("a" * 306, 2),
            ("a" * 307, 3),
            ("€" * 80, 1),
            ("€" * 81, 2),
            ("გ" * 70, 1),
            ("გ" * 71, 2),
            ("გ" * 134, 2),
            ("გ" * 135, 3),
            ("😀" * 35, 1),
            ("😀" * 36, 2),
            ("a" * 159 + "გ", 3),
        ],
    )
    def test_texts_cost_what_the_radio_network_counts(self, text, count):
        assert segments.count(text) == count

    def test_an_escape_is_not_parted_from_its_character(self):
        sent = segments.split("a" * 152 + "€" + "b" * 100, 7)
        assert sent.octets[0] == bytes.fromhex("050003070201") + b"a" * 152
        assert sent.octets[1].startswith(bytes.fromhex("050003070202") + b"\x1be")

    def test_a_surrogate_pair_is_not_parted(self):
        sent = segments.split("გ" * 66 + "😀" + "გ" * 10, 7)
        assert len(sent.octets[0]) == 6 + 132
        assert sent.octets[1][6:].decode("utf-16-be").startswith("😀")

    @given(st.text(max_size=900), st.booleans())
    def test_segments_joined_are_the_text(self, text, wide):
        sent = segments.split(text, 200, wide=wide)
        if not sent.has_header:
            assert gsm.text_of(sent.octets[0], sent.data_coding) == text
            return
        joined = segments.Reassembly()
        parts = [segments.read_header(octets) for octets in sent.octets]
        assert all(len(octets) <= 160 for octets in sent.octets)
        found = None
        for part, rest in reversed(parts):
            assert part is not None
            assert part.reference == 200
            found = joined.add("a", "b", part, rest, 0.0)
        assert found is not None
        assert "".join(gsm.text_of(one, sent.data_coding) or "" for one in found) == text
        assert len(joined) == 0

    def test_a_text_of_more_than_255_segments_is_refused(self):
        assert segments.count("a" * 153 * 255) == 255
        with pytest.raises(ValueError, match="256"):
            segments.count("a" * (153 * 255 + 1))

    @pytest.mark.parametrize(
        ("octets", "part", "rest"),
        [
            (b"\x05\x00\x03\x07\x02\x01hi", segments.Part(7, 2, 1), b"hi"),
            (b"\x06\x08\x04\x01\x00\x03\x03hi", segments.Part(256, 3, 3), b"hi"),
            (b"\x0b\x05\x04\x0b\x84\x23\xf0\x00\x03\x07\x02\x01hi", segments.Part(7, 2, 1), b"hi"),
            (b"\x05\x00\x03\x07\x02\x00hi", None, b"hi"),
            (b"\x05\x00\x03\x07\x02\x03hi", None, b"hi"),
            (b"\x02\x70\x00hi", None, b"hi"),
            (b"\x05\x00\x09\x07\x02\x01hi", None, b"hi"),
        ],
    )
    def test_headers_are_read(self, octets, part, rest):
        assert segments.read_header(octets) == (part, rest)

    def test_a_header_longer_than_the_message_is_refused(self):
        with pytest.raises(ValueError, match="longer"):
            segments.read_header(b"\x05\x00\x03")

    def test_incomplete_texts_are_given_up(self):
        waiting = segments.Reassembly(hold_seconds=10.0, max_open=2)
        assert waiting.add("a", "b", segments.Part(1, 2, 1), b"x", 0.0) is None
        assert waiting.add("a", "b", segments.Part(1, 2, 1), b"x", 1.0) is None
        assert waiting.add("a", "b", segments.Part(2, 2, 1), b"y", 2.0) is None
        assert waiting.add("a", "b", segments.Part(3, 2, 1), b"z", 3.0) is None
        assert len(waiting) == 2
        assert waiting.add("a", "b", segments.Part(2, 2, 2), b"Y", 4.0) == (b"y", b"Y")
        assert waiting.add("a", "b", segments.Part(3, 2, 2), b"Z", 13.0) is None


class TestReceipts:
    SENT = Receipt("0123456789", MessageState.DELIVERED, "000", 1_600_000_020.0, 1_600_000_080.0)

    def test_the_text_is_that_of_appendix_b(self):
        text, tlvs = receipt.write(self.SENT)
        assert text == (
            b"id:0123456789 sub:001 dlvrd:001 submit date:2009131227 done date:2009131228"
            b" stat:DELIVRD err:000 text:"
        )
        assert tlvs == ((Tag.RECEIPTED_MESSAGE_ID, b"0123456789\0"), (Tag.MESSAGE_STATE, b"\x02"))

    def test_reading_is_the_inverse_of_writing(self):
        assert receipt.read(*receipt.write(self.SENT)) == self.SENT
        assert receipt.read(receipt.write(self.SENT)[0]) == self.SENT

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            (
                b"id:7 stat:UNDELIV err:011",
                Receipt("7", MessageState.UNDELIVERABLE, "011"),
            ),
            (
                b"id:AB-1 sub:1 dlvrd:0 submit date:200913122700 done date:20200913122800"
                b" stat:expired err:1 Text:hi id:9 stat:DELIVRD",
                Receipt(
                    "AB-1",
                    MessageState.EXPIRED,
                    "1",
                    1_600_000_020.0,
                    1_600_000_080.0,
                    "hi id:9 stat:DELIVRD",
                ),
            ),
            (b"Hello id:", None),
            (b"stat:DELIVRD", None),
            (b"\xff\x00", None),
        ],
    )
    def test_other_spellings_are_read(self, text, found):
        assert receipt.read(text) == found

    def test_tlvs_win_over_the_text(self):
        tlvs = (
            (Tag.RECEIPTED_MESSAGE_ID, b"ff\0"),
            (Tag.MESSAGE_STATE, b"\x05"),
            (Tag.NETWORK_ERROR_CODE, b"\x03\x00\x22"),
        )
        assert receipt.read(b"whatever", tlvs) == Receipt("ff", MessageState.UNDELIVERABLE, "034")

    @pytest.mark.parametrize(
        ("answered", "receipted"),
        [("1A2B", "6699"), ("6699", "1a2b"), ("0006699", "6699"), ("6699", "00001A2B")],
    )
    def test_an_id_is_known_in_its_other_spellings(self, answered, receipted):
        assert plain_id(answered) in answered_ids(receipted)
        assert plain_id(receipted) in receipted_ids(answered)

    def test_an_id_that_is_no_number_has_its_own_spelling_alone(self):
        assert answered_ids("7f-9c-Z") == ("7f-9c-z",)
        assert answered_ids("0") == ("0",)

    @pytest.mark.parametrize(
        ("written", "receipted", "answered"),
        [
            ("same", "0016", ("16",)),
            ("decimal", "16", ("10",)),
            ("hex", "10", ("16",)),
            ("any", "16", ("16", "10", "22")),
            ("decimal", "1A", ()),
        ],
    )
    def test_a_carriers_habit_says_which_message_an_id_means(self, written, receipted, answered):
        assert answered_ids(receipted, written) == answered
        for one in answered:
            assert plain_id(receipted) in receipted_ids(one, written)

    @given(st.binary(max_size=300))
    def test_any_octets_are_a_receipt_or_none(self, octets):
        receipt.read(octets)


class TestTimes:
    def test_an_absolute_time_has_its_offset(self):
        assert times.parse("260101040000016+", 0.0) == 1_767_225_600.0
        assert times.parse("251231200000016-", 0.0) == 1_767_225_600.0
        assert times.parse("260101000000500+", 0.0) == 1_767_225_600.5

    def test_a_relative_time_counts_from_now(self):
        assert times.parse("000001020304000R", 100.0) == 100.0 + 86_400 + 2 * 3600 + 3 * 60 + 4
        assert times.parse("", 100.0) is None

    def test_writing_is_the_inverse_of_reading(self):
        assert times.absolute(1_767_225_600.0) == "260101000000000+"
        assert times.parse(times.absolute(1_767_225_600.0), 0.0) == 1_767_225_600.0

    @pytest.mark.parametrize(
        "text", ["x", "261301000000000+", "26010100000000+", "260101000000049+", "2601010000000٠0+"]
    )
    def test_what_is_no_time_is_refused(self, text):
        with pytest.raises(ValueError):
            times.parse(text, 0.0)


def test_codings_of_the_cheaper_alphabet():
    assert segments.coding_of("Hello €") is DataCoding.DEFAULT
    assert segments.coding_of("Hello ₾") is DataCoding.UCS2
