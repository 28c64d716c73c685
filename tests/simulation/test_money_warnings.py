"""Whoever pays is told that the money ends soon; the other side isn't disturbed."""

import pytest
from exchange import Exchange
from recordings import recorded

from billing.facts.authorization import TopUp

LARI = 1_000_000
MOBILE = "+995577123456"
WARNINGS = ["money-ends-in 1 minute", "money-ends-in 10 second"]


@pytest.fixture
def make(request, tmp_path):
    """A line with money for so many seconds at a lari a minute, and a trunk that answers."""

    def made(seconds, config="", prompts=True):
        library = recorded(tmp_path, "ka", "en") if prompts else None
        exchange = Exchange(seed=1, prompts=library, config=config)
        request.addfinalizer(exchange.close)
        exchange.tariff(("995", LARI, 1, 1))
        account = exchange.account(seconds * LARI // 60 + 1)
        line = exchange.line("+995322000001", account, language="ka")
        phone = exchange.phone(line, "198.51.100.1")
        phone.register()
        exchange.run(1.0)
        return exchange, phone, exchange.trunk("carrier", "203.0.113.5")

    return made


class Clock:
    """When each warning is said, counted from the answer."""

    def __init__(self, exchange, phone):
        self.said = []
        note = exchange.switch.announcer.note
        answered_at = exchange.loop.time() + 1.0

        def noted(call_id, side, said):
            after = round(exchange.loop.time() - answered_at)
            self.said.append((after, side, " ".join(said.tokens)))
            note(call_id, side, said)

        exchange.switch.announcer.note = noted


def call(exchange, phone):
    clock = Clock(exchange, phone)
    phone.call(MOBILE)
    return clock


def ended(exchange):
    exchange.run_until_idle()
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)
    assert exchange.log.errors == [] and exchange.store.verify() == []
    return exchange.store.cdrs()[-1]


@pytest.mark.parametrize("seconds", [61, 65, 119, 120, 121, 185, 300])
def test_a_minute_and_ten_seconds_before_the_end(make, seconds):
    exchange, phone, _ = make(seconds)
    clock = call(exchange, phone)
    cdr = ended(exchange)
    assert clock.said == [
        (seconds - 60, "a", WARNINGS[0]),
        (seconds - 10, "a", WARNINGS[1]),
    ]
    assert (cdr.ended_by, cdr.duration_ms) == ("credit", seconds * 1000)
    assert exchange.store.account(1).balance_micros < LARI // 60


def test_who_can_talk_for_less_than_a_minute_hears_the_second_alone(make):
    exchange, phone, _ = make(45)
    clock = call(exchange, phone)
    assert ended(exchange).duration_ms == 45_000
    assert clock.said == [(35, "a", WARNINGS[1])]


def test_who_pays_in_time_isnt_warned_again_until_that_ends_too(make):
    exchange, phone, _ = make(120)
    clock = call(exchange, phone)
    exchange.run(70.0)
    assert [tokens for _, _, tokens in clock.said] == WARNINGS[:1]
    exchange.money.submit(TopUp(1, 3 * LARI, "in time", 0))
    assert ended(exchange).duration_ms == 300_000
    assert clock.said == [
        (60, "a", WARNINGS[0]), (240, "a", WARNINGS[0]), (290, "a", WARNINGS[1]),
    ]  # fmt: skip


def test_the_payer_hears_it_over_the_call_and_the_other_side_hears_nothing_of_it(make):
    exchange, phone, trunk = make(65)
    call(exchange, phone)
    exchange.run(4.0)
    before = phone.heard, trunk.heard
    exchange.run(4.5)
    # 600 ms of announcement: the phone gets 30 packets more, the trunk only what the phone sends.
    assert 28 <= phone.heard - before[0] <= 36
    assert trunk.heard - before[1] < 5
    assert ended(exchange).ended_by == "credit"


def test_without_a_recording_it_is_a_beep(make):
    exchange, phone, _ = make(65, prompts=False)
    call(exchange, phone)
    exchange.run(4.0)
    before = phone.heard
    exchange.run(4.5)
    assert 8 <= phone.heard - before <= 20
    ended(exchange)


def test_the_operator_chooses_the_seconds_or_none(make):
    exchange, phone, _ = make(200, "[announcements]\nwarnings_seconds = [30, 120]\n")
    clock = call(exchange, phone)
    ended(exchange)
    assert [(at, tokens) for at, _, tokens in clock.said] == [
        (80, "money-ends-in 2 minute"), (170, "money-ends-in 20-and 10 second"),
    ]  # fmt: skip
    exchange, phone, _ = make(65, "[announcements]\nwarnings_seconds = []\n")
    clock = call(exchange, phone)
    assert ended(exchange).ended_by == "credit" and clock.said == []


def test_a_callee_who_doesnt_pay_is_told_nothing(make):
    exchange, phone, _ = make(65)
    other = exchange.phone(exchange.line("+995322000002", exchange.account(0)), "198.51.100.2")
    other.register()
    exchange.run(1.0)
    exchange.tariff(("on_net", LARI, 1, 1), ("995", LARI, 1, 1))
    clock = Clock(exchange, phone)
    phone.call("+995322000002")
    ended(exchange)
    assert {side for _, side, _ in clock.said} == {"a"}
