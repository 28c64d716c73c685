"""Small books for tests, and for the processes that they start and kill."""

import sys
from pathlib import Path

from sqlalchemy import inspect

from billing.facts.authorization import AddAccount, TopUp
from billing.facts.cdr import Cdr
from billing.facts.rate import Rate
from billing.stores.schema import metadata
from billing.stores.store import Store

sys.path.append(str(Path(__file__).parents[1]))

import fresh_books

RATE = Rate("default", "995", "Georgia", 0, 60_000, 1, 1, 0, 0, "GEL")
IN_MEMORY = "sqlite://"
URL = IN_MEMORY
"""The database of a test's books; the fixture `database` chooses it."""

_open: list[Store] = []


def store(url: str | None = None) -> Store:
    """Empty books. On a server there is one set of them: the ones before are closed."""
    url = url or URL
    if url == IN_MEMORY:
        made = fresh_books.fresh_books()
    else:
        on_server = url.startswith("postgresql")
        if on_server:
            close()
        made = Store(url)
        known = set(inspect(made.engine).get_table_names()) if on_server else set()
        if not metadata.tables.keys() <= known:  # also those of modules imported meanwhile
            made.create()
        if "accounts" in known:
            empty(made)
    _open.append(made)
    return made


def empty(made: Store) -> None:
    """Leave nothing in books but their tables, which takes a fraction of making them."""
    if made.engine.dialect.name == "sqlite":
        fresh_books.empty(made)
        return
    names = ", ".join(table.name for table in metadata.sorted_tables)
    with made.engine.begin() as connection:
        connection.exec_driver_sql(f"TRUNCATE {names} RESTART IDENTITY")


def reopen(url: str) -> Store:
    """The books of another process, as they are."""
    made = Store(url)
    _open.append(made)
    return made


def close() -> None:
    """Close what tests left open: a server counts connections."""
    while _open:
        _open.pop().close()


def one(books: Store, command):
    """The answer to a command; a refusal is raised."""
    (result,) = books.apply([command])
    if isinstance(result, Exception):
        raise result
    return result


def account(books: Store, balance: int, credit_limit: int | None = 0) -> int:
    (made,) = books.apply([AddAccount("somebody", "person", "GEL", credit_limit, "default", 0)])
    if balance:
        books.apply([TopUp(made.id, balance, f"first {made.id}", 0)])
    return made.id


def cdr(
    call_id: str, account_id: int | None, duration_ms: int = 0, answered: int | None = 1000
) -> Cdr:
    return Cdr(
        call_id, "a", "outgoing", "national", account_id, "+995322000001", "+995322000001",
        "+995322000002", "0322000002", "+995322000001", None, 500, 600, answered,
        (answered or 500) + duration_ms, 400, duration_ms, 200 if answered else 487, 16, "caller",
    )  # fmt: skip
