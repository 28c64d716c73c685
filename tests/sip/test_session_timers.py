"""Session timers (RFC 4028) and UPDATE (RFC 3311) as conversations of two stacks."""

import pytest
from conversation import ALICE, ANSWER, BOB, OFFER, Conversation
from sip_messages import response

from sip.errors import SipError
from sip.events import Answered, HungUp, Updated
from sip.message import Request, Response
from sip.reading import parse_message
from sip.session_timer import SessionInterval, Terms, agree, learn, longer_interval

OURS = SessionInterval(1800, 90)
HALF_AN_HOUR = 1800.0


def asks(**fields: bytes) -> Request:
    named = [(name.replace("_", "-").encode(), value) for name, value in fields.items()]
    return Request.build("INVITE", b"sip:x@example.org", named)


@pytest.mark.parametrize(
    ("request_", "terms", "fields"),
    [
        (asks(), Terms.of(1800, True), {b"Session-Expires": b"1800;refresher=uas"}),
        (
            asks(Supported=b"timer"),
            Terms.of(1800, True),
            {b"Session-Expires": b"1800;refresher=uas"},
        ),
        (
            asks(Supported=b"timer", Session_Expires=b"600;refresher=uac"),
            Terms.of(600, False),
            {b"Session-Expires": b"600;refresher=uac", b"Require": b"timer"},
        ),
        (
            asks(Supported=b"timer", Session_Expires=b"600;refresher=uas"),
            Terms.of(600, True),
            {b"Session-Expires": b"600;refresher=uas"},
        ),
        (
            # A proxy asked; the caller itself knows nothing of timers, so we refresh.
            asks(Session_Expires=b"600;refresher=uac"),
            Terms.of(600, True),
            {b"Session-Expires": b"600;refresher=uas"},
        ),
        (
            asks(Supported=b"timer", Session_Expires=b"7200", Min_SE=b"3600"),
            Terms.of(3600, True),
            {b"Session-Expires": b"3600;refresher=uas"},
        ),
        (asks(x=b"60"), Terms.of(90, True), {b"Session-Expires": b"90;refresher=uas"}),
    ],
)
def test_what_the_called_side_agrees_to(request_, terms, fields):
    assert agree(request_, OURS) == (terms, tuple(sorted(fields.items())))


def test_an_interval_that_is_too_brief_is_refused():
    with pytest.raises(SipError) as refused:
        agree(asks(Supported=b"timer", Session_Expires=b"60"), OURS)
    assert (refused.value.status, refused.value.headers) == (422, ((b"Min-SE", b"90"),))


@pytest.mark.parametrize(
    ("value", "terms"),
    [
        (b"900;refresher=uac", Terms.of(900, True)),
        (b"900;refresher=UAS", Terms.of(900, False)),
        (b"900", Terms.of(900, True)),
        (b"10", Terms.of(90, True)),
    ],
)
def test_what_the_calling_side_learns(value, terms):
    assert learn(Response.build(200, "OK", [(b"Session-Expires", value)])) == terms
    assert learn(Response.build(200, "OK", [])) is None


def test_a_longer_interval_is_asked_for_after_422():
    refusal = Response.build(422, "", [(b"Min-SE", b"3600")])
    assert longer_interval(refusal) == (
        (b"Session-Expires", b"3600;refresher=uac"),
        (b"Min-SE", b"3600"),
    )
    for value in (b"", b"x", b"99999999"):
        assert longer_interval(Response.build(422, "", [(b"Min-SE", value)])) is None


def timed() -> tuple[Conversation, object, object]:
    talk = Conversation(session_interval=OURS)
    a, b = talk.established()
    talk.trace.clear()
    return talk, a, b


def test_the_caller_refreshes_by_update_at_half_time_and_the_call_goes_on():
    talk, a, _ = timed()
    talk.run(3 * HALF_AN_HOUR)
    assert talk.messages() == ["A>B UPDATE", "B>A 200 UPDATE"] * 5
    assert float(talk.trace[0].split()[0]) == pytest.approx(900, abs=15)
    refreshed = ["Refreshed"] * 5
    assert talk.told(ALICE) == ["Answered", *refreshed]
    assert talk.told(BOB)[-6:] == ["Acknowledged", *refreshed]
    a.bye(talk.now)
    talk.run(80.0)
    assert len(talk.alice.stack.wheel) == len(talk.bob.stack.wheel) == 0
    assert sum(len(agent.stack.layer) + agent.sessions for agent in talk.agents.values()) == 0


