"""Records of calls that were refused before they had a route: whose, where to, of which type."""

from dataclasses import replace

import pytest
from exchange import Exchange

from softswitch.subscribers.supplementary import Setting, Supplementary

A, B = "+995322000001", "+995322000002"
ABROAD, MOBILE = "+442012345678", "+995577123456"


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("44", 60_000, 1, 1), ("995", 60_000, 1, 1))
    for number, services in ((A, {"bar_all": Setting(True)}), (B, {})):
        account = made.account(10_000_000)
        line = made.line(number, account, services=Supplementary(services))
        made.phone(line, f"198.51.100.{line.id}").register()
    made.trunk("carrier", "203.0.113.1")
    made.run(1.0)
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


@pytest.mark.parametrize(
    ("dialled", "status", "direction", "kind"),
    [
        ("00442012345678", 403, "outgoing", "international"),
        ("0577123456", 403, "outgoing", "mobile"),
        (B, 403, "internal", "on_net"),
        ("*69", 404, "outgoing", "special"),
        ("5", 484, "outgoing", "special"),
    ],
)
def test_C22_a_refused_call_is_found_by_its_line_and_type(
    exchange, dialled, status, direction, kind
):
    exchange.phones[0].call(dialled)
    exchange.run_until_idle()
    (cdr,) = exchange.store.cdrs()
    assert (cdr.sip_status, cdr.direction, cdr.type) == (status, direction, kind)
    assert (cdr.account, cdr.line, cdr.calling) == (1, A, A)


def test_C22_a_forwarded_leg_that_was_refused_is_one_that_the_line_forwarded(exchange):
    services = Supplementary(
        {"forward_always": Setting(True, (ABROAD,)), "bar_international": Setting(True)}
    )
    for number, wanted in ((A, Supplementary({})), (B, services)):
        line = exchange.directory.line_by_number(number)
        exchange.directory.put_lines([replace(line, services=wanted)])
    exchange.phones[0].call(B)
    exchange.run_until_idle()
    legs = {cdr.leg: cdr for cdr in exchange.store.cdrs()}
    assert (legs["b"].direction, legs["b"].type, legs["b"].line) == (
        "forwarded",
        "international",
        B,
    )
