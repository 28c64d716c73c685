"""Messages that are lost or cross at the worst moment, clocks that are set, phones that vanish:
whatever happens, the call ends, with one record and nothing left."""

import pytest
from exchange import Exchange
from phones import Behaviour, sdp
from world import SWITCH

from sip.message import Request, Response
from sip.reading import parse_message

ANA, BEKA = "+995322000001", "+995322000002"


class Call:
    """Ana and Beka, each with a registered phone, on a wire without chance."""

    def __init__(self, **more) -> None:
        self.exchange = exchange = Exchange(seed=1, **more)
        exchange.wire.delay = (0.010, 0.010)
        exchange.wire.log = []
        exchange.tariff(("995", 60_000, 1, 1))
        lines = [exchange.line(number, exchange.account(10_000_000)) for number in (ANA, BEKA)]
        self.a, self.b = (exchange.phone(line, f"198.51.100.{line.id}") for line in lines)
        for phone in (self.a, self.b):
            phone.register(7200)
        exchange.run(1.0)
        self.begun = exchange.loop.time()

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return self.exchange.loop.time() - self.begun

    def talk(self, seconds: float = 5.0):
        """Ana calls, Beka answers after a second, and they talk for so long; Ana's leg."""
        session = self.a.call(BEKA)
        self.exchange.run(1.1 + seconds)
        assert len(self.a.talking) == len(self.b.talking) == 1
        return session

    def drop(self, *labels: str) -> None:
        """Lose messages like "A>S ACK" or "S>B 200 INVITE" until told otherwise."""
        self.exchange.wire.drops = lambda *sent: self._label(*sent) in labels

    def _label(self, data: bytes, source, target) -> str:
        names = {self.a.address: "A", self.b.address: "B", SWITCH: "S"}
        if source not in names or target not in names:
            return ""
        message = parse_message(data)
        what = message.method if isinstance(message, Request) else message.status
        method = f" {message.cseq.method}" if isinstance(message, Response) else ""
        return f"{names[source]}>{names[target]} {what}{method}"

    def sent(self, label: str) -> list[float]:
        """When such messages left, from the beginning on."""
        return [
            round(at - self.begun, 3)
            for at, source, target, data in self.exchange.wire.log
            if self._label(data, source, target) == label and at >= self.begun
        ]

    def over(self, *, idle: bool = True):
        """The only record, when nothing is left; a phone that vanished never becomes idle."""
        if idle:
            self.exchange.run_until_idle()
        left = self.exchange.left()
        assert left == dict.fromkeys(left, 0)
        (cdr,) = self.exchange.store.cdrs()
        return cdr


@pytest.fixture
def call():
    made = Call()
    yield made
    finish(made)


def finish(made: Call) -> None:
    assert made.exchange.log.errors == []
    assert made.exchange.switch.agent.counters.faults == 0
    assert made.exchange.store.verify() == []
    made.exchange.close()


# Lost


def test_an_invite_that_is_repeated_after_the_200_is_one_call(call):
    call.b.behaviour = Behaviour(rings=0.1)
    call.drop("S>A 100 INVITE", "S>A 180 INVITE", "S>A 200 INVITE")
    session = call.a.call(BEKA)
    call.exchange.run(2.0)
    assert call.b.events.count("Received") == 1 and call.a.status is None
    assert len(call.sent("A>S INVITE")) == 1 + 3  # unauthenticated; at 0, 0.5 and 1.5 s
    call.drop()
    call.exchange.run(5.0)
    assert call.a.status == 200
    call.a.hang_up(session)
    assert call.over().ended_by == "caller"
    assert call.b.events.count("Received") == 1


def test_a_lost_bye_is_repeated_and_both_legs_end(call):
    session = call.talk()
    call.drop("A>S BYE")
    call.a.hang_up(session)
    call.exchange.run(3.0)
    assert len(call.b.talking) == 1
    call.drop()
    assert call.over().ended_by == "caller"
    assert call.sent("A>S BYE") == [6.1, 6.6, 7.6, 9.6]
    assert call.sent("S>B BYE") == [9.61]


def test_without_any_ack_of_the_caller_the_call_ends_32_seconds_after_the_answer(call):
    call.drop("A>S ACK")
    call.a.call(BEKA)
    call.exchange.run(60.0)
    cdr = call.over()
    assert (cdr.ended_by, cdr.sip_status, cdr.cause) == ("caller", 200, 102)
    # Charged to the caller's last packet; this phone sends one every 5 s.
    assert cdr.duration_ms == pytest.approx(30_000, abs=50)
    assert len(call.sent("S>A BYE")) == len(call.sent("S>B BYE")) == 1


def test_a_lost_ack_to_the_callee_is_sent_again_for_its_repeated_200(call):
    lost = []

    def first_ack(data, source, target):
        if call._label(data, source, target) == "S>B ACK" and not lost:
            lost.append(data)
            return True
        return False

    call.exchange.wire.drops = first_ack
    session = call.talk()
    assert len(call.sent("B>S 200 INVITE")) == len(call.sent("S>B ACK")) == 2
    call.a.hang_up(session)
    assert call.over().ended_by == "caller"


