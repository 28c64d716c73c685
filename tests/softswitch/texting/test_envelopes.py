"""Envelopes of texts and the delivery reports in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.texting import cpim
from softswitch.texting.cpim import CpimError, Envelope
from softswitch.texting.delivery_report import is_wanted, report

WRITTEN = (
    b"From: Somebody else <im:boss@example.org>\r\n"
    b"To: <im:bob@example.org>\r\n"
    b"NS: imdn <urn:ietf:params:imdn>\r\n"
    b"imdn.Message-ID: 34jk324j\r\n"
    b"imdn.Disposition-Notification: positive-delivery, Processing\r\n"
    b"\r\n"
    b"Content-Type: text/plain; charset=UTF-8\r\n"
    b"\r\n"
    b"Hello\r\n\r\nthere"
)
TEXT = cpim.parse(WRITTEN)


def test_an_envelope_is_read():
    assert TEXT.content == b"Hello\r\n\r\nthere"
    assert TEXT.content_type == "text/plain; charset=UTF-8"
    assert TEXT.message_id == "34jk324j"
    assert TEXT.wants == {"positive-delivery", "processing"}


def test_the_sender_is_the_one_who_was_authenticated():
    sent = TEXT.addressed("sip:+995322000101@example.org", "sip:+995322000102@example.org")
    assert b"boss" not in cpim.write(sent)
    assert cpim.write(sent).startswith(
        b"From: <sip:+995322000101@example.org>\r\nTo: <sip:+995322000102@example.org>\r\n"
        b"NS: imdn <urn:ietf:params:imdn>\r\n"
    )
    assert cpim.parse(cpim.write(sent)) == sent


def test_the_namespace_decides_which_headers_ask_for_reports():
    other = WRITTEN.replace(b"NS: imdn ", b"NS: x ").replace(b"imdn.", b"x.")
    assert cpim.parse(other).message_id == "34jk324j"
    assert cpim.parse(WRITTEN.replace(b"NS: imdn ", b"NS: x ")).message_id is None


def test_lines_may_end_as_on_unix():
    assert cpim.parse(WRITTEN.replace(b"\r\n", b"\n")).content == b"Hello\n\nthere"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"From: <sip:a@b>\r\n",
        b"From: <sip:a@b>\r\n\r\n",
        b"From: <sip:a@b>\r\n\r\nContent-Type: text/plain\r\n",
        b"From: <sip:a@b>\r\n\r\nX: 1\r\n\r\nhi",
        b"no field\r\n\r\nContent-Type: text/plain\r\n\r\nhi",
        b"From: \xff\r\n\r\nContent-Type: text/plain\r\n\r\nhi",
        b"A: b\r\n" * 50 + b"\r\nContent-Type: text/plain\r\n\r\nhi",
    ],
)
def test_what_is_no_envelope_is_refused(body):
    with pytest.raises(CpimError):
        cpim.parse(body)


@given(st.binary(max_size=300))
def test_any_octets_are_an_envelope_or_refused(octets):
    for body in (octets, WRITTEN[:-20] + octets):
        try:
            found = cpim.parse(body)
        except CpimError:
            continue
        assert isinstance(found, Envelope)


def test_a_report_names_the_text_and_goes_the_other_way():
    sender, recipient = "sip:+995322000101@example.org", "sip:+995322000102@example.org"
    found = cpim.parse(report("delivered", TEXT, sender, recipient, 1_600_000_080.0))
    assert found.get("from") == f"<{recipient}>"
    assert found.get("to") == f"<{sender}>"
    assert found.content_type == "message/imdn+xml; charset=utf-8"
    assert found.content == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<imdn xmlns="urn:ietf:params:xml:ns:imdn"><message-id>34jk324j</message-id>'
        b"<datetime>2020-09-13T12:28:00Z</datetime>"
        b"<recipient-uri>sip:+995322000102@example.org</recipient-uri>"
        b"<delivery-notification><status><delivered/></status></delivery-notification></imdn>\n"
    )


def test_reports_are_sent_to_those_who_ask():
    assert is_wanted("delivered", TEXT)
    assert is_wanted("stored", TEXT)
    assert not is_wanted("failed", TEXT)
    assert not is_wanted("delivered", cpim.parse(WRITTEN.replace(b"Message-ID", b"X")))
