"""The shop of numbers: places, prices, quotes, trials, the wait list, and the way of a call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from billing.facts.authorization import WriteCdr
from billing.facts.cdr import Cdr
from softswitch.control.actor import Actor
from softswitch.operations.accounts import accounts
from softswitch.operations.calls import incoming
from softswitch.operations.context import Concern, Context
from softswitch.operations.lines import lines, services, voicemail
from softswitch.operations.numbers import moves, numbers, orders, reaches, shop
from tests.softswitch.operating import at, refused

ANA, BEKA = "+995322000001", "+995322000003"
BERLIN = [f"+4930555000{n}" for n in range(6)]


@pytest.fixture
def ana(context: Context) -> Context:
    context.now_ms = lambda: at("2027-01-04T12:00+04:00")
    for name, number in (("Ana", ANA), ("Beka", BEKA)):
        accounts.account_add(context, name)
        lines.line_add(context, number, name, login=name.lower())
    accounts.account_topup(context, "Ana", "100", "p1")
    for number in BERLIN:
        numbers.number_add(context, number, "DE", "landline", "2", city="Berlin", supplier="acme")
    numbers.number_add(context, "+442079460100", "GB", "landline", "3", documents="identity")
    orders.number_offer(context, "FR", city="Paris", monthly="4", days="5-15", supplier="acme")
    numbers.rental_discounts(context, {"12 months": 10, "5 numbers": 5})
    return context


def acting(context: Context, account: int = 1) -> Context:
    actor = Actor("ana", "subscriber", account)
    return replace(context, actor=actor, concern=Concern())


def test_the_catalogue_has_places_and_prices_and_no_supplier(ana: Context) -> None:
    rows = shop.number_catalogue(acting(ana), "1")
    assert [(row["country"], row["city"], row["delivery"], row["stock"]) for row in rows] == [
        ("DE", "Berlin", "at_once", 6),
        ("GB", None, "at_once", 1),
        ("FR", "Paris", "order", 0),
    ]
    assert [row["documents"] for row in rows] == [None, "identity", None]
    assert rows[2]["working_days"] == "5-15"
    assert "acme" not in str(rows)
    assert shop.number_catalogue(acting(ana), "1", country="DE", city="Bonn") == []


def test_a_quote_is_what_the_order_then_charges(ana: Context) -> None:
    quote = shop.rental_quote(acting(ana), "1", country="DE", city="Berlin", count=5, months=12)
    assert (quote["discount_percent"], quote["price"], quote["delivery"]) == (
        15,
        "102.00",
        "at_once",
    )
    assert (quote["affordable"], quote["short"]) == (False, "2.00")
    assert [term["price"] for term in quote["terms"]] == ["9.50", "28.50", "57.00", "102.00"]  # type: ignore[union-attr,index,call-overload]
    before = accounts.account_show(ana, "1")["balance"]
    quote = shop.rental_quote(acting(ana), "1", numbers=BERLIN[:2], months=3)
    numbers.rental_order(acting(ana), "1", ANA, BERLIN[:2], months=3, order_id="o")
    after = accounts.account_show(ana, "1")["balance"]
    assert (quote["price"], before, after) == ("12.00", "100.00", "88.00")


def test_a_quote_for_what_is_not_in_stock_is_that_of_an_order(ana: Context) -> None:
    quote = shop.rental_quote(acting(ana), "1", country="FR", city="Paris")
    assert (quote["price"], quote["delivery"], quote["working_days"]) == ("4.00", "order", "5-15")
    said = refused(shop.rental_quote, acting(ana), "1", country="IT")
    assert said.startswith("no supplier delivers")


def test_a_number_of_another_client_has_no_quote(ana: Context) -> None:
    numbers.rental_order(ana, "1", ANA, [BERLIN[0]], order_id="o")
    accounts.account_topup(ana, "Beka", "9", "p2")
    said = refused(shop.rental_quote, acting(ana, 2), "2", numbers=[BERLIN[0]])
    assert said == f"{BERLIN[0]} isn't for rent"


def test_the_stock_is_shown_in_pages(ana: Context) -> None:
    rows = shop.number_stock(acting(ana), "1", country="DE", limit=4)
    assert [row["number"] for row in rows] == BERLIN[:1:-1]
    rows = shop.number_stock(acting(ana), "1", country="DE", limit=4, before=BERLIN[2])
    assert [row["number"] for row in rows] == [BERLIN[1], BERLIN[0]]


def test_a_trial_counts_down_and_is_over_after_an_hour(ana: Context) -> None:
    numbers.number_try(acting(ana), "1", BERLIN[0], ANA)
    ana.now_ms = lambda: at("2027-01-04T12:15+04:00")
    (row,) = shop.numbers_tried(acting(ana), "1")
    assert (row["number"], row["state"], row["ends_in_seconds"]) == (BERLIN[0], "trial", 2700)
    numbers.rental_order(acting(ana), "1", ANA, [BERLIN[0]], order_id="o")
    (row,) = shop.numbers_tried(acting(ana), "1")
    assert (row["state"], row["rentable"], row["line"]) == ("ended", False, None)


def test_who_leaves_the_wait_list_is_not_told(ana: Context) -> None:
    wait = numbers.number_wait(acting(ana), "1", "IT")
    said = refused(shop.number_unwait, acting(ana, 2), str(wait["id"]))
    assert said.startswith("nobody waits as")
    assert shop.number_unwait(acting(ana), str(wait["id"]))["result"] == "left"
    assert numbers.number_waits(ana) == []
    assert refused(shop.number_unwait, acting(ana), str(wait["id"])) != ""


def test_a_port_order_is_cancelled_by_its_subscriber_while_it_is_open(ana: Context) -> None:
    port = moves.port_in(acting(ana), "+995322777777", "1", "Other")
    order = int(str(port["id"]))
    assert refused(moves.port_cancel, acting(ana, 2), order).startswith("there is no port order")
    assert moves.port_cancel(acting(ana), order, by="ana")["state"] == "cancelled"
    assert refused(moves.port_cancel, acting(ana), order).endswith("is cancelled already")
    outgoing = moves.port_out(ana, ANA, "Other")
    said = refused(moves.port_cancel, acting(ana), int(str(outgoing["id"])))
    assert said.startswith("port order 2 takes a number away")
    assert [row["id"] for row in moves.port_list(acting(ana), closed=True, limit=1)] == [2]
    assert [row["id"] for row in moves.port_list(acting(ana), state="cancelled")] == [1]


def codes(rows: Any) -> list[str]:
    return [row["code"] for row in rows]


def test_the_way_of_an_incoming_call_is_that_of_the_line(ana: Context) -> None:
    rows: Any = incoming.explain_incoming(acting(ana), ANA)
    assert codes(rows) == ["refused"]
    assert rows[0]["facts"] == {"status": 480, "error": "callee_not_registered"}
    voicemail.voicemail_enable(ana, ANA)
    rows = incoming.explain_incoming(acting(ana), ANA)
    assert rows == [{"code": "mailbox", "facts": {"why": "unreachable"}}]
    services.line_service_set(ana, ANA, "forward_always", ["+4930123456"])
    rows = incoming.explain_incoming(acting(ana), ANA)
    assert rows == [{"code": "forwarded", "facts": {"why": "always", "to": "+4930123456"}}]
    assert refused(incoming.explain_incoming, acting(ana), BEKA) == f"{BEKA} rings at no line"


def test_the_way_of_a_call_to_a_rented_number_has_its_targets(ana: Context) -> None:
    numbers.rental_order(ana, "1", ANA, [BERLIN[0]], order_id="o")
    reaches.number_reach(ana, BERLIN[0], ["ana", "+4930123456"], in_turn=True)
    rows: Any = incoming.explain_incoming(acting(ana), BERLIN[0])
    assert codes(rows) == ["rings_at_line", "targets_ring"]
    assert rows[0]["facts"] == {"number": BERLIN[0], "line": ANA}
    assert [target["kind"] for target in rows[1]["facts"]["targets"]] == ["line", "number"]


def test_statistics_count_each_call_once_and_none_of_the_holder_before(ana: Context) -> None:
    def called(key: str, moment: str, answered: bool, leg: str = "a") -> None:
        now = at(moment)
        ana.do(
            WriteCdr(
                Cdr(
                    key, leg=leg, direction="incoming", type="on_net", account=1, line=ANA,
                    calling="+4930123456", called=BERLIN[0], called_dialled=BERLIN[0],
                    presented=None, trunk="carrier", setup_at=now, ringing_at=None,
                    answered_at=now if answered else None, ended_at=now + 60_000, ring_ms=0,
                    duration_ms=60_000 if answered else 0, sip_status=200 if answered else 486,
                    cause=16, ended_by="caller", sip_call_id=key,
                )
            )
        )  # fmt: skip

    called("before", "2027-01-04T10:00+04:00", True)
    numbers.rental_order(ana, "1", ANA, [BERLIN[0]], order_id="o")
    called("one", "2027-01-05T10:00+04:00", True)
    called("two", "2027-01-06T10:00+04:00", False)
    called("two", "2027-01-06T10:00+04:00", False, "b")
    ana.now_ms = lambda: at("2027-01-06T12:00+04:00")
    row: Any = incoming.number_statistics(acting(ana), BERLIN[0], 3)
    assert (row["calls"], row["answered"], row["answered_percent"]) == (2, 1, 50.0)
    assert row["seconds"] == 60
    assert [(day["day"], day["calls"]) for day in row["days"]] == [
        ("2027-01-04", 0), ("2027-01-05", 1), ("2027-01-06", 1),
    ]  # fmt: skip
    assert refused(incoming.number_statistics, acting(ana, 2), BERLIN[0]) != ""
    assert refused(incoming.number_statistics, ana, ANA, 93) == "days must be from 1 to 92"
