"""Contacts of a business: search, groups, and import with a preview of faulty rows (B8)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from starlette.datastructures import UploadFile
from starlette.responses import Response

from softswitch.control.errors import OperationError
from softswitch.control.values import Row, Value, as_row, as_rows
from softswitch.errors.coded import Given
from softswitch.errors.texts import text_for_subscriber
from softswitch.operations.access import OWNER
from softswitch.operations.texts.contacts import RESERVED
from softswitch.operations.workbook import WorkbookError, is_workbook, to_csv
from softswitch.portal.routes import UPLOAD_BYTES, Action, Page
from softswitch.portal.visit import Visit
from softswitch.texting.templates import MAX_FIELD_NAME

ROWS = 50


async def show(visit: Visit) -> Response:
    """Contacts, the newest first, all of them or those of a group."""
    search, group, before = visit.asked("search"), visit.asked("group"), visit.asked("before")
    found = await visit.rows(
        "sms_contact_list",
        search=search or None,
        group=group or None,
        limit=ROWS + 1,
        before=int(before) if before.isdecimal() and len(before) < 16 else None,
    )
    return visit.page(
        "cabinet/bulk_contacts.html",
        contacts=found[:ROWS],
        next=found[ROWS - 1]["id"] if len(found) > ROWS else None,
        search=search,
        group=group,
        groups=await visit.rows("sms_group_list"),
    )


async def show_contact(visit: Visit) -> Response:
    """A contact with its fields and groups."""
    phone = visit.path["contact"]
    try:
        contact = await visit.row("sms_contact_show", phone=phone)
    except OperationError as error:
        if error.code in ("number_malformed", "number_is_service_code"):
            raise OperationError("sms_contact_not_found", phone=phone) from None
        raise
    return visit.page(
        "cabinet/bulk_contact.html",
        contact=contact,
        groups=[row["group"] for row in await visit.rows("sms_group_list")],
    )


async def set_field(visit: Visit) -> Response:
    """Set a field that templates ask for; its name stands in the form, as `key` can't: that is the
    form's idempotency key."""
    name, key = visit.form.get("field", "").strip(), visit.form.get("key", "")
    if not 16 <= len(key) <= 64:
        raise OperationError("idempotency_key_missing")
    arguments: dict[str, object] = {
        "phone": visit.path["contact"], "key": name, "value": visit.form.get("value", "").strip()
    }  # fmt: skip
    try:
        if name in RESERVED:
            raise OperationError("sms_field_name_malformed", value=name, longest=MAX_FIELD_NAME)
        perform = visit.portal.gateway.perform
        await perform(visit.actor, "sms_contact_set", arguments, f"form-{key}")
    except OperationError as error:
        visit.refuse(error, "field", FIELD)
        return await show_contact(visit)
    return visit.go(visit.request.url.path)


async def show_groups(visit: Visit) -> Response:
    """Groups by name, with the number of their contacts."""
    return visit.page("cabinet/bulk_groups.html", groups=await visit.rows("sms_group_list"))


async def show_import(visit: Visit) -> Response:
    """The form for a file, and the imports of the last day."""
    return await _import_page(visit)


async def bring(visit: Visit) -> Response:
    """Read a file and show what an import would do, row by row; then import what was shown.

    The file is kept between the two steps, so that it is sent once.
    """
    group = visit.form.get("group", "").strip()
    arguments: dict[str, object] = {"group": group} if group else {}
    try:
        if visit.form.get("do") == "import":
            return await _import(visit, arguments)
        text = await _uploaded(visit)
        arguments |= {"text": text, "dry_run": True}
        perform = visit.portal.gateway.perform
        found = as_row(await perform(visit.actor, "sms_contact_import", arguments))
    except OperationError as error:
        visit.refuse(error, "preview", FILE)
        return await _import_page(visit, group=group)
    token = visit.portal.held_files.hold(
        visit.actor.session, "contacts", text.encode(), time.monotonic()
    )
    return await _import_page(visit, found, token, group)


