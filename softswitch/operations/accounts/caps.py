"""Caps of accounts against fraud."""

from __future__ import annotations

import re
from dataclasses import replace

from billing.facts.money import format_amount
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.accounts.accounts import read_amount
from softswitch.operations.context import Context
from softswitch.subscribers.caps import Caps

_CODE = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)
MAX_CALLS = 100_000


def account_caps(context: Context, account: str) -> Row:
    """The caps of an account."""
    owner = context.account(account)
    return _row((context.directory.caps([owner.id]) or [Caps(owner.id)])[0])


def account_cap(context: Context, account: str, key: str, value: str) -> Row:
    """Set one cap; "" takes it away."""
    owner = context.account(account)
    caps = (context.directory.caps([owner.id]) or [Caps(owner.id)])[0]
    match key:
        case "calls":
            caps = replace(caps, calls=_count(key, value))
        case "calls_per_minute":
            caps = replace(caps, calls_per_minute=_count(key, value))
        case "spend_hour":
            caps = replace(caps, spend_hour_micros=_amount(key, value))
        case "spend_day":
            caps = replace(caps, spend_day_micros=_amount(key, value))
        case "countries":
            caps = replace(caps, countries=_countries(value))
        case "high_risk":
            if value not in ("yes", "no"):
                raise OperationError("yes_or_no", field="high_risk", value=value)
            caps = replace(caps, high_risk=value == "yes")
        case _:
            raise OperationError(
                "setting_unknown",
                what="an account",
                noun="cap",
                setting=key,
                hint=f"known are {', '.join(KEYS)}",
            )
    context.directory.save_caps(caps)
    context.changes.accounts.add(owner.id)
    return _row(caps)


KEYS = ("calls", "calls_per_minute", "spend_hour", "spend_day", "countries", "high_risk")


def _count(key: str, value: str) -> int | None:
    if not value:
        return None
    if re.fullmatch("[0-9]{1,6}", value) is None or int(value) > MAX_CALLS:
        raise OperationError("whole_number_out_of_range", field=key, most=MAX_CALLS, value=value)
    return int(value)


def _amount(key: str, value: str) -> int | None:
    if not value:
        return None
    micros = read_amount(value)
    if micros < 0:
        raise OperationError("amount_negative", what=key, amount=value)
    return micros


def _countries(value: str) -> tuple[str, ...] | None:
    codes = tuple(code.removeprefix("+") for code in re.split(r"[\s,]+", value) if code)
    for code in codes:
        if _CODE.fullmatch(code) is None:
            raise OperationError("calling_code_malformed", code=code)
    return codes or None


def _row(caps: Caps) -> Row:
    def amount(micros: int | None) -> str | None:
        return None if micros is None else format_amount(micros)

    return {
        "account": caps.account_id,
        "calls": caps.calls,
        "calls_per_minute": caps.calls_per_minute,
        "spend_hour": amount(caps.spend_hour_micros),
        "spend_day": amount(caps.spend_day_micros),
        "countries": None if caps.countries is None else list(caps.countries),
        "high_risk": caps.high_risk,
    }
