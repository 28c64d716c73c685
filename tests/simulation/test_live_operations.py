"""Operations on what only a running switch knows, asked by subscribers and by the operator."""

import pytest
from exchange import Exchange

from softswitch.control.actor import Actor
from softswitch.control.errors import OperationError
from softswitch.operations.context import Context
from softswitch.process.live import Live, call_show, registration_list

ANA, BEKA = "+995322000001", "+995322000002"


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("995", 60_000, 1, 1))
    for number in (ANA, BEKA):
        line = made.line(number, made.account(10_000_000))
        made.phone(line, f"198.51.100.{line.id}").register()
    made.run(1.0)
    yield made
    made.close()


def asked_by(exchange, actor: Actor) -> Live:
    context = Context(None, None, None, None, None, actor=actor)
    return Live(context, exchange.switch, None, 0, None)


def numbers(exchange, actor: Actor) -> list[str]:
    rows = exchange.loop.run_until_complete(registration_list(asked_by(exchange, actor)))
    return sorted(row["number"] for row in rows)


def test_a_subscriber_sees_the_phones_of_its_own_lines_alone(exchange):
    ana, beka = (exchange.switch.directory.line_by_number(number) for number in (ANA, BEKA))
    assert ana.account_id != beka.account_id
    assert numbers(exchange, Actor("nino", "support")) == [ANA, BEKA]
    assert numbers(exchange, Actor("ana", "subscriber", ana.account_id)) == [ANA]
    tenant = Actor("gio", "line_user", beka.account_id, (beka.id,))
    assert numbers(exchange, tenant) == [BEKA]
    stranger = Actor("gio", "line_user", beka.account_id, (ana.id,))
    assert numbers(exchange, stranger) == []


def test_staff_names_a_call_in_full_and_the_command_line_may_abbreviate(exchange):
    exchange.phones[0].call(BEKA)
    exchange.run(5.0)
    (call_id,) = exchange.switch.calls
    staff = asked_by(exchange, Actor("nino", "support"))
    command_line = asked_by(exchange, Actor("operator:cli:0", "admin", via="cli"))

    def shown(live: Live, key: str):
        return exchange.loop.run_until_complete(call_show(live, key))["id"]

    assert shown(staff, call_id) == shown(command_line, call_id[:6]) == call_id
    with pytest.raises(OperationError) as refused:
        shown(staff, call_id[:6])
    assert refused.value.code == "call_not_found"