async def _import(visit: Visit, arguments: dict[str, object]) -> Response:
    token, key = visit.form.get("held", ""), visit.form.get("key", "")
    held = visit.portal.held_files.find(visit.actor.session, token, time.monotonic())
    if held is None:
        raise OperationError("argument_missing", operation="sms_contact_import", field="text")
    if not 16 <= len(key) <= 64:
        raise OperationError("idempotency_key_missing")
    arguments["text"] = held.content.decode()
    perform = visit.portal.gateway.perform
    await perform(visit.actor, "sms_contact_import", arguments, f"form-{key}")
    return visit.go("/sms/import?made=1")


async def _uploaded(visit: Visit) -> str:
    """The table that a form brought, a workbook as CSV. Raises OperationError."""
    file = (await visit.request.form()).get("file")
    data = await file.read() if isinstance(file, UploadFile) else b""
    if not data:
        raise OperationError("argument_missing", operation="sms_contact_import", field="text")
    try:
        if is_workbook(data):
            return await asyncio.to_thread(to_csv, data, computed=True)
        return data.decode("utf-8-sig")
    except (UnicodeDecodeError, WorkbookError):
        unreadable = visit.text("bulk.file_unreadable")
        raise OperationError("import_failed", [unreadable], count=1) from None


async def _import_page(
    visit: Visit, found: Row | None = None, token: str = "", group: str = ""
) -> Response:
    if visit.asked("made") and visit.fault is None and found is None:
        visit.done = "import"
    return visit.page(
        "cabinet/bulk_import.html",
        found=found,
        faults=[] if found is None else _faults(visit, found),
        held=token,
        group=group,
        groups=[row["group"] for row in await visit.rows("sms_group_list")],
        imports=await visit.rows("sms_import_list"),
    )


def _faults(visit: Visit, found: Row) -> list[str]:
    """Why rows aren't taken, in the visitor's language."""
    sentences = []
    for one in as_rows(found["faulty_rows"] or []):
        facts = one["facts"]
        assert isinstance(facts, Mapping)
        error = OperationError(str(one["code"]), **{key: _fact(facts[key]) for key in facts})
        text = text_for_subscriber(error, visit.language)
        sentences.append(visit.text("bulk.fault_of_row", row=one["row"], fault=text))
    return sentences


def _fact(value: Value) -> Given:
    """A fact of an error that came by the operation's answer."""
    if isinstance(value, list):
        return tuple(map(str, value))
    return value if isinstance(value, int) else str(value)


FILE = Action("sms_contact_import", ("file", "group"), beside={"text": "file"})
"""The form that brings a file: what is wrong with the table is shown beside it."""
FIELD = Action("sms_contact_set", ("field", "value"), beside={"fields": "field"})
"""The form of a contact's field."""
CONTACT = {"phone": "contact"}
PAGES = (
    Page(
        "/sms/contacts",
        show,
        OWNER,
        (Action("sms_contact_add", ("phone", "name", "groups"), beside={"number": "phone"}),),
    ),
    Page(
        "/sms/contacts/{contact}",
        show_contact,
        OWNER,
        (
            Action(
                "sms_contact_set",
                ("value",),
                CONTACT,
                {"key": "name"},
                beside={"name": "value"},
                name="name",
            ),
            Action(
                "sms_contact_set",
                ("value",),
                CONTACT,
                {"key": "phone"},
                then="/sms/contacts/{phone}",
                beside={"number": "value"},
                name="phone",
            ),
            Action("sms_contact_remove", (), CONTACT, then="/sms/contacts"),
            Action("sms_group_put", ("group", "phones"), beside={"phones": ""}),
            Action("sms_group_take", ("group", "phones"), beside={"group": "", "phones": ""}),
        ),
        submit=set_field,
    ),
    Page(
        "/sms/groups",
        show_groups,
        OWNER,
        (
            Action("sms_group_add", ("group",)),
            Action("sms_group_rename", ("group", "name"), beside={"group": "name"}),
            Action("sms_group_remove", ("group",), beside={"group": ""}),
        ),
    ),
    Page(
        "/sms/import",
        show_import,
        OWNER,
        (Action("sms_import_undo", ("import_id",), beside={"import_id": ""}),),
        submit=bring,
        most_bytes=UPLOAD_BYTES,
    ),
)
