"""Every page of the table, for everybody: it answers, in five languages, without changing anything,
and to those alone whom the table names."""

from __future__ import annotations

import re
import sqlite3

import pytest
from served import Browserless, Served

from softswitch.portal.app import PAGES
from softswitch.portal.routes import Page

OF_ANA = {
    "line": "+995322000001", "number": "+995322000001", "peer": "+995322000002", "request": "1",
    "document": "1",
}  # fmt: skip
ELSEWHERE = {
    "/live",
    "/logout",
    "/announcements",
    "/language",
    "/calls.csv",
    "/calls.xlsx",
    "/phone",
    "/money/top-up",
}
"""No pages to look at; the phone and the top-up are there only where they are configured."""


def plain(page: Page) -> bool:
    """True for a page without parameters."""
    return "{" not in page.path and page.path not in ELSEWHERE


def of_subscribers() -> list[str]:
    return [page.path for page in PAGES if plain(page) and "subscriber" in page.roles]


def of_staff() -> list[str]:
    return [page.path for page in PAGES if plain(page) and "admin" in page.roles]


@pytest.fixture(scope="module")
def filled(portal: Served, ana: Browserless) -> Browserless:
    """Ana with something of everything."""
    ana.post("/requests", do="request_open", kind="relocation", text="to the sea")
    return ana


def rows(portal: Served) -> dict[str, int]:
    """The number of rows of each table that a page must not change."""
    with sqlite3.connect(portal.folder / "var" / "softswitch.db") as database:
        names = [
            name
            for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if name not in ("sessions", "login_attempts", "audit")
        ]
        return {
            name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names
        }


@pytest.mark.parametrize("path", of_subscribers())
def test_a_subscriber_sees_each_page_in_each_language(
    portal: Served, filled: Browserless, path: str
) -> None:
    before = rows(portal)
    for language in ("en", "ka", "ru", "fa", "kk"):
        answer = filled.get(path, lang=language)
        assert answer.status_code == 200, answer.text[-500:]
        assert answer.url.path in (path, "/confirm")
        shown = re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", answer.text)
        assert not re.search(r"\b[a-z]+_[a-z]+\b", shown), re.search(r"\b[a-z]+_[a-z]+\b", shown)
    assert rows(portal) == before


@pytest.mark.parametrize("path", of_staff())
def test_an_administrator_sees_each_page(admin: Browserless, path: str) -> None:
    answer = admin.get(path)
    assert answer.status_code == 200, answer.text[-500:]


def test_pages_of_others_are_not_there(portal: Served, ana: Browserless) -> None:
    for page in PAGES:
        if page.stage == "role" and "subscriber" not in page.roles and plain(page):
            assert ana.get(page.path).status_code == 404, page.path


def test_strangers_are_sent_to_the_entrance(portal: Served) -> None:
    stranger = Browserless(portal.url)
    for page in PAGES:
        if page.stage == "role" and plain(page):
            assert stranger.get(page.path).url.path == "/login", page.path


@pytest.mark.parametrize(
    "path",
    [page.path for page in PAGES if "{" in page.path and "subscriber" in page.roles],
)
def test_what_isnt_ones_own_isnt_there(ana: Browserless, path: str) -> None:
    nothing = dict.fromkeys(re.findall(r"{(\w+)}", path), "999")
    answer = ana.get(path.format_map(nothing))
    assert answer.status_code == 404, (path, answer.status_code)
