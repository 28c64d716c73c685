"""Batches of texts as a business sends them: rights, preview, hold, pause, cancel."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from bulk import ANA, SHOP, prepare, send, sms, texts_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from operating import refused

from softswitch.control.actor import Actor
from softswitch.control.errors import OperationError
from softswitch.operations.accounts import accounts
from softswitch.operations.context import Context
from softswitch.operations.dispatch import perform
from softswitch.operations.money import wallets
from softswitch.operations.registry import OPERATIONS
from softswitch.operations.texts import (
    batch_reports,
    batches,
    businesses,
    contact_table,
    stops,
    templates,
    text_figures,
)
from softswitch.texting import batch_store, store
from softswitch.texting.message import State, Text
from softswitch.texting.store import NEVER


@pytest.fixture
def office(context: Context) -> Context:
    prepare(context)
    return context


def configure(context: Context, **values: str) -> None:
    section = context.config.sms.model_copy(update=values)
    context.config = context.config.model_copy(update={"sms": section})


def move(context: Context, text_id: int, *states: State) -> None:
    for state in states:
        with context.billing.engine.begin() as connection:
            store.move(connection, text_id, state, context.now_ms())


def test_B1_B2_B3_who_may_not_send_is_told_what_is_missing(context: Context) -> None:
    accounts.account_add(context, ANA)
    assert "may not send bulk texts" in refused(send, context)
    businesses.sms_grant(context, ANA, True)
    assert "hasn't accepted the conditions" in refused(send, context)
    context.actor = Actor("ana@example.org", "subscriber", 1, address="203.0.113.7")
    accepted = stops.sms_contract_accept(context, "1")
    assert (accepted["accepted_by"], accepted["address"], accepted["granted"]) == (
        "ana@example.org",
        "203.0.113.7",
        True,
    )
    context.actor = Actor("nino", "admin")
    assert stops.sms_contract_accept(context, ANA)["accepted_by"] == "ana@example.org"
    businesses.sms_sender_add(context, ANA, SHOP)
    assert "may not send as 'AnasShop'" in refused(send, context)
    businesses.sms_sender_approve(context, ANA, SHOP)
    assert "nobody is left to send to" in refused(send, context)
    configure(context, terms="2")
    assert "hasn't accepted the conditions" in refused(send, context)


def test_B9_a_preview_shows_recipients_segments_and_price_and_sends_nothing(
    office: Context,
) -> None:
    table = (
        "phone,name\n+995599000002,Gio again\n+995599000003,\n12,Bad\n"
        f"+995599000004,{'x' * 100}\n+4930123456,No carrier\n+995599000005,Stopped\n"
        "+995599000004,Twice\n"
    )
    stops.sms_stop_add(office, ANA, "+995599000005")
    shown = send(office, "Dear {name}, " + "y" * 100, to=table, dry_run=True)
    left_out = shown.pop("left_out")
    assert isinstance(left_out, list)
    assert [line.partition(":")[0] for line in left_out] == [
        "row 4", "+995599000003", "+4930123456",
    ]  # fmt: skip
    assert shown == {
        "recipients": 3,
        "doubles": 2,
        "faulty": 3,
        "stopped": 1,
        "segments": 4,
        "price": "4.00",
        "unit": "SMS",
        "available": "100.00",
        "affordable": True,
        "by_segments": {"1": 2, "2": 1},
        "examples": [
            f"+995599000001: Dear Nino, {'y' * 100}",
            f"+995599000002: Dear Gio, {'y' * 100}",
            f"+995599000004: Dear {'x' * 100}, {'y' * 100}",
        ],
    }
    assert sms(office) == ("100.00", 0)
    assert batches.sms_batch_list(office) == []


def test_B9_a_batch_is_held_as_a_whole_or_refused_as_a_whole(office: Context) -> None:
    made = send(office)
    assert (made["state"], made["recipients"], made["price"]) == ("running", 2, "2.00")
    assert sms(office) == ("100.00", 2)
    assert [text.text.body.decode() for text in texts_of(office, made)] == [
        "Hello Nino",
        "Hello Gio",
    ]
    many = "phone\n" + "".join(f"+9955991{n:05}\n" for n in range(99))
    with pytest.raises(OperationError, match=r"98\.00 .*99\.00 are needed") as error:
        send(office, "Hi", everyone=False, to=many)
    assert error.value.kind == "unpaid"
    assert len(batches.sms_batch_list(office)) == 1
    assert sms(office) == ("100.00", 2)
    with office.billing.reading() as connection:
        assert batch_store.unsettled(connection)[0].id == made["id"]
    assert office.billing.verify() == []


def test_B7_a_subscriber_sends_its_own_batches_and_no_others(office: Context) -> None:
    made = send(office)
    accounts.account_add(office, "Beka")
    asked = {"account": "1", "sender": SHOP, "text": "Hi", "everyone": True}
    office.actor = Actor("ana", "subscriber", 1)
    mine = perform(office, OPERATIONS["sms_batch_add"], asked)
    assert isinstance(mine, dict) and mine["created_by"] == "ana"
    office.actor = Actor("beka", "subscriber", 2)
    assert "no account '1'" in refused(perform, office, OPERATIONS["sms_batch_add"], asked)
    assert "no batch" in refused(
        perform, office, OPERATIONS["sms_batch_cancel"], {"batch": made["id"]}
    )
    assert perform(office, OPERATIONS["sms_batch_list"], {}) == []


def test_B8_a_template_a_draft_and_a_plain_list_of_phones_are_sent(office: Context) -> None:
    templates.sms_template_add(office, ANA, "debt", "{name}: {sum}")
    made = send(office, "", template="debt")
    assert (made["recipients"], made["faulty"]) == (1, 1)
    templates.sms_draft_add(office, ANA, "spring", "Sale", SHOP, ["friends"])
    drafted = batches.sms_batch_add(office, ANA, draft="spring")
    assert (drafted["recipients"], drafted["text"], drafted["sender"]) == (2, "Sale", SHOP)
    plain = send(office, "Hi", everyone=False, to="+995599000007\n599 000 008\n")
    assert [text.text.recipient for text in texts_of(office, plain)] == [
        "+995599000007",
        "+995599000008",
    ]
    assert "no template 'none'" in refused(send, office, "", template="none")
    assert "say who gets it" in refused(send, office, everyone=False)


def test_the_same_id_is_answered_by_the_same_batch(office: Context) -> None:
    first, again = send(office, batch_id="k1"), send(office, batch_id="k1")
    assert first["id"] == again["id"]
    assert sms(office) == ("100.00", 2)
    assert len(texts_of(office, first)) == 2


def test_B9_a_paused_batch_waits_and_a_resumed_one_goes_on(office: Context) -> None:
    made = send(office)
    assert {text.text.due_at for text in texts_of(office, made)} == {office.now_ms()}
    paused = batches.sms_batch_pause(office, str(made["id"]))
    assert paused["state"] == "paused"
    assert {text.text.due_at for text in texts_of(office, made)} == {NEVER}
    with office.billing.engine.begin() as connection:
        ids = [text.id for text in texts_of(office, made)]
        assert store.claim(connection, ids, "here", office.now_ms()) == set()
        assert store.next_due_out(connection, office.now_ms()) is None
    assert batches.sms_batch_resume(office, str(made["id"]))["state"] == "running"
    assert {text.text.due_at for text in texts_of(office, made)} == {office.now_ms()}
    batches.sms_batch_cancel(office, str(made["id"]))
    assert "is cancelled" in refused(batches.sms_batch_resume, office, str(made["id"]))


def test_B9_a_cancelled_batch_gives_the_rest_back_at_once(office: Context) -> None:
    made = send(office)
    cancelled = batches.sms_batch_cancel(office, str(made["id"]))
    assert (cancelled["state"], cancelled["cancelled"]) == ("cancelled", 2)
    assert sms(office) == ("100.00", 0)
    assert batches.sms_batch_cancel(office, str(made["id"])) == cancelled
    assert office.billing.verify() == []


def test_a_batch_that_a_carrier_is_being_asked_about_keeps_its_hold(office: Context) -> None:
    made = send(office)
    first, _ = texts_of(office, made)
    move(office, first.id, State.SENDING)
    cancelled = batches.sms_batch_cancel(office, str(made["id"]))
    assert (cancelled["sending"], cancelled["cancelled"]) == (1, 1)
    assert sms(office) == ("100.00", 2)


def test_a_batch_may_go_later(office: Context) -> None:
    made = send(office, at="2026-06-05T12:00+04:00")
    assert made["state"] == "scheduled"
    assert {text.text.due_at for text in texts_of(office, made)} == {1_780_646_400_000}


def test_quiet_hours_are_those_of_the_country_where_a_text_goes(office: Context) -> None:
    configure(office, quiet_hours="22:00-08:00")
    # 23:00 in Tbilisi, 15:00 in New York and 09:00 in Honolulu.
    made = send(
        office, "Hi", everyone=False, to="+995599000001\n+12025550101\n",
        at="2026-06-05T23:00+04:00",
    )  # fmt: skip
    georgian, american = texts_of(office, made)
    assert georgian.text.due_at == 1_780_718_400_000  # 2026-06-06T08:00+04:00
    assert american.text.due_at == 1_780_686_000_000


def test_a_number_that_texts_stop_gets_nothing_more(office: Context) -> None:
    made = send(office)
    came = Text(
        origin="carrier:1", kind="in", account_id=1, sender="+995599000002",
        recipient="+995322000001", body=b" Stop. ", created_at=office.now_ms(),
        due_at=0, expires_at=0,
    )  # fmt: skip
    with office.billing.engine.begin() as connection:
        from softswitch.texting import stops as stop_list

        stop_list.heard(connection, came)
    states = {text.text.recipient: text.state for text in texts_of(office, made)}
    assert states == {"+995599000001": State.WAITING, "+995599000002": State.CANCELLED}
    (row,) = stops.sms_stop_list(office, ANA)
    assert (row["phone"], row["by"]) == ("+995599000002", "text")
    assert send(office)["stopped"] == 1
    assert send(office, everyone=False, groups=["friends"])["stopped"] == 1
    stops.sms_stop_remove(office, ANA, "+995599000002")
    assert "isn't on the stop list" in refused(stops.sms_stop_remove, office, ANA, "+995599000002")
    assert send(office)["stopped"] == 0


def test_B10_a_report_has_the_median_and_the_95th_percentile_by_carrier(office: Context) -> None:
    made = send(office, "Hi", everyone=False,
                to="phone\n" + "".join(f"+9955991{n:05}\n" for n in range(20)))  # fmt: skip
    start = office.now_ms()
    for seconds, text in enumerate(texts_of(office, made)[:19], 1):
        with office.billing.engine.begin() as connection:
            store.move(connection, text.id, State.SENDING, start)
            store.move(connection, text.id, State.SENT, start, carrier="centre")
            store.move(connection, text.id, State.DELIVERED, start + 1000 * seconds)
    assert batch_reports.sms_batch_report(office, str(made["id"])) == [
        {"carrier": None, "state": "waiting", "texts": 1, "segments": 1, "price": "1.00",
         "median_seconds": None, "p95_seconds": None},
        {"carrier": "centre", "state": "delivered", "texts": 19, "segments": 19, "price": "19.00",
         "median_seconds": 10.0, "p95_seconds": 19.0},
    ]  # fmt: skip


def test_B11_a_batch_is_paid_in_messages_and_costs_no_money(office: Context) -> None:
    before = accounts.account_show(office, ANA)["balance"]
    send(office)
    assert accounts.account_show(office, ANA)["balance"] == before


@settings(max_examples=15, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(lengths=st.lists(st.integers(1, 400), min_size=1, max_size=12), repeats=st.integers(0, 3))
def test_B9_what_is_held_is_the_sum_of_the_texts_prices(
    office: Context, lengths: list[int], repeats: int
) -> None:
    rows = [f"+9955992{n:05},{'z' * length}" for n, length in enumerate(lengths)]
    table = "\n".join(["phone,words", *rows, *rows[:repeats]])
    before = sms(office)[1]
    made = send(office, "{words}", everyone=False, to=table)
    texts = texts_of(office, made)
    assert made["doubles"] == len(rows[:repeats])
    assert [len(text.text.body) for text in texts] == lengths
    assert max(Counter(text.text.recipient for text in texts).values()) == 1
    price = sum(text.text.price_micros for text in texts) // 1_000_000
    assert sms(office)[1] - before == price == made["segments"]
    batches.sms_batch_cancel(office, str(made["id"]))
    assert sms(office)[1] == before


@pytest.mark.long
def test_B9_a_hundred_thousand_are_held_in_seconds(office: Context) -> None:
    wallets.wallet_offer(office, "sms", 100_000, "1000")
    wallets.wallet_buy(office, ANA, "sms", 100_000, "b2")
    text = "phone,name\n" + "".join(f"+9955{n:08},N{n}\n" for n in range(100_000))
    contact_table.sms_contact_import(office, ANA, text, "all")
    words = "Dear {name}, all is half the price on Monday"
    begin = time.thread_time()
    shown = send(office, words, everyone=False, groups=["all"], dry_run=True)
    priced = time.thread_time() - begin
    begin = time.thread_time()
    made = send(office, words, everyone=False, groups=["all"])
    whole = time.thread_time() - begin
    assert shown["recipients"] == made["recipients"] == made["waiting"] == 100_000
    assert sms(office)[1] == 100_000
    print(f"CPU: priced in {priced:.2f} s; priced, held and stored in {whole:.2f} s")
    assert priced < 4
    assert whole < 12


def test_recipients_of_a_batch_stand_one_a_row_by_state_and_page(office: Context) -> None:
    made = send(office)
    first, second = (text.id for text in texts_of(office, made))
    move(office, second, State.SENDING, State.SENT)
    rows = batches.sms_batch_texts(office, str(made["id"]))
    assert [(row["id"], row["to"], row["state"], row["text"]) for row in rows] == [
        (second, "+995599000002", "sent", "Hello Gio"),
        (first, "+995599000001", "waiting", "Hello Nino"),
    ]
    waiting = batches.sms_batch_texts(office, str(made["id"]), state="waiting")
    assert [row["id"] for row in waiting] == [first]
    older = batches.sms_batch_texts(office, str(made["id"]), limit=1, before=second)
    assert [row["id"] for row in older] == [first]
    assert "'gone'" in refused(batches.sms_batch_texts, office, str(made["id"]), state="gone")


def test_the_queue_and_the_times_of_delivery_are_figures_of_operators(office: Context) -> None:
    began = office.now_ms()
    ids = [text.id for text in texts_of(office, send(office, at="2099-01-01"))]
    assert text_figures.sms_queue(office)["scheduled"] == 2
    with office.billing.engine.begin() as connection:
        for text_id, taken, done in zip(ids, (1_000, 2_000), (4_000, 12_500), strict=True):
            for state, at in (
                (State.SENDING, 0), (State.SENT, taken), (State.DELIVERED, done)
            ):  # fmt: skip
                store.move(connection, text_id, state, began + at, carrier="centre")
    office.now_ms = lambda: began + 20_000
    (row,) = text_figures.sms_deliveries(office)
    assert (row["carrier"], row["texts"], row["delivered"]) == ("centre", 2, 2)
    assert (row["p50_seconds"], row["p99_seconds"]) == (3.0, 10.5)
    send(office)
    office.now_ms = lambda: began + 50_000
    queue = text_figures.sms_queue(office)
    assert (queue["for_carriers"], queue["oldest_seconds"], queue["scheduled"]) == (2, 30.0, 0)
    assert text_figures.sms_deliveries(office, hours=1)[0]["texts"] == 2
    office.now_ms = lambda: began + 7_200_000
    assert text_figures.sms_deliveries(office, hours=1) == []
    assert "from 1 to 744" in refused(text_figures.sms_deliveries, office, hours=0)
