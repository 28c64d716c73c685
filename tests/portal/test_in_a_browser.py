"""Pages in Chromium: scripts, streams, widths, languages; any error in the console is a failure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from served import Browserless, Served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

DATABASES = ("sqlite", "postgresql")

PHONE = {"width": 390, "height": 844}


@contextmanager
def opened(browser: Browser, person: Browserless, language: str = "en") -> Iterator[Page]:
    """A page with a person's session; afterwards nothing was written to the console."""
    context = browser.new_context(viewport=PHONE, locale=language)  # type: ignore[arg-type]
    context.add_cookies(person.cookies())  # type: ignore[arg-type]
    page, said = context.new_page(), list[str]()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    context.close()
    assert said == []


def show_live(page: Page, url: str) -> None:
    """Open a page and wait until its stream is open."""
    with page.expect_response(re.compile("/live"), timeout=30_000):
        page.goto(url)


def test_a_page_opens_its_stream_however_late_a_script_comes(
    portal: Served, ana: Browserless, browser: Browser
) -> None:
    def later(route: Route) -> None:
        page.wait_for_timeout(500)
        route.continue_()

    with opened(browser, ana) as page:
        page.route("**/hx-sse.min.js*", later)
        show_live(page, f"{portal.url}/")


def test_a_balance_changes_on_the_open_page(
    portal: Served, ana: Browserless, browser: Browser
) -> None:
    with opened(browser, ana) as page:
        show_live(page, f"{portal.url}/")
        expect(page.locator(".large")).to_contain_text("10.00")
        portal.command("account", "topup", "1", "2.50", "--payment-id", "live")
        expect(page.locator(".large")).to_contain_text("12.50", timeout=20_000)


def test_a_page_says_that_the_switch_is_away_and_back(
    portal: Served, admin: Browserless, browser: Browser
) -> None:
    with opened(browser, admin) as page:
        show_live(page, f"{portal.url}/op")
        expect(page.locator("h1")).to_have_text("Board")
        portal.stop("serve")
        expect(page.locator("main .alert")).to_be_visible(timeout=40_000)
        portal.start("serve")
        expect(page.locator("main .alert")).to_have_count(0, timeout=40_000)


@pytest.mark.parametrize("language", ["en", "fa", "ka"])
@pytest.mark.parametrize("path", ["/", "/calls", "/login"])
def test_a_page_is_no_wider_than_a_phone(
    portal: Served, ana: Browserless, browser: Browser, path: str, language: str
) -> None:
    with opened(browser, ana, language) as page:
        page.goto(f"{portal.url}{path}?lang={language}")
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        assert page.locator("html").get_attribute("dir") == ("rtl" if language == "fa" else "ltr")
