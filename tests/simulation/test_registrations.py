"""Registrations as operators see them: what was refused and what is taken out, in literal
seconds."""

from dataclasses import replace

import pytest
from exchange import Exchange

from softswitch.control.errors import OperationError
from softswitch.operations.context import Context
from softswitch.operations.lines.registrations import registration_refusals
from softswitch.process.live import Live, registration_remove

ANA = "+995322000001"
HOME, DESK = "198.51.100.1", "198.51.100.2"


class Lines(Context):
    """What these operations ask of a context: lines by number, of the simulated directory."""

    exchange: Exchange

    def line(self, reference):
        found = self.exchange.directory.line_by_number(reference)
        assert found is not None
        return found


@pytest.fixture
def exchange():
    made = Exchange(seed=5)
    line = made.line(ANA, made.account(10_000_000))
    for host in (HOME, DESK):
        made.phone(line, host)
    yield made
    assert made.log.errors == []
    made.close()


@pytest.fixture
def live(exchange):
    refusals = exchange.switch.reception.refused
    context = Lines(None, None, None, None, None, refused_registrations=refusals)
    context.exchange = exchange
    return Live(context, exchange.switch, None, 0, None)


def registered(exchange) -> list[bytes]:
    now = exchange.switch.wall_seconds()
    return sorted(binding.contact for binding in exchange.switch.registrar.all(now))


def remove(exchange, *what):
    return exchange.loop.run_until_complete(registration_remove(*what))


def test_an_operator_takes_out_one_phone_or_all(exchange, live):
    home, desk = exchange.phones
    home.register()
    desk.register()
    exchange.run(1.0)
    first, second = registered(exchange)
    with pytest.raises(OperationError) as refused:
        remove(exchange, live, ANA, "sip:nobody@203.0.113.9")
    assert refused.value.code == "contact_not_found"
    # Compared as a URI: the host's case and an order of parameters say nothing.
    spelled = "<" + first.decode().replace("sip:9", "sip:%39") + ">"
    assert remove(exchange, live, ANA, spelled)["removed"] == [first.decode()]
    assert registered(exchange) == [second]
    assert remove(exchange, live, ANA)["removed"] == [second.decode()]
    with pytest.raises(OperationError) as refused:
        remove(exchange, live, ANA)
    assert refused.value.code == "registration_not_found"
    home.register()
    exchange.run(1.0)
    assert registered(exchange) == [first]


def test_an_operator_reads_why_a_phone_doesnt_register(exchange, live):
    home, desk = exchange.phones
    home.credentials = replace(home.credentials, password="wrong")
    for _ in range(3):
        home.register()
        exchange.run(10.0)
    desk.register(contact="<mailto:ana@example.org>")
    exchange.run(1.0)
    latest, before = registration_refusals(live.context, ANA)
    assert (latest["source"], latest["status"], latest["times"]) == (DESK, 400, 1)
    assert latest["reason"] == "Contact can't be registered"
    assert (before["source"], before["status"], before["times"]) == (HOME, 403, 3)
    assert before["login"] == ANA[1:]
    assert before["reason"] == "authentication: wrong credentials"
    assert before["user_agent"] == "phone"
    assert before["last_at"] > before["first_at"]
    assert {(one["login"], one["agent"]) for one in exchange.log.refused} == {(ANA[1:], "phone")}
