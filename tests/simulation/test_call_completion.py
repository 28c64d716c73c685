"""Automatic calling: who is connected, rung or told when, to the second, and what it costs."""

from dataclasses import replace

import pytest
from exchange import Exchange
from mailboxes import give_mailbox
from phones import Behaviour
from recordings import recorded
from voices import Voice

from softswitch.completion.store import CompletionStore
from softswitch.control.actor import Actor
from softswitch.control.errors import OperationError
from softswitch.mail.outbox import Outbox
from softswitch.operations.context import Context
from softswitch.process.live import Live, completion_accept
from softswitch.subscribers.notice_ways import choose
from softswitch.subscribers.subscriber_store import SubscriberStore
from softswitch.subscribers.supplementary import Setting, Supplementary

A, B, C = (f"+99532200000{i}" for i in (1, 2, 3))
HOURS, MINUTES = 3600.0, 60.0
OFFERED = 9.0
"""Seconds until a caller who presses nothing has heard the whole offer, and is gone."""


PROMPTS = []
ANSWERED = '[completion]\noffer = "answered"\n'
"""The phones here send keys by INFO, which they can when they have been answered."""


@pytest.fixture(scope="module", autouse=True)
def prompts(tmp_path_factory):
    """Without recordings nothing is offered."""
    PROMPTS.append(recorded(tmp_path_factory.mktemp("prompts"), "en"))
    yield
    PROMPTS.clear()


def made(seed=1, config=ANSWERED, **more):
    exchange = Exchange(seed=seed, config=config, prompts=PROMPTS[0], **more)
    exchange.tariff(("on_net", 60_000, 1, 1), ("995", 60_000, 1, 1))
    return exchange


@pytest.fixture
def exchange():
    exchange = made()
    yield exchange
    close(exchange)


def close(exchange):
    exchange.run_until_idle()
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)
    assert exchange.log.errors == []
    assert exchange.store.verify() == []
    exchange.close()


def phone(exchange, number, registered=True, **more):
    line = exchange.line(number, exchange.account(10_000_000))
    phone = exchange.phone(line, f"198.51.100.{int(number[-3:])}")
    if more:
        having(exchange, number, **more)
    if registered:
        phone.register(expires=7200)
    return phone


def having(exchange, number, **services):
    line = exchange.directory.line_by_number(number)
    settings = {
        name: Setting(bool(value), (value,) if isinstance(value, str) else ())
        for name, value in services.items()
    }
    exchange.directory.put_lines([replace(line, services=Supplementary(settings))])


def rows(exchange):
    return CompletionStore(exchange.store.engine).load()


def press(exchange, phone, key, seconds=3.0):
    phone.talking[-1].info(b"application/dtmf-relay", f"Signal={key}\r\n".encode(), phone.now)
    phone.endpoint.drain()
    exchange.run(seconds)


def try_(exchange, caller, number, key=None):
    """Call somebody who can't be had, hear the offer, and press a key or none."""
    caller.status = None
    caller.call(number)
    exchange.run(2.0)
    assert caller.status == 200, "nothing was offered"
    if key is not None:
        press(exchange, caller, key, 1.0)
    exchange.run(OFFERED)
    assert caller.talking == []


def no_offer(exchange, caller, number, status=480):
    caller.status = None
    caller.call(number)
    exchange.run(3.0)
    assert caller.status == status
    assert rows(exchange) == []


@pytest.fixture
def out_of_reach(exchange):
    """A caller, and somebody whose phone isn't registered."""
    a, b = phone(exchange, A), phone(exchange, B, registered=False)
    exchange.run(1.0)
    return a, b


def returns_after(exchange, phone, seconds, begun):
    """Register so long after an instant; that takes a tenth of a second."""
    exchange.run(begun + seconds - exchange.loop.time())
    phone.register(expires=7200)


