"""Sessions as conversations of both sides over a wire, with literal seconds."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from smpp.bodies import Address, Alert, Bind, Empty, MessageId, Pdu, Query, ShortMessage
from smpp.codes import GENERIC_NACK, RESPONSE, Command, Status
from smpp.pdu import decode, encode
from smpp.session import (
    MAX_FAULTS,
    Answered,
    BindRefused,
    BindRequested,
    Bound,
    Closed,
    Event,
    Requested,
    Session,
    SessionError,
    Side,
    State,
    Timers,
    Unanswered,
)

MESSAGE = ShortMessage(Address(5, 0, "Citynet"), Address(1, 1, "995599000001"), b"Hello")
BIND = Bind("business", "secret")


@dataclass
class Pair:
    """Both sides of a session, joined by a wire that loses nothing."""

    esme: Session = field(default_factory=lambda: Session(Side.ESME, 0.0, window=2))
    centre: Session = field(default_factory=lambda: Session(Side.CENTRE, 0.0, max_pending=3))
    at_esme: list[Event] = field(default_factory=list)
    at_centre: list[Event] = field(default_factory=list)

    def carry(self, now: float) -> None:
        while True:
            out, back = self.esme.to_send(), self.centre.to_send()
            self.at_esme += self.esme.events()
            self.at_centre += self.centre.events()
            if not out and not back:
                return
            self.centre.receive(out, now)
            self.esme.receive(back, now)

    def bound(self, command: Command = Command.BIND_TRANSCEIVER) -> Pair:
        self.esme.bind(command, BIND, 0.0)
        self.carry(0.0)
        (asked,) = self.at_centre
        assert isinstance(asked, BindRequested)
        self.centre.accept(asked, "centre")
        self.carry(0.0)
        self.at_centre.clear()
        self.at_esme.clear()
        return self


def statuses(octets: bytes) -> list[tuple[int, int]]:
    """command_id and command_status of PDUs."""
    found = []
    while octets:
        length = int.from_bytes(octets[:4], "big")
        pdu = decode(octets[:length])
        found.append((pdu.command, pdu.status))
        octets = octets[length:]
    return found


class TestBinding:
    def test_both_sides_are_bound(self):
        pair = Pair()
        pair.esme.bind(Command.BIND_TRANSCEIVER, BIND, 0.0)
        pair.carry(0.0)
        (asked,) = pair.at_centre
        assert asked == BindRequested(1, Command.BIND_TRANSCEIVER, BIND)
        pair.centre.accept(asked, "centre")
        pair.carry(0.0)
        assert pair.at_esme == [Bound(State.BOUND_TRX, "centre", 0x34)]
        assert pair.centre.state is pair.esme.state is State.BOUND_TRX

    def test_a_wrong_password_closes_both_sides(self):
        pair = Pair()
        pair.esme.bind(Command.BIND_RECEIVER, BIND, 0.0)
        pair.carry(0.0)
        (asked,) = pair.at_centre
        pair.centre.refuse(asked, Status.INVALID_PASSWORD)
        pair.carry(0.0)
        assert pair.at_esme == [BindRefused(Status.INVALID_PASSWORD), Closed("bind refused: 0xe")]
        assert pair.at_centre[-1] == Closed("bind refused: invalid_password")

    def test_a_connection_without_a_bind_is_closed_after_ten_seconds(self):
        centre = Session(Side.CENTRE, 5.0)
        assert centre.next_deadline() == 15.0
        centre.expire(14.9)
        assert centre.state is State.OPEN
        centre.expire(15.0)
        assert centre.events() == [Closed("no bind in time")]
        assert centre.next_deadline() is None

    def test_a_second_bind_is_refused_and_changes_nothing(self):
        pair = Pair().bound()
        pair.centre.receive(encode(Pdu(Command.BIND_RECEIVER, 9, BIND)), 1.0)
        answered = statuses(pair.centre.to_send())
        assert answered == [(Command.BIND_RECEIVER | RESPONSE, Status.ALREADY_BOUND)]
        assert pair.centre.state is State.BOUND_TRX

    def test_a_version_3_3_peer_gets_no_optional_parameters(self):
        centre = Session(Side.CENTRE, 0.0)
        centre.receive(encode(Pdu(Command.BIND_RECEIVER, 1, Bind("old", "", "", 0x33))), 0.0)
        (asked,) = centre.events()
        centre.accept(asked, "centre")
        assert decode(centre.to_send()).body.tlvs == ()
        assert centre.version == 0x33


REQUESTS = {
    Command.SUBMIT_SM: MESSAGE,
    Command.DELIVER_SM: MESSAGE,
    Command.QUERY_SM: Query("1", Address()),
    Command.ALERT_NOTIFICATION: Alert(Address(), Address()),
    Command.ENQUIRE_LINK: Empty(),
    Command.UNBIND: Empty(),
}
ALLOWED = {
    (Side.CENTRE, Command.BIND_TRANSMITTER): "submit_sm query_sm enquire_link unbind",
    (Side.CENTRE, Command.BIND_RECEIVER): "enquire_link unbind",
    (Side.CENTRE, Command.BIND_TRANSCEIVER): "submit_sm query_sm enquire_link unbind",
    (Side.ESME, Command.BIND_TRANSMITTER): "enquire_link unbind",
    (Side.ESME, Command.BIND_RECEIVER): "deliver_sm alert_notification enquire_link unbind",
    (Side.ESME, Command.BIND_TRANSCEIVER): "deliver_sm alert_notification enquire_link unbind",
}


@pytest.mark.parametrize(("side", "bind"), ALLOWED)
@pytest.mark.parametrize("command", REQUESTS, ids=lambda command: command.name.lower())
def test_each_side_takes_what_its_bind_allows(side, bind, command):
    pair = Pair().bound(bind)
    session = pair.centre if side is Side.CENTRE else pair.esme
    session.receive(encode(Pdu(command, 50, REQUESTS[command])), 1.0)
    # There is no response to an alert: generic_nack refuses it.
    answer = GENERIC_NACK if command is Command.ALERT_NOTIFICATION else command | RESPONSE
    refused = (answer, Status.INVALID_BIND_STATUS) in statuses(session.to_send())
    assert refused is (command.name.lower() not in ALLOWED[side, bind].split())


class TestRequests:
    def test_a_request_and_its_answer_carry_the_token(self):
        pair = Pair().bound()
        pair.esme.request(Command.SUBMIT_SM, MESSAGE, "first", 1.0)
        pair.carry(1.0)
        (asked,) = pair.at_centre
        assert asked == Requested(2, Command.SUBMIT_SM, MESSAGE)
        pair.centre.respond(asked.sequence, MessageId("m1"))
        pair.carry(1.0)
        assert pair.at_esme == [Answered("first", Status.OK, MessageId("m1"))]
        assert pair.centre.pending == 0

    def test_answers_may_come_in_another_order(self):
        pair = Pair().bound()
        pair.esme.request(Command.SUBMIT_SM, MESSAGE, "first", 1.0)
        pair.esme.request(Command.SUBMIT_SM, MESSAGE, "second", 1.0)
        pair.carry(1.0)
        pair.centre.respond(3, status=Status.THROTTLED)
        pair.centre.respond(2, MessageId("m1"))
        pair.carry(1.0)
        assert pair.at_esme == [
            Answered("second", Status.THROTTLED, MessageId()),
            Answered("first", Status.OK, MessageId("m1")),
        ]

    def test_a_full_window_sends_nothing_more(self):
        pair = Pair().bound()
        assert pair.esme.room == 2
        pair.esme.request(Command.SUBMIT_SM, MESSAGE, 1, 1.0)
        pair.esme.request(Command.SUBMIT_SM, MESSAGE, 2, 1.0)
        with pytest.raises(SessionError, match="window"):
            pair.esme.request(Command.SUBMIT_SM, MESSAGE, 3, 1.0)

    def test_a_peer_that_does_not_wait_is_throttled(self):
        pair = Pair().bound()
        for sequence in range(10, 14):
            pair.centre.receive(encode(Pdu(Command.SUBMIT_SM, sequence, MESSAGE)), 1.0)
        assert len(pair.centre.events()) == 3
        throttled = (Command.SUBMIT_SM | RESPONSE, Status.THROTTLED)
        assert statuses(pair.centre.to_send()) == [throttled]

    def test_no_answer_in_time_is_an_unknown_outcome_and_a_late_one_is_passed_over(self):
        pair = Pair().bound()
        pair.esme.request(Command.SUBMIT_SM, MESSAGE, "lost", 1.0)
        pair.esme.receive(encode(Pdu(Command.ENQUIRE_LINK, 8)), 60.9)
        pair.esme.expire(61.0)
        assert pair.esme.events() == [Unanswered("lost")]
        late = Pdu(Command.SUBMIT_SM | RESPONSE, 2, MessageId("m1"))
        pair.esme.receive(encode(late), 62.0)
        assert pair.esme.events() == []
        assert pair.esme.room == 2

    def test_requests_under_way_when_the_connection_ends_have_an_unknown_outcome(self):
        pair = Pair().bound()
        pair.esme.request(Command.SUBMIT_SM, MESSAGE, "first", 1.0)
        pair.esme.lost()
        assert pair.esme.events() == [Unanswered("first"), Closed("the connection ended")]
        with pytest.raises(SessionError, match="closed"):
            pair.esme.request(Command.SUBMIT_SM, MESSAGE, "second", 1.0)

    def test_generic_nack_is_an_answer(self):
        pair = Pair().bound()
        pair.esme.request(Command.SUBMIT_SM, MESSAGE, "first", 1.0)
        nack = Pdu(GENERIC_NACK, 2, Empty(), Status.INVALID_COMMAND_ID)
        pair.esme.receive(encode(nack), 1.0)
        assert pair.esme.events() == [Answered("first", Status.INVALID_COMMAND_ID, Empty())]


class TestLink:
    def test_silence_is_broken_and_a_dead_peer_is_noticed(self):
        pair = Pair().bound()
        assert pair.esme.next_deadline() == 30.0
        pair.esme.expire(30.0)
        assert statuses(pair.esme.to_send()) == [(Command.ENQUIRE_LINK, 0)]
        assert pair.esme.next_deadline() == 40.0
        pair.esme.expire(40.0)
        assert pair.esme.events() == [Closed("no answer to enquire_link")]

    def test_an_answered_enquiry_starts_the_silence_anew(self):
        pair = Pair().bound()
        pair.esme.expire(30.0)
        pair.carry(31.0)
        assert pair.esme.next_deadline() == 61.0
        assert pair.at_esme == []

    def test_unbinding_closes_both_sides(self):
        pair = Pair().bound()
        pair.esme.unbind(5.0)
        pair.carry(5.0)
        assert pair.at_esme == [Closed("unbound")]
        assert pair.at_centre == [Closed("the peer unbound")]

    def test_an_unbind_without_an_answer_closes_in_time(self):
        pair = Pair().bound()
        pair.esme.unbind(5.0)
        pair.esme.expire(15.0)
        assert pair.esme.events() == [Closed("no answer to unbind")]


class TestFaults:
    def test_a_damaged_submit_sm_is_answered_and_the_session_goes_on(self):
        pair = Pair().bound()
        damaged = encode(Pdu(Command.SUBMIT_SM, 7, MESSAGE))[:-2]
        pair.centre.receive(len(damaged).to_bytes(4, "big") + damaged[4:], 1.0)
        answered = (Command.SUBMIT_SM | RESPONSE, Status.INVALID_MESSAGE_LENGTH)
        assert statuses(pair.centre.to_send()) == [answered]
        assert pair.centre.state is State.BOUND_TRX

    def test_an_unknown_command_gets_generic_nack(self):
        pair = Pair().bound()
        pair.centre.receive(bytes.fromhex("00000010000001110000000000000009"), 1.0)
        assert decode(pair.centre.to_send()) == Pdu(
            GENERIC_NACK, 9, Empty(), Status.INVALID_COMMAND_ID
        )

    def test_a_peer_that_sends_only_rubbish_is_cut_off(self):
        pair = Pair().bound()
        pair.centre.receive(bytes.fromhex("00000010000001110000000000000009") * 50, 1.0)
        assert len(statuses(pair.centre.to_send())) == MAX_FAULTS
        assert pair.centre.events() == [Closed("too many PDUs that can't be read")]

    def test_an_impossible_length_ends_the_connection(self):
        pair = Pair().bound()
        pair.centre.receive(b"\xff\xff\xff\xff", 1.0)
        assert statuses(pair.centre.to_send()) == [(GENERIC_NACK, Status.INVALID_COMMAND_LENGTH)]
        assert pair.centre.events() == [Closed("a command_length of 4294967295")]

    def test_a_damaged_answer_is_an_unknown_outcome(self):
        pair = Pair().bound()
        pair.esme.request(Command.SUBMIT_SM, MESSAGE, "first", 1.0)
        pair.esme.receive(bytes.fromhex("00000011800000040000000000000002 41"), 1.0)
        assert pair.esme.events() == [Unanswered("first")]


def test_sequence_numbers_begin_again_after_the_last():
    pair = Pair(esme=Session(Side.ESME, 0.0, window=3, timers=Timers(bind_seconds=5.0))).bound()
    pair.esme._sequence = 0x7FFFFFFE
    for token in range(3):
        pair.esme.request(Command.SUBMIT_SM, MESSAGE, token, 1.0)
    pair.carry(1.0)
    assert [asked.sequence for asked in pair.at_centre] == [0x7FFFFFFF, 1, 2]