def test_a_peer_without_update_is_refreshed_by_the_same_offer_which_is_passed_on_to_nobody():
    talk, a, _ = timed()
    a.peer.allows_update = False
    talk.run(HALF_AN_HOUR)
    assert talk.messages()[:3] == ["A>B INVITE", "B>A 100 INVITE", "B>A 200 INVITE"]
    assert talk.told(ALICE) == ["Answered", "Refreshed"]
    assert talk.told(BOB) == ["Received", "Acknowledged", "Refreshed", "Acknowledged"]


def test_a_peer_that_is_gone_is_noticed_by_the_refresh():
    talk, _, _ = timed()
    talk.drop = lambda label: True
    talk.run(1000.0)
    (end,) = [e for e in talk.events[ALICE] if isinstance(e, HungUp)]
    assert end.status == 408


def test_a_peer_that_promised_to_refresh_and_does_not_is_hung_up_on():
    talk, _, _ = timed()
    talk.drop = lambda label: "A>B" in label
    talk.run(2 * HALF_AN_HOUR)
    (end,) = [e for e in talk.events[BOB] if isinstance(e, HungUp)]
    assert (end.status, end.expired) == (408, True)
    bye = next(line for line in talk.trace if "B>A BYE" in line)
    assert float(bye.split()[0]) == pytest.approx(1800 - 32, abs=15)


def test_422_is_answered_by_asking_for_more():
    talk = Conversation(session_interval=SessionInterval(100, 90))
    talk.bob.stack.session_interval = SessionInterval(3600, 1800)
    a = talk.call()
    talk.run(0.02)
    received = talk.events[BOB][-1]
    with pytest.raises(SipError) as refused:
        talk.bob.open_session(received, talk.now, pinned=False)
    talk.bob.stack.answer(received.request, received.flow, 422, refused.value.headers)
    talk.run(0.1)
    b = talk.take()
    b.accept(ANSWER, talk.now)
    talk.run(0.5)
    (answered,) = [e for e in talk.events[ALICE] if isinstance(e, Answered)]
    assert answered.response.get(b"session-expires") == b"1800;refresher=uac"
    assert a.refresher._timer.terms == Terms.of(1800, True)


def test_an_update_with_an_offer_is_the_owners_to_answer():
    talk, a, b = timed()
    offer = OFFER + b"a=sendonly\r\n"
    talk.alice.stack.send_in_dialog(
        a.dialog, "UPDATE", ((b"Content-Type", b"application/sdp"),), offer, None, talk.now
    )
    talk.run(0.1)
    (update,) = [e for e in talk.events[BOB] if isinstance(e, Updated)]
    assert update.request.body == offer
    b.answer_update(200, ANSWER + b"a=recvonly\r\n", talk.now)
    talk.run(0.1)
    assert talk.messages() == ["A>B UPDATE", "B>A 200 UPDATE"]
    assert b.remote_description == offer


def test_offers_that_cross_get_491_and_500():
    talk, a, b = timed()
    offer = OFFER + b"a=sendonly\r\n"
    send = talk.alice.stack.send_in_dialog
    b.reinvite(ANSWER + b"a=inactive\r\n", talk.now)
    talk.run(0.02)
    send(a.dialog, "UPDATE", (), offer, None, talk.now)
    talk.run(0.1)
    assert talk.messages()[-1] == "B>A 491 UPDATE"
    a.accept(OFFER + b"a=inactive\r\n", talk.now)
    talk.run(0.5)
    for _ in range(2):
        send(a.dialog, "UPDATE", (), offer, None, talk.now)
    talk.run(0.1)
    assert talk.messages()[-1] == "B>A 500 UPDATE"


def test_the_same_offer_again_is_answered_without_the_owner():
    talk, a, b = timed()
    a.reinvite(OFFER, talk.now)
    talk.run(0.5)
    assert talk.messages() == ["A>B INVITE", "B>A 100 INVITE", "B>A 200 INVITE", "A>B ACK"]
    assert "Reinvited" not in talk.told(BOB)
    assert (b.local_description, b.remote_description) == (ANSWER, OFFER)


def test_a_2xx_whose_interval_cant_be_read_holds_without_a_timer():
    for value in (b"soon", b"", b"1800;refresher=uas;refresher=uac", b"1800;\xff"):
        answer = parse_message(response(200, "INVITE", Session_Expires=value))
        assert learn(answer) is None
