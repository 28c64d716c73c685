"""A barring that a subscriber opens takes the line's PIN, with one count of wrong tries."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from softswitch.control.actor import Actor
from softswitch.control.errors import OperationError
from softswitch.operations.accounts import accounts
from softswitch.operations.context import Context
from softswitch.operations.dispatch import perform
from softswitch.operations.lines import lines, services
from softswitch.operations.registry import OPERATIONS
from softswitch.subscribers import pins
from softswitch.subscribers.pin_guard import PinGuard
from softswitch.subscribers.pin_tries import PinTries, Secret

ANA = "+995322000001"


@pytest.fixture
def ana(context: Context) -> Context:
    """Ana asks; her line has a PIN and makes no calls abroad."""
    accounts.account_add(context, "Ana")
    lines.line_add(context, ANA, "Ana")
    lines.line_set(context, ANA, "pin", "2580")
    services.line_service_set(context, ANA, "bar_international", ["on"])
    return replace(context, actor=Actor("ana", "subscriber", 1))


def opened(context: Context, value: str = "off", **pin: object) -> str:
    """The code of the refusal; "" when it was done."""
    arguments = {"number": ANA, "service": "bar_international", "value": [value], **pin}
    try:
        perform(context, OPERATIONS["line_service_set"], arguments)
    except OperationError as error:
        return error.code
    return ""


def is_barred(context: Context) -> bool:
    return context.line(ANA).services["bar_international"].active


def test_a_barring_opens_by_the_pin_and_closes_without(ana: Context) -> None:
    assert opened(ana) == opened(ana, pin="") == "pin_missing"
    assert opened(ana, pin="9999") == "pin_wrong"
    assert is_barred(ana)
    assert opened(ana, pin="2580") == "" and not is_barred(ana)
    assert opened(ana, "on") == "" and is_barred(ana)
    with pytest.raises(OperationError) as refused:
        services.line_service_clear(ana, ANA, "bar_international")
    assert refused.value.code == "pin_missing" and is_barred(ana)
    services.line_service_clear(ana, ANA, "bar_international", pin="2580")
    assert not is_barred(ana)


def test_a_line_without_a_pin_is_opened_by_the_operator_alone(ana: Context, context: Context):
    lines.line_set(context, ANA, "pin", "")
    assert opened(ana, pin="2580") == "pin_not_set"
    assert opened(context) == "" and not is_barred(context)


def test_five_wrong_pins_lock_it_here_and_by_phone(ana: Context) -> None:
    assert [opened(ana, pin="9999") for _ in range(6)] == ["pin_wrong"] * 5 + ["pin_locked"]
    assert opened(ana, pin="2580") == "pin_locked" and is_barred(ana)
    guard = PinGuard(PinTries(ana.billing.engine), asyncio.to_thread, ana.now_ms, log=None)
    with pytest.raises(pins.Locked):
        asyncio.run(guard.fits(Secret("line", str(ana.line(ANA).id)), "2580", ana.line(ANA).pin))
    later = ana.now_ms() + 901_000
    ana.now_ms = lambda: later
    assert opened(ana, pin="2580") == "" and not is_barred(ana)


def test_wrong_pins_by_phone_count_here(ana: Context) -> None:
    tries, secret = PinTries(ana.billing.engine), Secret("line", str(ana.line(ANA).id))
    for _ in range(5):
        tries.begin(secret, ana.now_ms())
    assert opened(ana, pin="2580") == "pin_locked"


def test_other_services_take_no_pin(ana: Context) -> None:
    for value in ("on", "off"):
        arguments = {"number": ANA, "service": "do_not_disturb", "value": [value]}
        perform(ana, OPERATIONS["line_service_set"], arguments)
