"""Texts to and from other networks through a whole switch (A20, A22, E12, E14)."""

import pytest
from exchange import Exchange
from sqlalchemy import select
from test_texts import ENVELOPE, Texting, kept

from billing.facts.authorization import ReplaceTariff
from billing.facts.calendar import Term
from billing.facts.product import Destinations, Product
from billing.facts.rate import Rate
from billing.facts.rental import AddNumbers, BuySmsNumber, Number, RentNumber
from billing.stores import rental_store
from smpp.bodies import Address, ShortMessage
from smpp.codes import EsmClass, Status
from softswitch.mail.outbox import outbox_table
from softswitch.subscribers.notice_ways import choose
from softswitch.subscribers.subscriber_store import SubscriberStore
from softswitch.subscribers.supplementary import NO_SERVICES
from softswitch.texting.carrier import Carrier
from softswitch.texting.message import State

LARI = 1_000_000
PRICE = 50_000
ANA = "+995322000001"
MOBILE, ABROAD = "+995599000001", "+4915112345678"
BERLIN = Number("+4930000001", "DE", "Berlin", "landline", "kpn", "", None, "GEL", LARI)
ONCE = Number("+447700000001", "GB", None, "sms", "x", "", "mail", "GEL", LARI)


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    rates = [Rate("sms", prefix, "", PRICE, 0, 1, 1, currency="GEL") for prefix in ("995", "49")]
    made.store.apply([ReplaceTariff("sms", "GEL", rates)])
    made.tariffs["sms"] = made.store.tariff("sms")
    made.switch.texting.carriers = [
        Carrier(id=1, name="alpha", host="h", system_id="us", password="x")
    ]
    yield made
    made.run(70.0)
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


def ana(exchange, balance=LARI, **facts) -> Texting:
    account = exchange.account(balance)
    made = Texting(exchange.phone(exchange.line(ANA, account, **facts), "198.51.100.1"))
    made.phone.register()
    exchange.run(1.0)
    return made


def sums(exchange) -> tuple[int, int]:
    (account,) = exchange.store.accounts()
    return account.balance_micros, account.reserved_micros


def deliver(exchange, number, text=b"Your code: 1234 (mail)", sender="Mail", **facts) -> Status:
    """A text from the carrier; the status with which it is answered."""
    texting = exchange.switch.texting
    link = texting._link(texting.carriers[0])
    message = ShortMessage(
        Address(5, 0, sender), Address(1, 1, number.removeprefix("+")), text, **facts
    )
    answers: list[Status] = []
    exchange.loop.call_soon(texting.inbound.deliver, link, message, answers.append)
    exchange.run(2.0)
    (status,) = answers
    return status


def test_A20_a_text_to_a_mobile_network_is_held_by_segments(exchange):
    phone = ana(exchange)
    phone.text(MOBILE, "€".encode() * 100)
    exchange.run(1.0)
    assert phone.statuses == [202]
    assert sums(exchange) == (LARI, 2 * PRICE)
    assert kept(exchange) == [(MOBILE, "€".encode() * 100, State.WAITING)]


def test_without_money_the_sender_hears_402_and_nothing_is_stored(exchange):
    phone = ana(exchange, PRICE)
    phone.text(MOBILE, b"x" * 161)
    phone.text(MOBILE, b"x" * 160)
    exchange.run(1.0)
    assert sorted(phone.statuses) == [202, 402]
    assert sums(exchange) == (PRICE, PRICE)
    assert [len(body) for _, body, _ in kept(exchange)] == [160]


def test_a_text_that_no_carrier_takes_in_a_week_expires_and_its_price_is_given_back(exchange):
    phone = ana(exchange)
    phone.text(MOBILE)
    exchange.run(1.0)
    exchange.run(7 * 86_400.0)
    assert exchange.loop.run_until_complete(exchange.switch.texting.tidy()) == 1
    exchange.run(1.0)
    assert [state for *_, state in kept(exchange)] == [State.EXPIRED]
    assert sums(exchange) == (LARI, 0)


def test_a_line_that_is_barred_from_calling_abroad_sends_no_texts_there(exchange):
    phone = ana(exchange, services=NO_SERVICES.switched("bar_international", True))
    phone.text(ABROAD)
    phone.text(MOBILE)
    exchange.run(1.0)
    assert sorted(phone.statuses) == [202, 403]
    assert [number for number, *_ in kept(exchange)] == [MOBILE]


def test_A22_a_package_covers_texts_to_its_destinations(exchange):
    phone = ana(exchange, LARI)
    exchange.entitlements.destinations = Destinations({"georgia": ["995"]})
    product = Product("georgia", "GEL", LARI, Term(30, "days"), ("georgia",))
    exchange.package(product, 1, 86_400)
    assert sums(exchange) == (0, 0)
    phone.text(MOBILE)
    phone.text(ABROAD)
    exchange.run(1.0)
    assert sorted(phone.statuses) == [202, 402]
    assert [number for number, *_ in kept(exchange)] == [MOBILE]


def test_of_an_envelope_the_text_alone_goes_to_a_carrier(exchange):
    phone = ana(exchange)
    phone.text(MOBILE, ENVELOPE, b"message/cpim")
    exchange.run(1.0)
    assert phone.statuses == [202]
    assert kept(exchange) == [(MOBILE, b"Hello", State.WAITING)]


