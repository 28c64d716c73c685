"""Price lists in the database: every version of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Connection, bindparam, insert, or_, select, update

from billing.decisions.book import Book
from billing.facts.assignment import Assignment
from billing.facts.authorization import AssignTariff, BillingError, ReplaceTariff, UndoTariff
from billing.facts.rate import Rate
from billing.facts.tariff import Tariff, Terms, Version, same_facts
from billing.stores import tariff_schema as schema
from billing.stores.definition import Definitions
from billing.stores.rows import NamedRow

_UNDO = "undo of version "
PAGE = 10_000
"""Rates read at once."""


# Writing


def _replace(connection: Connection, _: Book, command: ReplaceTariff) -> int:
    """Make the next version; answered by the number of its rates. What changes nothing makes none,
    so that an undo takes back what did."""
    known = _newest(connection, command.name)
    terms = command.terms
    if terms is None:
        terms = Terms() if known is None else known.terms
    before = {rate.key: rate for rate in rates_of(connection, command.name)}
    after = {rate.key: rate for rate in command.rates}
    closed = [key for key, rate in before.items() if not same_facts(rate, after.get(key))]
    fresh = [rate for key, rate in after.items() if not same_facts(rate, before.get(key))]
    same = known is not None and (known.currency, known.terms) == (command.currency, terms)
    if same and not closed and not fresh:
        return len(after)
    number = _begin(connection, known, command.name, command.currency, terms, command)
    if closed:
        keys = [dict(zip(("p", "i", "e"), key, strict=True)) for key in closed]
        connection.execute(_CLOSE, [{"t": command.name, "v": number, **key} for key in keys])
    if fresh:
        rows = [schema.rate_row(rate, command.name, number) for rate in fresh]
        connection.execute(insert(schema.rates), rows)
    return len(after)


def _begin(
    connection: Connection,
    known: Version | None,
    name: str,
    currency: str,
    terms: Terms,
    command: ReplaceTariff,
) -> int:
    """The number of the version that is being made."""
    number = 1 if known is None else known.version + 1
    row = {"currency": currency, "terms": schema.terms_blob(terms)}
    if known is None:
        connection.execute(insert(schema.tariffs), {"name": name, "version": number, **row})
    else:
        mine = schema.tariffs.c.name == name
        connection.execute(update(schema.tariffs).where(mine).values(version=number, **row))
    made = {"tariff": name, "version": number, "made_at": command.at, "note": command.note[:256]}
    connection.execute(insert(schema.versions), {**made, **row})
    return number


def _undo(connection: Connection, book: Book, command: UndoTariff) -> Version:
    """Make the newest version's predecessor the next one; answered by what was undone.

    Undoing again goes one further back: a version that undid another isn't undone itself."""
    target = undoable(versions(connection, command.name))
    if target is None:
        raise BillingError(f"tariff {command.name} has nothing to undo")
    back, undone = target
    if undone.version != command.version:
        raise BillingError(f"tariff {command.name} has been changed meanwhile; undo again")
    rates = rates_of(connection, command.name, back.version)
    note = f"{_UNDO}{undone.version}: as version {back.version}"
    _replace(
        connection,
        book,
        ReplaceTariff(command.name, back.currency, rates, back.terms, command.at, note),
    )
    return undone


def before_last(connection: Connection, name: str) -> tuple[Version, Tariff] | None:
    """The version that an undo would undo, and the tariff as it would be then."""
    target = undoable(versions(connection, name))
    if target is None:
        return None
    back, undone = target
    rates = rates_of(connection, name, back.version)
    return undone, Tariff(name, back.currency, rates, back.terms)


def undoable(made: Sequence[Version]) -> tuple[Version, Version] | None:
    """The version to go back to and the one that is undone by it; None without any."""
    by_number = {version.version: version for version in made}
    stack: list[int] = []
    for version in made:
        if version.note.startswith(_UNDO):
            stack.pop()  # it is as the one before: what was undone counts no more
        else:
            stack.append(version.version)
    if len(stack) < 2:
        return None
    return by_number[stack[-2]], by_number[stack[-1]]


