"""Pages by the rules of WCAG 2 A and AA, in both themes, from left to right and from right to left,
and without sideways scrolling on the narrowest phone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from served import Browserless, Served

from softswitch.portal.app import PAGES

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
LOOKS = {"en": "light", "fa": "dark"}
"""Language to theme: each page is seen twice."""
NARROWEST = {"width": 320, "height": 844}
ELSEWHERE = {
    "/live", "/logout", "/language", "/announcements", "/calls.csv", "/phone", "/register",
    "/money/top-up",
}  # fmt: skip
"""No pages to look at, or there only where they are switched on."""


def of_role(role: str) -> list[str]:
    return [
        page.path
        for page in PAGES
        if role in page.roles and "{" not in page.path and page.path not in ELSEWHERE
        and "." not in page.path
    ]  # fmt: skip


@pytest.fixture(scope="module", params=list(LOOKS))
def seen(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A page of a narrow phone in one of the looks."""
    language = request.param
    context = browser.new_context(
        viewport=NARROWEST, locale=language, color_scheme=LOOKS[language], bypass_csp=True
    )  # type: ignore[arg-type]
    page = context.new_page()
    page.language = language  # type: ignore[attr-defined]
    yield page
    context.close()


def faults(page: Page, url: str) -> list[str]:
    """What a page does against the rules."""
    answer = page.goto(f"{url}?lang={page.language}")  # type: ignore[attr-defined]
    assert answer is not None
    if not answer.headers.get("content-type", "").startswith("text/html"):
        return []
    assert answer.status == 200, url
    found = [
        f"{one['id']}: {json.dumps([node['html'][:120] for node in one['nodes'][:3]])}"
        for one in Axe().run(page).response["violations"]
    ]
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return [*found, *([f"scrolls sideways by {wide} px"] if wide > 0 else [])]


@pytest.mark.parametrize("role", ["subscriber", "admin"])
def test_every_page_can_be_used_by_everybody(
    portal: Served, ana: Browserless, admin: Browserless, seen: Page, role: str
) -> None:
    person = ana if role == "subscriber" else admin
    seen.context.clear_cookies()
    seen.context.add_cookies(person.cookies())  # type: ignore[arg-type]
    told = {path: faults(seen, f"{portal.url}{path}") for path in of_role(role)}
    assert {path: some for path, some in told.items() if some} == {}


def test_the_entrance_can_be_used_by_everybody(portal: Served, seen: Page) -> None:
    seen.context.clear_cookies()
    assert faults(seen, f"{portal.url}/login") == []
