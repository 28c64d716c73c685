"""Dialogs that are stored, and read by a process that knew nothing of them."""

from sip import stored_dialog
from sip.dialog import Dialog
from sip.flow import Flow
from sip.reading import parse_message


def dialog() -> Dialog:
    made = Dialog(
        call_id="a-\udce9@198.51.100.7",
        local=b"<sip:+995322000002@example.org>;tag=ours",
        local_tag="ours",
        remote=b'"Ana" <sip:ana@example.org>;tag=theirs',
        remote_tag="theirs",
        remote_target=b"sip:ana@198.51.100.7:5062",
        route_set=(b"<sip:10.0.0.1;lr>", b"<sip:10.0.0.2;lr>"),
        contact=b"<sip:192.0.2.1:5060>",
        flow=Flow("udp", ("192.0.2.1", 5060), ("10.0.0.1", 5060), None, ("198.51.100.7", 40_000)),
        pinned=True,
    )
    made.local_cseq = 7
    return made


def test_a_dialog_comes_back_as_it_was_with_a_cseq_that_was_never_used() -> None:
    before = dialog()
    octets = stored_dialog.encode([stored_dialog.stored(before, authenticates=False)])
    (end,) = stored_dialog.decode(octets)
    after = end.dialog()
    assert after.local_cseq == 7 + 1_048_576
    after.local_cseq = before.local_cseq
    assert {name: getattr(after, name) for name in Dialog.__slots__} == {
        name: getattr(before, name) for name in Dialog.__slots__
    }
    assert len(octets) < 500


def test_a_bye_of_a_stored_dialog_goes_by_the_edges_to_the_phone() -> None:
    octets = stored_dialog.encode([stored_dialog.stored(dialog(), authenticates=True)])
    (end,) = stored_dialog.decode(octets)
    assert end.authenticates
    via = b"SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx"
    bye = parse_message(end.dialog().write("BYE", 9, via))
    assert bye.raw_uri == b"sip:ana@198.51.100.7:5062"
    assert bye.get_all(b"route") == [b"<sip:10.0.0.1;lr>", b"<sip:10.0.0.2;lr>"]
    assert bye.get(b"call-id") == b"a-\xe9@198.51.100.7"


def test_octets_of_another_shape_are_no_dialogs() -> None:
    assert stored_dialog.decode(b"\x91\x91\x01") == ()
    assert stored_dialog.decode(b"") == ()
