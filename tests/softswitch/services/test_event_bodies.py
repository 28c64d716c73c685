"""What subscribers read: exact bodies, and strangers' text that stays text."""

import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.flow import Flow
from sip.registrar import Binding
from softswitch.services.dialog_info import LineDialog, dialog_info
from softswitch.services.markup import characters, document, element
from softswitch.services.message_summary import message_summary
from softswitch.services.reg_info import reg_info
from softswitch.subscribers.directory import Waiting

DIALOG = "{urn:ietf:params:xml:ns:dialog-info}"
REG = "{urn:ietf:params:xml:ns:reginfo}"
HOSTILE = [
    '"><x a="',
    "<!ENTITY a 'b'>",
    "&amp;&lt;",
    "\x00\x1b\x7f",
    "\udcff\ud800",
    "]]>",
    "ა'\"",
]


def binding(contact: bytes, q: float = 1.0) -> Binding:
    flow = Flow("udp", ("192.0.2.1", 5060), ("198.51.100.1", 5060))
    return Binding("ana", contact, "c", 1, q, 1600.0, flow, None, "", 1000.0)


def test_messages_that_wait():
    assert message_summary("sip:ana@example.org", Waiting(2, 5)) == (
        b"Messages-Waiting: yes\r\nMessage-Account: sip:ana@example.org\r\n"
        b"Voice-Message: 2/5 (0/0)\r\n"
    )
    assert message_summary("sip:a@b", Waiting(0, 9)).startswith(b"Messages-Waiting: no\r\n")


def test_a_lines_dialogs():
    dialogs = [
        LineDialog("c1-a", "initiator", "early", "sip:+442012345678@example.org"),
        LineDialog("c2-b", "recipient", "confirmed", None),
    ]
    assert dialog_info("sip:+995322000001@example.org", dialogs, 3).decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="3" state="full" '
        'entity="sip:+995322000001@example.org">'
        '<dialog id="c1-a" direction="initiator"><state>early</state>'
        "<local><identity>sip:+995322000001@example.org</identity>"
        '<target uri="sip:+995322000001@example.org"/></local>'
        "<remote><identity>sip:+442012345678@example.org</identity>"
        '<target uri="sip:+442012345678@example.org"/></remote></dialog>'
        '<dialog id="c2-b" direction="recipient"><state>confirmed</state>'
        "<local><identity>sip:+995322000001@example.org</identity>"
        '<target uri="sip:+995322000001@example.org"/></local></dialog></dialog-info>\n'
    )


def test_an_idle_line_says_that_its_dialog_is_over():
    root = ElementTree.fromstring(dialog_info("sip:a@b", [], 0))
    assert [dialog.get("id") for dialog in root.findall(f"{DIALOG}dialog")] == ["idle"]
    assert root.findtext(f"{DIALOG}dialog/{DIALOG}state") == "terminated"


def test_registrations():
    held = [binding(b"sip:ana@198.51.100.1:5060;ob", 0.5), binding(b"sip:ana@[2001:db8::1]")]
    root = ElementTree.fromstring(reg_info("sip:ana@example.org", held, 2, now=1100.0))
    assert (root.get("version"), root.get("state")) == ("2", "full")
    registration = root.find(f"{REG}registration")
    assert (registration.get("aor"), registration.get("state")) == ("sip:ana@example.org", "active")
    contacts = registration.findall(f"{REG}contact")
    assert [contact.findtext(f"{REG}uri") for contact in contacts] == [
        "sip:ana@198.51.100.1:5060;ob",
        "sip:ana@[2001:db8::1]",
    ]
    assert len({contact.get("id") for contact in contacts}) == 2
    shown = {key: contacts[0].get(key) for key in ("state", "event", "expires", "q")}
    assert shown == {"state": "active", "event": "registered", "expires": "500", "q": "0.5"}
    assert contacts[0].get("duration-registered") == "100"


def test_nobody_is_registered():
    root = ElementTree.fromstring(reg_info("sip:ana@example.org", [], 0, now=0.0))
    registration = root.find(f"{REG}registration")
    assert registration.get("state") == "init" and len(registration) == 0


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_stranger_wrote_stays_text(text):
    dialogs = [LineDialog("c1", "recipient", "early", text)]
    root = ElementTree.fromstring(dialog_info("sip:a@b", dialogs, 0))
    remote = root.find(f"{DIALOG}dialog/{DIALOG}remote")
    assert [child.tag for child in remote] == [f"{DIALOG}identity", f"{DIALOG}target"]
    held = [binding(text.encode("utf-8", "surrogatepass"))]
    root = ElementTree.fromstring(reg_info(f"sip:{text}@example.org", held, 0, now=0.0))
    assert len(root.findall(f".//{REG}contact")) == 1


def in_xml(c: str) -> bool:
    """Char of XML 1.0 section 2.2."""
    return c in "\t\n\r" or " " <= c < "\ud800" or (c > "\udfff" and c not in "\ufffe\uffff")


@given(st.text(), st.text())
def test_any_text_is_read_back_as_it_was_but_for_what_xml_cannot_hold(inside, attribute):
    root = ElementTree.fromstring(document(element("x", {"a": attribute}, characters(inside))))

    def legal(text: str) -> str:
        return "".join(c if in_xml(c) else "\ufffd" for c in text)

    assert (root.text or "") == legal(inside).replace("\r\n", "\n").replace("\r", "\n")
    assert root.get("a") == legal(attribute)
