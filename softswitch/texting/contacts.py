"""Contacts of businesses and their groups (B8). Every function works inside the transaction that it
is handed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Row,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy import Text as LongText

from billing.stores.paging import Page, beginning_with, containing, newest_first
from billing.stores.schema import metadata

AT_ONCE = 500
"""Phones or ids in one query."""

contacts_table = Table(
    "sms_contacts",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("account_id", Integer, ForeignKey("accounts.id"), nullable=False),
    Column("phone", String(32), nullable=False),
    Column("name", String(100), nullable=False),
    Column("fields", LongText, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("account_id", "phone", name="sms_contacts_phone"),
    Index("sms_contacts_of_account", "account_id", "id"),
    # SQLite would give a removed contact's id, and its place in a list, to the next one.
    sqlite_autoincrement=True,
)
groups_table = Table(
    "sms_groups",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", Integer, ForeignKey("accounts.id"), nullable=False),
    Column("name", String(64), nullable=False),
    UniqueConstraint("account_id", "name", name="sms_groups_name"),
    sqlite_autoincrement=True,
)
members_table = Table(
    "sms_group_members",
    metadata,
    Column("group_id", Integer, primary_key=True, autoincrement=False),
    Column("contact_id", BigInteger, primary_key=True, autoincrement=False),
    Index("sms_groups_of_contact", "contact_id"),
)


class Contact(Struct, frozen=True, kw_only=True):
    """A person to whom an account sends texts.

    Args:
        id: 0 before it is stored.
        phone: E.164 with "+"; an account has each once.
        fields: what templates may ask for beside name and phone.
        created_at: epoch milliseconds.
    """

    id: int = 0
    account_id: int
    phone: str
    name: str = ""
    fields: Mapping[str, str] = {}
    created_at: int


class Group(Struct, frozen=True):
    """A named list of an account's contacts."""

    id: int
    account_id: int
    name: str
    members: int = 0


def put(connection: Connection, contacts: Sequence[Contact]) -> tuple[int, int]:
    """Store contacts of one account with different phones; how many were added, and replaced.

    A contact takes the place of the account's contact of the same phone, which keeps its id.
    """
    if not contacts:
        return 0, 0
    known = ids_by_phone(connection, contacts[0].account_id, [one.phone for one in contacts])
    new = [_values(one) for one in contacts if one.phone not in known]
    old = [
        {"key": known[one.phone], "new_name": one.name, "new_fields": _written(one.fields)}
        for one in contacts
        if one.phone in known
    ]
    if new:
        connection.execute(insert(contacts_table), new)
    if old:
        connection.execute(
            update(contacts_table)
            .where(contacts_table.c.id == bindparam("key"))
            .values(name=bindparam("new_name"), fields=bindparam("new_fields")),
            old,
        )
    return len(new), len(old)


def ids_by_phone(connection: Connection, account_id: int, phones: Sequence[str]) -> dict[str, int]:
    """The ids of an account's contacts that have one of these phones."""
    c = contacts_table.c
    found: dict[str, int] = {}
    for start in range(0, len(phones), AT_ONCE):
        some = phones[start : start + AT_ONCE]
        query = select(c.phone, c.id).where(c.account_id == account_id, c.phone.in_(some))
        found |= {row.phone: row.id for row in connection.execute(query)}
    return found


def by_phone(connection: Connection, account_id: int, phone: str) -> Contact | None:
    """An account's contact of this phone."""
    c = contacts_table.c
    query = select(contacts_table).where(c.account_id == account_id, c.phone == phone)
    row = connection.execute(query).first()
    return None if row is None else _contact(row)


def by_phones(connection: Connection, account_id: int, phones: Sequence[str]) -> list[Contact]:
    """An account's contacts that have one of these phones."""
    c = contacts_table.c
    found: list[Contact] = []
    for start in range(0, len(phones), AT_ONCE):
        some = phones[start : start + AT_ONCE]
        query = select(contacts_table).where(c.account_id == account_id, c.phone.in_(some))
        found += map(_contact, connection.execute(query))
    return found


def change_phone(connection: Connection, contact_id: int, phone: str) -> None:
    """Give a contact another phone. Raises IntegrityError if another contact has it."""
    mine = contacts_table.c.id == contact_id
    connection.execute(update(contacts_table).where(mine).values(phone=phone))


def remove(connection: Connection, contact_id: int) -> None:
    """Remove a contact, also from its groups."""
    connection.execute(delete(members_table).where(members_table.c.contact_id == contact_id))
    connection.execute(delete(contacts_table).where(contacts_table.c.id == contact_id))


def remove_all(connection: Connection, contact_ids: Sequence[int]) -> None:
    """Remove contacts, also from their groups."""
    for start in range(0, len(contact_ids), AT_ONCE):
        some = contact_ids[start : start + AT_ONCE]
        connection.execute(delete(members_table).where(members_table.c.contact_id.in_(some)))
        connection.execute(delete(contacts_table).where(contacts_table.c.id.in_(some)))


