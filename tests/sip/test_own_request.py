"""Requests of ours that take less memory once no transport sends them again."""

from sip.fields import write
from sip.own_request import OwnRequest

BEGINNING = (
    b"INVITE sip:100@192.0.2.2 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n"
    b"From: <sip:200@192.0.2.1>;tag=a\r\nTo: <sip:100@192.0.2.2>\r\nCall-ID: 1\r\nCSeq: 1 INVITE"
)
LINES = b"\r\nContact: <sip:192.0.2.1:5060>\r\nContent-Type: application/sdp"
BODY = b"v=0\r\n"


def request():
    octets = write(BEGINNING, LINES, BODY)
    return OwnRequest("INVITE", "z9hG4bK1", BODY, LINES, octets)


def test_a_shortened_request_reads_as_before():
    whole, short = request(), request()
    short.shorten()
    assert short.get(b"call-id") == whole.get(b"call-id") == b"1"
    assert short.cseq == whole.cseq
    assert short.fields == whole.fields
    assert bytes(short) == bytes(whole) == write(BEGINNING, LINES, BODY)


def test_a_request_that_went_by_another_transport_is_shortened_with_its_new_via():
    sent = request()
    sent.send_by(b"SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK1")
    octets = bytes(sent)
    sent.shorten()
    assert bytes(sent) == octets
    assert b"\r\nVia: SIP/2.0/TCP " in octets


def test_a_shortened_request_keeps_no_line_that_other_calls_have():
    short = request()
    short.shorten()
    assert short._beginning == BEGINNING
