"""The short codes of a line: balance, terms, the conference, its own number (A1, A3 to A5, A10).

Free of charge, at any balance and for barred and suspended lines; the line is authenticated by its
digest.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps

from billing.facts.authorization import AccountBlocked, BillingError, InsufficientFunds
from billing.facts.product import Subscription
from billing.stores.store import StoreError
from ivr_prompts.phrase import Digits, Duration, Money, Number, Part
from ivr_prompts.speech import UnknownCurrency
from softswitch.admission.authentication import LineCaller
from softswitch.call.ivr.service_call import ServiceCall
from softswitch.services.self_service import CONFERENCE, NotOffered
from softswitch.subscribers.directory import Line

LineService = Callable[[ServiceCall, Line], Awaitable[None]]


def for_line(service: LineService) -> Callable[[ServiceCall], Awaitable[None]]:
    """Wrap a service so that it gets the caller's line as the directory has it now, and so that a
    failure of the database is announced to the caller."""

    @wraps(service)
    async def answer(call: ServiceCall) -> None:
        caller = call.caller
        line = None
        if isinstance(caller, LineCaller):
            line = call.context.admission.stages.directory.line(caller.line.id)
        if line is None:  # the line was removed just now
            await call.speaker.say("not-possible")
            return
        try:
            await service(call, line)
        except StoreError as error:
            call.context.log.error("a service has no database", call=call.id, why=str(error))
            await call.speaker.say("service-failed")

    return answer


@for_line
async def balance(call: ServiceCall, line: Line) -> None:
    """1111 (A1)."""
    account = await call.context.features.self_service.account(line)
    try:
        amount = Money(account.balance_micros, account.currency)
    except UnknownCurrency as error:
        call.context.log.error("a balance can't be spoken", call=call.id, why=str(error))
        await call.speaker.say("balance-currency-unknown")
        return
    await call.speaker.say("balance-is", amount)


@for_line
async def package(call: ServiceCall, line: Line) -> None:
    """1112 (A3): the unlimited package, else one with minutes."""
    held = [one for one in await call.context.features.self_service.bought(line) if one.terms.scope]
    if not held:
        await call.speaker.say("package-none")
        return
    best = max(held, key=lambda one: (one.terms.limit_ms is None, one.ends_at))
    if best.room_ms is None:
        await call.speaker.say("package-remaining", _left(call, best))
        return
    await call.speaker.say(
        "package-term", _left(call, best), "package-minutes", Number(best.room_ms // 60_000)
    )


@for_line
async def conference_term(call: ServiceCall, line: Line) -> None:
    """1198 (A5)."""
    held = [
        one
        for one in await call.context.features.self_service.bought(line)
        if one.terms.service == CONFERENCE
    ]
    if not held:
        await call.speaker.say("conference-none")
        return
    best = max(held, key=lambda one: one.ends_at)
    await call.speaker.say("conference-remaining", _left(call, best))


@for_line
async def conference_buy(call: ServiceCall, line: Line) -> None:
    """1199 (A4): buys once; while it is active it tells the term and charges nothing."""
    try:
        purchase = await call.context.features.self_service.buy_conference(line, call.id)
    except NotOffered:
        await call.speaker.say("not-offered")
    except InsufficientFunds:
        await call.speaker.say("no-funds")
    except AccountBlocked:
        await call.speaker.say("not-possible")
    except BillingError as error:
        call.context.log.error("the conference can't be sold", call=call.id, why=str(error))
        await call.speaker.say("not-possible")
    else:
        bought = purchase.subscription
        said: tuple[Part, ...] = ("conference-remaining", _left(call, bought))
        if bought.id == call.id:
            said = ("conference-bought", *said)
        await call.speaker.say(*said)


@for_line
async def own_number(call: ServiceCall, line: Line) -> None:
    """The line's own number (A10)."""
    await call.speaker.say("your-number-is", Digits(line.number))


def _left(call: ServiceCall, bought: Subscription) -> Duration:
    """The rest of a term, rounded to whole minutes so that thirty days just bought are thirty
    days."""
    left_ms = bought.ends_at - call.context.clock.wall_ms()
    return Duration(-(-left_ms // 60_000) * 60)
