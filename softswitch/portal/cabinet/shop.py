"""The shop of numbers: places and prices, numbers to choose, orders with their quote, trials,
numbers for one text (E1-E4, E10-E12, E20)."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from billing.facts.rental import KINDS, SMS, TERMS
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.access import OWNER
from softswitch.operations.numbers.orders import MAX_COUNT
from softswitch.portal.routes import Action, Page
from softswitch.portal.shown import isolated
from softswitch.portal.visit import Visit
from softswitch.portal.words import country, words

ROWS = 50
COUNTS = (1, 2, 3, 4, 5, 10, 20, 50, MAX_COUNT)
PLACE = ("country", "city", "kind")


async def show(visit: Visit) -> Response:
    """Countries first, then cities and offers of one."""
    chosen = {name: visit.asked(name) for name in PLACE}
    everything = [row for row in await visit.rows("number_catalogue") if row["kind"] != SMS]
    countries = sorted(
        {str(row["country"]) for row in everything}, key=lambda code: country(visit.language, code)
    )
    offers = [
        row
        for row in everything
        if row["country"] == chosen["country"]
        and chosen["kind"] in ("", row["kind"])
        and chosen["city"] in ("", row["city"])
    ]
    cities = {str(row["city"]) for row in everything if row["country"] == chosen["country"]}
    return visit.page(
        "cabinet/shop.html",
        chosen=chosen,
        countries=[(code, country(visit.language, code)) for code in countries],
        cities=[(city, city) for city in sorted(cities - {"None"})],
        kinds=[(kind, visit.text(f"numbers.kind_{kind}")) for kind in KINDS if kind != SMS],
        offers=offers,
        all_countries=_all_countries(visit),
        place=country(visit.language, chosen["country"]),
    )


def _all_countries(visit: Visit) -> list[tuple[str, object]]:
    names = [
        (name.removeprefix("countries."), text)
        for name, text in words(visit.language).items()
        if name.startswith("countries.")
    ]
    return sorted(names, key=lambda one: str(one[1]))


async def show_stock(visit: Visit) -> Response:
    """Numbers to choose from, each with a trial."""
    place = {name: visit.asked(name) for name in PLACE if visit.asked(name)}
    found = await visit.rows(
        "number_stock", limit=ROWS + 1, before=visit.asked("before") or None, **place
    )
    return visit.page(
        "cabinet/stock.html",
        numbers=found[:ROWS],
        next=found[ROWS - 1]["number"] if len(found) > ROWS else None,
        place=place,
        name=country(visit.language, place.get("country", "")),
        lines=await _lines(visit),
    )


async def show_order(visit: Visit) -> Response:
    """An order with what it costs; the price is what the order is charged."""
    asked = {name: visit.asked(name) for name in (*PLACE, "number")}
    months, count = visit.asked("months") or "1", visit.asked("count") or "1"
    given: dict[str, object] = {name: asked[name] for name in PLACE if asked[name]}
    if asked["number"]:
        given = {"numbers": [asked["number"]]}
    return visit.page(
        "cabinet/order.html",
        quote=await _quote(visit, given, months, count) if given else None,
        asked=asked,
        months=months,
        count_asked=count,
        terms=[(str(term), str(term)) for term in TERMS],
        counts=[(str(one), str(one)) for one in COUNTS],
        lines=await _lines(visit),
        place=country(visit.language, asked["country"]),
    )


async def _quote(visit: Visit, given: dict[str, object], months: str, count: str) -> Row | None:
    """What it costs; None if it can't be had, and then the page says why."""
    try:
        return await visit.row("rental_quote", months=_whole(months), count=_whole(count), **given)
    except OperationError as error:
        if visit.fault is None:
            visit.refuse(error, action=PLACE_ONLY)
        return None


async def show_sms(visit: Visit) -> Response:
    """Services for which there are numbers, and the numbers with the text that each got."""
    rows = await visit.rows("number_catalogue", kind=SMS)
    numbers = []
    for row in await visit.some("number_sms_list"):
        numbers.append(dict(row) | {"text": await _text_to(visit, row)})
    return visit.page("cabinet/sms_numbers.html", offers=rows, numbers=numbers)


async def _text_to(visit: Visit, number: Mapping[str, object]) -> Row | None:
    """The text that a one-time number got."""
    found = await visit.some("sms_list", number=number["number"], limit=1)
    if not found:
        return None
    try:
        return await visit.row("sms_show", text_id=found[0]["id"])
    except OperationError:
        return None


async def _lines(visit: Visit) -> list[tuple[object, object]]:
    return [
        (row["number"], isolated(row["number"]))
        for row in await visit.rows("line_list")
        if row["status"] == "active"
    ]


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0


PLACE_ONLY = Action("rental_quote")
"""A form without fields: what it is refused for stands above the page."""
HIDDEN = dict.fromkeys((*PLACE, "numbers", "count", "months"), "")
_ORDER = (*PLACE, "count", "months", "line")
PAGES = (
    Page(
        "/numbers/shop",
        show,
        OWNER,
        (Action("number_wait", PLACE, then="/numbers"),),
    ),
    Page(
        "/numbers/stock",
        show_stock,
        OWNER,
        (
            Action(
                "number_try", ("number", "line"), then="/numbers", beside={"number": "", "line": ""}
            ),
        ),
    ),
    Page(
        "/numbers/order",
        show_order,
        OWNER,
        (
            Action("rental_order", ("numbers", *_ORDER), then="/numbers", beside=HIDDEN),
            Action("order_add", _ORDER, then="/numbers", beside=HIDDEN),
        ),
    ),
    Page(
        "/numbers/sms",
        show_sms,
        OWNER,
        (Action("number_sms", ("service", "country"), beside={"service": "", "country": ""}),),
    ),
)
