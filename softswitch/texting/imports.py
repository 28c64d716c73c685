"""Imports of contacts, which can be undone for a day. Every function works inside the transaction
that it is handed.

An import keeps of each contact what it was before and what the import made of it. A contact that
was changed since stays as it is when the import is undone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy import Text as LongText

from billing.stores.schema import metadata, storable
from softswitch.texting import contacts
from softswitch.texting.contacts import Contact

KEPT_MS = 86_400_000
"""For so long an import can be undone."""
UNDONE_AT_ONCE = 1_000
"""Contacts in one transaction: bounds how long other writers wait."""

imports_table = Table(
    "sms_imports",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", Integer, ForeignKey("accounts.id"), nullable=False),
    Column("group_id", Integer),
    Column("at", BigInteger, nullable=False),
    Column("by", String(128), nullable=False),
    Column("added", Integer, nullable=False),
    Column("replaced", Integer, nullable=False),
    Column("undone_at", BigInteger),
    Index("sms_imports_of_account", "account_id", "at"),
)
rows_table = Table(
    "sms_import_rows",
    metadata,
    Column("import_id", String(32), primary_key=True),
    Column("phone", String(32), primary_key=True),
    Column("before", LongText),
    Column("after", LongText, nullable=False),
    Column("joined", Boolean, nullable=False),
)


class Import(Struct, frozen=True, kw_only=True):
    """An import of contacts.

    Args:
        group_id: the group that its contacts were put into.
        at, undone_at: epoch milliseconds.
        by: the login of the user.
    """

    id: str
    account_id: int
    group_id: int | None = None
    at: int
    by: str
    added: int = 0
    replaced: int = 0
    undone_at: int | None = None


class Undone(Struct):
    """Counts of an undone import: contacts removed, put back, and left as they were changed."""

    removed: int = 0
    restored: int = 0
    changed: int = 0


def begin(connection: Connection, made: Import) -> None:
    """Write an import down before its first contact; older ones that can't be undone any more keep
    their counts alone."""
    old = select(imports_table.c.id).where(imports_table.c.at < made.at - KEPT_MS)
    connection.execute(delete(rows_table).where(rows_table.c.import_id.in_(old)))
    values = {name: getattr(made, name) for name in Import.__struct_fields__}
    connection.execute(insert(imports_table).values(**values | {"by": storable(made.by, 128)}))


def put(connection: Connection, made: Import, some: Sequence[Contact]) -> None:
    """Store contacts of an import, put them into its group, and count them."""
    phones = [contact.phone for contact in some]
    known = {one.phone: one for one in contacts.by_phones(connection, made.account_id, phones)}
    added, replaced = contacts.put(connection, some)
    joined: set[str] = set()
    if made.group_id is not None:
        ids = contacts.ids_by_phone(connection, made.account_id, phones)
        there = contacts.members_among(connection, made.group_id, list(ids.values()))
        joined = {phone for phone, key in ids.items() if key not in there}
        contacts.put_into_group(connection, made.group_id, [ids[phone] for phone in joined])
    connection.execute(
        insert(rows_table),
        [
            {
                "import_id": made.id,
                "phone": contact.phone,
                "before": _written(known.get(contact.phone)),
                "after": _written(contact),
                "joined": contact.phone in joined,
            }
            for contact in some
        ],
    )
    c = imports_table.c
    counts = {"added": c.added + added, "replaced": c.replaced + replaced}
    connection.execute(update(imports_table).where(c.id == made.id).values(counts))


def of_account(connection: Connection, account_id: int | None, since: int) -> list[Import]:
    """Imports since an instant (epoch milliseconds), the newest first."""
    c = imports_table.c
    query = select(imports_table).where(c.at >= since).order_by(c.at.desc(), c.id)
    if account_id is not None:
        query = query.where(c.account_id == account_id)
    return [Import(**row._mapping) for row in connection.execute(query)]


def get(connection: Connection, import_id: str) -> Import | None:
    """An import by its id."""
    row = connection.execute(select(imports_table).where(imports_table.c.id == import_id)).first()
    return None if row is None else Import(**row._mapping)


def undo_some(connection: Connection, made: Import, at: int, done: Undone) -> bool:
    """Undo some of an import's contacts and count them; False when none was left.

    Args:
        at: epoch milliseconds.
    """
    r = rows_table.c
    query = select(rows_table).where(r.import_id == made.id).order_by(r.phone).limit(UNDONE_AT_ONCE)
    rows = connection.execute(query).all()
    if not rows:
        mine = imports_table.c.id == made.id
        connection.execute(update(imports_table).where(mine).values(undone_at=at))
        return False
    phones = [row.phone for row in rows]
    now = {one.phone: one for one in contacts.by_phones(connection, made.account_id, phones)}
    gone, left, restored = list[int](), list[int](), list[Contact]()
    for row in rows:
        contact = now.get(row.phone)
        if contact is None or _written(contact) != row.after:
            done.changed += 1
            continue
        if row.joined:
            left.append(contact.id)
        if row.before is None:
            gone.append(contact.id)
        else:
            restored.append(_read(contact, row.before))
    if made.group_id is not None:
        contacts.take_out_of_group(connection, made.group_id, left)
    contacts.remove_all(connection, gone)
    contacts.put(connection, restored)
    done.removed += len(gone)
    done.restored += len(restored)
    connection.execute(delete(rows_table).where(r.import_id == made.id, r.phone.in_(phones)))
    return True


def _written(contact: Contact | None) -> str | None:
    """A contact's name and fields, the same text for the same values; None for no contact."""
    if contact is None:
        return None
    return json.dumps([contact.name, dict(sorted(contact.fields.items()))], ensure_ascii=False)


def _read(contact: Contact, text: str) -> Contact:
    name: str
    fields: Mapping[str, str]
    name, fields = json.loads(text)
    return Contact(
        id=contact.id,
        account_id=contact.account_id,
        phone=contact.phone,
        name=name,
        fields=fields,
        created_at=contact.created_at,
    )
