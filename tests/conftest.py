import gc
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))

_COUNT = itertools.count()

# How long an example takes is the machine's business, which other work may keep busy.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need so long that they say so come first: no worker ends with one of them while
    the others have nothing to do any more."""
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Freeze what was imported: no garbage collection scans it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of an empty database on a server of our own; skips where there is none."""
    import postgresql as own

    try:
        running = own.server()
        url = running.__enter__()
    except own.Missing as why:
        pytest.skip(str(why))
    yield url
    running.__exit__(None, None, None)


@pytest.fixture
def own_database(postgresql: str) -> str:
    """The URL of an empty database that no other test has, on the tests' server."""
    from billing.stores.store import Store

    name = f"own{next(_COUNT)}"
    server = Store(postgresql)
    with server.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    server.close()
    return postgresql.replace("/postgres?", f"/{name}?")
