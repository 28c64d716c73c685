"""Forwarding, barring, filters and the rest, as phones meet them: who rings, and who pays."""

from dataclasses import replace

import pytest
from exchange import Exchange
from phones import Behaviour
from sqlalchemy.exc import OperationalError

from billing.facts.product import Destinations
from softswitch.subscribers import pins
from softswitch.subscribers.directory_store import DirectoryStore
from softswitch.subscribers.service_store import ServiceStore
from softswitch.subscribers.supplementary import Setting, Supplementary

A, B, C = (f"+99532200000{i}" for i in (1, 2, 3))
MOBILE, ABROAD, PREMIUM = "+995577123456", "+442012345678", "+995900123456"
RATES = ("on_net", 60_000, 1, 1), ("995", 120_000, 1, 1), ("44", 240_000, 1, 1)


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(*RATES)
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


@pytest.fixture
def phones(exchange):
    made = [
        exchange.phone(exchange.line(number, exchange.account(10_000_000)), f"198.51.100.{index}")
        for index, number in enumerate((A, B, C), 1)
    ]
    for phone in made:
        phone.register()
    exchange.run(1.0)
    return made


def having(exchange, number, **services):
    """Give a line services: True and False switch, texts are numbers, pairs have seconds."""
    settings = {}
    for name, value in services.items():
        if isinstance(value, bool):
            settings[name] = Setting(value)
        elif isinstance(value, tuple):
            settings[name] = Setting(True, (value[0],), value[1])
        else:
            settings[name] = Setting(True, (value,))
    line = exchange.directory.line_by_number(number)
    exchange.directory.put_lines([replace(line, services=Supplementary(settings))])


def settled(exchange):
    """CDRs by leg, when all is over and nothing is left."""
    exchange.run_until_idle()
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)
    return {cdr.leg: cdr for cdr in exchange.store.cdrs()}


def call(exchange, phone, number, seconds=10.0, **more):
    phone.status = None
    session = phone.call(number, **more)
    exchange.run(seconds)
    if phone.talking:
        phone.hang_up(session)
    return phone.status


@pytest.fixture
def invites(monkeypatch):
    """What each phone was asked, by its login."""
    from phones import Phone

    asked = {}
    ring = Phone._ring

    def noting(self, received):
        asked.setdefault(self.login, []).append(received.request)
        ring(self, received)

    monkeypatch.setattr(Phone, "_ring", noting)
    return asked


