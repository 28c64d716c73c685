"""PRACK (RFC 3262) as conversations of two stacks."""

from conversation import ALICE, ANSWER, BOB, OFFER, Conversation

from sip.events import HungUp, Progress, Refused

REQUIRED = ((b"Require", b"100rel"),)


def test_early_media_is_acknowledged_and_delivered_once():
    talk = Conversation()
    talk.call()
    b = talk.take()
    b.progress(183, talk.now, ANSWER)
    talk.run(1.0)
    b.accept(ANSWER, talk.now)
    talk.run(1.0)
    assert talk.messages() == [
        "A>B INVITE", "B>A 100 INVITE", "B>A 183 INVITE", "A>B PRACK", "B>A 200 PRACK",
        "B>A 200 INVITE", "A>B ACK",
    ]  # fmt: skip
    assert talk.told(ALICE) == ["Progress", "Answered"]


def test_ringing_without_a_description_needs_no_prack_unless_the_caller_insists():
    talk = Conversation()
    talk.call()
    talk.take().progress(180, talk.now)
    talk.run(1.0)
    assert "A>B PRACK" not in talk.messages()
    talk = Conversation()
    talk.call(extra=REQUIRED)
    talk.take().progress(180, talk.now)
    talk.run(1.0)
    assert talk.messages().count("A>B PRACK") == 1


def test_a_lost_response_is_repeated_until_its_prack():
    talk = Conversation()
    lost = []
    talk.drop = lambda label: "183" in label and len(lost) < 2 and not lost.append(label)
    talk.call()
    b = talk.take()
    b.progress(183, talk.now, ANSWER)
    talk.run(10.0)
    times = [line.split()[0] for line in talk.trace if "183" in line]
    assert times == ["0.02", "0.52", "1.52"]
    assert talk.told(ALICE) == ["Progress"]


def test_a_repeated_response_is_not_told_twice_when_the_prack_was_late():
    talk = Conversation()
    lost = []
    talk.drop = lambda label: "A>B PRACK" in label and not lost and not lost.append(label)
    talk.call()
    talk.take().progress(183, talk.now, ANSWER)
    talk.run(5.0)
    assert talk.messages().count("B>A 183 INVITE") == 2
    assert talk.told(ALICE) == ["Progress"]
    assert talk.messages().count("B>A 200 PRACK") == 1


def test_responses_go_out_one_after_the_other():
    talk = Conversation()
    talk.call(extra=REQUIRED)
    b = talk.take()
    for status in (180, 183, 180):
        b.progress(status, talk.now, ANSWER if status == 183 else b"")
    talk.run(1.0)
    assert [line for line in talk.messages() if "PRACK" not in line][2:] == [
        "B>A 180 INVITE", "B>A 183 INVITE", "B>A 180 INVITE",
    ]  # fmt: skip
    progress = [e.response for e in talk.events[ALICE] if isinstance(e, Progress)]
    numbers = [int(response.get(b"rseq")) for response in progress]
    assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]


def test_an_answer_waits_for_the_prack_of_a_description():
    talk = Conversation()
    lost = []
    talk.drop = lambda label: "A>B PRACK" in label and len(lost) < 1 and not lost.append(label)
    talk.call()
    b = talk.take()
    b.progress(183, talk.now, ANSWER)
    talk.run(0.1)
    b.accept(ANSWER, talk.now)
    talk.run(5.0)
    order = [line.split(" ", 1)[1] for line in talk.trace]
    assert order.index("B>A 200 PRACK") < order.index("B>A 200 INVITE")
    assert talk.told(ALICE) == ["Progress", "Answered"]


def test_cancelled_while_the_answer_waits_for_a_prack():
    talk = Conversation()
    talk.drop = lambda label: "A>B PRACK" in label
    a = talk.call()
    b = talk.take()
    b.progress(183, talk.now, ANSWER)
    talk.run(0.1)
    b.accept(ANSWER, talk.now)
    a.cancel(talk.now)
    talk.run(1.0)
    assert "B>A 487 INVITE" in talk.messages() and "B>A 200 INVITE" not in talk.messages()
    assert talk.told(BOB)[-1] == "HungUp"
    talk.drop = lambda label: False
    talk.run(80.0)
    assert sum(len(agent.stack.layer) + agent.sessions for agent in talk.agents.values()) == 0


def test_a_caller_who_never_acknowledges_is_refused():
    talk = Conversation()
    talk.drop = lambda label: "A>B PRACK" in label
    talk.call()
    talk.take().progress(183, talk.now, ANSWER)
    talk.run(40.0)
    assert [e.status for e in talk.events[ALICE] if isinstance(e, Refused)] == [504]
    assert [e.status for e in talk.events[BOB] if isinstance(e, HungUp)] == [408]
    talk.run(80.0)
    assert sum(len(agent.stack.layer) + agent.sessions for agent in talk.agents.values()) == 0


def test_without_an_offer_nothing_is_sent_reliably():
    talk = Conversation()
    talk.call(body=b"")
    talk.take().progress(183, talk.now, ANSWER)
    talk.run(1.0)
    assert "A>B PRACK" not in talk.messages() and "B>A 183 INVITE" in talk.messages()


def test_a_prack_that_acknowledges_nothing_gets_481():
    talk = Conversation()
    talk.call()
    b = talk.take()
    b.progress(183, talk.now, ANSWER)
    talk.run(1.0)
    request = talk.agents[ALICE].stack.in_dialog(
        b_dialog_of(talk), "PRACK", [(b"RAck", b"1 1 INVITE")]
    )  # fmt: skip
    talk.bob.receive(bytes(request), talk.flow(BOB, ALICE), talk.now)
    talk.run(0.1)
    assert talk.messages()[-1] == "B>A 481 PRACK"


def b_dialog_of(talk: Conversation):
    (session,) = talk.alice._dialogs
    return session.dialog


def test_an_offer_repeated_in_the_200_is_answered_by_the_first_description():
    talk = Conversation()
    a = talk.call()
    b = talk.take()
    b.progress(183, talk.now, ANSWER)
    talk.run(0.5)
    assert (a.local_description, a.remote_description) == (OFFER, ANSWER)
    assert (b.local_description, b.remote_description) == (ANSWER, OFFER)