def attempt_at(exchange):
    """The loop's time of the only attempt that somebody waits for."""
    (row,) = rows(exchange)
    return exchange.loop.time() + (row.asked_at - exchange.wall_ms()) / 1000


def said(exchange):
    return [tokens for _, tokens in exchange.log.announcements]


class TestOffer:
    def test_d1_d2_a_caller_of_a_line_out_of_reach_is_offered_a_connection_free_of_charge(
        self, exchange, out_of_reach
    ):
        a, _ = out_of_reach
        try_(exchange, a, B, "1")
        assert said(exchange) == ["cc-offer-unreachable", "cc-accepted"]
        (row,) = rows(exchange)
        assert (row.state, row.reason, row.number) == ("accepted", "unreachable", B)
        (cdr,) = exchange.store.cdrs()
        assert (cdr.sip_status, cdr.answered_at, cdr.price_micros) == (480, None, 0)
        assert exchange.store.account(1).balance_micros == 10_000_000

    def test_d1_d2_a_caller_of_a_busy_line_is_offered_one(self, exchange):
        a, b = phone(exchange, A), phone(exchange, B)
        b.behaviour = Behaviour(answer=486)
        exchange.run(1.0)
        try_(exchange, a, B)
        assert said(exchange) == ["cc-offer-busy", "cc-declined"]
        assert [(row.state, row.reason) for row in rows(exchange)] == [("declined", "busy")]

    @pytest.mark.parametrize("answer", [408, 430, 480, 503])
    def test_d1_no_answer_to_the_invite_is_out_of_reach(self, exchange, answer):
        a, b = phone(exchange, A), phone(exchange, B)
        b.behaviour = Behaviour(answer=answer)
        exchange.run(1.0)
        try_(exchange, a, B)
        assert said(exchange)[0] == "cc-offer-unreachable"

    @pytest.mark.parametrize("answer", [603, 404, 0])
    def test_d1_who_declines_or_lets_it_ring_is_neither_busy_nor_out_of_reach(
        self, exchange, answer
    ):
        a, b = phone(exchange, A), phone(exchange, B)
        b.behaviour = Behaviour(answer=answer)
        exchange.run(1.0)
        a.call(B)
        exchange.run(70.0)
        assert a.status >= 400 and rows(exchange) == [] and said(exchange) == []

    def test_without_recordings_nothing_is_asked_and_the_caller_has_declined(self):
        exchange = Exchange(seed=1)
        exchange.tariff(("on_net", 60_000, 1, 1))
        a, _ = phone(exchange, A), phone(exchange, B, registered=False)
        exchange.run(1.0)
        a.call(B)
        exchange.run(1.0)
        assert a.status == 480
        assert [row.state for row in rows(exchange)] == ["declined"]
        close(exchange)

    @pytest.mark.parametrize("whose", [A, B])
    def test_d1_it_can_be_switched_off_for_each_line(self, exchange, out_of_reach, whose):
        having(exchange, whose, call_completion=False)
        no_offer(exchange, out_of_reach[0], B)

    def test_d1_and_for_the_whole_switch(self):
        exchange = made(config="[completion]\nenabled = false\n")
        a, _ = phone(exchange, A), phone(exchange, B, registered=False)
        exchange.run(1.0)
        no_offer(exchange, a, B)
        close(exchange)

    def test_d1_callers_from_outside_are_offered_nothing(self, exchange, out_of_reach):
        trunk = exchange.trunk("in", "203.0.113.1")
        no_offer(exchange, trunk, B)

    def test_a_caller_who_hangs_up_in_the_offer_has_declined(self, exchange, out_of_reach):
        a, _ = out_of_reach
        session = a.call(B)
        exchange.run(2.0)
        a.hang_up(session)
        exchange.run(1.0)
        assert [row.state for row in rows(exchange)] == ["declined"]

    def test_any_other_key_declines(self, exchange, out_of_reach):
        try_(exchange, out_of_reach[0], B, "2")
        assert [row.state for row in rows(exchange)] == ["declined"]

    def test_a_second_attempt_takes_the_place_of_the_first(self, exchange, out_of_reach):
        try_(exchange, out_of_reach[0], B, "1")
        first = rows(exchange)[0]
        try_(exchange, out_of_reach[0], B)
        (row,) = rows(exchange)
        assert row.state == "declined" and row.asked_at > first.asked_at


