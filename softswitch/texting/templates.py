"""Templates with {fields}, and drafts of batches (B8)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Integer,
    String,
    Table,
    delete,
    insert,
    select,
)
from sqlalchemy import Text as LongText

from billing.stores.schema import metadata

MAX_FIELD_NAME = 32
FIELD_NAME = re.compile(rf"[^\W\d]\w{{0,{MAX_FIELD_NAME - 1}}}")
_FIELD = re.compile(r"\{([^\W\d]\w*)\}")

templates_table = Table(
    "sms_templates",
    metadata,
    Column("account_id", Integer, ForeignKey("accounts.id"), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("text", LongText, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)
drafts_table = Table(
    "sms_drafts",
    metadata,
    Column("account_id", Integer, ForeignKey("accounts.id"), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("sender", String(32), nullable=False),
    Column("text", LongText, nullable=False),
    Column("groups", LongText, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)


class Template(Struct, frozen=True):
    """A text with {fields}, which each recipient's contact fills.

    Args:
        changed_at: epoch milliseconds.
    """

    account_id: int
    name: str
    text: str
    changed_at: int


class Draft(Struct, frozen=True):
    """A batch that hasn't been sent: any of its parts may be empty.

    Args:
        groups: names of groups that it is for.
        changed_at: epoch milliseconds.
    """

    account_id: int
    name: str
    sender: str
    text: str
    groups: tuple[str, ...]
    changed_at: int


def fields_of(text: str) -> tuple[str, ...]:
    """The fields that a text asks for, each once; braces around anything else are plain text."""
    return tuple(dict.fromkeys(_FIELD.findall(text)))


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text with its fields filled. Raises KeyError with the name of a field that has no value."""

    def value(found: re.Match[str]) -> str:
        return values[found[1]]

    return _FIELD.sub(value, text)


def put_template(connection: Connection, template: Template) -> None:
    """Write a template in the place of the account's own of that name."""
    remove_template(connection, template.account_id, template.name)
    connection.execute(
        insert(templates_table).values(
            account_id=template.account_id,
            name=template.name,
            text=template.text,
            changed_at=template.changed_at,
        )
    )


def templates(connection: Connection, account_id: int | None = None) -> list[Template]:
    """Templates by name."""
    query = select(templates_table).order_by(templates_table.c.name, templates_table.c.account_id)
    if account_id is not None:
        query = query.where(templates_table.c.account_id == account_id)
    return [Template(*row) for row in connection.execute(query)]


def template(connection: Connection, account_id: int, name: str) -> Template | None:
    """An account's template of this name."""
    c = templates_table.c
    query = select(templates_table).where(c.account_id == account_id, c.name == name)
    row = connection.execute(query).first()
    return None if row is None else Template(*row)


def remove_template(connection: Connection, account_id: int, name: str) -> bool:
    """Remove a template; False if there is none."""
    c = templates_table.c
    mine = (c.account_id == account_id) & (c.name == name)
    return connection.execute(delete(templates_table).where(mine)).rowcount > 0


def put_draft(connection: Connection, draft: Draft) -> None:
    """Write a draft in the place of the account's own of that name."""
    remove_draft(connection, draft.account_id, draft.name)
    connection.execute(
        insert(drafts_table).values(
            account_id=draft.account_id,
            name=draft.name,
            sender=draft.sender,
            text=draft.text,
            groups=json.dumps(draft.groups, ensure_ascii=False),
            changed_at=draft.changed_at,
        )
    )


def drafts(
    connection: Connection, account_id: int | None = None, names: Sequence[str] | None = None
) -> list[Draft]:
    """Drafts by name, all of them or those of these names."""
    c = drafts_table.c
    query = select(drafts_table).order_by(c.name, c.account_id)
    if account_id is not None:
        query = query.where(c.account_id == account_id)
    if names is not None:
        query = query.where(c.name.in_(names))
    return [
        Draft(row.account_id, row.name, row.sender, row.text, tuple(json.loads(row.groups)),
              row.changed_at)
        for row in connection.execute(query)
    ]  # fmt: skip


def remove_draft(connection: Connection, account_id: int, name: str) -> bool:
    """Remove a draft; False if there is none."""
    c = drafts_table.c
    mine = (c.account_id == account_id) & (c.name == name)
    return connection.execute(delete(drafts_table).where(mine)).rowcount > 0
