"""Sessions as conversations of two stacks: what goes over the wire, and when."""

import pytest
from conversation import ALICE, ANSWER, BOB, OFFER, Conversation

from sip.errors import Glare
from sip.events import Answered, HungUp, Refused, ReinviteRefused
from sip.message import Request
from sip.reading import parse_message
from sip.session import State

HELD = OFFER + b"a=sendonly\r\n"


def left(talk: Conversation) -> tuple[int, int]:
    """Transactions and sessions that both sides still hold."""
    agents = (talk.alice, talk.bob)
    return sum(len(a.stack.layer) for a in agents), sum(a.sessions for a in agents)


def test_a_call_from_invite_to_bye():
    talk = Conversation()
    a = talk.call()
    b = talk.take()
    b.progress(180, talk.now)
    talk.run(1.0)
    b.accept(ANSWER, talk.now)
    talk.run(1.0)
    a.bye(talk.now)
    talk.run(1.0)
    assert talk.messages() == [
        "A>B INVITE", "B>A 100 INVITE", "B>A 180 INVITE", "B>A 200 INVITE", "A>B ACK",
        "A>B BYE", "B>A 200 BYE",
    ]  # fmt: skip
    assert talk.told(ALICE) == ["Progress", "Answered"]
    assert talk.told(BOB) == ["Received", "Acknowledged", "HungUp"]
    talk.run(70.0)
    assert left(talk) == (0, 0)


@pytest.mark.parametrize(("offer", "told"), [(OFFER, []), (b"", ["Acknowledged"])])
def test_an_owner_that_waits_for_no_ack_hears_only_of_one_that_may_carry_an_answer(offer, told):
    talk = Conversation()
    a = talk.call(offer)
    b = talk.take()
    b.tells_ack = False
    b.accept(ANSWER, talk.now)
    talk.run(1.0)
    if not offer:
        assert not b.has_acknowledged
        a.acknowledge(ANSWER, talk.now)
        talk.run(1.0)
    assert b.has_acknowledged and not b.waits_for_ack
    assert talk.told(BOB) == ["Received", *told]


def test_over_tcp_nothing_is_repeated_and_nothing_lingers():
    talk = Conversation("tcp")
    a, _ = talk.established()
    a.bye(talk.now)
    talk.run(40.0)
    assert talk.messages() == [
        "A>B INVITE", "B>A 100 INVITE", "B>A 200 INVITE", "A>B ACK", "A>B BYE", "B>A 200 BYE",
    ]  # fmt: skip
    assert left(talk) == (0, 0)


def test_an_invite_that_nobody_hears_is_repeated_and_fails_after_32_seconds():
    talk = Conversation()
    talk.drop = lambda label: "INVITE" in label
    talk.call()
    talk.run(40.0)
    assert [line.split()[0] for line in talk.trace] == [
        "0",
        "0.5",
        "1.5",
        "3.5",
        "7.5",
        "15.5",
        "31.5",
    ]
    assert [(e.status, e.response) for e in talk.events[ALICE] if isinstance(e, Refused)] == [
        (408, None)
    ]
    assert left(talk) == (0, 0)


def test_a_lost_200_is_repeated_until_its_ack():
    talk = Conversation()
    lost = []

    def drop(label):
        if "200 INVITE" in label and len(lost) < 3:
            lost.append(label)
            return True
        return False

    talk.drop = drop
    talk.established()
    talk.run(10.0)
    answers = [line for line in talk.trace if "200 INVITE" in line]
    assert [line.split()[0] for line in answers] == ["0.02", "0.52", "1.52", "3.52"]
    assert talk.messages().count("A>B ACK") == 1


def test_a_lost_ack_is_sent_again_for_the_repeated_200():
    talk = Conversation()
    lost = []
    talk.drop = lambda label: "ACK" in label and not lost and not lost.append(label)
    talk.established()
    talk.run(5.0)
    assert talk.messages().count("B>A 200 INVITE") == 2
    assert talk.messages().count("A>B ACK") == 1 and talk.messages().count("A>B ACK lost") == 1
    assert talk.told(ALICE).count("Answered") == 1


def test_an_ack_with_a_made_up_tag_is_known_by_the_branch_of_its_invite():
    talk = Conversation()
    talk.drop = lambda label: "ACK" in label
    _, b = talk.established()
    invite = bytes(b.incoming.request)
    fields = invite.partition(b"\r\n\r\n")[0].replace(b"INVITE", b"ACK").split(b"\r\n")
    ack = [f + b";tag=made-up" if f.startswith(b"To:") else f for f in fields]
    odd = b"\r\n".join(f for f in ack if not f.startswith(b"Content-")) + b"\r\n\r\n"
    for stranger in (
        odd.replace(b"branch=z9hG4bK", b"branch=z9hG4bKx"),
        odd.replace(b"1 ACK", b"2 ACK"),
    ):
        talk.bob.receive(stranger, talk.flow(BOB, ALICE), talk.now)
        assert b.incoming.waiting_for_ack
    talk.bob.receive(odd, talk.flow(BOB, ALICE), talk.now)
    talk.run(40.0)
    assert talk.told(BOB) == ["Received", "Acknowledged"]
    assert b.state is State.CONFIRMED