class TestEarlyOffer:
    """As the switch does it if it isn't told otherwise: early media, then the refusal."""

    @pytest.fixture
    def exchange(self):
        exchange = made(config="")
        yield exchange
        close(exchange)

    def test_d2_the_call_is_refused_as_ever_when_the_offer_was_heard(self, exchange, out_of_reach):
        a, _ = out_of_reach
        a.call(B)
        exchange.run(2.0)
        assert a.status is None and a.heard > 0
        exchange.run(OFFERED)
        assert a.status == 480 and said(exchange) == ["cc-offer-unreachable", "cc-declined"]
        assert [row.state for row in rows(exchange)] == ["declined"]
        (cdr,) = exchange.store.cdrs()
        assert (cdr.sip_status, cdr.answered_at, cdr.price_micros) == (480, None, 0)

    def test_d2_a_key_in_early_media_accepts(self, exchange):
        a, b = phone(exchange, A), phone(exchange, B)
        b.behaviour = Behaviour(answer=486)
        exchange.run(1.0)
        session = a.call(B)
        exchange.run(1.8)
        call = next(iter(exchange.switch.calls.values()))
        a._remote_port[session] = call.sound.a_port
        a.talking.append(session)
        Voice(a, session).press("1")
        a.talking.remove(session)
        exchange.run(OFFERED)
        assert a.status == 486 and said(exchange) == ["cc-offer-busy", "cc-accepted"]
        assert [row.state for row in rows(exchange)] == ["accepted"]

    def test_a_caller_who_gives_up_in_the_offer_has_declined(self, exchange, out_of_reach):
        a, _ = out_of_reach
        session = a.call(B)
        exchange.run(1.5)
        session.cancel(a.now)
        a.endpoint.drain()
        exchange.run(5.0)
        assert [row.state for row in rows(exchange)] == ["declined"]
        (cdr,) = exchange.store.cdrs()
        assert (cdr.sip_status, cdr.ended_by) == (487, "caller")


