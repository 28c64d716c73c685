"""Empty books in memory, which hundreds of tests want at once."""

import functools

from billing.store import Store


def fresh_books() -> Store:
    """A copy of books that were created once: making all tables takes a while."""
    store = Store("sqlite://")
    target = store.engine.raw_connection()
    _template().engine.raw_connection().backup(target.driver_connection)
    target.close()
    return store


@functools.cache
def _template() -> Store:
    store = Store("sqlite://")
    store.create()
    return store
