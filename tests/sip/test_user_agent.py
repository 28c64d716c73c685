"""What a user agent answers to whom, before anybody above it is asked."""

import pytest
from conversation import ALICE, ANSWER, BOB, OFFER, Conversation
from door import STRANGER, Door
from mangling import mangled
from sip_messages import raw, request, response

from sip.events import HungUp, Refused, ReinviteRefused
from sip.flow import Flow
from sip.message import Response
from sip.reading import parse_message
from sip.session import State


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.mark.parametrize("odd", [b"", b"Max-Forwards: 999"], ids=["the body", "a field, too"])
def test_a_refused_request_has_its_source_in_its_via_once(door, odd):
    """Also where it is refused after its Via was stamped."""
    lines = [
        b"INVITE sip:bob@example.org SIP/2.0", b"Via: SIP/2.0/UDP h;branch=z9hG4bK1;rport",
        odd or b"Max-Forwards: 70", b"From: <sip:a@h>;tag=1", b"To: <sip:bob@example.org>",
        b"Call-ID: 1", b"CSeq: 1 INVITE", b"Contact: <sip:a@h>", b"Content-Type: multipart/mixed",
    ]  # fmt: skip
    answer = door.knock(b"\r\n".join([*lines, b"Content-Length: 1", b"", b"x"]))
    assert answer.status == 400
    assert answer.via.params == {
        "branch": "z9hG4bK1", "rport": str(STRANGER[1]), "received": STRANGER[0],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("transport", "uri", "theirs", "ours"),
    [
        ("tls", b"sip:bob@example.org", b"<sip:a@h>", b"<sip:192.0.2.2:5060;transport=tls>"),
        ("tls", b"sips:bob@example.org", b"<sip:a@h>", b"<sips:192.0.2.2:5060>"),
        ("tls", b"sip:bob@example.org", b"<sips:a@h>", b"<sips:192.0.2.2:5060>"),
        ("wss", b"sips:bob@example.org", b"<sip:a@h>", b"<sips:192.0.2.2:5060;transport=ws>"),
        ("udp", b"sips:bob@example.org", b"<sip:a@h>", b"<sip:192.0.2.2:5060>"),
    ],
)
def test_who_calls_a_sips_address_reaches_us_by_one(door, transport, uri, theirs, ours):
    """RFC 3261 section 12.1.1."""
    data = request("INVITE", body=OFFER, uri=uri, Contact=theirs)
    door.agent.receive(data, Flow(transport, BOB, STRANGER), 0.0)
    (received,) = door.agent.events()
    assert door.agent.open_session(received, 0.0, pinned=True).dialog.contact == ours


@pytest.mark.parametrize("method", ["INVITE", "REGISTER", "OPTIONS"])
def test_requests_that_the_user_is_asked_about(door, method):
    assert door.knock(request(method)) is None
    assert door.asked() == [method]


@pytest.mark.parametrize(
    "method",
    ["PUBLISH", "FOO", "invite", "RE%47ISTER", "!odd-Method0123456789_*+`.%indeed'~"],
)
def test_unknown_methods_get_501_and_hear_what_is_known(door, method):
    answer = door.knock(request(method))
    assert answer.status == 501
    assert b"INVITE" in answer.get_list(b"allow")
    assert door.asked() == []


VIAS = [
    b"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx;rport",
    b"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx, SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKy",
]


def answers(door: Door, data: bytes) -> list[Response]:
    door.agent.receive(data, Flow("udp", BOB, STRANGER), door.talk.now)
    return [parse_message(sent) for sent, _ in door.agent.to_send()]