class TestAccepted:
    @pytest.mark.parametrize(("after", "connected"), [(2 * HOURS - 0.2, True), (2 * HOURS, False)])
    def test_d3_d7_the_switch_connects_both_within_two_hours_and_then_tells_by_text(
        self, exchange, out_of_reach, after, connected
    ):
        a, b = out_of_reach
        try_(exchange, a, B, "1")
        begun = attempt_at(exchange)
        a.register(expires=7200)
        a.status = None
        returns_after(exchange, b, after, begun)
        exchange.run(10.0)
        if connected:
            assert len(a.talking) == len(b.talking) == 1
            assert b.talking[0].incoming.request.from_.uri.user == A
            assert b.texts == []
            a.hang_up(a.talking[0])
        else:
            assert a.talking == b.talking == []
            assert [(who, A in text) for who, text in b.texts] == [(A, True)]
        exchange.run(3.0)
        assert rows(exchange) == []

    def test_d3_the_caller_is_called_first_and_sees_whom_he_waits_for(self, exchange, out_of_reach):
        a, b = out_of_reach
        try_(exchange, a, B, "1")
        a.behaviour = Behaviour(rings=5.0)
        b.register()
        exchange.run(4.0)
        assert b.events.count("Received") == 0 and a.events.count("Received") == 1
        exchange.run(5.0)
        assert a.talking[0].incoming.request.from_.uri.user == B
        before = a.heard, b.heard
        exchange.run(12.0)
        assert a.heard > before[0] and b.heard > before[1]
        b.hang_up(b.talking[0])
        exchange.run(1.0)
        assert a.talking == []

    def test_d3_a_busy_callee_returns_when_his_call_has_ended(self, exchange):
        a, b, c = phone(exchange, A), phone(exchange, B), phone(exchange, C)
        having(exchange, B, call_waiting=False)
        exchange.run(1.0)
        session = c.call(B)
        exchange.run(5.0)
        try_(exchange, a, B, "1")
        exchange.run(600.0)
        assert a.talking == []
        c.hang_up(session)
        exchange.run(5.0)
        assert len(a.talking) == len(b.talking) == 1
        a.hang_up(a.talking[0])

    def test_d8_only_the_connection_is_charged_by_the_callers_tariff(self, exchange, out_of_reach):
        a, b = out_of_reach
        try_(exchange, a, B, "1")
        a.behaviour = b.behaviour = Behaviour(rings=7.0)
        b.register()
        exchange.run(15.0)
        assert exchange.store.account(1).reserved_micros > 0
        exchange.run(30.0)
        a.hang_up(a.talking[0])
        exchange.run_until_idle()
        attempt, connection = exchange.store.cdrs()
        assert (attempt.price_micros, attempt.sip_status) == (0, 480)
        assert (connection.account, connection.line, connection.called) == (1, A, B)
        assert connection.direction == "internal" and connection.type == "on_net"
        assert 29_000 < connection.duration_ms < 32_000
        assert connection.price_micros == connection.billed_seconds * 1_000 > 0
        balances = [account.balance_micros for account in exchange.store.accounts()]
        assert balances == [10_000_000 - connection.price_micros, 10_000_000]

    def test_d8_a_caller_who_doesnt_answer_pays_nothing_and_waits_no_more(
        self, exchange, out_of_reach
    ):
        a, b = out_of_reach
        try_(exchange, a, B, "1")
        a.behaviour = Behaviour(answer=0)
        b.register()
        exchange.run(40.0)
        assert b.events.count("Received") == 0 and rows(exchange) == []
        assert exchange.store.cdrs()[-1].price_micros == 0

    def test_d3_a_caller_who_is_busy_himself_is_called_when_he_is_free(
        self, exchange, out_of_reach
    ):
        a, b = out_of_reach
        c = phone(exchange, C)
        exchange.run(1.0)
        try_(exchange, a, B, "1")
        session = a.call(C)
        exchange.run(5.0)
        b.register()
        exchange.run(60.0)
        assert b.events.count("Received") == 0
        a.hang_up(session)
        exchange.run(5.0)
        assert len(a.talking) == len(b.talking) == 1 and c.talking == []
        a.hang_up(a.talking[0])

    def test_who_reaches_the_other_by_himself_waits_no_more(self, exchange, out_of_reach):
        a, b = out_of_reach
        try_(exchange, a, B, "1")
        a.behaviour = Behaviour(answer=0)
        b.register()
        exchange.run(1.0)
        having(exchange, A)
        assert len(rows(exchange)) == 1
        session = a.call(B)
        exchange.run(5.0)
        a.hang_up(session)
        exchange.run(40.0)
        assert rows(exchange) == []


