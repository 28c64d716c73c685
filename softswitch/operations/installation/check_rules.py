"""The rules of business that an operator has switched off, or never switched on: `check` lists them
so that each is a choice and none is forgotten."""

from __future__ import annotations

from collections.abc import Iterator

from billing.stores import sales_store
from softswitch.config.config import Config
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.installation.setup import opened


def rules_off(config: Config) -> list[Row]:
    """One row for each rule that doesn't hold, with what would make it hold."""
    found = [*_configured(config), *_bonus(config)]
    return [{"check": f"rule: {what}", "ok": None, "detail": detail} for what, detail in found]


def _configured(config: Config) -> Iterator[tuple[str, str]]:
    if config.lines.unused_after is None:
        yield (
            "cancelling idle lines",
            "off: no line is cancelled for lack of use; [lines] unused_after sets a term",
        )
    if config.debt.suspend_after is None:
        yield (
            "suspending debtors",
            "off: only operators suspend accounts that owe; [debt] suspend_after sets a term",
        )
    if config.conference.parallel_calls == "free":
        yield (
            "parallel calls",
            "off: a second outgoing call needs no conference service; [conference] "
            'parallel_calls = "service" asks for it',
        )
    if config.mail.server is None:
        yield ("notices by mail", "off: they wait in the outbox; [mail] server sends them")


def _bonus(config: Config) -> Iterator[tuple[str, str]]:
    try:
        with opened(config) as context, context.billing.reading() as connection:
            rates = sales_store.bonus_rates(connection)
    except OperationError:  # the row of the database says what is wrong
        return
    if not any(micros for _, _, micros in rates):
        yield ("bonus of incoming calls", "off: none is set; `softswitch bonus set` sets one")