def test_a_caller_that_vanishes_while_both_were_silent_ends_after_a_minute(call):
    call.talk(22.0)
    call.exchange.wire.detach(call.a.address)
    call.a.sends_rtp = call.b.sends_rtp = False
    call.exchange.run(200.0)
    cdr = call.over(idle=False)
    assert (cdr.ended_by, cdr.cause) == ("media_timeout", 102)
    assert 19_000 <= cdr.duration_ms <= 22_000  # to the last packet


def test_a_caller_that_vanishes_while_the_other_talks_on_is_missed_by_the_session_timer(call):
    call.talk(10.0)
    call.exchange.wire.detach(call.a.address)
    call.exchange.run(2000.0)
    cdr = call.over(idle=False)
    assert cdr.ended_by in ("caller", "timer")
    assert cdr.duration_ms <= 1_800_000


# Crossing


@pytest.mark.parametrize(
    ("apart_ms", "refused"), [(0, ["A"]), (15, ["A", "B"])], ids=["in the switch", "on the wire"]
)
def test_reinvites_that_cross_are_refused_and_may_be_tried_again(call, apart_ms, refused):
    session = call.talk()
    call.a.hold(session)
    call.exchange.run(apart_ms / 1000)
    call.b.hold(call.b.talking[0])
    call.exchange.run(2.0)
    assert [who for who in "AB" if call.sent(f"S>{who} 491 INVITE")] == refused
    assert "ReinviteRefused" in call.a.events and len(call.a.talking) == 1
    call.a.hold(session)
    call.exchange.run(2.0)
    assert call.a.events[-1] == "ReinviteAnswered"
    call.a.hang_up(session)
    assert call.over().ended_by == "caller"


def test_a_bye_that_crosses_a_reinvite_ends_the_call(call):
    session = call.talk()
    call.a.hold(session)
    call.b.hang_up(call.b.talking[0])
    assert call.over().ended_by == "callee"


@pytest.mark.parametrize("offset_ms", range(-60, 61, 10))
def test_a_cancel_and_a_200_that_cross(call, offset_ms):
    """Between 40 ms before the answer and 40 ms after it there is each order of the four
    messages that there can be."""
    call.b.behaviour = Behaviour(rings=2.0)
    session = call.a.call(BEKA)
    call.exchange.run(2.04 + offset_ms / 1000)
    call.a.hang_up(session)
    cdr = call.over()
    assert cdr.ended_by in ("caller", "callee")
    if cdr.answered_at is None:
        assert (cdr.sip_status, cdr.price_micros) == (487, 0)
    else:
        assert cdr.sip_status == 200 and cdr.billed_seconds <= 1
    assert call.a.talking == call.b.talking == []


@pytest.mark.parametrize("apart_ms", [0, 5, 10, 15, 20, 25])
def test_two_phones_of_a_line_that_answer_at_once_leave_one_call(call, apart_ms):
    line = call.exchange.directory.line_by_number(BEKA)
    other = call.exchange.phone(line, "198.51.100.77")
    other.register(7200)
    call.exchange.run(1.0)
    call.b.behaviour = Behaviour(rings=1.0)
    other.behaviour = Behaviour(rings=1.0 + apart_ms / 1000)
    session = call.a.call(BEKA)
    call.exchange.run(4.0)
    assert len(call.b.talking) + len(other.talking) == len(call.a.talking) == 1
    for phone in (call.b, other):
        assert phone.talking or {"HungUp", "Cancelled"} & set(phone.events)
    call.a.hang_up(session)
    assert call.over().ended_by == "caller"


# Offers


def test_a_delayed_offer_whose_ack_is_lost_once_is_answered_all_the_same(call):
    call.drop("A>S ACK")
    session = call.a.call(BEKA, body=b"")
    call.exchange.run(1.3)
    call.drop()
    call.exchange.run(10.0)
    assert call.a.heard > 0 and call.b.heard > 0
    call.a.hang_up(session)
    assert call.over().ended_by == "caller"


def test_a_delayed_offer_that_the_ack_does_not_answer_ends_the_call_at_once(call):
    call.a._description = lambda: b""
    call.a.call(BEKA, body=b"")
    call.exchange.run(5.0)
    cdr = call.over()
    assert (cdr.sip_status, cdr.cause) == (200, 65)
    assert cdr.duration_ms < 100


def test_a_reinvite_without_sdp_asks_the_other_side_for_an_offer(call):
    session = call.talk()
    call.a.events.clear()
    session.reinvite(b"", call.a.now)
    call.a.endpoint.drain()
    call.exchange.run(1.0)
    assert call.a.events == ["ReinviteAnswered"] and "Reinvited" in call.b.events
    heard = call.a.heard, call.b.heard
    call.exchange.run(11.0)
    assert call.a.heard > heard[0] and call.b.heard > heard[1]
    call.a.hang_up(session)
    assert call.over().ended_by == "caller"


