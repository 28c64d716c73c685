"""Requests outside any dialog that we send: one final answer, whatever happens."""

import pytest
from conversation import ALICE, BOB, Conversation

from sip.credentials import Credentials
from sip.events import Received, Replied
from sip.flow import Flow
from sip.reading import parse_message
from sip.standalone import StandaloneRequest


def ask(talk: Conversation, **more):
    """Alice sends OPTIONS to Bob; the answers she hears, in order."""
    heard: list[Replied] = []
    wanted = StandaloneRequest(
        "OPTIONS",
        Flow(talk.transport, ALICE, BOB),
        b"sip:192.0.2.2",
        b"<sip:alice@example.org>",
        b"<sip:192.0.2.2>",
        **more,
    )
    errand = talk.alice.send_standalone(wanted, heard.append, talk.now)
    return errand, heard


def hear(talk: Conversation) -> None:
    """Hand the answers on, as a user does."""
    for event in talk.events[ALICE]:
        if isinstance(event, Replied):
            event.on_reply(event)
    talk.events[ALICE].clear()


def answer(talk: Conversation, status: int, *fields: tuple[bytes, bytes]) -> None:
    talk.run(0.02)
    received = [event for event in talk.events[BOB] if isinstance(event, Received)][-1]
    talk.bob.stack.answer(received.request, received.flow, status, fields)
    talk.run(0.05)
    hear(talk)


@pytest.mark.parametrize("status", [200, 404, 503])
def test_its_final_answer_is_told_once(status):
    talk = Conversation()
    _, heard = ask(talk)
    answer(talk, status)
    assert [reply.status for reply in heard] == [status]
    assert heard[0].response is not None
    talk.run(40.0)
    hear(talk)
    assert len(heard) == 1 and len(talk.alice.stack.layer) == 0


def test_a_provisional_answer_slows_the_repetitions_but_not_the_end():
    talk = Conversation()
    _, heard = ask(talk)
    answer(talk, 100)
    talk.run(31.95 - (talk.now - 100.0))
    hear(talk)
    assert heard == []
    sent = [line.split()[0] for line in talk.trace if "A>B" in line]
    assert sent == ["0", "0.5", "4.5", "8.5", "12.5", "16.5", "20.5", "24.5", "28.5"]
    talk.run(0.1)
    hear(talk)
    assert [reply.status for reply in heard] == [408]


def test_nobody_answers_for_32_seconds():
    talk = Conversation()
    talk.drop = lambda label: True
    _, heard = ask(talk)
    talk.run(32.1)
    hear(talk)
    assert [(reply.status, reply.response) for reply in heard] == [(408, None)]
    assert len(talk.trace) == 11


def test_who_gives_up_repeats_nothing_and_hears_nothing():
    talk = Conversation()
    talk.drop = lambda label: True
    errand, heard = ask(talk)
    talk.run(5.0)
    sent = len(talk.trace)
    errand.give_up()
    talk.run(40.0)
    hear(talk)
    assert (heard, len(talk.trace), len(talk.alice.stack.layer)) == ([], sent, 0)


CHALLENGE = (b"WWW-Authenticate", b'Digest realm="bob", nonce="1"')


def test_a_challenge_is_answered_once():
    talk = Conversation()
    _, heard = ask(talk, credentials=Credentials("alice", "secret", "bob"))
    answer(talk, 401, CHALLENGE)
    assert heard == []
    again = [event for event in talk.events[BOB] if isinstance(event, Received)][-1].request
    assert (again.cseq.number, again.get(b"authorization") is not None) == (2, True)
    answer(talk, 401, CHALLENGE)
    assert [reply.status for reply in heard] == [401]


@pytest.mark.parametrize("credentials", [None, Credentials("alice", "secret", "another realm")])
def test_nobody_else_gets_our_credentials(credentials):
    talk = Conversation()
    _, heard = ask(talk, credentials=credentials)
    answer(talk, 401, CHALLENGE)
    assert [reply.status for reply in heard] == [401]
    assert sum(1 for line in talk.messages() if line == "A>B OPTIONS") == 1


def test_what_it_says():
    talk = Conversation()
    ask(talk, max_forwards=9, extra=((b"Subject", b"x"),), body=b"hello")
    ((data, _),) = talk.alice.to_send()
    request = parse_message(data)
    request.validate()
    assert (request.max_forwards, request.get(b"subject"), request.body) == (9, b"x", b"hello")
    assert request.from_tag and request.to_tag is None