def test_without_any_ack_the_callee_hangs_up_after_32_seconds():
    talk = Conversation()
    talk.drop = lambda label: "ACK" in label
    _, b = talk.established()
    talk.run(40.0)
    byes = [line for line in talk.trace if "BYE" in line and "200" not in line]
    assert byes == ["32.02 B>A BYE"]
    assert [e.status for e in talk.events[BOB] if isinstance(e, HungUp)] == [408]
    assert b.state is State.ENDED
    talk.run(40.0)
    assert left(talk) == (0, 0)


def test_cancel_waits_for_a_provisional_response():
    talk = Conversation()
    a = talk.call()
    a.cancel(talk.now)
    talk.take()
    talk.run(1.0)
    assert talk.messages() == [
        "A>B INVITE", "B>A 100 INVITE", "A>B CANCEL", "B>A 200 CANCEL", "B>A 487 INVITE", "A>B ACK",
    ]  # fmt: skip
    assert talk.told(BOB) == ["Received", "Cancelled"]
    assert talk.told(ALICE) == []  # who cancels has ended the session and hears no more of it


def test_a_200_that_crosses_the_cancel_is_acknowledged_and_ended():
    talk = Conversation()
    a = talk.call()
    b = talk.take()
    b.progress(180, talk.now)
    talk.run(1.0)
    a.cancel(talk.now)
    b.accept(ANSWER, talk.now)
    talk.run(1.0)
    sent = talk.messages()
    assert sent[-6:].count("A>B ACK") == 1
    assert sent.index("A>B ACK") + 1 == sent.index("A>B BYE")
    assert b.state is State.ENDED
    talk.run(70.0)
    assert left(talk) == (0, 0)


def test_two_answers_of_a_fork_leave_one_call():
    talk = Conversation()
    a = talk.call()
    b = talk.take()
    b.accept(ANSWER, talk.now)
    talk.run(0.2)
    first = talk.events[ALICE][0]
    assert isinstance(first, Answered)
    raw = bytes(first.response)
    tag = first.response.to_tag.encode()
    talk.alice.receive(raw.replace(tag, b"fork2"), talk.flow(ALICE, BOB), talk.now)
    sent = [parse_message(data) for data, _ in talk.alice.to_send()]
    assert [m.method for m in sent] == ["ACK", "BYE"]
    assert {m.to_tag for m in sent} == {"fork2"}
    assert a.state is State.CONFIRMED
    assert talk.told(ALICE) == ["Answered"]


def test_hold_and_resume_by_reinvite_from_either_side():
    talk = Conversation()
    a, b = talk.established()
    for asker, other, who in ((a, b, BOB), (b, a, ALICE)):
        asker.reinvite(HELD, talk.now)
        talk.run(0.1)
        assert talk.told(who)[-1] == "Reinvited"
        other.accept(ANSWER + b"a=recvonly\r\n", talk.now)
        talk.run(0.1)
        assert talk.told(ALICE if who is BOB else BOB)[-1] == "ReinviteAnswered"
    assert talk.messages().count("A>B ACK") == 2 and talk.messages().count("B>A ACK") == 1


def test_reinvites_that_cross_are_both_refused_with_491():
    talk = Conversation()
    a, b = talk.established()
    a.reinvite(HELD, talk.now)
    b.reinvite(HELD, talk.now)
    talk.run(1.0)
    assert "B>A 491 INVITE" in talk.messages() and "A>B 491 INVITE" in talk.messages()
    for who in (ALICE, BOB):
        assert [e.status for e in talk.events[who] if isinstance(e, ReinviteRefused)] == [491]
    a.reinvite(HELD, talk.now)
    with pytest.raises(Glare):
        a.reinvite(HELD, talk.now)


def test_a_refused_reinvite_leaves_the_call_up():
    talk = Conversation()
    a, b = talk.established()
    a.reinvite(HELD, talk.now)
    talk.run(0.1)
    b.reject(488, talk.now)
    talk.run(1.0)
    assert [e.status for e in talk.events[ALICE] if isinstance(e, ReinviteRefused)] == [488]
    assert a.state is b.state is State.CONFIRMED


def test_a_reinvite_into_a_forgotten_dialog_ends_the_session():
    talk = Conversation()
    a, b = talk.established()
    talk.bob._dialogs.remove(b)
    a.reinvite(HELD, talk.now)
    talk.run(1.0)
    assert [e.status for e in talk.events[ALICE] if isinstance(e, HungUp)] == [481]
    assert a.state is State.ENDED


def test_a_delayed_offer_is_answered_in_the_ack():
    talk = Conversation()
    a = talk.call(body=b"")
    b = talk.take()
    b.accept(OFFER, talk.now)
    talk.run(0.1)
    assert "A>B ACK" not in talk.messages()
    a.acknowledge(ANSWER, talk.now)
    talk.run(0.1)
    acknowledged = talk.events[BOB][-1]
    assert acknowledged.request.body == ANSWER