@pytest.mark.parametrize("via", VIAS)
@pytest.mark.parametrize("how", ["a session", "a transaction", "nothing"])
def test_a_cancel_is_answered_with_the_to_tag_of_its_invite(door, how, via):
    """RFC 3261 section 9.2; a CANCEL has the topmost Via of the INVITE only."""
    invite = request("INVITE", body=OFFER, Contact=b"<sip:a@h>", Via=via)
    assert {one.status for one in answers(door, invite)} <= {100}
    (received,) = door.agent.events()
    if how == "a session":
        session = door.agent.open_session(received, door.talk.now, pinned=True)
        session.owner = door
        session.progress(180, door.talk.now)
    elif how == "a transaction":
        door.agent.stack.reply(received.request, received.flow, 486, door.talk.now)
    else:
        door.agent.stack.answer(received.request, received.flow, 486)
    first = [parse_message(sent) for sent, _ in door.agent.to_send()][-1]
    cancelled = answers(door, request("CANCEL", Via=via.partition(b",")[0]))
    assert cancelled[0].status == (481 if how == "nothing" else 200)
    assert {one.to_tag for one in cancelled} == {first.to_tag} and first.to_tag
    if how == "a session":
        assert [one.status for one in cancelled] == [200, 487]
    door.talk.now += 10.0  # a copy of the CANCEL comes when the session is long over
    late = answers(door, request("CANCEL", Via=via.partition(b",")[0], Call_ID=b"abc"))
    assert {one.to_tag for one in late} == {first.to_tag}


def test_an_invite_that_is_replayed_into_its_own_dialog_gets_another_one(door):
    """Its tag would be that of a session which still lives."""
    invite = request("INVITE", body=OFFER, Contact=b"<sip:a@h>")
    sessions = []
    for _ in range(2):
        answers(door, invite)
        (received,) = door.agent.events()
        sessions.append(door.agent.open_session(received, door.talk.now, pinned=True))
        sessions[-1].owner = door
        sessions[-1].accept(ANSWER, door.talk.now)
        ack = request(
            "ACK", To=b"<sip:bob@example.org>;tag=" + sessions[-1].dialog.local_tag.encode()
        )
        answers(door, ack)
        door.agent.expire(door.talk.now + 40.0)
        door.agent.events()
    assert len({session.dialog.id for session in sessions}) == door.agent.sessions == 2


@pytest.mark.parametrize("method", ["BYE", "INFO", "CANCEL", "UPDATE", "PRACK", "NOTIFY"])
def test_methods_of_a_dialog_are_refused_without_one(door, method):
    assert door.knock(request(method)).status in (405, 481, 501)
    assert door.knock(request(method, To=b"<sip:bob@example.org>;tag=guess")).status == 481
    assert door.asked() == []


def test_an_invite_into_a_dialog_that_isnt_there_is_481_and_never_a_new_call(door):
    assert door.knock(request("INVITE", To=b"<sip:bob@example.org>;tag=x")).status == 481
    assert door.knock(request("INVITE", To=b"<sip:bob@example.org>;tag")) is None  # no tag at all
    assert door.asked() == ["INVITE"]


def test_an_ack_is_never_answered(door):
    ack = request("ACK", To=b"<sip:bob@example.org>;tag=x")
    for data in (ack, request("ACK"), *[data for _, data in mangled(ack)]):
        assert door.knock(data) is None
    assert door.asked() == []


def test_max_forwards(door):
    assert door.knock(request("INVITE", Max_Forwards=b"0")).status == 483
    assert door.knock(request("OPTIONS", Max_Forwards=b"000")).status == 483
    assert door.knock(request("OPTIONS", Max_Forwards=b"1")) is None
    assert door.knock(request("INVITE", Max_Forwards=None)) is None
    assert door.asked() == ["OPTIONS", "INVITE"]


def test_required_extensions_are_listed(door):
    answer = door.knock(
        request("OPTIONS", Require=b"nothingSupportsThis, nor-this", Proxy_Require=b"noProxies")
    )
    assert answer.status == 420
    assert answer.get_list(b"unsupported") == [b"nothingSupportsThis", b"nor-this", b"noProxies"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"Content_Type": b"application/unknownformat"}, 415),
        ({"Content_Type": b"multipart/mixed;boundary=x"}, 400),
        ({"Content_Type": b"application/sdp", "Content_Encoding": b"gzip"}, 415),
        ({"Content_Type": b"application/sdp", "Accept": b"text/nobodyKnowsThis"}, 406),
        ({"Content_Type": b"application/sdp", "Accept": b"text/plain, application/*;q=0.1"}, None),
        ({"Content_Type": b"Application/SDP ;charset=x", "Accept": b"*/*"}, None),
        ({"Content_Type": b"application/sdp", "Content_Encoding": b"Identity"}, None),
        ({}, None),
    ],
)
def test_bodies_and_answers_that_an_invite_may_have(door, fields, status):
    answer = door.knock(request("INVITE", body=OFFER, **fields))
    assert (answer and answer.status) == status
    if answer is not None:
        accepted = {406: b"application/sdp", 415: b"application/sdp, multipart/mixed", 400: None}
        assert answer.get(b"accept") == accepted[answer.status]


