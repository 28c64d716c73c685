"""Trunks that charge us: the cheapest first, none at a loss, and what each call cost."""

from dataclasses import replace

import pytest
from exchange import Exchange
from msgspec import structs
from phones import Behaviour

from billing.facts.authorization import ReplaceTariff
from billing.facts.product import NO_SETS
from billing.facts.rate import Rate
from billing.facts.tariff import Tariff
from softswitch.admission.decisions import Decisions, decoded
from softswitch.admission.least_cost import LeastCost, order
from softswitch.admission.routing import ToTrunk
from softswitch.subscribers.directory import Trunk
from softswitch.subscribers.refusal import Refusal

PRICE = Rate("default", "44", "UK", 0, 100_000, 1, 1, currency="GEL")
NUMBER = "+442012345678"


def trunk(number, prefixes=("",), **more):
    return Trunk(number, f"t{number}", "sip:192.0.2.1", prefixes, **more)


def costing(**prices):
    """Tariffs with one price each, for 44."""
    return {
        name: Tariff(name, "GEL", [structs.replace(PRICE, tariff=name, per_minute_micros=micros)])
        for name, micros in prices.items()
    }


def ordered(trunks, tariffs, at_a_loss="last", at=0, price=PRICE):
    destination = ToTrunk(NUMBER, tuple(trunks))
    found, costed = order(LeastCost(at_a_loss), destination, price, tariffs, NO_SETS, at)
    return [trunk.name for trunk in found.trunks], costed


CHEAP = costing(dear=90_000, cheap=20_000, loss=150_000)


def test_the_cheapest_trunk_is_tried_first_whatever_its_priority():
    trunks = [trunk(1, priority=1, tariff="dear"), trunk(2, priority=9, tariff="cheap")]
    names, costed = ordered(trunks, CHEAP)
    assert names == ["t2", "t1"]
    assert [item.cost_micros for item in costed] == [60_000, 270_000]


def test_a_longer_prefix_of_the_trunk_comes_before_cost():
    trunks = [trunk(1, ("44",), tariff="dear"), trunk(2, ("",), tariff="cheap")]
    assert ordered(trunks, CHEAP)[0] == ["t1", "t2"]


@pytest.mark.parametrize(
    ("policy", "names"),
    [("last", ["t2", "t1"]), ("refuse", ["t2"]), ("allow", ["t1", "t2"])],
)
def test_a_trunk_at_a_loss_is_passed_over_refused_or_allowed(policy, names):
    trunks = [trunk(1, ("44",), tariff="loss"), trunk(2, tariff="dear")]
    assert ordered(trunks, CHEAP, policy)[0] == names


def test_when_every_trunk_is_at_a_loss_the_call_is_refused_if_that_is_wanted():
    with pytest.raises(Refusal, match="would cost more"):
        ordered([trunk(1, tariff="loss")], CHEAP, "refuse")
    assert ordered([trunk(1, tariff="loss")], CHEAP, "last")[0] == ["t1"]


def test_a_trunk_whose_tariff_has_no_price_does_not_take_the_number():
    tariffs = CHEAP | {"other": Tariff("other", "GEL", [structs.replace(PRICE, prefix="49")])}
    assert ordered([trunk(1, tariff="other"), trunk(2, tariff="dear")], tariffs)[0] == ["t2"]
    with pytest.raises(Refusal, match="no trunk's tariff"):
        ordered([trunk(1, tariff="other")], tariffs)


def test_equal_costs_go_by_priority_and_then_by_weight():
    same = [
        trunk(1, priority=2, tariff="cheap"),
        trunk(2, priority=1, tariff="cheap", weight=3),
        trunk(3, priority=1, tariff="cheap", weight=1),
    ]
    firsts = [ordered(same, CHEAP, at=at)[0] for at in range(2000)]
    assert {names[2] for names in firsts} == {"t1"}
    share = sum(names[0] == "t2" for names in firsts)
    assert 1400 < share < 1600  # three of four


def test_weights_count_without_tariffs_too_and_a_weight_of_nothing_waits():
    trunks = [trunk(1, weight=0), trunk(2, weight=1)]
    assert {tuple(ordered(trunks, {}, at=at)[0]) for at in range(50)} == {("t2", "t1")}


def test_a_cost_in_another_currency_is_not_compared():
    tariffs = {"usd": Tariff("usd", "USD", [structs.replace(PRICE, tariff="usd", currency="USD")])}
    (found,) = ordered([trunk(1, tariff="usd")], tariffs, "refuse")[1]
    assert (found.cost_micros, found.at_a_loss) == (None, False)


