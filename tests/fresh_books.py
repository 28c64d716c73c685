"""Empty books in memory, which hundreds of tests want one after the other, and a look into them."""

import copy
import functools

from sqlalchemy import event, func, select

from billing.stores.sales_schema import due_work
from billing.stores.store import Store

_unused: set[Store] = set()


def fresh_books() -> Store:
    """A copy of books that were created once, since making all tables takes a while; on an engine
    whose books somebody closed, if there is one, since it knows our statements already."""
    store = _unused.pop() if _unused else _another()
    empty(store)
    return copy.copy(store)


def empty(books: Store) -> None:
    """Leave nothing in books in memory but their tables."""
    target = books.engine.raw_connection()
    _template().engine.raw_connection().backup(target.driver_connection)
    target.close()
    books.forget()


def _another() -> Store:
    store = Store("sqlite://")
    event.listen(store.engine, "engine_disposed", lambda engine: _unused.add(store))
    return store


@functools.cache
def _template() -> Store:
    store = Store("sqlite://")
    store.create()
    return store


_NEXT_DUE = select(func.min(due_work.c.due_at))


def next_due(books: Store) -> int | None:
    """The time of the earliest scheduled work, epoch milliseconds; None without any."""
    with books.reading() as connection:
        return connection.execute(_NEXT_DUE).scalar_one_or_none()