def test_a_register_is_for_an_address_of_record(door):
    answer = door.knock(request("REGISTER", To=b"isbn:2983792873"))
    assert (answer.status, answer.reason) == (400, "Not an address of record")


# Loops, repetitions, cancellations


def test_the_same_invite_by_another_path_is_482_while_the_first_lives(door):
    talk = door.talk
    talk.call()
    b = talk.take()
    talk.run(0.1)
    again = bytes(b.incoming.request).replace(b"branch=z9hG4bK", b"branch=z9hG4bKother")
    assert door.knock(again).status == 482
    b.reject(486, talk.now)
    talk.run(40.0)
    door.agent.events()
    assert door.knock(again) is None
    assert door.asked() == ["INVITE"]


@pytest.mark.parametrize(("status", "again"), [(503, None), (486, 482)])
def test_an_invite_that_was_refused_with_503_may_come_by_another_path(door, status, again):
    talk = door.talk
    talk.call()
    b = talk.take()
    talk.run(0.1)
    other = bytes(b.incoming.request).replace(b"branch=z9hG4bK", b"branch=z9hG4bKother")
    b.reject(status, talk.now)
    talk.run(0.1)
    door.agent.events()
    answer = door.knock(other)
    assert (answer and answer.status) == again
    assert door.asked() == (["INVITE"] if again is None else [])


def test_a_refusal_keeps_nothing_and_repeats_itself_exactly(door):
    data = request("INVITE", Require=b"x")
    answers = {bytes(door.knock(data)) for _ in range(5)}
    assert len(answers) == 1
    assert len(door.agent.stack.layer) == 0 and door.agent.next_deadline() is None
    other = door.knock(request("INVITE", Require=b"x", Call_ID=b"other"))
    assert other.to_tag != parse_message(answers.pop()).to_tag


def test_the_ack_to_an_answer_that_nothing_keeps_is_not_even_read(door):
    invite = raw(request("INVITE"))
    door.agent.receive(invite, Flow("udp", BOB, STRANGER), door.talk.now)
    (event,) = door.agent.events()
    door.agent.stack.answer(event.request, event.flow, 401)
    ((refusal, _),) = door.agent.to_send()
    to = b"\r\nTo: %s\r\n" % parse_message(refusal).get(b"to")
    unreadable = b"ACK sip:bob SIP/2.0" + to + b"\xff\r\n\r\n"
    door.knock(unreadable)
    assert door.agent.counters.malformed == 0
    door.knock(unreadable.replace(b";tag=", b";tag=a"))
    assert door.agent.counters.malformed == 1


def test_another_instance_gives_other_tags():
    data = request("INVITE", Require=b"x")
    talk = Conversation()
    tags = set()
    for agent in (talk.alice, talk.bob):
        agent.receive(data, Flow("udp", BOB, STRANGER), 0.0)
        tags.add(parse_message(agent.to_send()[0][0]).to_tag)
    assert len(tags) == 2


def test_a_cancel_that_matches_nothing_is_481_and_ends_nothing(door):
    talk = door.talk
    talk.call()
    b = talk.take()
    talk.run(0.1)
    invite = bytes(b.incoming.request)
    cancel = invite.replace(b"INVITE", b"CANCEL").partition(b"\r\nContent")[0] + b"\r\n\r\n"
    assert door.knock(cancel.replace(b"z9hG4bK", b"z9hG4bKx")).status == 481
    assert door.knock(cancel.replace(b"192.0.2.1:5060", b"192.0.2.1:5061")).status == 481
    assert b.state is State.EARLY and not b.incoming.answered
    talk.bob.receive(cancel, talk.flow(BOB, ALICE), talk.now)
    assert b.state is State.ENDED