class TestForwarding:
    def test_c2_forwarding_always_rings_no_phone_of_the_line(self, exchange, phones, invites):
        having(exchange, B, forward_always=C)
        assert call(exchange, phones[0], B) == 200
        assert B[1:] not in invites
        request = invites[C[1:]][0]
        assert request.get(b"diversion") == (
            b"<sip:+995322000002@example.org>;reason=unconditional;counter=1"
        )
        assert request.from_.uri.user == A
        legs = settled(exchange)
        assert (legs["a"].account, legs["a"].called) == (1, B)
        assert (legs["b"].account, legs["b"].called, legs["b"].direction) == (2, C, "forwarded")

    def test_c2_forwarding_busy_when_the_phone_is_and_not_when_it_declines(
        self, exchange, phones, invites
    ):
        having(exchange, B, forward_busy=C)
        phones[1].behaviour = Behaviour(answer=486)
        assert call(exchange, phones[0], B) == 200
        assert b"reason=user-busy" in invites[C[1:]][0].get(b"diversion")
        phones[1].behaviour = Behaviour(answer=603)
        assert call(exchange, phones[0], B) == 603
        settled(exchange)

    def test_c2_forwarding_without_answer_after_its_seconds(self, exchange, phones, invites):
        having(exchange, B, forward_no_answer=(C, 15))
        phones[1].behaviour = Behaviour(answer=0)
        phones[0].call(B)
        exchange.run(14.9)
        assert C[1:] not in invites
        exchange.run(5.0)
        assert b"reason=no-answer" in invites[C[1:]][0].get(b"diversion")
        assert phones[0].status == 200 and "Cancelled" in phones[1].events
        phones[0].hang_up(phones[0].talking[0])
        settled(exchange)

    def test_c2_forwarding_while_no_phone_is_registered(self, exchange, phones, invites):
        phones[1].register(0)
        having(exchange, B, forward_unreachable=C)
        exchange.run(1.0)
        assert call(exchange, phones[0], B) == 200
        assert b"reason=unavailable" in invites[C[1:]][0].get(b"diversion")
        settled(exchange)

    def test_c2_forwarding_when_the_phone_is_gone_though_registered(self, exchange, phones):
        having(exchange, B, forward_unreachable=C)
        exchange.wire.detach(phones[1].address)
        assert call(exchange, phones[0], B, seconds=45.0) == 200
        settled(exchange)

    def test_c2_do_not_disturb_is_busy_and_may_be_forwarded(self, exchange, phones, invites):
        having(exchange, B, do_not_disturb=True)
        assert call(exchange, phones[0], B) == 486
        having(exchange, B, do_not_disturb=True, forward_busy=C)
        assert call(exchange, phones[0], B) == 200
        assert B[1:] not in invites
        settled(exchange)

    def test_the_forwarding_line_pays_the_outside_leg_and_its_barring_holds(self, exchange, phones):
        trunk = exchange.trunk("out", "203.0.113.1", "44")
        having(exchange, B, forward_always=ABROAD)
        assert call(exchange, phones[0], B) == 200
        legs = settled(exchange)
        assert legs["b"].price_micros == legs["b"].billed_seconds * 4_000 > 0
        assert legs["a"].price_micros == legs["a"].billed_seconds * 1_000
        assert exchange.store.account(2).balance_micros == 10_000_000 - legs["b"].price_micros
        having(exchange, B, forward_always=ABROAD, bar_international=True)
        assert call(exchange, phones[0], B) == 480
        assert trunk.talking == []
        settled(exchange)

    @pytest.mark.parametrize("kind", ["forward_always", "forward_busy"])
    def test_lines_that_forward_to_each_other_end_the_call(self, exchange, phones, kind):
        having(exchange, B, **{kind: C}, do_not_disturb=True)
        having(exchange, C, **{kind: B}, do_not_disturb=True)
        assert call(exchange, phones[0], B) == 482
        assert sum(cdr.price_micros for cdr in settled(exchange).values()) == 0

    def test_a_caller_who_gives_up_is_not_forwarded(self, exchange, phones, invites):
        having(exchange, B, forward_no_answer=(C, 15))
        phones[1].behaviour = Behaviour(answer=0)
        session = phones[0].call(B)
        exchange.run(5.0)
        session.cancel(phones[0].now)
        phones[0].endpoint.drain()
        settled(exchange)
        assert C[1:] not in invites


class TestOutgoing:
    @pytest.mark.parametrize(
        ("service", "refused"),
        [
            ("bar_international", {ABROAD}),
            ("bar_mobile", {MOBILE}),
            ("bar_premium", {PREMIUM}),
            ("bar_all", {ABROAD, MOBILE, PREMIUM, B}),
        ],
    )
    def test_c5_barring_refuses_its_calls_alone(self, exchange, phones, service, refused):
        exchange.trunk("out", "203.0.113.1")
        exchange.entitlements.destinations = Destinations({"premium": ["995900"]})
        having(exchange, A, **{service: True})
        statuses = {n: call(exchange, phones[0], n) for n in (ABROAD, MOBILE, PREMIUM, B)}
        assert statuses == {n: 403 if n in refused else 200 for n in statuses}
        settled(exchange)

    def test_c5_emergency_calls_pass_whatever_is_barred_and_cost_nothing(self, exchange, phones):
        exchange.trunk("out", "203.0.113.1")
        having(exchange, A, bar_all=True, bar_international=True)
        line = exchange.directory.line_by_number(A)
        exchange.directory.put_lines([replace(line, max_calls=0)])
        assert call(exchange, phones[0], "112") == 200
        (cdr,) = settled(exchange).values()
        assert (cdr.price_micros, cdr.called) == (0, "112")

    def test_c2_a_call_that_names_nobody_goes_to_the_hot_line(self, exchange, phones, invites):
        having(exchange, A, hot_line=C)
        nobody = b"sip:example.org"
        for number in (None, B):
            target = nobody if number is None else f"sip:{number}@example.org".encode()
            session = phones[0].call(B, target=target)
            exchange.run(5.0)
            phones[0].hang_up(session)
        assert [len(invites[n[1:]]) for n in (C, B)] == [1, 1]
        having(exchange, A, hot_line=False)
        phones[0].call(B, target=nobody)
        exchange.run(5.0)
        assert phones[0].status == 404
        settled(exchange)


