"""Tables of contacts: CSV or a workbook's first sheet, with the columns phone and name, and any
others as fields."""

from __future__ import annotations

import csv
import io
import re
import secrets
from collections.abc import Iterator

from msgspec import Struct

from billing.facts.cdr import show_stamp
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.operations.texts.contacts import (
    checked_fields,
    checked_name,
    group_named,
    sms_group_add,
)
from softswitch.operations.texts.phones import Phones
from softswitch.texting import contacts, imports
from softswitch.texting.contacts import Contact
from softswitch.texting.imports import Import, Undone

MAX_ROWS = 1_000_000
MAX_SHOWN = 50
"""Faulty rows and doubles that are named; the others are counted."""
WRITTEN_AT_ONCE = 2_000
"""Contacts in one transaction: bounds how long other writers wait."""


class FaultyRow(Struct, frozen=True):
    """A row that isn't taken, and why."""

    row: int
    error: OperationError

    @property
    def sentence(self) -> str:
        return f"row {self.row}: {self.error.message}"


class Table(Struct, frozen=True):
    """A table that was read.

    Args:
        contacts: of good rows, each phone once.
        faulty, doubles: the others.
    """

    contacts: list[Contact]
    faulty: list[FaultyRow]
    doubles: list[FaultyRow]


def sms_contact_import(
    context: Context, account: str, text: str, group: str | None = None, dry_run: bool = False
) -> Row:
    """Import contacts: good rows are taken, faulty ones and doubles are named and left out.

    A contact whose phone is known already is replaced. `sms_import_undo` takes it all back for a
    day.

    Args:
        text: CSV with the columns phone, name and any others, which are fields of templates.
        group: a group that all of them are put into; made if there is none.
        dry_run: say what would be taken, and take nothing.
    """
    owner = context.account(account)
    read = read_table(context, owner.id, text)
    with context.billing.reading() as connection:
        phones = [contact.phone for contact in read.contacts]
        known = contacts.ids_by_phone(connection, owner.id, phones)
    made = None if dry_run else _write(context, owner.id, read.contacts, group)
    shown = [*read.faulty[:MAX_SHOWN], *read.doubles[:MAX_SHOWN]]
    return {
        "import": made,
        "rows": len(read.contacts) + len(read.faulty) + len(read.doubles),
        "added": len(read.contacts) - len(known),
        "replaced": len(known),
        "faulty": len(read.faulty),
        "doubles": len(read.doubles),
        "dry_run": dry_run,
        "faults": [one.sentence for one in shown],
        "faulty_rows": [
            {"row": one.row, "code": one.error.code, "facts": dict(one.error.facts)}
            for one in shown
        ],
    }


def read_table(context: Context, account_id: int, text: str) -> Table:
    """The contacts of a table; one without a header is a list of phones.

    Raises:
        OperationError: the table can't be read at all.
    """
    found, faulty, doubles = list[Contact](), list[FaultyRow](), list[FaultyRow]()
    phones, now = Phones(context), context.now_ms()
    rows: dict[str, int] = {}
    for number, cells in _rows(text, _has_header(phones, text)):
        try:
            if isinstance(cells, OperationError):
                raise cells
            phone = phones.read(cells.pop("phone"))
            if phone in rows:
                twice = OperationError("sms_row_double", phone=phone, first=rows[phone])
                doubles.append(FaultyRow(number, twice))
                continue
            name = checked_name(cells.pop("name", ""))
            fields = checked_fields({key: value for key, value in cells.items() if value})
        except OperationError as error:
            faulty.append(FaultyRow(number, error))
            continue
        rows[phone] = number
        found.append(
            Contact(account_id=account_id, phone=phone, name=name, fields=fields, created_at=now)
        )
    return Table(found, faulty, doubles)


def _has_header(phones: Phones, text: str) -> bool:
    """False if the first line is a phone alone."""
    try:
        phones.read(text.lstrip().partition("\n")[0])
    except OperationError:
        return True
    return False


def _rows(text: str, has_header: bool) -> Iterator[tuple[int, dict[str, str] | OperationError]]:
    """Rows by their numbers: cells by column, or why the row can't be read."""
    delimiter = _delimiter(text)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True, skipinitialspace=True)
    try:
        header = [_column(cell) for cell in next(reader, [])] if has_header else ["phone"]
        if "phone" not in header:
            raise OperationError("sms_table_no_phone")
        if len(set(header)) != len(header):
            raise OperationError("sms_table_column_twice")
        for cells in reader:
            number = reader.line_num
            if number > MAX_ROWS:
                raise OperationError("lines_too_many", most=MAX_ROWS)
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(header):
                yield number, OperationError("cells_too_many")
                continue
            padded = [cell.strip() for cell in cells] + [""] * (len(header) - len(cells))
            yield number, dict(zip(header, padded, strict=True))
    except csv.Error as error:
        raise OperationError("sms_table_malformed", row=reader.line_num, reason=error) from None


def _delimiter(text: str) -> str:
    """The character between cells: spreadsheets write a semicolon where a comma is decimal."""
    header = text.partition("\n")[0]
    return max(",;\t", key=header.count)


def _column(cell: str) -> str:
    """A column's name as a template's field has it: "First name" is first_name."""
    return re.sub(r"\W+", "_", cell.strip().lower()).strip("_")


def sms_import_list(context: Context, account: str | None = None) -> list[Row]:
    """Imports of contacts that can be undone, the newest first."""
    owner = context.own_account(account)
    since = context.now_ms() - imports.KEPT_MS
    with context.billing.reading() as connection:
        found = imports.of_account(connection, owner, since)
    return [import_row(one) for one in found]


def sms_import_undo(context: Context, account: str, import_id: str) -> Row:
    """Undo an import of the last day: what it added is removed, what it replaced is put back.

    A contact that was changed since stays as it is.
    """
    owner = context.account(account)
    with context.billing.reading() as connection:
        made = imports.get(connection, import_id)
    if made is None or made.account_id != owner.id:
        raise OperationError("sms_import_not_found", import_id=import_id)
    now = context.now_ms()
    if made.undone_at is not None or made.at < now - imports.KEPT_MS:
        raise OperationError("sms_import_over", import_id=import_id)
    done, more = Undone(), True
    while more:
        with context.billing.engine.begin() as connection:
            more = imports.undo_some(connection, made, now, done)
    return {
        "import": import_id,
        "removed": done.removed,
        "restored": done.restored,
        "changed_since": done.changed,
    }


def import_row(made: Import) -> Row:
    """An import as it is shown."""
    return {
        "import": made.id,
        "account": made.account_id,
        "at": show_stamp(made.at),
        "by": made.by,
        "added": made.added,
        "replaced": made.replaced,
        "undo_until": show_stamp(made.at + imports.KEPT_MS),
        "undone_at": None if made.undone_at is None else show_stamp(made.undone_at),
    }


def _write(context: Context, account_id: int, found: list[Contact], group: str | None) -> str:
    """Store contacts; the id of the import."""
    group_id = None
    if group is not None:
        sms_group_add(context, str(account_id), group)
        with context.billing.reading() as connection:
            group_id = group_named(connection, account_id, group).id
    made = Import(
        id=secrets.token_hex(8),
        account_id=account_id,
        group_id=group_id,
        at=context.now_ms(),
        by=context.actor.user,
    )
    with context.billing.engine.begin() as connection:
        imports.begin(connection, made)
    for start in range(0, len(found), WRITTEN_AT_ONCE):
        with context.billing.engine.begin() as connection:
            imports.put(connection, made, found[start : start + WRITTEN_AT_ONCE])
    return made.id