# In calls


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("44", 100_000, 1, 1))
    for name, micros in (("cheap", 20_000), ("dear", 90_000)):
        rate = structs.replace(PRICE, tariff=name, per_minute_micros=micros, increment_seconds=60)
        made.store.apply([ReplaceTariff(name, "GEL", [rate])])
        made.tariffs[name] = made.store.tariff(name)
    made.cheap = made.trunk("cheap", "203.0.113.1", "44", 2)
    made.dear = made.trunk("dear", "203.0.113.2", "44", 1)
    made.directory.set_trunks(
        replace(trunk, tariff=trunk.name) for trunk in list(made.directory.trunks())
    )
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


def talk(exchange, seconds):
    line = exchange.line("+995322000001", exchange.account(10_000_000))
    phone = exchange.phone(line, "198.51.100.1")
    phone.register()
    exchange.run(1.0)
    for gateway in (exchange.cheap, exchange.dear):
        if gateway.behaviour.answer == 200:
            gateway.behaviour = Behaviour(rings=1.0, talks=seconds)
    phone.call("00442012345678")
    exchange.run_until_idle()
    (cdr,) = exchange.store.cdrs()
    return cdr


def test_the_record_says_what_the_cheapest_trunk_charges_us(exchange):
    cdr = talk(exchange, 29.5)
    assert (cdr.trunk, cdr.cost_micros, cdr.cost_currency) == (
        "cheap",
        20_000 // 60 + 20_000,
        "GEL",
    )
    assert cdr.price_micros == 50_000


def test_the_record_says_what_the_trunk_that_answered_charges_us(exchange):
    exchange.cheap.behaviour = Behaviour(answer=503)
    cdr = talk(exchange, 30.0)
    assert (cdr.trunk, cdr.cost_micros) == ("dear", 91_500)


def test_a_call_that_nobody_answers_cost_nothing(exchange):
    for gateway in (exchange.cheap, exchange.dear):
        gateway.behaviour = Behaviour(answer=503)
    cdr = talk(exchange, 30.0)
    assert cdr.cost_micros is None


def test_a_call_that_a_crash_ended_has_its_trunk_and_cost(exchange):
    line = exchange.line("+995322000001", exchange.account(10_000_000))
    phone = exchange.phone(line, "198.51.100.1")
    phone.register()
    exchange.run(1.0)
    exchange.cheap.behaviour = Behaviour(rings=1.0, talks=100.0)
    phone.call("00442012345678")
    exchange.run(20.0)
    (call,) = exchange.store.live_calls()
    assert (call.trunk, call.cost.tariff) == ("cheap", "cheap")
    (cdr,) = exchange.store.recover()
    assert (cdr.trunk, cdr.ended_by, cdr.cost_currency) == ("cheap", "restart", "GEL")
    assert cdr.cost_micros > 0
    exchange.run_until_idle()


def test_the_record_keeps_which_trunks_were_tried_and_how_each_answered(exchange):
    exchange.cheap.behaviour = Behaviour(answer=503)
    decisions = decoded(talk(exchange, 30.0).decisions)
    assert decisions == Decisions(shown="the line's number", tried=(("cheap", 503), ("dear", 200)))


def test_the_record_keeps_which_trunks_were_left_and_why(exchange):
    cheap, dear = exchange.directory.trunks()
    nothing = structs.replace(PRICE, tariff="elsewhere", prefix="1")
    exchange.store.apply([ReplaceTariff("elsewhere", "GEL", [nothing])])
    exchange.tariffs["elsewhere"] = exchange.store.tariff("elsewhere")
    exchange.directory.set_trunks([replace(cheap, tariff="elsewhere"), dear])
    decisions = decoded(talk(exchange, 30.0).decisions)
    assert decisions.left == (("cheap", "no price"),)
    assert decisions.tried == (("dear", 200),)


def test_the_record_keeps_the_rule_that_refused(exchange):
    for gateway in (exchange.cheap, exchange.dear):
        gateway.behaviour = Behaviour(answer=486)
    decisions = decoded(talk(exchange, 30.0).decisions)
    assert decisions.tried == (("cheap", 486),)
    assert decisions.rule == "call: trunk cheap answered 486"


def test_the_record_keeps_that_the_caller_gave_up_while_a_trunk_rang(exchange):
    exchange.cheap.behaviour = Behaviour(rings=60.0)
    line = exchange.line("+995322000001", exchange.account(10_000_000))
    phone = exchange.phone(line, "198.51.100.1")
    phone.register()
    exchange.run(1.0)
    session = phone.call("00442012345678")
    exchange.run(5.0)
    phone.hang_up(session)
    exchange.run_until_idle()
    (cdr,) = exchange.store.cdrs()
    assert (cdr.sip_status, decoded(cdr.decisions).tried) == (487, (("cheap", 487),))
