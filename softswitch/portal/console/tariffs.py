"""Tariffs: prices, versions, imports with their faults and differences, undo, and quotes."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import UploadFile
from starlette.responses import Response

from softswitch.control.errors import OperationError
from softswitch.control.values import Row, as_row
from softswitch.operations.access import AUDITOR, MONEY, STAFF, SUPPORT
from softswitch.operations.workbook import WorkbookError, is_workbook, to_csv
from softswitch.portal.console.board import one
from softswitch.portal.console.listing import Form, Input, Listing, exported, yes_or_no
from softswitch.portal.routes import Page
from softswitch.portal.visit import Visit

SHEET_BYTES = 12 * 1024 * 1024
RATES = 100
TARIFFS = Listing(
    "/op/tariffs", "tariffs", "tariff_list",
    ("name", "currency", "time_zone", "rates", "fee_deductible"), link="/op/tariffs/{name}",
    command="tariff list", key="name",
    beside=(
        ("/op/tariffs", "tariffs"), ("/op/tariffs/import", "tariff_import"),
        ("/op/tariffs/quote", "quote"), ("/op/tariffs/corrections", "corrections"),
    ),
)  # fmt: skip
SET = Form("tariff_set", (
    Input("time_zone"), Input("intervals", "area", hint="console.lines_hint"),
    Input("holidays", "area", hint="console.lines_hint"), yes_or_no("fee_deductible"),
), path={"name": "tariff"})  # fmt: skip
UNDO = Form("tariff_undo", path={"name": "tariff"}, tone="danger", sure=True)


async def tariff(visit: Visit) -> Response:
    """A tariff's prices and versions; with a number, the price of a call to it."""
    name = visit.path["tariff"]
    search, after = visit.asked("search"), visit.asked("after")
    rates = await visit.rows(
        "tariff_show", name=name, limit=RATES, search=search or None, after=after or None
    )
    if visit.asked("as"):
        return exported("tariff", await visit.rows("tariff_show", name=name), visit.asked("as"))
    number, seconds = visit.asked("number"), visit.asked("seconds", "60")
    quote = None
    if number:
        try:
            quote = await visit.row(
                "tariff_quote", number=number, name=name,
                seconds=int(seconds) if seconds.isdecimal() and len(seconds) < 7 else 60,
            )  # fmt: skip
        except OperationError as error:
            visit.refuse(error)
    undone = None
    if visit.may("tariff_undo"):
        try:
            undone = as_row(await visit.value("tariff_undo", name=name, dry_run=True))
        except OperationError:
            undone = None
    return visit.page(
        "console/tariff.html", name=name, rates=rates, search=search, number=number,
        seconds=seconds, quote=quote, undone=undone, forms=(SET,), undo=UNDO,
        versions=(await visit.some("tariff_versions", name=name))[::-1],
        next=rates[-1]["prefix"] if len(rates) >= RATES else None,
    )  # fmt: skip


async def show_import(visit: Visit) -> Response:
    return _import_page(visit, "tariff_import", None)


async def import_tariff(visit: Visit) -> Response:
    """Read a price list: first what it would change, then the change itself."""
    return await imported(visit, "tariff_import", ("name", "currency"), "/op/tariffs/{tariff}")


async def show_numbers(visit: Visit) -> Response:
    return _import_page(visit, "number_import", None)


async def import_numbers(visit: Visit) -> Response:
    """Read a list of numbers for the stock, in the same two steps."""
    return await imported(visit, "number_import", ("currency",), "/op/numbers")


async def imported(visit: Visit, operation: str, fields: tuple[str, ...], then: str) -> Response:
    """Perform an import, or with `do=check` only look what it would do. The text of the file goes
    through the page, so that what was looked at is what is imported."""
    form = visit.form
    text, file_name = await _text(visit)
    arguments: dict[str, object] = {name: form[name] for name in fields if form.get(name)}
    arguments["text"] = text
    if operation == "tariff_import":
        arguments["file_name"] = file_name
    gateway, actor = visit.portal.gateway, visit.actor
    if form.get("do") != operation:
        try:
            found = as_row(await gateway.perform(actor, operation, arguments | {"dry_run": True}))
        except OperationError as error:
            visit.refuse(error, operation)
            return _import_page(visit, operation, None, text, file_name)
        return _import_page(visit, operation, found, text, file_name)
    key = form.get("key", "")
    if not 16 <= len(key) <= 64:
        raise OperationError("idempotency_key_missing")
    answer = as_row(await gateway.perform(actor, operation, arguments, f"form-{key}"))
    return visit.go(then.format_map({"tariff": answer.get("tariff", "")}))


async def _text(visit: Visit) -> tuple[str, str]:
    """The text of the uploaded file, a workbook as CSV; else what is in the page."""
    file = (await visit.request.form()).get("file")
    if isinstance(file, UploadFile) and file.filename:
        data = await file.read()
        try:
            text = to_csv(data) if is_workbook(data) else data.decode("utf-8-sig")
        except (UnicodeDecodeError, WorkbookError) as error:
            raise OperationError("import_failed", [str(error)], count=1) from None
        return text, file.filename[-100:]
    return visit.form.get("text", ""), visit.form.get("file_name", "") or "page"


def _import_page(
    visit: Visit, operation: str, found: Row | None, text: str = "", file_name: str = ""
) -> Response:
    given: Mapping[str, str] = visit.form
    return visit.page(
        "console/import.html", operation=operation, found=found, text=text, file_name=file_name,
        name=given.get("name", "") or visit.asked("name"), currency=given.get("currency", ""),
    )  # fmt: skip


async def quote(visit: Visit) -> Response:
    """The price of a call of a line as it dials, with the way that it would take."""
    line, number = visit.asked("line"), visit.asked("number")
    row, stages = None, []
    if line and number:
        try:
            row = await visit.row("tariff_quote", number=number, line=line)
            stages = await visit.some("explain_call", caller=line, number=number)
        except OperationError as error:
            visit.refuse(error)
    incoming = await one(visit, "explain_incoming", number=number) if number and not line else None
    return visit.page(
        "console/quote.html", line=line, number=number, quote=row, stages=stages,
        incoming=incoming,
    )  # fmt: skip


PAGES = (
    TARIFFS.page(),
    Page("/op/tariffs/import", show_import, MONEY, submit=import_tariff, most_bytes=SHEET_BYTES),
    Page("/op/tariffs/quote", quote, SUPPORT | MONEY | AUDITOR),
    Page("/op/tariffs/{tariff}", tariff, STAFF, actions=(SET.action, UNDO.action)),
    Page("/op/numbers/import", show_numbers, SUPPORT, submit=import_numbers,
         most_bytes=SHEET_BYTES),
)  # fmt: skip
