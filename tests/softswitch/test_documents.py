"""What the documents say of the tests is true: each that they name is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def names() -> set[str]:
    return {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)\(", file.read_text())
    }


def test_every_test_that_situations_names_is_there(names):
    named = re.findall(r"`(test_\w+)`", (ROOT / "docs" / "situations.md").read_text())
    assert len(named) > 40
    assert [name for name in named if name not in names] == []


def test_every_file_that_services_names_is_there():
    named = set(re.findall(r"tests/[\w/]+\.py", (ROOT / "docs" / "services.md").read_text()))
    assert named
    assert [file for file in sorted(named) if not (ROOT / file).is_file()] == []
