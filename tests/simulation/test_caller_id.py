"""What is shown of a line that has the caller id of a rented number: by the country called."""

from dataclasses import replace

import pytest
from exchange import Exchange
from phones import Behaviour
from world import SWITCH

from sip.reading import parse_message
from softswitch.subscribers.rented import RentedNumber
from softswitch.subscribers.supplementary import Setting, Supplementary

ANA, BEKA = "+995322000001", "+995322000002"
GERMAN = "+493012345678"


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("", 60_000, 60, 60), ("on_net", 0, 1, 1))
    for number, name in ((ANA, "Ana"), (BEKA, "")):
        line = made.line(number, made.account(100_000_000), display_name=name)
        made.phone(line, f"198.51.100.{line.id}").register()
    made.trunk("abroad", "203.0.113.1").behaviour = Behaviour(rings=0.1, talks=1.0)
    made.run(1.0)
    yield made
    assert made.log.errors == []
    made.run_until_idle()
    assert made.store.verify() == []
    made.close()


def rents(exchange, number, account=1):
    exchange.directory.rented.put([RentedNumber(number, account, ANA, False)], [account])


def has(exchange, **services):
    settings = {
        name: Setting(bool(value), (value,) if isinstance(value, str) else ())
        for name, value in services.items()
    }
    line = exchange.directory.line_by_number(ANA)
    exchange.directory.put_lines([replace(line, services=Supplementary(settings))])


def invite(exchange, dialled, trusted=False, **more):
    """The INVITE that the trunk gets."""
    exchange.directory.set_trunks(
        [replace(t, trusted=trusted) for t in exchange.directory.trunks()]
    )
    exchange.wire.log = []
    exchange.phones[0].call(dialled, **more)
    exchange.run(20.0)
    return next(
        parse_message(data)
        for _, source, to, data in exchange.wire.log
        if source == SWITCH and to == ("203.0.113.1", 5060) and data.startswith(b"INVITE")
    )


def told(request, *secrets):
    """Which of these anything in a request tells."""
    return {secret for secret in secrets if secret.encode() in bytes(request)}


@pytest.mark.parametrize(
    ("number", "called", "shown"),
    [
        (GERMAN, "+493098765432", True),
        (GERMAN, "+4312345678", False),
        ("+442079460000", "+442079461111", True),
        ("+442079460000", "+441534456789", False),
        ("+77272345678", "+77011234567", True),
        ("+77272345678", "+74951234567", False),
        ("+12125550123", "+12125550199", True),
        ("+12125550123", "+14165550123", False),
        ("+390612345678", "+390698765432", True),
        ("+390612345678", "+390669812345", False),
    ],
)
@pytest.mark.parametrize("trusted", [False, True])
def test_e9_a_rented_number_is_shown_in_its_own_country_alone(
    exchange, number, called, shown, trusted
):
    rents(exchange, number)
    has(exchange, caller_id=number)
    request = invite(exchange, called, trusted)
    digits, own, name = number[1:], ANA[1:], "Ana"
    if shown:
        assert request.from_.uri.user == number
        assert told(request, digits, own) == {digits}
        asserted = request.get(b"p-asserted-identity")
        assert (asserted is not None and digits.encode() in asserted) == trusted
    else:
        assert bytes(request.get(b"from")).startswith(b'"Anonymous" <sip:anonymous@')
        assert request.get(b"privacy") == b"id"
        assert told(request, digits, own, name) == set()
        assert request.get(b"p-asserted-identity") is None
    exchange.run_until_idle()
    assert exchange.store.cdrs()[-1].presented == (number if shown else None)


def test_e8_without_the_add_on_the_rented_number_isnt_shown(exchange):
    rents(exchange, GERMAN)
    request = invite(exchange, "+493098765432")
    assert told(request, GERMAN[1:]) == set() and request.from_.uri.user == ANA
    rents(exchange, ANA)  # the line's own number is a rented one
    assert told(invite(exchange, "+493098765432"), ANA[1:], "Ana") == set()


@pytest.mark.parametrize("account", [None, 2])
def test_e9_a_number_that_somebody_else_has_now_isnt_shown(exchange, account):
    has(exchange, caller_id=GERMAN)
    if account is not None:
        rents(exchange, GERMAN, account)
    assert told(invite(exchange, "+493098765432"), GERMAN[1:], ANA[1:]) == set()


def test_e9_a_ported_number_is_of_its_owners_network_whatever_its_country(exchange):
    ported = exchange.line("+493099999999", exchange.account(0))
    exchange.phone(ported, "198.51.100.9").register()
    exchange.run(1.0)
    rents(exchange, GERMAN)
    has(exchange, caller_id=GERMAN)
    exchange.wire.log = []
    exchange.phones[0].call(ported.number)
    exchange.run(10.0)
    rung = next(d for _, s, to, d in exchange.wire.log
                if s == SWITCH and to[0] == "198.51.100.9" and d.startswith(b"INVITE"))  # fmt: skip
    assert parse_message(rung).from_.uri.user == ANA
    exchange.phones[0].hang_up(exchange.phones[0].talking[0])


def test_withholding_comes_before_the_add_on_and_help_before_both(exchange):
    rents(exchange, GERMAN)
    has(exchange, caller_id=GERMAN, withhold_number=True)
    assert told(invite(exchange, "+493098765432"), GERMAN[1:], ANA[1:]) == set()
    assert invite(exchange, "*31%23+493098765432").from_.uri.user == GERMAN
    assert invite(exchange, "112").from_.uri.user == ANA
