"""Published prices of calls, for everybody: by number and by country, and all as CSV (A12)."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE
from starlette.responses import Response

from softswitch.control.actor import Actor
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.identity.throttle import network_of
from softswitch.portal.api.rates import Rates
from softswitch.portal.csv_table import streamed
from softswitch.portal.routes import Page
from softswitch.portal.visit import Visit
from softswitch.portal.words import country, words

READER = Actor("rates", "auditor")
"""Reads the published tariff; what it reads is cut down to what is published."""
SECONDS = 180
"""The length of the call that is priced as an example."""
MOST = 200
"""Prices of one country on a page."""
COLUMNS = (
    "prefix", "destination", "per_minute", "connect_fee", "initial_increment", "increment",
    "minimum", "interval", "effective_from", "currency",
)  # fmt: skip
QUOTED = (*COLUMNS, "number", "price", "grace_seconds")
"""What a visitor sees of a price: nothing of trunks, costs and other customers."""
PER_SECOND, BURST = 1.0, 20
"""Questions of one source: each reads a tariff as a whole."""
_asked = Rates(PER_SECOND, BURST)


async def show(visit: Visit) -> Response:
    """The price of a call to a number; the prices of a country."""
    number, chosen = visit.asked("number"), visit.asked("country")
    quote: Row | None = None
    prices: list[Row] = []
    own = ""
    try:
        if number or chosen:
            _take(visit)
        if number:
            own, quote = await _quoted(visit, number, await _own_line(visit))
        elif chosen:
            prices = await _prices(visit, chosen)
    except OperationError as error:
        visit.refuse(error, action=None)
    return visit.page(
        "rates.html", number=number, country=chosen, quote=quote, prices=prices[:MOST],
        countries=_countries(visit), own=own, minutes=SECONDS // 60,
        place=country(visit.language, chosen), more=len(prices) > MOST,
    )  # fmt: skip


async def table(visit: Visit) -> Response:
    """All published prices as CSV."""
    _take(visit)
    rows = await visit.portal.gateway.rows(READER, "tariff_show")

    async def pages() -> AsyncIterator[list[Row]]:
        yield [_published(row) for row in rows]

    return streamed("rates", COLUMNS, pages())


def _take(visit: Visit) -> None:
    """Count a question. Raises OperationError."""
    _asked.take(hash(network_of(visit.address)), visit.portal.identity.now_ms())


async def _own_line(visit: Visit) -> str:
    """A line of the visitor's, by whose own tariff calls are priced; "" for a stranger."""
    if visit.visitor is None or visit.visitor.is_staff or visit.visitor.membership is None:
        return ""
    lines = await visit.some("line_list")
    return next((str(row["number"]) for row in lines if row["status"] == "active"), "")


async def _quoted(visit: Visit, number: str, line: str) -> tuple[str, Row]:
    """The line by whose tariff a call is priced, and its price; "" for the published one, also
    where the line's call would be refused."""
    found: Row | None = None
    if line:
        with contextlib.suppress(OperationError):
            found = await visit.row("tariff_quote", number=number, line=line, seconds=SECONDS)
    if found is None:
        line = ""
        found = await visit.portal.gateway.row(
            READER, "tariff_quote", number=number, seconds=SECONDS
        )
    return line, {name: found.get(name) for name in QUOTED}


async def _prices(visit: Visit, chosen: str) -> list[Row]:
    prefix = next(
        (code for code, regions in COUNTRY_CODE_TO_REGION_CODE.items() if chosen in regions), None
    )
    if prefix is None:
        return []
    found = await visit.portal.gateway.rows(READER, "tariff_show", search=str(prefix))
    return [_published(row) for row in found]


def _published(row: Row) -> Row:
    return {name: row.get(name) for name in COLUMNS}


def _countries(visit: Visit) -> list[tuple[str, str]]:
    """Countries by their names in the visitor's language."""
    prefix = "countries."
    named = [
        (name.removeprefix(prefix), str(text))
        for name, text in words(visit.language).items()
        if name.startswith(prefix)
    ]
    return sorted(named, key=lambda one: one[1])


PAGES = (
    Page("/rates", show, stage="open"),
    Page("/rates.csv", table, stage="open"),
)
