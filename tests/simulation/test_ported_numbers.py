"""Whose a number is decides where a call goes, never its prefix (A19); old numbers say so (C7)."""

import pytest
from exchange import Exchange

from ivr_prompts.phrase import Digits
from softswitch.admission.authentication import LineCaller
from softswitch.subscribers.refusal import Refusal

ANA, PORTED_IN, PORTED_OUT = "+995322000001", "+995443123456", "+995322000002"


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("on_net", 0, 1, 1), ("995", 60_000, 1, 1))
    yield made
    made.close()


@pytest.fixture
def ana(exchange):
    phone = exchange.phone(exchange.line(ANA, exchange.account(10_000_000)), "198.51.100.1")
    phone.register()
    return phone


def call(exchange, phone, number):
    session = phone.call(number)
    exchange.run(5.0)
    if session in phone.talking:
        phone.hang_up(session)
    exchange.run_until_idle()
    return exchange.store.cdrs()[-1]


def test_A19_a_number_that_came_is_on_net_and_one_that_went_is_not(exchange, ana):
    beka = exchange.phone(exchange.line(PORTED_IN, exchange.account(0)), "198.51.100.2")
    beka.register()
    exchange.trunk("others", "203.0.113.9")
    exchange.run(1.0)
    came = call(exchange, ana, PORTED_IN)
    assert (came.type, came.direction, came.price_micros) == ("on_net", "internal", 0)
    went = call(exchange, ana, PORTED_OUT)
    assert (went.type, went.trunk) == ("national", "others")
    assert went.price_micros > 0


def test_C7_who_dials_the_old_number_is_told_the_new_one(exchange, ana):
    exchange.directory.changed_numbers[PORTED_OUT] = PORTED_IN
    exchange.trunk("others", "203.0.113.9")
    exchange.run(1.0)
    stages, line = exchange.switch.stages, exchange.directory.line_by_number(ANA)
    with pytest.raises(Refusal) as refused:
        stages.route(LineCaller(line), stages.number(PORTED_OUT))
    assert refused.value.says == ("number-changed", Digits(PORTED_IN))
    cdr = call(exchange, ana, PORTED_OUT)
    assert (cdr.sip_status, cdr.cause) == (410, 22)