def test_a_text_from_a_carrier_reaches_the_phones_of_the_line(exchange):
    phone = ana(exchange)
    assert deliver(exchange, ANA, b"Hi") is Status.OK
    assert [request.body for request in phone.got] == [b"Hi"]
    assert kept(exchange) == [(ANA, b"Hi", State.DELIVERED)]


def test_the_same_words_twice_are_two_texts(exchange):
    phone = ana(exchange)
    assert [deliver(exchange, ANA, b"yes") for _ in range(2)] == [Status.OK] * 2
    assert [request.body for request in phone.got] == [b"yes", b"yes"]


def test_a_text_in_segments_comes_as_one(exchange):
    phone = ana(exchange)
    for number, part in ((2, b"there"), (1, b"Hello ")):
        octets = bytes((5, 0, 3, 9, 2, number)) + part
        assert deliver(exchange, ANA, octets, esm_class=EsmClass.UDH) is Status.OK
    assert [request.body for request in phone.got] == [b"Hello there"]


def rent(exchange, balance) -> int:
    phone = ana(exchange, balance)
    now = exchange.wall_ms()
    order = RentNumber(
        account_id=1, at=now, rental_id="r1", number=BERLIN.number, line=ANA, months=1,
        discount_percent=0, zone="UTC",
    )  # fmt: skip
    exchange.store.apply([AddNumbers((BERLIN,), now)])
    exchange.store.apply([order])
    exchange.reload([1])
    assert phone.statuses == []
    return 1


def test_a_text_to_a_rented_number_comes_to_its_line_and_by_mail_once(exchange):
    account = rent(exchange, 2 * LARI)
    fields = {"email": "ana@example.com", "language": "ru"}
    SubscriberStore(exchange.store.engine).set_fields(account, fields, [])
    assert deliver(exchange, BERLIN.number, b"Hi") is Status.OK
    assert kept(exchange) == [(BERLIN.number, b"Hi", State.DELIVERED)]
    with exchange.store.reading() as connection:
        about_texts = outbox_table.c.key.startswith("text:")
        (mail,) = connection.execute(select(outbox_table).where(about_texts)).all()
    assert (mail.recipient, mail.subject) == (
        "ana@example.com", "Сообщение на номер +4930000001",
    )  # fmt: skip
    assert mail.text == "Отправитель: Mail\n\nHi\n\nexample.org\n"


def test_E14_a_rented_number_that_is_shut_takes_no_texts(exchange):
    rent(exchange, 2 * LARI)
    for _ in range(2):
        exchange.clock_step_ms += 32 * 86_400_000
        exchange.run(5.0)
    assert exchange.store.account(1).balance_micros < 0
    assert deliver(exchange, BERLIN.number, b"Hi") is Status.RECEIVER_PERMANENT_ERROR
    assert kept(exchange) == []


def state_of(exchange, number) -> str:
    with exchange.store.reading() as connection:
        return rental_store.number(connection, number.number).state


@pytest.fixture
def lent(exchange):
    account = exchange.account(2 * LARI)
    now = exchange.wall_ms()
    exchange.store.apply([AddNumbers((ONCE,), now)])
    exchange.store.apply(
        [BuySmsNumber(account_id=account, at=now, purchase_id="s1", number=ONCE.number)]
    )
    return exchange


def test_E12_a_one_time_number_takes_one_text_of_its_service(lent):
    assert deliver(lent, ONCE.number, b"Win!", "Casino") is Status.RECEIVER_PERMANENT_ERROR
    assert (kept(lent), state_of(lent, ONCE)) == ([], "lent")
    assert deliver(lent, ONCE.number) is Status.OK
    assert state_of(lent, ONCE) == "burned"
    assert deliver(lent, ONCE.number, b"Your code: 99 (mail)") is Status.RECEIVER_PERMANENT_ERROR
    assert deliver(lent, ONCE.number) is Status.OK, "its carrier hasn't heard the answer"
    assert [body for _, body, _ in kept(lent)] == [b"Your code: 1234 (mail)"]


def test_E12_the_text_is_stored_and_the_number_burned_together_or_not_at_all(lent, monkeypatch):
    def full(connection, stored):
        raise OSError("the disk is full")

    inbound = lent.switch.texting.inbound
    with monkeypatch.context() as broken:
        broken.setattr(inbound, "_mail", full)
        assert deliver(lent, ONCE.number) is Status.RECEIVER_TEMPORARY_ERROR
    assert (kept(lent), state_of(lent, ONCE)) == ([], "lent")
    lent.log.errors.clear()
    assert deliver(lent, ONCE.number) is Status.OK
    assert (len(kept(lent)), state_of(lent, ONCE)) == (1, "burned")


def test_E12_the_text_goes_to_a_line_if_its_owner_wants_texts_there(lent):
    phone = Texting(lent.phone(lent.line(ANA, 1), "198.51.100.1"))
    phone.phone.register()
    lent.run(1.0)
    with lent.store.engine.begin() as connection:
        choose(connection, 1, "texts", "text", 0)
    assert deliver(lent, ONCE.number) is Status.OK
    assert [request.body for request in phone.got] == [b"Your code: 1234 (mail)"]