def test_a_branch_that_is_only_the_cookie_makes_no_two_requests_one(door):
    via = b"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"
    assert door.knock(request("INVITE", Via=via)) is None
    (received,) = door.agent.events()
    door.agent.open_session(received, 0.0, pinned=True)
    door.agent.to_send()
    assert door.knock(request("INVITE", Via=via, Call_ID=b"other")) is None
    assert door.asked() == ["INVITE"]


def test_a_client_of_the_old_rfc_is_served_and_its_repetitions_are_recognised(door):
    old = raw(
        b"INVITE sip:bob@example.org SIP/2.0", b"Via: SIP/2.0/UDP iftgw.example.com",
        b"To: sip:bob@example.org", b"From: <sip:+13035551111@ift.example.net;user=phone>",
        b"Call-ID: inv2543", b"CSeq: 56 INVITE", b"Contact: <sip:a@ift.example.net>",
    )  # fmt: skip
    assert door.knock(old) is None
    (received,) = door.agent.events()
    session = door.agent.open_session(received, 0.0, pinned=True)
    assert door.agent.to_send()
    assert door.knock(old).status == 100
    session.reject(486, 0.0)
    (refusal,) = [parse_message(data) for data, _ in door.agent.to_send()]
    ack = old.replace(b"INVITE", b"ACK").replace(
        b"To: sip:bob@example.org", b"To: " + refusal.get(b"to")
    )
    door.knock(ack)
    assert [t.state.name for t in door.agent.stack.layer._servers.values()] == ["CONFIRMED"]


# Where answers go, and how much


@pytest.mark.parametrize(
    "via",
    [
        b"SIP/2.0/UDP 255.255.255.255;branch=z9hG4bKx", b"SIP/2.0/UDP 224.0.1.75;maddr=224.0.1.75",
        b"SIP/2.0/UDP h;maddr=255.255.255.255;ttl=255;branch=z9hG4bKx",
        b"SIP/2.0/UDP h;received=198.51.100.1;rport=53;branch=z9hG4bKx",
        b"SIP/2.0/TCP [ff02::1];branch=z9hG4bKx", b"SIP/2.0/UNKNOWN h:1;branch=z9hG4bKx",
    ],
)  # fmt: skip
def test_answers_go_to_where_the_request_came_from_whatever_via_says(door, via):
    assert door.knock(request("BYE", Via=via, To=b"<sip:bob@example.org>;tag=x")).status == 481


def test_a_stray_response_is_never_passed_on(door):
    via = b"SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKx, SIP/2.0/UDP 255.255.255.255;branch=z9hG4bKy"
    assert door.knock(response(200, "INVITE", Via=via)) is None
    assert door.agent.counters.stray_responses == 1


def test_what_cant_be_read_is_answered_once_with_little_or_not_at_all(door):
    whole = request("OPTIONS", Contact=b"<sip:a@h>", Subject=b"x", body=b"")
    for name, data in mangled(whole):
        answer = door.knock(data)
        if answer is not None:
            assert answer.status == 400, name
            assert len(bytes(answer)) < len(data) + 150, name
            parse_message(bytes(answer))
    assert len(door.agent.stack.layer) == 0


def test_an_answer_to_nonsense_copies_no_nonsense_line(door):
    data = raw(
        b"INVITE sip:bob@example.org SIP/2.0", b"Via: SIP/2.0/UDP 192.0.2.15;;,;,,",
        b"From: <sip:a@b>;tag=1\nX-Evil: 1", b"To: <sip:b@c>\r", b"CSeq: 1 INVITE", b"Call-ID: x",
    )  # fmt: skip
    answer = door.knock(data)
    assert answer.status == 400
    assert b"X-Evil" not in bytes(answer)
    assert answer.get(b"from") is None and answer.get(b"to") is None
    assert answer.get(b"call-id") == b"x"


