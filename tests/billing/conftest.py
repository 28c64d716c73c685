import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, monkeypatch):
    """Runs a test on each database: `books.store()` makes its books there."""
    import books

    url = "sqlite://" if request.param == "sqlite" else request.getfixturevalue("postgresql")
    monkeypatch.setattr(books, "URL", url)
    yield url
    books.close()
