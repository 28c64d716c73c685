"""Connections that the server has closed meanwhile."""

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from billing.stores import idle_connections
from billing.stores.store import Store


@pytest.fixture
def store(postgresql):
    made = Store(postgresql)
    yield made
    made.close()


def backend(store) -> int:
    with store.engine.connect() as connection:
        return connection.execute(text("SELECT pg_backend_pid()")).scalar_one()


def close_at_the_server(store, pid) -> None:
    other = create_engine(store.engine.url)
    with other.connect() as connection:
        closed = connection.execute(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": pid})
        assert closed.scalar_one()
    other.dispose()


def test_a_connection_that_has_rested_is_tried_before_it_is_used(store, monkeypatch):
    monkeypatch.setattr(idle_connections, "RESTED_NS", 0)
    first = backend(store)
    assert backend(store) == first
    close_at_the_server(store, first)
    assert backend(store) != first


def test_one_that_was_used_a_moment_ago_fails_once(store, monkeypatch):
    monkeypatch.setattr(idle_connections, "RESTED_NS", 3_600 * 1_000_000_000)
    first = backend(store)
    close_at_the_server(store, first)
    with pytest.raises(OperationalError):
        backend(store)
    assert backend(store) != first
