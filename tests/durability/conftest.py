"""Books that are killed, cut off and starved, and the ledger's state machine.

These take minutes and processes of their own, so that `pytest tests/billing` takes seconds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "billing")]


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Runs a test on each database: `books.store()` makes its books there."""
    import books

    url = "sqlite://" if request.param == "sqlite" else request.getfixturevalue("postgresql")
    monkeypatch.setattr(books, "URL", url)
    yield url
    books.close()
