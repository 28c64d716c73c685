"""`softswitch config keys` and the pages that are made of it: complete, and as the code is.

UPDATE_DOCS=1 writes the pages anew.
"""

import os
from pathlib import Path

import pytest

from softswitch.config import keys as configured
from softswitch.config.keys import Key
from softswitch.errors import catalogue

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("configuration.md", configured.page),
        ("codes.md", configured.codes_page),
        ("errors.md", catalogue.page),
    ],
)
def test_the_page_says_what_the_code_has(name, page):
    if os.environ.get("UPDATE_DOCS"):
        (DOCS / name).write_text(page(), encoding="utf-8")
    assert (DOCS / name).read_text(encoding="utf-8") == page()


def test_every_key_has_a_meaning_and_a_type_that_people_read():
    found = configured.keys()
    assert len(found) > 150
    assert [key for key in found if not key.meaning] == []
    assert [key for key in found if "softswitch" in key.type or "typing" in key.type] == []


@pytest.mark.parametrize(
    "key",
    [
        Key("trunks", "compare_seconds", "integer, 1 to 86400", "180",
            "The length of the call by which the costs of trunks are compared."),
        Key("media", "ports", "FIRST-LAST", '"20000-29999"',
            "UDP ports for sound; a call takes two pairs of them."),
        Key("codes", "focus", "text", '"*87"',
            "The conference of a line's own calls, which its phone merges there."),
    ],
)  # fmt: skip
def test_a_key_is_told_with_bounds_and_default(key):
    assert key in configured.keys(key.section)
