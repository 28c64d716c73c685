"""503s made of the octets of requests that aren't read."""

import pytest

from sip.reading import parse_message
from sip.refusal import Refuser

SOURCE = ("192.0.2.9", 40000)
INVITE = (
    b"INVITE sip:+99532@example.org SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP edge.example.org;branch=z9hG4bK2;rport\r\n"
    b"Max-Forwards: 70\r\n"
    b"Via: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bK1\r\n"
    b"From: <sip:a@example.org>;tag=x\r\nTo: <sip:+99532@example.org>\r\n"
    b"Call-ID: c1\r\nCSeq: 7 INVITE\r\nContact: <sip:a@10.0.0.9>\r\n"
    b"Content-Length: 5\r\n\r\nTo: x"
)


def refuse(data, source=SOURCE):
    return Refuser(0xABC, b"test").refuse(data, source, 9)


def test_a_refusal_has_what_a_response_must_copy():
    response = parse_message(refuse(INVITE))
    response.validate()
    assert (response.status, response.get(b"retry-after")) == (503, b"9")
    assert response.get_all(b"via") == [
        b"SIP/2.0/UDP edge.example.org;branch=z9hG4bK2;received=192.0.2.9;rport=40000",
        b"SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bK1",
    ]
    assert response.get(b"from") == b"<sip:a@example.org>;tag=x"
    assert (response.call_id, response.cseq.number, response.cseq.method) == ("c1", 7, "INVITE")
    assert response.to_tag.startswith("0000000000000abc.")
    assert refuse(INVITE) == refuse(INVITE)


def test_several_vias_in_one_field_are_kept():
    request = INVITE.replace(b";rport\r\nMax", b";rport;x=1, SIP/2.0/UDP b;branch=z9hG4bK0\r\nMax")
    response = parse_message(refuse(request))
    assert response.get_all(b"via")[0] == (
        b"SIP/2.0/UDP edge.example.org;branch=z9hG4bK2;x=1;received=192.0.2.9;rport=40000"
        b", SIP/2.0/UDP b;branch=z9hG4bK0"
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"INVITE",
        INVITE.replace(b"\r\nTo:", b"\r\nt:"),
        INVITE.replace(b"Call-ID: c1\r\n", b""),
        INVITE.replace(b"Call-ID: c1\r\n", b"Call-ID: c1\r\nCall-ID: c2\r\n"),
        INVITE.replace(b"\r\nCSeq", b"\r\n more\r\nCSeq"),
        INVITE.replace(b"\r\nCSeq", b"\r\n\tmore\r\nCSeq"),
        INVITE.replace(b"\r\nFrom", b"\r\n ;x=1\r\nVia: SIP/2.0/UDP b;branch=z9hG4bK0\r\nFrom"),
        INVITE.replace(b"\r\nMax-Forwards: 70", b"\r\nMax-Forwards:\r\n 70"),
        INVITE.replace(b"\r\nCall-ID", b"\r\n ;x=1\r\nCall-ID"),
        INVITE.replace(b".org>\r\nCall", b".org>;tag=1\r\nCall"),
        INVITE.replace(b"INVITE sip", b"ACK sip"),
        INVITE.replace(b"Max-Forwards: 70\r\n", b"Via: SIP/2.0/UDP h;branch=z9hG4bK9\r\n" * 20),
        INVITE.replace(b"Max-Forwards: 70\r\n", b"X: " + bytes(9000) + b"\r\n"),
    ],
)
def test_what_isnt_written_plainly_is_left_to_the_parser(data):
    assert refuse(data) is None


def test_the_ack_to_a_refusal_is_known():
    refuser = Refuser(0xABC, b"test")
    to = parse_message(refuser.refuse(INVITE, SOURCE, 9)).get(b"to")
    ack = INVITE.replace(b"INVITE sip", b"ACK sip").replace(b"<sip:+99532@example.org>\r\n", to)
    assert refuser.acknowledges(ack)
    assert not refuser.acknowledges(ack.replace(b";tag=0", b";tag=1"))
    assert not refuser.acknowledges(INVITE)