def page(
    connection: Connection,
    account_id: int | None,
    page: Page,
    search: str | None = None,
    group_id: int | None = None,
) -> list[Contact]:
    """A page of contacts, the newest first.

    Args:
        search: a part of the name, or the first digits of the phone.
    """
    c = contacts_table.c
    query = select(contacts_table)
    if account_id is not None:
        query = query.where(c.account_id == account_id)
    if search is not None:
        phones = search if search.startswith("+") else f"+{search}"
        query = query.where(or_(containing(search, c.name), beginning_with(phones, c.phone)))
    if group_id is not None:
        m = members_table.c
        query = query.where(c.id.in_(select(m.contact_id).where(m.group_id == group_id)))
    return [_contact(row) for row in connection.execute(newest_first(query, page, c.id))]


def every(
    connection: Connection, account_id: int, group_ids: Sequence[int] | None = None
) -> Iterator[Contact]:
    """An account's contacts, or those that are in one of these groups, each once."""
    c = contacts_table.c
    query = select(contacts_table).where(c.account_id == account_id)
    if group_ids is not None:
        m = members_table.c
        query = query.where(c.id.in_(select(m.contact_id).where(m.group_id.in_(group_ids))))
    for row in connection.execute(query.order_by(c.id)):
        yield _contact(row)


# Groups


def add_group(connection: Connection, account_id: int, name: str) -> Group:
    """Make a group; one of this name is answered as it stands."""
    found = group(connection, account_id, name)
    if found is not None:
        return found
    connection.execute(insert(groups_table).values(account_id=account_id, name=name))
    made = group(connection, account_id, name)
    assert made is not None
    return made


def group(connection: Connection, account_id: int, name: str) -> Group | None:
    """An account's group of this name."""
    return next((one for one in groups(connection, account_id) if one.name == name), None)


def groups(connection: Connection, account_id: int | None = None) -> list[Group]:
    """Groups by name, each with the number of its members."""
    g, m = groups_table.c, members_table.c
    query = (
        select(g.id, g.account_id, g.name, func.count(m.contact_id))
        .select_from(groups_table.outerjoin(members_table, m.group_id == g.id))
        .group_by(g.id, g.account_id, g.name)
        .order_by(g.name, g.account_id)
    )
    if account_id is not None:
        query = query.where(g.account_id == account_id)
    return [Group(*row) for row in connection.execute(query)]


def groups_of(connection: Connection, contact_id: int) -> list[str]:
    """The names of the groups that a contact is in."""
    g, m = groups_table.c, members_table.c
    query = select(g.name).join(members_table, m.group_id == g.id).where(m.contact_id == contact_id)
    return list(connection.execute(query.order_by(g.name)).scalars())


def rename_group(connection: Connection, group_id: int, name: str) -> None:
    """Give a group another name. Raises IntegrityError if the account has one of that name."""
    connection.execute(update(groups_table).where(groups_table.c.id == group_id).values(name=name))


def remove_group(connection: Connection, group_id: int) -> None:
    """Remove a group; its contacts stay."""
    connection.execute(delete(members_table).where(members_table.c.group_id == group_id))
    connection.execute(delete(groups_table).where(groups_table.c.id == group_id))


def put_into_group(connection: Connection, group_id: int, contact_ids: Sequence[int]) -> int:
    """Put contacts into a group; how many weren't in it."""
    added = 0
    for start in range(0, len(contact_ids), AT_ONCE):
        some = contact_ids[start : start + AT_ONCE]
        there = members_among(connection, group_id, some)
        rows = [{"group_id": group_id, "contact_id": one} for one in some if one not in there]
        if rows:
            connection.execute(insert(members_table), rows)
        added += len(rows)
    return added


def members_among(connection: Connection, group_id: int, contact_ids: Sequence[int]) -> set[int]:
    """The ids of the members of a group among some contacts."""
    m = members_table.c
    found: set[int] = set()
    for start in range(0, len(contact_ids), AT_ONCE):
        some = contact_ids[start : start + AT_ONCE]
        query = select(m.contact_id).where(m.group_id == group_id, m.contact_id.in_(some))
        found.update(connection.execute(query).scalars())
    return found


def take_out_of_group(connection: Connection, group_id: int, contact_ids: Sequence[int]) -> int:
    """Take contacts out of a group; how many were in it."""
    m, taken = members_table.c, 0
    for start in range(0, len(contact_ids), AT_ONCE):
        some = contact_ids[start : start + AT_ONCE]
        mine = (m.group_id == group_id) & m.contact_id.in_(some)
        taken += connection.execute(delete(members_table).where(mine)).rowcount
    return taken


def _values(contact: Contact) -> dict[str, object]:
    return {
        "account_id": contact.account_id,
        "phone": contact.phone,
        "name": contact.name,
        "fields": _written(contact.fields),
        "created_at": contact.created_at,
    }


def _written(fields: Mapping[str, str]) -> str:
    return json.dumps(dict(fields), ensure_ascii=False) if fields else ""


def _contact(row: Row[tuple[object, ...]]) -> Contact:
    facts = dict(row._mapping)
    facts["fields"] = json.loads(facts["fields"]) if facts["fields"] else {}
    return Contact(**facts)