def _assign(connection: Connection, book: Book, command: AssignTariff) -> Assignment:
    book.account(command.account_id)
    if _newest(connection, command.tariff) is None:
        raise BillingError(f"there is no tariff {command.tariff}")
    row = {
        "account_id": command.account_id,
        "line": command.line,
        "tariff": command.tariff,
        "from_at": command.from_at,
    }
    result = connection.execute(insert(schema.assignments), {**row, "made_at": command.at})
    key = result.inserted_primary_key
    assert key is not None
    return Assignment(command.account_id, command.line, command.tariff, command.from_at, key[0])


DEFINITIONS: Definitions = {
    ReplaceTariff: _replace,
    UndoTariff: _undo,
    AssignTariff: _assign,
}
"""Commands that are a few statements and need no decision of the book's."""

_R = schema.rates.c
_CLOSE = (
    update(schema.rates)
    .where(_R.tariff == bindparam("t"), _R.prefix == bindparam("p"), _R.interval == bindparam("i"))
    .where(_R.effective_from == bindparam("e"), _R.until_version.is_(None))
    .values(until_version=bindparam("v"))
)


# Reading


def _newest(connection: Connection, name: str) -> Version | None:
    columns = schema.versions.c
    query = select(schema.versions).where(columns.tariff == name)
    row = connection.execute(query.order_by(columns.version.desc()).limit(1)).first()
    return None if row is None else _version(row)


def _version(row: NamedRow) -> Version:
    name, version, currency, terms, made_at, note = row
    return Version(name, version, currency, schema.terms_of(terms), made_at, note)


def versions(connection: Connection, name: str) -> list[Version]:
    """The versions of a tariff, the oldest first."""
    columns = schema.versions.c
    query = select(schema.versions).where(columns.tariff == name).order_by(columns.version)
    return [_version(row) for row in connection.execute(query)]


def rates_of(connection: Connection, name: str, version: int | None = None) -> list[Rate]:
    """Rates of the newest version (None), or of another one."""
    query = select(_R.tariff, *(_R[fact] for fact in schema.RATE_FACTS)).where(_R.tariff == name)
    if version is None:
        query = query.where(_R.until_version.is_(None))
    else:
        query = query.where(_R.since_version <= version).where(
            or_(_R.until_version.is_(None), _R.until_version > version)
        )
    return [schema.rate_of(row, "") for row in connection.execute(query)]


def tariffs(connection: Connection, name: str | None = None) -> list[Tariff]:
    """All price lists, or the one of this name, as they are now."""
    query = select(schema.tariffs).order_by(schema.tariffs.c.name)
    if name is not None:
        query = query.where(schema.tariffs.c.name == name)
    return [
        Tariff(
            row.name, row.currency, _in_turn(connection, row.name, row.currency),
            schema.terms_of(row.terms),
        )
        for row in connection.execute(query).all()
    ]  # fmt: skip


def _in_turn(connection: Connection, name: str, currency: str) -> Iterator[Rate]:
    """The rates of the newest version, one at a time: there may be a million."""
    query = select(_R.tariff, *(_R[fact] for fact in schema.RATE_FACTS)).where(_R.tariff == name)
    query = query.where(_R.until_version.is_(None))
    for row in connection.execution_options(yield_per=PAGE).execute(query):
        yield schema.rate_of(row, currency)


def assignments(connection: Connection, accounts: Iterable[int] | None = None) -> list[Assignment]:
    """Assignments of some accounts, or of all (None), in the order in which they were made."""
    columns = schema.assignments.c
    query = select(
        columns.account_id, columns.line, columns.tariff, columns.from_at, columns.number
    ).order_by(columns.number)
    if accounts is not None:
        query = query.where(columns.account_id.in_(sorted(accounts)))
    return [Assignment(*row) for row in connection.execute(query)]
