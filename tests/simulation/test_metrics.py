"""What a scrape tells of calls that a whole switch has served."""

from collections.abc import Iterator

import pytest
from exchange import Exchange
from phones import Behaviour
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from softswitch.process.books_check import BooksCheck
from softswitch.process.metrics import CommitClock, SwitchCollector


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    made = Exchange(seed=3)
    made.tariff(("995", 60_000, 1, 1), ("44", 60_000, 1, 1))
    yield made
    assert made.log.errors == []
    made.close()


def scraped(exchange: Exchange) -> dict[tuple[str, frozenset], float]:
    """Every sample of a page that Prometheus could read."""
    books = BooksCheck(exchange.config.path, lambda: 0.0, exchange.log)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SwitchCollector(exchange.switch, books, CommitClock(exchange.store.apply)))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(samples, name: str, **labels: str) -> float | None:
    return samples.get((f"softswitch_{name}", frozenset(labels.items())))


def test_calls_answered_refused_and_declined_by_the_trunk(exchange):
    rich = exchange.phone(
        exchange.line("+995322000001", exchange.account(10_000_000)), "198.51.100.1"
    )
    poor = exchange.phone(exchange.line("+995322000002", exchange.account(0)), "198.51.100.2")
    trunk = exchange.trunk("carrier", "203.0.113.1")
    trunk.behaviour = Behaviour(rings=1.0)
    for phone in (rich, poor):
        phone.register()
    exchange.run(40.0)

    answered = rich.call("+442071838750")
    exchange.run(4.0)
    during = scraped(exchange)
    assert (value(during, "calls"), value(during, "legs")) == (1, 2)
    assert value(during, "call_attempts_total") == 0
    rich.hang_up(answered)
    exchange.run(1.0)
    trunk.behaviour = Behaviour(answer=486)
    rich.call("+442071838750")
    poor.call("+442071838750")
    exchange.run(40.0)

    after = scraped(exchange)
    assert value(after, "calls") == 0
    assert value(after, "database_away") == 0
    assert value(after, "registrations") == 2
    assert value(after, "call_attempts_total") == 3
    assert value(after, "call_answers_total") == 1
    assert value(after, "call_refusals_total", rule="call_not_payable") == 1
    assert value(after, "trunk_up", trunk="carrier") == 1
    assert value(after, "trunk_seizures_total", trunk="carrier", status="200") == 1
    assert value(after, "trunk_seizures_total", trunk="carrier", status="486") == 1
    assert value(after, "trunk_talk_seconds_total", trunk="carrier") == pytest.approx(3.0, abs=0.1)
    assert value(after, "post_dial_delay_seconds_count", trunk="carrier") == 2
    assert value(after, "post_dial_delay_seconds_bucket", trunk="carrier", le="0.5") == 2
    assert value(after, "mos_count", side="caller") == 1
    assert value(after, "mos_sum", side="caller") > 4.0
    assert value(after, "one_way_legs_total") == 0
    assert value(after, "commits_total") > 3
    assert value(after, "commit_commands_total") >= value(after, "commits_total")


def test_messages_that_no_one_understands_are_shown(exchange):
    exchange.wire.send(
        b"SIP/2.0 200 OK\r\nVia: nonsense\r\n\r\n", ("198.51.100.9", 5060), ("192.0.2.1", 5060)
    )
    stray = (
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKlost\r\n"
        b"From: <sip:a@example.org>;tag=1\r\nTo: <sip:b@example.org>;tag=2\r\n"
        b"Call-ID: lost\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    )
    exchange.wire.send(stray, ("198.51.100.9", 5060), ("192.0.2.1", 5060))
    exchange.run(1.0)
    samples = scraped(exchange)
    assert value(samples, "sip_malformed_messages_total") == 1
    assert value(samples, "sip_stray_responses_total") == 1
    assert value(samples, "sip_faults_total") == 0


def test_a_text_counts_in_each_state(exchange):
    one = exchange.phone(
        exchange.line("+995322000001", exchange.account(10_000_000)), "198.51.100.1"
    )
    two = exchange.phone(exchange.line("+995322000002", exchange.account(0)), "198.51.100.2")
    for phone in (one, two):
        phone.register()
    exchange.run(40.0)
    one.send_text("+995322000002", b"hello")
    exchange.run(40.0)
    samples = scraped(exchange)
    assert value(samples, "texts_total", kind="line", state="delivered") == 1


def test_a_node_that_admits_no_call_says_that_its_database_is_away(exchange):
    exchange.switch.reception.admits = lambda: False
    assert value(scraped(exchange), "database_away") == 1