class TestDeclined:
    @pytest.mark.parametrize(
        ("after", "rung"),
        [(1.0 + OFFERED, True), (30 * MINUTES - 0.2, True), (30 * MINUTES, False)],
    )
    def test_d4_d5_a_short_ring_before_thirty_minutes_and_a_text_from_then_on(
        self, exchange, out_of_reach, after, rung
    ):
        a, b = out_of_reach
        try_(exchange, a, B)
        begun = attempt_at(exchange)
        exchange.wire.log = []
        b.behaviour = Behaviour(answer=0)
        returns_after(exchange, b, after, begun)
        exchange.run(5.0)
        to_b = [(at, data) for at, _, to, data in exchange.wire.log if to == b.address]
        invites = [at for at, data in to_b if data.startswith(b"INVITE")]
        cancels = [(at, data) for at, data in to_b if data.startswith(b"CANCEL")]
        if rung:
            assert b.texts == []
            assert invites and round(cancels[0][0] - invites[0], 2) == 0.5
            assert b"elsewhere" not in cancels[0][1] and b"cause=200" not in cancels[0][1]
            assert A.encode() in next(data for _, data in to_b if data.startswith(b"INVITE"))
        else:
            assert invites == [] and len(b.texts) == 1
            assert b.texts[0][0] == A and b.texts[0][1].startswith(f"Missed call from {A}, 2027-")
        assert rows(exchange) == []
        assert sum(cdr.price_micros for cdr in exchange.store.cdrs()) == 0

    def test_d4_a_short_ring_that_is_answered_at_once_ends(self, exchange, out_of_reach):
        a, b = out_of_reach
        try_(exchange, a, B)
        b.behaviour = Behaviour(rings=0.1)
        b.register()
        exchange.run(5.0)
        assert b.talking == [] and rows(exchange) == []

    def test_d4_a_withheld_number_is_withheld_there_too(self, exchange, out_of_reach):
        a, b = out_of_reach
        try_(exchange, a, f"%2331%23{B}")
        exchange.wire.log = []
        b.behaviour = Behaviour(answer=0)
        b.register()
        exchange.run(5.0)
        sent = [data for _, _, to, data in exchange.wire.log if to == b.address]
        assert any(data.startswith(b"INVITE") for data in sent)
        assert not any(A[1:].encode() in data for data in sent)

    def test_d5_a_text_that_no_phone_takes_is_kept_until_one_registers(
        self, exchange, out_of_reach
    ):
        a, b = out_of_reach
        try_(exchange, a, B)
        exchange.run(31 * MINUTES)
        b.takes_texts = False
        b.register()
        exchange.run(60.0)
        assert rows(exchange) == []
        b.takes_texts = True
        b.register()
        exchange.run(5.0)
        assert len(b.texts) == 1
        b.register()
        exchange.run(5.0)
        assert len(b.texts) == 1

    @pytest.mark.parametrize(
        ("way", "texts", "mails"), [("none", 0, 0), ("email", 0, 1), ("text", 1, 0), ("both", 1, 1)]
    )
    def test_d5_the_notice_goes_by_the_way_that_the_line_has_chosen(
        self, exchange, out_of_reach, way, texts, mails
    ):
        a, b = out_of_reach
        line = exchange.directory.line_by_number(B)
        SubscriberStore(exchange.store.engine).set_fields(
            line.account_id, {"email": "beka@example.org"}, []
        )
        with exchange.store.engine.begin() as connection:
            choose(connection, line.account_id, "calls", way, line.id)
        try_(exchange, a, B)
        exchange.run(31 * MINUTES)
        b.register()
        exchange.run(5.0)
        assert (len(b.texts), rows(exchange)) == (texts, [])
        waiting = Outbox(exchange.store.engine).list()
        assert [(one.mail.to, one.mail.text[:30]) for one in waiting] == [
            ("beka@example.org", "Missed call from +995322000001")
        ] * mails

    def test_d5_texts_are_in_the_language_of_the_line(self, exchange, out_of_reach):
        a, b = out_of_reach
        line = exchange.directory.line_by_number(B)
        exchange.directory.put_lines([replace(line, language="ru")])
        try_(exchange, a, B)
        exchange.run(31 * MINUTES)
        b.register()
        exchange.run(5.0)
        assert b.texts[0][1].startswith("Пропущенный вызов: +995322000001")


