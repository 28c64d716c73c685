"""Numbers of an account: the list, a number with the way of its calls, giving up, porting (E)."""

from __future__ import annotations

import base64
import re

from starlette.datastructures import UploadFile
from starlette.responses import Response

from softswitch.control.errors import OperationError
from softswitch.control.values import Row, as_rows
from softswitch.operations.access import OWNER
from softswitch.portal.cabinet.way import way_in_words
from softswitch.portal.routes import UPLOAD_BYTES, Action, Page
from softswitch.portal.shown import instant, isolated
from softswitch.portal.visit import Visit
from softswitch.subscribers.reach import (
    MAX_RING_SECONDS,
    MAX_TARGETS,
    MIN_RING_SECONDS,
    RING_SECONDS,
)

NUMBER = {"number": "number"}
PORTING = "porting"
"""The class of documents that prove whose a number is."""
NOTICE_SECONDS = 86_400
"""Before the debit a number is given up without another fee."""
DONE = frozenset({
    "rental_order", "order_add", "number_try", "number_wait", "rental_give_up", "rental_keep"
})  # fmt: skip
"""Forms of other pages that lead to the list, which says what they did."""


async def show_list(visit: Visit) -> Response:
    """Rented and tried numbers, open orders, and what the account waits for."""
    if visit.asked("done") in DONE:
        visit.done = visit.asked("done")
    tried = await visit.some("numbers_tried")
    rentals = await visit.some("rental_list", ended=True)
    lines = [row["number"] for row in await visit.some("line_list") if row["status"] == "active"]
    return visit.page(
        "cabinet/numbers.html",
        rentals=[row for row in rentals if row["state"] != "ended"],
        resting=[row for row in rentals if _may_be_kept(visit, row)],
        lines=[(number, isolated(number)) for number in lines],
        offered=await visit.some("number_choice_list"),
        trials=[row for row in tried if row["state"] == "trial"],
        orders=await visit.some("order_list"),
        waits=await visit.some("number_waits"),
    )


def _may_be_kept(visit: Visit, rental: Row) -> bool:
    """True for a number that was given up, and is paid for still."""
    paid_until, now = instant(rental["paid_until"]), visit.portal.identity.now_ms() / 1000
    is_paid = paid_until is not None and paid_until.timestamp() > now
    return rental["state"] != "active" and bool(rental["resting"]) and is_paid


async def show(visit: Visit) -> Response:
    """A number: where its calls go, its fee, and how it was used."""
    number = visit.path["number"]
    rentals = [
        row
        for row in await visit.rows("rental_list")
        if row["number"] == number and row["state"] == "active"
    ]
    tried = [row["number"] for row in await visit.some("numbers_tried") if row["state"] == "trial"]
    if not rentals and number not in tried:
        raise OperationError("rental_not_found", number=number)
    reach = await visit.row("number_reach_show", number=number)
    targets = [str(one) for one in _list(reach["target_values"])]
    if visit.fault is not None and visit.fault.do == "number_reach":
        targets = [str(one) for one in (await visit.request.form()).getlist("targets")]
    statistics = await _statistics(visit, number)
    return visit.page(
        "cabinet/number.html",
        reach=reach,
        targets=[*targets, "", ""][:MAX_TARGETS],
        rental=rentals[-1] if rentals else None,
        way=way_in_words(visit, await visit.some("explain_incoming", number=number)),
        statistics=statistics,
        bars=[] if statistics is None else _bars(as_rows(statistics["days"])),
        greetings=[
            (row["id"], row["name"])
            for row in await visit.some("greeting_list", number=reach["line"])
        ],
        has_line=await _has_line(visit, str(reach["number"])),
        least_seconds=MIN_RING_SECONDS,
        most_seconds=MAX_RING_SECONDS,
        usual_seconds=RING_SECONDS,
    )


async def show_give_up(visit: Visit) -> Response:
    """The question before a number is given up."""
    number = visit.path["number"]
    rentals = [row for row in await visit.rows("rental_list") if row["number"] == number]
    if not rentals:
        raise OperationError("rental_not_found", number=number)
    paid_until = instant(rentals[-1]["paid_until"])
    now = visit.portal.identity.now_ms() / 1000
    late = paid_until is not None and paid_until.timestamp() - now < NOTICE_SECONDS
    return visit.page("cabinet/number_give_up.html", rental=rentals[-1], late=late)