def test_a_hold_by_the_null_address_and_its_end(call):
    session = call.talk()
    port = call.a._next_port
    session.reinvite(sdp("0.0.0.0", port), call.a.now)
    call.a.endpoint.drain()
    call.exchange.run(1.0)
    descriptions = [
        data
        for _, source, _, data in call.exchange.wire.log
        if source == SWITCH and b"m=audio" in data
    ]
    assert not any(b"0.0.0.0" in data for data in descriptions)  # never said by us
    silence = call.a.heard
    call.exchange.run(12.0)
    assert call.a.heard == silence
    call.a.hold(session, "sendrecv")
    call.exchange.run(12.0)
    assert call.a.heard > silence
    call.a.hang_up(session)
    assert call.over().ended_by == "caller"


def test_rtp_before_the_200_from_another_port_does_not_take_the_call_over(call):
    call.b.behaviour = Behaviour(rings=3.0)
    session = call.a.call(BEKA)
    call.exchange.run(1.0)
    invite = next(
        data for _, _, to, data in call.exchange.wire.log
        if to == call.b.address and data.startswith(b"INVITE")
    )  # fmt: skip
    relay = int(invite.partition(b"m=audio ")[2].split()[0])
    for number in range(40):
        packet = b"\x80\x00" + number.to_bytes(2, "big") + bytes(4) + b"tone" + bytes(160)
        call.exchange.wire.send(packet, (call.b.address[0], 45_000), (SWITCH[0], relay))
        call.exchange.run(0.02)
    call.exchange.run(10.0)
    assert call.a.heard > 0 and call.b.heard > 0
    call.a.hang_up(session)
    assert call.over().ended_by == "caller"


# Loops


def test_a_line_that_calls_itself_has_one_call(call):
    call.a.behaviour = Behaviour(rings=1.0, answer=486)
    call.a.call(ANA)
    cdr = call.over()
    assert (cdr.sip_status, cdr.calling, cdr.called) == (486, ANA, ANA)


def test_a_trunk_that_sends_a_call_back_gets_no_further(call):
    carrier = call.exchange.trunk("carrier", "203.0.113.1", "44")
    call.exchange.tariff(("44", 60_000, 60, 60))
    carrier.behaviour = Behaviour(answer=0)
    call.a.call("00442012345678")
    call.exchange.run(1.0)
    carrier.call("+442012345678")
    call.exchange.run(1.0)
    assert carrier.status in (403, 404, 482)
    call.exchange.run(70.0)
    call.exchange.run_until_idle()
    left = call.exchange.left()
    assert left == dict.fromkeys(left, 0)
    assert {cdr.price_micros for cdr in call.exchange.store.cdrs()} == {0}


# Clocks and nonces


@pytest.mark.parametrize("step_ms", [3_600_000, -3_600_000, 86_400_000])
def test_a_clock_that_is_set_during_a_call_moves_stamps_only(call, step_ms):
    session = call.talk(9.98)
    call.exchange.clock_step_ms = step_ms
    call.exchange.run(10.0)
    call.a.hang_up(session)
    cdr = call.over()
    assert cdr.duration_ms == pytest.approx(20_000, abs=100)
    assert cdr.price_micros in (20_000, 21_000)
    assert cdr.ended_at - cdr.answered_at == pytest.approx(20_000 + step_ms, abs=100)


@pytest.mark.parametrize("ringing", [False, True], ids=["while talking", "while ringing"])
@pytest.mark.parametrize("step_ms", [3_600_000, -3_600_000])
def test_after_a_clock_that_was_set_a_crash_bills_what_was_talked(call, step_ms, ringing):
    if ringing:
        call.b.behaviour = Behaviour(rings=8.0)
        call.a.call(BEKA)
        call.exchange.run(7.0)  # after a proof of life
        call.exchange.clock_step_ms = step_ms
        call.exchange.run(16.0)
    else:
        call.talk(8.0)
        call.exchange.clock_step_ms = step_ms
        call.exchange.run(7.0)
    (cdr,) = call.exchange.store.recover()
    assert 10_000 <= cdr.duration_ms <= 15_100
    assert cdr.ended_at == cdr.answered_at + cdr.duration_ms


def test_a_stale_nonce_gets_a_fresh_challenge_and_no_refusal(call):
    old = next(
        data for _, source, _, data in call.exchange.wire.log
        if source == call.b.address and b"Authorization:" in data
    )  # fmt: skip
    answers = []
    call.exchange.wire.attach(call.b.address, lambda data, source: answers.append(data))
    call.exchange.run(120.0)
    again = old.replace(b"branch=z9hG4bK", b"branch=z9hG4bKagain")
    call.exchange.wire.send(again, call.b.address, SWITCH)
    call.exchange.run(1.0)
    (answer,) = answers
    assert answer.startswith(b"SIP/2.0 401") and b"stale=true" in answer
    call.exchange.wire.attach(call.b.address, call.b._receive)
    call.talk()
    call.b.hang_up(call.b.talking[0])
    assert call.over().ended_by == "callee"