@pytest.mark.parametrize(
    "data", [b"", b"\r\n\r\n", b"\x00" * 40, b"SIP/2.0 200 OK\r\n\r\n", b"\xff" * 2000]
)
def test_what_is_no_sip_is_dropped(door, data):
    assert door.knock(data) is None


# Faults


def test_a_fault_of_its_user_leaves_no_transaction_behind():
    class Faulty:
        def on_response(self, transaction, answer, now):
            raise RuntimeError

    talk = Conversation()
    for status in (200, 486):
        data = request("INVITE", Via=talk.alice.stack.via(talk.flow(ALICE, BOB)))
        invite = parse_message(data)
        talk.alice.stack.layer.send_request(invite, talk.flow(ALICE, BOB), Faulty(), talk.now)
        answer = bytes(invite.respond(status, to_tag="t"))
        with pytest.raises(RuntimeError):
            talk.alice.receive(answer, talk.flow(ALICE, BOB), talk.now)
    talk.run(40.0)
    assert len(talk.alice.stack.layer) == 0


# In a dialog


def test_a_method_that_a_dialog_doesnt_know_is_405_with_allow():
    talk = Conversation()
    a, _ = talk.established()
    talk.alice.stack.send_in_dialog(a.dialog, "REGISTER", (), b"", None, talk.now)
    talk.run(0.1)
    assert "B>A 405 REGISTER" in talk.messages()


def test_an_extension_that_a_reinvite_requires_is_420_and_the_call_goes_on():
    talk = Conversation()
    a, b = talk.established()
    a.reinvite(OFFER, talk.now, extra=((b"Require", b"x"),))
    talk.run(1.0)
    assert "B>A 420 INVITE" in talk.messages()
    assert [e.status for e in talk.events[ALICE] if isinstance(e, ReinviteRefused)] == [420]
    assert a.state is b.state is State.CONFIRMED


def test_a_request_out_of_order_is_500():
    talk = Conversation()
    a, b = talk.established()
    a.info(b"application/dtmf", b"1", talk.now)
    talk.run(0.1)
    a.dialog.local_cseq -= 2
    talk.alice.stack.send_in_dialog(a.dialog, "OPTIONS", (), b"", None, talk.now)
    talk.run(0.1)
    assert "B>A 500 OPTIONS" in talk.messages()
    assert b.state is State.CONFIRMED


@pytest.mark.parametrize("wrong", [b"tag=", b"Call-ID: "])
def test_a_bye_of_somebody_who_doesnt_know_the_dialog_ends_nothing(wrong):
    talk = Conversation()
    a, b = talk.established()
    bye = bytes(talk.alice.stack.in_dialog(a.dialog, "BYE", ()))
    at = bye.index(wrong) + len(wrong)
    guessed = bye[:at] + b"0" + bye[at + 1 :]
    guessed = guessed if guessed != bye else bye[:at] + b"1" + bye[at + 1 :]
    talk.bob.receive(guessed, Flow("udp", BOB, STRANGER), talk.now)
    ((answer, _),) = talk.bob.to_send()
    assert parse_message(answer).status == 481
    assert b.state is State.CONFIRMED
    assert not [e for e in talk.bob.events() if isinstance(e, HungUp)]


def test_a_refused_call_with_a_control_character_in_its_callers_name_ends_well():
    """A quoted NUL is legal, and must not keep us from writing that dialog's requests."""
    talk = Conversation()
    a = talk.call()
    name = b'"NUL:\\\x00" <sip:alice@example.org>'
    a.dialog.local = name + b";tag=" + a.dialog.local_tag.encode()
    again = bytes(a.outgoing._request).replace(b"<sip:alice@example.org>", name)
    talk.alice.to_send()
    talk.bob.receive(again, talk.flow(BOB, ALICE), talk.now)
    (received,) = talk.bob.events()
    b = talk.bob.open_session(received, talk.now, pinned=True)
    b.owner = "bob"
    b.accept(ANSWER, talk.now)
    talk.run(0.1)
    b.bye(talk.now)
    talk.run(0.1)
    assert "B>A BYE" in talk.messages() and "A>B 200 BYE" in talk.messages()
    assert not [e for e in talk.events[ALICE] if isinstance(e, Refused)]