class TestByText:
    """D6: the callee's forwarding has answered, so nothing could be announced."""

    @pytest.fixture
    def answered_elsewhere(self, exchange):
        a, b, c = phone(exchange, A), phone(exchange, B, registered=False), phone(exchange, C)
        having(exchange, B, forward_unreachable=C)
        exchange.run(1.0)
        session = a.call(B)
        exchange.run(5.0)
        assert len(c.talking) == 1
        a.hang_up(session)
        exchange.run(5.0)
        return a, b

    def reply(self, exchange, phone, body):
        phone.send_text(B, body)
        exchange.run(10.0)

    def test_d6_the_caller_is_told_by_text_and_a_reply_connects(self, exchange, answered_elsewhere):
        a, b = answered_elsewhere
        assert [row.state for row in rows(exchange)] == ["to_offer"]
        b.register()
        exchange.run(5.0)
        assert a.texts == [(B, f"{B} can be reached again. Reply 1 to be connected.")]
        assert a.talking == [] and b.texts == []
        self.reply(exchange, a, b"1")
        assert len(a.talking) == len(b.talking) == 1
        assert b.texts == [], "the reply is no text for the other"
        a.hang_up(a.talking[0])
        exchange.run(1.0)
        assert rows(exchange) == []

    def test_d6_an_offer_accepted_in_the_cabinet_connects_likewise(
        self, exchange, answered_elsewhere
    ):
        a, b = answered_elsewhere
        (waiting,) = rows(exchange)
        assert self.accept(exchange, waiting.id) == "completion_not_offered"
        b.register()
        exchange.run(5.0)
        assert self.accept(exchange, waiting.id) == "accepted"
        exchange.run(10.0)
        assert len(a.talking) == len(b.talking) == 1
        a.hang_up(a.talking[0])
        exchange.run(1.0)
        assert self.accept(exchange, waiting.id) == "completion_not_found"

    def accept(self, exchange, waiting_id):
        """Ask as the caller's subscriber; the code of a refusal."""
        owner = Actor("ana", "subscriber", exchange.directory.line_by_number(A).account_id)

        def now_ms():
            return round(exchange.switch.wall_seconds() * 1000)

        context = Context(exchange.config, None, None, None, now_ms, actor=owner)
        live = Live(context, exchange.switch, None, 0, None)
        try:
            answer = exchange.loop.run_until_complete(completion_accept(live, waiting_id))
        except OperationError as error:
            return error.code
        return answer["result"]

    def test_d6_a_mailbox_that_took_the_call_leads_to_a_text_too(self, exchange, out_of_reach):
        a, b = out_of_reach
        give_mailbox(exchange, exchange.directory.line_by_number(B))
        session = a.call(B)
        exchange.run(5.0)
        assert a.status == 200 and rows(exchange) == []
        a.hang_up(session)
        exchange.run(2.0)
        assert [(row.state, row.reason) for row in rows(exchange)] == [("to_offer", "unreachable")]
        b.register()
        exchange.run(5.0)
        assert [who for who, _ in a.texts] == [B]
        self.reply(exchange, a, b"1")
        assert len(a.talking) == len(b.talking) == 1
        a.hang_up(a.talking[0])

    def test_d6_another_text_is_a_text_and_so_is_a_1_that_answers_nothing(
        self, exchange, answered_elsewhere
    ):
        a, b = answered_elsewhere
        b.register()
        exchange.run(5.0)
        self.reply(exchange, a, b"hello")
        assert [text for _, text in b.texts] == ["hello"]
        exchange.run(2 * HOURS)
        for phone in (a, b):
            phone.register()
        exchange.run(1.0)
        self.reply(exchange, a, b"1")
        assert [text for _, text in b.texts] == ["hello", "1"] and a.talking == []


