"""Notices to accounts as texts: due work stores them, and a line's phones get them."""

import pytest
from exchange import Exchange
from phones import Phone

from billing.facts.sales import Notice, Tell
from softswitch.mail.outbox import Outbox
from softswitch.subscribers.notice_ways import choose, choose_line, line_of
from softswitch.subscribers.subscriber_store import SubscriberStore

ANA, GIO = "+995322000001", "+995322000002"


@pytest.fixture
def exchange():
    made = Exchange(seed=1, config='[operator]\nname = "ქალაქნეტი"\n')
    yield made
    made.run_until_idle()
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


@pytest.fixture
def phones(exchange) -> list[Phone]:
    """Two lines of one account, whose language is Georgian."""
    account = exchange.account(0)
    lines = [exchange.line(number, account) for number in (ANA, GIO)]
    fields = {"email": "ana@example.org", "language": "ka"}
    SubscriberStore(exchange.store.engine).set_fields(lines[0].account_id, fields, [])
    return [exchange.phone(line, f"198.51.100.{line.id}") for line in lines]


def choose_way(exchange, topic: str, way: str) -> None:
    with exchange.store.engine.begin() as connection:
        choose(connection, 1, topic, way, 0)


def end_package(exchange, name: str = "month") -> None:
    at = exchange.wall_ms()
    exchange.store.apply([Tell(Notice(f"ended:{name}", 1, "package_ended", name, at))])
    exchange.run(3.0)


def mails(exchange) -> list[str]:
    return [one.mail.to for one in Outbox(exchange.store.engine).list()]


def test_a_notice_goes_by_mail_unless_the_account_wants_a_text(exchange, phones):
    ana, gio = phones
    ana.register()
    exchange.run(1.0)
    end_package(exchange, "first")
    assert (ana.texts, mails(exchange)) == ([], ["ana@example.org"])
    choose_way(exchange, "packages", "text")
    end_package(exchange, "second")
    assert [text for _, text in ana.texts] == ["პაკეტის second ვადა დასრულდა."]
    assert len(mails(exchange)) == 1
    choose_way(exchange, "packages", "both")
    end_package(exchange, "third")
    assert (len(ana.texts), len(mails(exchange))) == (2, 2)
    choose_way(exchange, "packages", "none")
    end_package(exchange, "fourth")
    assert (len(ana.texts), len(mails(exchange)), gio.texts) == (2, 2, [])


def test_it_waits_for_a_phone_like_any_text_and_costs_nothing(exchange, phones):
    ana, _ = phones
    choose_way(exchange, "packages", "text")
    end_package(exchange)
    assert ana.texts == []
    ana.register()
    exchange.run(2.0)
    assert [text for _, text in ana.texts] == ["პაკეტის month ვადა დასრულდა."]
    assert exchange.store.ledger(1) == []
    ana.register()
    exchange.run(2.0)
    assert len(ana.texts) == 1


def test_it_shows_the_operator_as_its_sender(exchange, phones):
    ana, _ = phones
    ana.register()
    exchange.run(1.0)
    choose_way(exchange, "packages", "text")
    exchange.wire.log = []
    end_package(exchange)
    (sent,) = [
        data
        for _, _, to, data in exchange.wire.log
        if to == ana.address and data.startswith(b"MESSAGE")
    ]
    assert '\r\nFrom: "ქალაქნეტი" <sip:%E1%83%A5'.encode() in sent


def test_it_goes_to_the_line_that_the_account_has_chosen(exchange, phones):
    ana, gio = phones
    for phone in phones:
        phone.register()
    exchange.run(1.0)
    choose_way(exchange, "packages", "text")
    with exchange.store.engine.begin() as connection:
        choose_line(connection, 1, exchange.directory.line_by_number(GIO).id)
    end_package(exchange)
    assert (len(ana.texts), len(gio.texts)) == (0, 1)


def test_without_a_line_it_goes_by_mail(exchange):
    exchange.account(0)
    SubscriberStore(exchange.store.engine).set_fields(1, {"email": "ana@example.org"}, [])
    choose_way(exchange, "packages", "text")
    with exchange.store.reading() as connection:
        assert line_of(connection, 1) is None
    end_package(exchange)
    assert mails(exchange) == ["ana@example.org"]