async def give_up(visit: Visit) -> Response:
    """Give a number up whose digits were typed again."""
    number = visit.path["number"]
    typed = re.sub(r"\D", "", visit.form.get("typed", ""))
    if typed != re.sub(r"\D", "", number):
        raise OperationError("number_not_repeated", number=number)
    arguments = {"number": number}
    await visit.portal.gateway.perform(visit.actor, "rental_give_up", arguments)
    return visit.go("/numbers?done=rental_give_up")


async def show_caller_id(visit: Visit) -> Response:
    """The countries in which a line's calls show a rented number."""
    lines = await visit.rows("line_list")
    rows = []
    countries = {row["number"]: row["country"] for row in await visit.some("rental_list")}
    for line in lines:
        services = await visit.some("line_service_list", number=line["number"])
        found = next((row for row in services if row["service"] == "caller_id"), None)
        numbers = _list(found["numbers"]) if found and found["on"] else []
        shown = str(numbers[0]) if numbers else None
        rows.append({"line": line["number"], "shown": shown, "country": countries.get(shown)})
    return visit.page("cabinet/caller_id.html", rows=rows, has_rented=bool(countries))


async def show_porting(visit: Visit) -> Response:
    """Numbers that come here from another operator."""
    orders = [row for row in await visit.rows("port_list", closed=True) if row["direction"] == "in"]
    papers = [row for row in await visit.some("document_list") if row["class"] == PORTING]
    return visit.page("cabinet/porting.html", orders=orders[::-1], papers=papers)


async def bring(visit: Visit) -> Response:
    """Ask for a number of another operator, with the document that proves whose it is.

    The document first: an order without it would wait, and the same file again changes nothing.
    """
    form = await visit.request.form()
    given = form.get("content")
    content = await given.read() if isinstance(given, UploadFile) else b""
    if content and isinstance(given, UploadFile):
        name = (given.filename or PORTING)[-128:].replace("/", "_").replace("\\", "_")
        await visit.portal.gateway.perform(
            visit.actor,
            "document_upload",
            {"kind": PORTING, "name": name, "content": base64.b64encode(content).decode("ascii")},
        )
    await visit.portal.gateway.perform(
        visit.actor,
        "port_in",
        {"number": visit.form.get("number", ""), "operator": visit.form.get("operator", "")},
    )
    return visit.go("/numbers/bring?done=port_cancel")


async def _statistics(visit: Visit, number: str) -> Row | None:
    try:
        return await visit.row("number_statistics", number=number)
    except OperationError:
        return None


async def _has_line(visit: Visit, number: str) -> bool:
    return any(row["number"] == number for row in await visit.some("line_list"))


def _bars(days: list[Row]) -> list[tuple[int, int]]:
    """The top and the height of each day's bar, in a chart that is 40 high."""
    calls = [int(str(day["calls"])) for day in days]
    most = max(calls, default=0) or 1
    heights = [round(38 * count / most) for count in calls]
    return [(40 - height, height) for height in heights]


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else []


PAGES = (
    Page(
        "/numbers",
        show_list,
        OWNER,
        (
            Action("order_cancel", ("order",), beside={"order": ""}),
            Action("number_unwait", ("wait_id",), beside={"wait_id": ""}),
            Action("rental_keep", ("number", "line"), beside={"number": ""}),
            Action("document_upload", ("kind", "content"), beside={"kind": ""}),
        ),
        most_bytes=UPLOAD_BYTES,
    ),
    Page(
        "/numbers/bring",
        show_porting,
        OWNER,
        (Action("port_cancel", ("order",), beside={"order": ""}),),
        submit=bring,
        most_bytes=UPLOAD_BYTES,
    ),
    Page("/numbers/caller-id", show_caller_id, OWNER),
    Page(
        "/numbers/{number}",
        show,
        OWNER,
        (
            Action(
                "number_reach",
                ("targets", "in_turn", "confirm", "seconds", "greeting"),
                NUMBER,
                beside={"number": "targets", "line": "targets"},
            ),
            Action("number_unreach", (), NUMBER),
            Action(
                "sip_account_add",
                ("label",),
                NUMBER,
                shows="cabinet/sip_account.html",
                beside={"display_name": "label"},
            ),
        ),
    ),
    Page("/numbers/{number}/give-up", show_give_up, OWNER, submit=give_up),
)