class TestConditions:
    def test_d9_a_caller_who_cant_pay_is_offered_nothing(self, exchange):
        line = exchange.line(A, exchange.account(500))
        a = exchange.phone(line, "198.51.100.1")
        a.register()
        phone(exchange, B, registered=False)
        exchange.run(1.0)
        no_offer(exchange, a, B)

    def test_d9_nor_one_who_has_no_money_left_when_it_is_to_be_connected(self, exchange):
        line = exchange.line(A, exchange.account(5_000))
        a = exchange.phone(line, "198.51.100.1")
        a.register()
        b, c = phone(exchange, B, registered=False), phone(exchange, C)
        exchange.run(1.0)
        try_(exchange, a, B, "1")
        a.call(C)
        exchange.run(10.0)  # the money ends the call
        assert a.talking == [] and exchange.store.account(1).balance_micros == 0
        received = a.events.count("Received")
        b.register()
        exchange.run(5.0)
        assert a.events.count("Received") == received and b.events.count("Received") == 0
        assert rows(exchange) == [] and c.talking == []

    @pytest.mark.parametrize(
        ("whose", "services", "status"),
        [
            (B, {"call_filter": A}, None),
            (A, {"forward_busy": C}, 480),
            (A, {"forward_unreachable": C}, 480),
        ],
    )
    @pytest.mark.parametrize("when", ["offered", "connecting"])
    def test_d9_filter_and_forwarding_are_looked_at_when_offered_and_when_connecting(
        self, exchange, out_of_reach, whose, services, status, when
    ):
        a, b = out_of_reach
        if when == "offered":
            having(exchange, whose, **services)
            no_offer(exchange, a, B, status or 480)
            return
        try_(exchange, a, B, "1")
        having(exchange, whose, **services)
        received = a.events.count("Received")
        b.register()
        exchange.run(10.0)
        assert a.events.count("Received") == received and b.talking == []
        assert rows(exchange) == []

    def test_d9_a_callee_who_has_call_waiting_isnt_waited_for(self, exchange):
        a, b = phone(exchange, A), phone(exchange, B)
        having(exchange, B, call_waiting=True)
        b.behaviour = Behaviour(answer=486)
        exchange.run(1.0)
        no_offer(exchange, a, B, 486)

    def test_d9_a_callee_who_isnt_to_be_disturbed_isnt_either(self, exchange):
        a = phone(exchange, A)
        phone(exchange, B, do_not_disturb=True)
        exchange.run(1.0)
        no_offer(exchange, a, B, 486)