class TestIncoming:
    def test_c2_without_call_waiting_a_talking_line_is_busy(self, exchange, phones):
        having(exchange, B, call_waiting=False)
        phones[2].call(B)
        exchange.run(5.0)
        assert call(exchange, phones[0], B) == 486
        having(exchange, B, call_waiting=True)
        assert call(exchange, phones[0], B) == 200
        phones[2].hang_up(phones[2].talking[0])
        settled(exchange)

    def test_c2_anonymous_callers_are_refused_with_433(self, exchange, phones, invites):
        having(exchange, B, reject_anonymous=True)
        privacy = ((b"Privacy", b"id"),)
        assert call(exchange, phones[0], B, extra=privacy) == 433
        assert call(exchange, phones[0], B) == 200
        assert len(invites[B[1:]]) == 1
        settled(exchange)

    def test_c2_the_call_filter_refuses_also_who_withholds_his_number(
        self, exchange, phones, invites
    ):
        having(exchange, B, call_filter=A)
        assert call(exchange, phones[0], B, extra=((b"Privacy", b"id"),)) == 603
        assert call(exchange, phones[0], B) == 603
        assert call(exchange, phones[2], B) == 200
        assert len(invites[B[1:]]) == 1
        settled(exchange)

    def test_c6_the_last_caller_is_known_to_the_switch_also_when_withheld(self, exchange, phones):
        call(exchange, phones[0], B, extra=((b"Privacy", b"id"),))
        last = exchange.directory.last_calls.of(2)
        assert (last.calling, last.shown, last.called) == (A, None, B)
        settled(exchange)


