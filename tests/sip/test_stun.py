"""STUN keep-alives (RFC 5626 section 4.4.2), octet by octet."""

import pytest

from sip import stun

TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
REQUEST = bytes.fromhex("000100002112a442") + TRANSACTION


def test_the_ipv4_answer_is_the_one_of_the_test_vectors():
    """RFC 5769 section 2.2, without the attributes that we don't send."""
    answer = stun.answer(REQUEST, ("192.0.2.1", 32853))
    assert answer == bytes.fromhex("0101000c2112a442") + TRANSACTION + bytes.fromhex(
        "002000080001a147e112a643"
    )


def test_the_ipv6_answer_is_the_one_of_the_test_vectors():
    """RFC 5769 section 2.3."""
    source = ("2001:db8:1234:5678:11:2233:4455:6677", 32853)
    answer = stun.answer(REQUEST, source)
    assert answer == bytes.fromhex("010100182112a442") + TRANSACTION + bytes.fromhex(
        "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"
    )


@pytest.mark.parametrize(
    "data",
    [
        REQUEST[:19],
        b"\x01\x01" + REQUEST[2:],
        b"\x00\x03" + REQUEST[2:],
        REQUEST[:4] + b"\x00\x00\x00\x00" + REQUEST[8:],
        REQUEST[:2] + b"\x00\x04" + REQUEST[4:],
        REQUEST + b"\x00",
    ],
    ids=["short", "response", "allocate", "no cookie", "longer than it is", "rest"],
)
def test_anything_else_gets_no_answer(data):
    assert not stun.is_stun(data) or stun.answer(data, ("192.0.2.1", 1)) is None


def test_sip_is_never_taken_for_stun():
    assert not stun.is_stun(b"INVITE sip:a SIP/2.0\r\n" + bytes(20))
    assert not stun.is_stun(b"\r\n\r\n" + bytes(20))
