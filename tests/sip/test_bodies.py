"""Multipart bodies (RFC 5621): which part is the session description, and what is refused."""

from email import message_from_bytes
from email.policy import HTTP

import pytest
from conversation import ALICE, ANSWER, BOB, OFFER, Conversation
from hypothesis import given
from hypothesis import strategies as st
from sip_messages import raw, request, response

from sip.bodies import MAX_PARTS, BodyPart, description_in, multipart, parts_of
from sip.capabilities import not_understood
from sip.errors import ParseError
from sip.reading import parse_message

SDP = b"Content-Type: application/sdp"
ISUP = b"Content-Type: application/isup; version=itu-t92+"
OPTIONAL = b"Content-Disposition: signal; handling=optional"
REQUIRED = b"Content-Disposition: signal; handling=required"
PIDF = b"Content-Type: application/pidf+xml"


def body(
    *parts: tuple[list[bytes], bytes], preamble: bytes = b"", end: bytes = b"--b--\r\n"
) -> bytes:
    written = [b"--b\r\n" + b"".join(h + b"\r\n" for h in head) + b"\r\n" + text + b"\r\n"
               for head, text in parts]  # fmt: skip
    return preamble + b"".join(written) + end


def invite(content: bytes, content_type: bytes = b"multipart/mixed;boundary=b", method="INVITE"):
    return parse_message(request(method, body=content, Content_Type=content_type))


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        (b"multipart/mixed;boundary=b", body(([SDP], OFFER), ([ISUP, OPTIONAL], b"\x01\x00 "))),
        (b'multipart/mixed; boundary="b"', body(([PIDF], b"<presence/>"), ([SDP], OFFER))),
        (b"Multipart/Mixed ; Boundary=b", body(([SDP], OFFER), preamble=b"Read on.\r\n")),
        (b"multipart/related;boundary=b", body(([SDP, b"Content-Disposition: session"], OFFER))),
        (b"multipart/alternative;boundary=b", body(([b"Content-Type: text/plain"], b"hello"),
                                                   ([b"content-type : APPLICATION/sdp"], OFFER))),
        (b"multipart/mixed;boundary=b", body(([SDP], OFFER), end=b"--b--")),
        (b"multipart/mixed;boundary=b", body(([SDP], OFFER), end=b"--b-- \r\nepilogue --b\r\n")),
        (b"multipart/mixed;boundary=b", body(([SDP], OFFER), end=b"")[:-2]),
        (b"multipart/mixed;boundary=b", body(([SDP, b"Content-Type: text/plain"], OFFER))),
        (b"multipart/mixed;boundary=b", body(([SDP, b"Content-Disposition: early-session"], b"v=1"),
                                             ([SDP], OFFER))),
    ],
)  # fmt: skip
def test_the_session_description_is_found(content_type, content):
    message = invite(content, content_type)
    assert message.description == OFFER and not_understood(message) is None


def test_a_body_within_a_body_is_read():
    inner = b"--c\r\nContent-Type: application/sdp\r\n\r\n" + OFFER + b"\r\n--c--\r\n"
    outer = body(([b"Content-Type: multipart/alternative;boundary=c"], inner), ([ISUP], b"\x01"))
    assert invite(outer).description == OFFER


@pytest.mark.parametrize(
    "content_type", [b"application/sdp", b"Application/SDP ; charset=UTF-8", None]
)
def test_a_plain_body_is_the_description(content_type):
    assert invite(OFFER, content_type).description == OFFER


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        (b"application/isup", b"\x01"),
        (b"multipart/mixed;boundary=b", body(([ISUP], b"\x01"))),
        (b"multipart/mixed;boundary=other", body(([SDP], OFFER))),
        (b"multipart/mixed", body(([SDP], OFFER))),
        (b"multipart/mixed;boundary=b",
         body(([SDP, b"Content-Transfer-Encoding: base64"], b"dj0w"))),
        (b"multipart/mixed;boundary=b", b"--bc\r\n\r\nv=0\r\n--bc--"),
        (b"multipart/mixed;boundary=b", b""),
    ],
)  # fmt: skip
def test_what_is_no_description_is_none(content_type, content):
    assert invite(content, content_type).description == b""


def test_lines_that_only_look_like_delimiters_stay_in_their_part():
    text = b"v=0\r\ns=--b\r\na=--b\r\n--bx\r\nx --b"
    assert invite(body(([SDP], text))).description == text


@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "PRACK"])
def test_an_unknown_part_that_is_required_is_415(method):
    refusal = not_understood(
        invite(body(([SDP], OFFER), ([ISUP, REQUIRED], b"\x01")), method=method)
    )
    assert refusal.status == 415
    assert (b"Accept", b"application/sdp, multipart/mixed") in refusal.headers


@pytest.mark.parametrize(
    "part",
    [[ISUP, OPTIONAL], [ISUP], [ISUP, b"Content-Disposition: ;;;"],
     [PIDF, b"Content-Disposition: render; handling=required"]],
)  # fmt: skip
def test_what_is_optional_or_known_is_no_reason_to_refuse(part):
    assert not_understood(invite(body(([SDP], OFFER), (part, b"\x01")))) is None