class TestByPhone:
    """Star codes and their like, dialled by a phone that escapes "#" or not at all."""

    def set_by(self, exchange, phone, code):
        assert call(exchange, phone, code.replace("#", "%23")) == 200

    def test_c2_phones_that_dont_escape_a_number_sign_are_understood(
        self, exchange, phones, invites
    ):
        assert call(exchange, phones[1], "*21*0322000003#") == 200
        assert call(exchange, phones[0], "#31#" + B) == 200
        (forwarded,) = invites[C[1:]]
        assert forwarded.from_.uri.host == "anonymous.invalid"
        assert call(exchange, phones[1], "##21#") == 200
        settled(exchange)

    def test_c2_a_star_code_is_kept_and_holds_for_the_next_call(self, exchange, phones, invites):
        self.set_by(exchange, phones[1], "*21*0322000003#")
        assert call(exchange, phones[0], B) == 200
        assert B[1:] not in invites and len(invites[C[1:]]) == 1
        kept = DirectoryStore(exchange.store.engine).line_by_number(B).services
        assert kept["forward_always"] == Setting(True, (C,))
        self.set_by(exchange, phones[1], "##002#")
        assert call(exchange, phones[0], B) == 200
        assert len(invites[B[1:]]) == 1
        cdrs = [c for c in exchange.store.cdrs() if c.type == "service"]
        assert [c.called_dialled for c in cdrs] == ["*21*0322000003#", "##002#"]
        assert [c.price_micros for c in cdrs] == [0, 0]
        settled(exchange)

    def test_c2_nobody_forwards_to_himself(self, exchange, phones):
        self.set_by(exchange, phones[1], "*21*0322000002#")
        assert exchange.log.announcements[-1][1] == "invalid-number"
        assert call(exchange, phones[0], B) == 200
        settled(exchange)

    def test_c5_international_calls_are_closed_and_opened_again_with_the_pin(
        self, exchange, phones
    ):
        trunk = exchange.trunk("out", "203.0.113.1", "44")
        line = exchange.directory.line_by_number(A)
        kept = pins.hashed("2580", b"salt")
        exchange.directory.put_lines([replace(line, pin=kept)])
        self.set_by(exchange, phones[0], "*331#")
        assert call(exchange, phones[0], ABROAD) == 403
        for code in ("#331#", "#331*1111#", "##331*2850#"):
            self.set_by(exchange, phones[0], code)
            assert call(exchange, phones[0], ABROAD) == 403
        assert trunk.events == []
        self.set_by(exchange, phones[0], "#331*2580#")
        assert call(exchange, phones[0], ABROAD) == 200
        assert [said for _, said in exchange.log.announcements] == [
            "barring-international-on", *["pin-wrong"] * 3, "barring-international-off",
        ]  # fmt: skip
        settled(exchange)

    def test_c5_a_pin_isnt_guessed(self, exchange, phones):
        line = exchange.directory.line_by_number(A)
        exchange.directory.put_lines([replace(line, pin=pins.hashed("2580", b"salt"))])
        self.set_by(exchange, phones[0], "*33#")
        for guess in range(5):
            self.set_by(exchange, phones[0], f"#33*000{guess}#")
        self.set_by(exchange, phones[0], "#33*2580#")
        assert exchange.log.announcements[-1][1] == "pin-locked"
        assert exchange.directory.line(1).services.is_on("bar_all")
        exchange.run(900.0)
        self.set_by(exchange, phones[0], "#33*2580#")
        assert not exchange.directory.line(1).services.is_on("bar_all")
        settled(exchange)

    def test_c2_a_confirmation_is_in_the_lines_language(self, exchange, phones):
        line = exchange.directory.line_by_number(A)
        exchange.directory.put_lines([replace(line, language="ka")])
        self.set_by(exchange, phones[0], "*21*0322000003#")
        self.set_by(exchange, phones[1], "*#21#")
        assert exchange.log.announcements[0][1].startswith("forwarding-all-on plus 9 9 5")
        assert exchange.log.announcements[1][1] == "forwarding-none"
        settled(exchange)

    def test_c2_codes_are_served_though_everything_is_barred_and_no_money_is_left(self, exchange):
        line = exchange.line("+995322000008", exchange.account(0))
        phone = exchange.phone(line, "198.51.100.8")
        phone.register()
        exchange.run(1.0)
        having(exchange, "+995322000008", bar_all=True)
        self.set_by(exchange, phone, "*26#")
        assert exchange.directory.line(line.id).services.is_on("do_not_disturb")
        settled(exchange)

    def test_c2_the_number_is_withheld_or_shown_for_one_call(self, exchange, phones, invites):
        def shown():
            request = invites[B[1:]][-1]
            everything = bytes(request)
            head = everything.partition(b"\r\n\r\n")[0]
            assert (A[1:].encode() in head) == (request.get(b"privacy") is None)
            return request.from_.uri.user

        for prefix, user in (("", A), ("%2331%23", "anonymous"), ("*67", "anonymous")):
            call(exchange, phones[0], prefix + B)
            assert shown() == user
        having(exchange, A, withhold_number=True)
        for prefix, user in (("", "anonymous"), ("*31%23", A), ("*82", A)):
            call(exchange, phones[0], prefix + B)
            assert shown() == user
        settled(exchange)

    def test_emergency_calls_show_the_number_whatever_is_withheld(self, exchange, phones, invites):
        exchange.trunk("out", "203.0.113.1")
        having(exchange, A, withhold_number=True)
        for number in ("112", "%2331%23112", "*67112"):
            call(exchange, phones[0], number, extra=((b"Privacy", b"id"),))
            assert invites["out"][-1].from_.uri.user == A
            assert invites["out"][-1].get(b"privacy") is None
        settled(exchange)

    def test_c2_the_last_caller_is_called_back_unless_the_number_was_withheld(
        self, exchange, phones, invites
    ):
        assert call(exchange, phones[1], "*69") == 404
        call(exchange, phones[0], B)
        assert call(exchange, phones[1], "*69") == 200
        assert len(invites[A[1:]]) == 1
        call(exchange, phones[2], "*67" + B)
        assert call(exchange, phones[1], "*69") == 404
        assert C[1:] not in invites
        settled(exchange)

    def test_c6_a_malicious_call_is_traced_by_code_also_when_withheld(self, exchange, phones):
        call(exchange, phones[0], "*67" + B)
        for _ in range(2):
            assert call(exchange, phones[1], "*57") == 200
        assert [said for _, said in exchange.log.announcements] == ["trace-done"] * 2
        (row,) = ServiceStore(exchange.store.engine).marked()
        assert (row.line, row.calling, row.withheld) == (B, A, True)
        traced = next(c for c in exchange.store.cdrs() if c.call_id == row.call_id)
        assert (traced.calling, traced.presented) == (A, None)
        settled(exchange)

    def test_a_code_from_a_trunk_is_served_to_nobody(self, exchange, phones):
        trunk = exchange.trunk("in", "203.0.113.1")
        for code in ("*21*0322000003%23", "*57", "*69"):
            assert call(exchange, trunk, code) == 404
        settled(exchange)

    def test_a_database_that_fails_changes_nothing_and_is_logged(
        self, exchange, phones, monkeypatch
    ):
        def broken(*_):
            raise OperationalError("disk full", None, Exception("disk full"))

        monkeypatch.setattr(ServiceStore, "save", broken)
        self.set_by(exchange, phones[1], "*26#")
        assert not exchange.directory.line(2).services.is_on("do_not_disturb")
        assert exchange.log.errors.pop()[0] == "a service can't be set"
        settled(exchange)
