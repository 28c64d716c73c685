"""Two switches never serve one database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from billing.stores.store import Store, StoreError
from softswitch.control.claim import DatabaseClaim
from softswitch.control.server import AlreadyRunning


@pytest.fixture(params=["sqlite", "postgresql"])
def claims(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[DatabaseClaim, DatabaseClaim]]:
    """Those of two processes."""
    file = tmp_path / "softswitch.db" if request.param == "sqlite" else None
    url = f"sqlite:///{file}" if file else request.getfixturevalue("postgresql")
    stores = [Store(url), Store(url)]
    first, second = (DatabaseClaim(store.engine, file, "the database") for store in stores)
    yield first, second
    first.release()
    second.release()
    for store in stores:
        store.close()


def test_the_second_is_told_and_comes_in_when_the_first_is_gone(
    claims: tuple[DatabaseClaim, DatabaseClaim],
) -> None:
    first, second = claims
    first.take()
    for _ in range(2):
        with pytest.raises(AlreadyRunning, match=r"running already .*: it serves the database"):
            second.take()
    first.release()
    second.take()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "nowhere" / "softswitch.db"
    store = Store("sqlite://")
    with pytest.raises(StoreError, match=r"softswitch\.db\.lock can't be opened: No such file"):
        DatabaseClaim(store.engine, file, str(file)).take()
    store.close()