def test_no_other_body_of_an_invite_is_read():
    assert not_understood(invite(b"\x01", b"application/isup")).status == 415


@pytest.mark.parametrize(
    "content_type",
    [b"multipart/mixed", b"multipart/mixed;boundary=" + b"b" * 71, b"multipart/mixed;boundary=\"\"",
     b"multipart/mixed;boundary=c", b"multipart/mixed;boundary"],
)  # fmt: skip
def test_a_multipart_request_that_cant_be_cut_is_400(content_type):
    with pytest.raises(ParseError) as refused:
        not_understood(invite(body(([SDP], OFFER)), content_type))
    assert refused.value.status == 400


def test_parts_and_levels_are_limited():
    with pytest.raises(ParseError):
        parts_of(b"multipart/mixed;boundary=b", body(*[([ISUP], b"")] * (MAX_PARTS + 1)))
    deep, kind = body(([SDP], OFFER)), b"multipart/mixed;boundary=b"
    for level in (b"1", b"2", b"3"):
        assert description_in(kind, deep) == OFFER
        head = b"--%s\r\nContent-Type: %s\r\n\r\n" % (level, kind)
        deep, kind = head + deep + b"\r\n--%s--" % level, b"multipart/mixed;boundary=" + level
    with pytest.raises(ParseError):
        parts_of(kind, deep)


def test_what_is_written_is_read_again():
    parts = (
        BodyPart(((b"Content-Type", b"application/sdp"),), OFFER),
        BodyPart(((b"Content-Type", b"text/plain"), (b"Content-ID", b"<1@h>")), b"a\r\n\r\nb"),
    )
    assert parts_of(b"multipart/mixed;boundary=x1", multipart(list(parts), b"x1")) == parts


lines = st.text("abc-=:;/ <>0", max_size=12).map(str.encode)
texts = st.lists(lines, max_size=5).map(b"\r\n".join)


@given(st.lists(texts, min_size=1, max_size=4), st.sampled_from([b"b", b"a", b"--", b"0:c"]))
def test_bodies_are_cut_as_others_cut_them(written, boundary):
    """Against the parser of electronic mail, from which the format is."""
    head = ((b"Content-Type", b"text/x"),)
    content = multipart([BodyPart(head, text) for text in written], boundary)
    content_type = b'multipart/mixed; boundary="%s"' % boundary
    mail = message_from_bytes(b"Content-Type: %s\r\n\r\n%s" % (content_type, content), policy=HTTP)
    theirs = [part.get_payload(decode=True) for part in mail.iter_parts()]
    assert [part.body for part in parts_of(content_type, content)] == theirs


MIXED = (b"Content-Type", b"multipart/mixed;boundary=b")


def as_multipart(message: bytes) -> bytes:
    """The message with its SDP in one part and ISUP in another."""
    head, _, sdp = message.partition(b"\r\n\r\n")
    if not sdp:
        return message
    content = body(([ISUP, OPTIONAL], b"\x01\x00"), ([SDP], sdp))
    lines = [line for line in head.split(b"\r\n")
             if not line.lower().startswith((b"content-type:", b"content-length:"))]  # fmt: skip
    return raw(*lines, b"%s: %s" % MIXED, b"Content-Length: %d" % len(content), body=content)


def test_a_call_whose_every_body_is_multipart():
    """INVITE, 183, PRACK, 200, re-INVITE, its 200, UPDATE and the ACK with an answer."""
    talk = Conversation()
    talk.spoil = as_multipart
    a = talk.call()
    b = talk.take()
    assert talk.events[BOB][-1].request.description == OFFER
    b.progress(183, talk.now, ANSWER)
    talk.run(0.1)
    b.accept(ANSWER, talk.now)
    talk.run(1.0)
    assert talk.told(ALICE) == ["Progress", "Answered"]
    assert [event.response.description for event in talk.events[ALICE]] == [ANSWER, ANSWER]
    assert (a.local_description, a.remote_description) == (OFFER, ANSWER)
    assert (b.local_description, b.remote_description) == (ANSWER, OFFER)
    a.reinvite(OFFER, talk.now)  # nothing new: answered without asking the owner
    talk.run(1.0)
    a.reinvite(b"", talk.now)
    talk.run(0.1)
    b.accept(ANSWER, talk.now)
    talk.run(0.1)
    a.acknowledge(OFFER, talk.now)
    talk.run(0.1)
    assert talk.told(BOB)[-2:] == ["Reinvited", "Acknowledged"]
    assert talk.events[BOB][-1].request.description == OFFER
    a.bye(talk.now)
    talk.run(40.0)
    assert talk.told(BOB)[-1] == "HungUp"


def test_a_response_whose_body_cant_be_read_has_no_description():
    ok = parse_message(response(200, "INVITE", b"--x", Content_Type=b"multipart/mixed;boundary=b"))
    assert ok.description == b""
