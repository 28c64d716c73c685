"""Damaged messages: each header of each message, in every state, does no harm."""

import pytest
from conversation import ALICE, ANSWER, BOB, OFFER, Conversation
from door import Door
from mangling import mangled
from sip_messages import request

from sip.errors import SipError
from sip.events import Received
from sip.message import Request, Response
from sip.reading import parse_message

# Every header of every request, in every state


METHODS = (
    "INVITE", "ACK", "BYE", "CANCEL", "INFO", "OPTIONS", "REGISTER", "UPDATE", "PRACK", "REFER",
    "SUBSCRIBE", "NOTIFY", "NONSENSE",
)  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_no_damaged_request_outside_a_dialog_does_harm(method):
    whole = request(
        method, body=OFFER, Contact=b"<sip:a@h>", Route=b"<sip:p;lr>", Record_Route=b"<sip:q;lr>",
        Expires=b"600", Require=b"", Supported=b"timer", User_Agent=b"x", Accept=b"application/sdp",
        Content_Type=b"application/sdp", Authorization=b'Digest username="a"', Timestamp=b"54",
    )  # fmt: skip
    for _, data in mangled(whole):
        door = Door()
        answer = door.knock(data)
        taken = door.agent.events()
        assert len(taken) + (answer is not None) <= 1
        for event in taken:
            if event.request.method == "INVITE":
                _take_or_refuse(door, event)
        door.talk.run(80.0)
        assert (len(door.agent.stack.layer), door.agent.sessions) == (0, 0)


def _take_or_refuse(door: Door, event: Received) -> None:
    """As a user does, who answers a request that raises when it is read."""
    try:
        session = door.agent.open_session(event, door.talk.now, pinned=True)
    except SipError as error:
        door.agent.stack.answer(event.request, event.flow, error.status)
        assert len(door.agent.stack.layer) == 0
    else:
        session.accept(ANSWER, door.talk.now)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("state", ["early", "confirmed", "held by a re-INVITE"])
def test_no_damaged_request_of_a_dialog_does_harm(method, state):
    names = [name for name, _ in mangled(_in_dialog(state, method)[2])]
    for index in range(len(names)):
        talk, sessions, whole = _in_dialog(state, method)
        name, data = list(mangled(whole))[index]
        talk.run(0.1)
        before = len(talk.trace)
        talk.bob.receive(data, talk.flow(BOB, ALICE), talk.now)
        answers = [
            m for sent, _ in talk.bob.to_send() if isinstance(m := parse_message(sent), Response)
        ]
        finals = [m.status for m in answers if m.status >= 200]
        assert len(finals) <= 2, name  # 200 to the CANCEL and 487 to its INVITE
        assert method != "ACK" or not finals, name
        for session in sessions:
            session.bye(talk.now)
        talk.run(110.0)
        assert len(talk.trace) - before < 80, name
        assert [len(a.stack.layer) for a in talk.agents.values()] == [0, 0], name
        assert [a.sessions for a in talk.agents.values()] == [0, 0], name


def _in_dialog(state: str, method: str):
    """A conversation in that state, and a request of Alice's in its dialog that wasn't sent."""
    talk = Conversation()
    if state == "early":
        a = talk.call()
        b = talk.take()
        b.progress(180, talk.now)
        talk.run(0.1)
        a.dialog.remote += b";tag=" + b.dialog.local_tag.encode()
    else:
        a, b = talk.established()
    if state.startswith("held"):
        a.reinvite(OFFER, talk.now)
        talk.run(0.1)
    if method == "CANCEL" and not b.incoming.answered:
        invite = b.incoming.request
        fields = [
            (name, value.replace(b"INVITE", b"CANCEL"))
            for name, value in invite.fields
            if not name.startswith(b"Content")
        ]
        return talk, (a, b), bytes(Request.build("CANCEL", invite.raw_uri, fields))
    extra = [(b"Contact", a.dialog.contact), (b"Content-Type", b"application/sdp")]
    return talk, (a, b), bytes(talk.alice.stack.in_dialog(a.dialog, method, extra, OFFER))


# Every header of every response


@pytest.mark.parametrize("what", ["INVITE", "re-INVITE", "BYE", "INFO", "CANCEL"])
@pytest.mark.parametrize("status", [180, 200, 401, 486])
def test_no_damaged_response_leaves_anything_behind(what, status):
    for index in range(len(list(mangled(_answer_to(what, status)[2])))):
        talk, sessions, whole = _answer_to(what, status)
        name, data = list(mangled(whole))[index]
        talk.alice.receive(data, talk.flow(ALICE, BOB), talk.now)
        talk.run(1.0)
        for session in sessions:
            session.bye(talk.now)
        talk.run(150.0)
        assert len(talk.alice.stack.layer) == talk.alice.sessions == 0, name
        assert len(talk.alice.events()) <= 1, name


def _answer_to(what: str, status: int):
    """A conversation in which Alice waits for an answer, and that answer."""
    talk = Conversation()
    if what in ("INVITE", "CANCEL"):
        a = talk.call()
        sessions = [a]
        if what == "CANCEL":
            b = talk.take()
            talk.run(0.1)
            sessions.append(b)
    else:
        a, b = talk.established()
        sessions = [a, b]
    talk.drop = lambda label: label.split(" ", 1)[1].startswith("B>A")
    if what == "re-INVITE":
        a.reinvite(OFFER, talk.now)
    elif what == "BYE":
        a.bye(talk.now)
    elif what == "INFO":
        a.info(b"application/dtmf", b"1", talk.now)
    elif what == "CANCEL":
        a.cancel(talk.now)
    sent = [parse_message(data) for data, _ in talk.alice.to_send()][-1]
    talk.drop = lambda label: False
    fields = [
        (b"Contact", b"<sip:bob@192.0.2.2>"), (b"Record-Route", b"<sip:192.0.2.2;lr>"),
        (b"WWW-Authenticate", b'Digest realm="r", nonce="n"'), (b"Retry-After", b"5"),
        (b"Content-Type", b"application/sdp"), (b"Require", b"100rel"), (b"RSeq", b"7"),
        (b"Session-Expires", b"1800;refresher=uac"), (b"Min-SE", b"90"),
    ]  # fmt: skip
    return talk, sessions, bytes(sent.respond(status, to_tag="bob", fields=fields, body=ANSWER))


def test_an_answer_that_cant_be_read_is_waited_for_again():
    talk = Conversation()
    talk.call()
    b = talk.take()
    talk.run(0.1)
    good = bytes(b.incoming.request.respond(200, to_tag="t", fields=[(b"Contact", b"<sip:b@h>")]))
    bad = good.replace(b"<sip:b@h>", b"<sip:b@h")
    talk.alice.receive(bad, talk.flow(ALICE, BOB), talk.now)
    assert talk.alice.to_send() == [] and talk.told(ALICE) == []
    talk.alice.receive(good, talk.flow(ALICE, BOB), talk.now)
    assert [type(event).__name__ for event in talk.alice.events()] == ["Answered"]