def test_bye_waits_for_the_ack_to_our_200():
    talk = Conversation()
    lost = []
    talk.drop = lambda label: "ACK" in label and not lost and not lost.append(label)
    talk.call()
    b = talk.take()
    b.accept(ANSWER, talk.now)
    b.bye(talk.now)
    talk.run(2.0)
    sent = talk.messages()
    assert sent.index("A>B ACK") < sent.index("B>A BYE")


def test_a_repeated_request_gets_its_answer_again_and_is_told_once():
    talk = Conversation()
    a, _ = talk.established()
    lost = []
    talk.drop = lambda label: "200 BYE" in label and not lost and not lost.append(label)
    a.bye(talk.now)
    talk.run(2.0)
    assert talk.messages().count("A>B BYE") == 2
    assert talk.told(BOB).count("HungUp") == 1


@pytest.mark.parametrize("statuses", [(180,), (183, 180), (180, 200), (180, 486)])
def test_a_repeated_invite_gets_the_octets_of_the_last_response_again(statuses):
    talk = Conversation()
    sent = []
    talk.spoil = lambda data: sent.append(data) or data
    talk.drop = lambda label: "ACK" in label
    talk.call()
    b = talk.take()
    for status in statuses:
        if status < 200:
            b.progress(status, talk.now)
        elif status < 300:
            b.accept(ANSWER, talk.now)
        else:
            b.reject(status, talk.now)
        talk.run(0.02)
    invite, last = sent[0], sent[-1]
    assert last.startswith(b"SIP/2.0 %d " % statuses[-1])
    talk.bob.receive(invite, talk.flow(BOB, ALICE), talk.now)
    # A 2xx is repeated by the session, in its own time (RFC 6026).
    assert [data for data, _ in talk.bob.to_send()] == ([] if 200 in statuses else [last])


def test_requests_of_an_unknown_dialog_get_481():
    talk = Conversation()
    a, _ = talk.established()
    a.dialog.remote = b"<sip:bob@example.org>;tag=guess"
    a.bye(talk.now)
    talk.run(0.5)
    assert "B>A 481 BYE" in talk.messages()
    assert talk.told(BOB).count("HungUp") == 0


def test_options_and_info_inside_a_dialog():
    talk = Conversation()
    a, _ = talk.established()
    a.info(b"application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", talk.now)
    talk.alice.stack.send_in_dialog(a.dialog, "OPTIONS", (), b"", None, talk.now)
    talk.run(0.5)
    assert "B>A 200 INFO" in talk.messages() and "B>A 200 OPTIONS" in talk.messages()
    assert talk.told(BOB)[-1] == "InfoReceived"


def request(method: str, **fields: bytes) -> bytes:
    wanted = {
        "Via": b"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx;rport",
        "Max-Forwards": b"70",
        "From": b"<sip:alice@example.org>;tag=1",
        "To": b"<sip:bob@example.org>",
        "Call-ID": b"abc",
        "CSeq": b"1 " + method.encode(),
        **{name.replace("_", "-"): value for name, value in fields.items()},
    }
    return bytes(
        Request.build(method, b"sip:bob@example.org", [(k.encode(), v) for k, v in wanted.items()])
    )


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request("INVITE", Max_Forwards=b"0"), 483),
        (request("INVITE", Require=b"precondition"), 420),
        (request("PUBLISH"), 501),
        (request("INFO"), 405),
        (request("BYE", To=b"<sip:bob@example.org>;tag=2"), 481),
        (request("CANCEL"), 481),
        (request("INVITE", To=b"<sip:bob@example.org>;tag=2"), 481),
        (request("INVITE", CSeq=b"1 BYE"), 400),
        (request("INVITE", CSeq=b"\xd9\xa3 INVITE"), 400),
    ],
)
def test_requests_that_are_refused_at_once_and_keep_nothing(data, status):
    talk = Conversation()
    talk.bob.receive(data, talk.flow(BOB, ALICE), talk.now)
    ((answer, flow),) = talk.bob.to_send()
    assert parse_message(answer).status == status
    assert flow.remote == ALICE
    assert talk.bob.events() == [] and len(talk.bob.stack.layer) == 0


def test_the_same_request_by_another_path_is_a_loop():
    talk = Conversation()
    talk.call()
    b = talk.take()
    again = bytes(b.incoming.request).replace(b"branch=z9hG4bK", b"branch=z9hG4bKother")
    talk.bob.receive(again, talk.flow(BOB, ALICE), talk.now)
    answers = [parse_message(data).status for data, _ in talk.bob.to_send()]
    assert answers == [100, 482]


def test_a_stray_ack_and_garbage_are_dropped_quietly():
    talk = Conversation()
    for data in (request("ACK"), b"\x00" * 40, b"INVITE", b"SIP/2.0 200 OK\r\n\r\n"):
        talk.bob.receive(data, talk.flow(BOB, ALICE), talk.now)
    assert talk.bob.to_send() == []