class TestOrder:
    def test_d10_first_come_first_served_and_one_at_a_time(self, exchange):
        b = phone(exchange, B, registered=False)
        callers = [phone(exchange, f"+995322000{100 + index}") for index in range(4)]
        exchange.run(1.0)
        for caller in callers:
            try_(exchange, caller, B, "1")
            caller.behaviour = Behaviour(rings=1.0, talks=10.0)
        b.register()
        served = []
        for _ in range(90):
            exchange.run(1.0)
            assert len(b.talking) <= 1
            now = next((i for i, caller in enumerate(callers) if caller.talking), None)
            if now is not None and (not served or served[-1] != now):
                served.append(now)
        assert served == [0, 1, 2, 3] and rows(exchange) == []

    def test_d10_one_who_isnt_there_keeps_nobody_else_waiting(self, exchange):
        b = phone(exchange, B, registered=False)
        callers = [phone(exchange, f"+995322000{100 + index}") for index in range(2)]
        exchange.run(1.0)
        for caller in callers:
            try_(exchange, caller, B, "1")
        callers[0].register(expires=0)
        exchange.run(1.0)
        b.register()
        exchange.run(10.0)
        assert len(callers[1].talking) == 1
        callers[1].hang_up(callers[1].talking[0])
        exchange.run(1.0)
        callers[0].register()
        exchange.run(10.0)
        assert len(callers[0].talking) == len(b.talking) == 1
        b.hang_up(b.talking[0])

    @pytest.mark.parametrize("ringing", ["caller", "callee"])
    def test_d10_a_restart_in_the_middle_of_a_connection_begins_it_anew(self, ringing):
        exchange = made()
        b, a = phone(exchange, B, registered=False), phone(exchange, A)
        exchange.run(1.0)
        try_(exchange, a, B, "1")
        a.behaviour = Behaviour(answer=0 if ringing == "caller" else 200)
        b.behaviour = Behaviour(answer=0)
        b.register()
        exchange.run(5.0)
        assert "Received" in (a if ringing == "caller" else b).events
        exchange, b, (a,) = restarted(exchange, after=60.0)
        for one in (a, b):
            one.register()
        exchange.run(5.0)
        assert len(a.talking) == len(b.talking) == 1
        a.hang_up(a.talking[0])
        exchange.run(1.0)
        assert rows(exchange) == []
        close(exchange)

    @pytest.mark.parametrize("seed", [1])
    def test_d10_hundreds_wait_through_restarts_and_each_is_served_as_he_chose(self, seed):
        exchange = made(seed)
        rng = exchange.rng
        phone(exchange, B, registered=False)
        numbers = [f"+9953220{10_000 + index}" for index in range(300)]
        for number in numbers:
            line = exchange.line(number, exchange.account(10_000_000))
            at = f"198.51.{101 + int(number[-3:]) // 200}.{1 + int(number[-3:]) % 200}"
            caller = exchange.phone(line, at)
            caller.register(expires=7200)
        exchange.run(2.0)
        chosen = {}
        for caller in exchange.phones[1:]:
            key = rng.choice(["1", None])
            chosen[caller.login] = key
            caller.call(B)
            exchange.loop.call_later(1.0, _answer, caller, key)
            exchange.run(0.5)
        exchange.run(15.0)
        assert len(rows(exchange)) == 300
        exchange, b, callers = restarted(exchange, after=20 * MINUTES)
        exchange, b, callers = restarted(exchange, after=5 * MINUTES)
        for caller in callers:
            caller.register(expires=7200)
            caller.behaviour = Behaviour(rings=0.2, talks=1.0)
        b.behaviour = Behaviour(rings=0.2)
        exchange.run(5.0)
        exchange.wire.log = []
        b.register(expires=7200)
        exchange.run(1200.0)
        invites = [
            (at, to, data)
            for at, _, to, data in exchange.wire.log
            if data.startswith(b"INVITE") and b"To: " in data
        ]
        to_b = {data.split(b"Call-ID: ")[1].split(b"\r\n")[0]: at for at, to, data in invites
                if to == b.address}  # fmt: skip
        accepted = [login for login, key in chosen.items() if key == "1"]
        called_back = dict.fromkeys(to for _, to, _ in invites if to != b.address)
        assert [c.login for at in called_back for c in callers if c.address == at] == accepted
        declined = 300 - len(accepted)
        # Who declined is rung for, as long as thirty minutes aren't over; then a text does it.
        assert len(to_b) + len(b.texts) == 300
        rung = len(to_b) - len(accepted)
        assert 0 < rung < declined or not b.texts
        assert rows(exchange) == []
        assert len(exchange.store.cdrs()) == 300 + len(to_b)
        close(exchange)


def _answer(caller, key):
    if key is not None and caller.talking:
        caller.talking[-1].info(b"application/dtmf-relay", b"Signal=1\r\n", caller.now)
        caller.endpoint.drain()


def restarted(old, after):
    """Another process on the same database, so much later; phones must register anew."""
    old.loop.run_until_complete(old.switch.finish())
    old.loop.run_until_complete(old.media.close())
    exchange = Exchange(
        old.rng.randrange(1 << 30), store=old.store, config=ANSWERED, prompts=PROMPTS[0]
    )
    exchange.clock_step_ms = old.wall_ms() + round(after * 1000) - exchange.wall_ms()
    exchange.tariff(("on_net", 60_000, 1, 1))
    phones = []
    for before in old.phones:
        line = exchange.line(f"+{before.login}", 0)
        phones.append(exchange.phone(line, before.address[0]))
    exchange.run(1.0)
    return exchange, phones[0], phones[1:]
