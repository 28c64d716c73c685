"""Pages of lines and numbers in Chromium: no wider than a phone, in three alphabets, and silent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from served import Browserless, Served
from test_in_a_browser import PHONE, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

LINE = "/lines/+995322000001"
PATHS = (
    "/lines", LINE, f"{LINE}/services", f"{LINE}/pin", "/recordings", "/greetings/+995322000001",
    "/numbers", "/numbers/shop?country=DE", "/numbers/sms",
    "/numbers/bring", "/conference", "/waiting", "/numbers/caller-id",
)  # fmt: skip


@pytest.mark.parametrize("language", ["en", "fa", "ka"])
def test_a_page_is_no_wider_than_a_phone(
    portal: Served, ana: Browserless, browser: Browser, language: str
) -> None:
    with opened(browser, ana, language) as page:
        for path in PATHS:
            page.goto(f"{portal.url}{path}{'&' if '?' in path else '?'}lang={language}")
            assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"], path
            assert page.locator("html").get_attribute("dir") == (
                "rtl" if language == "fa" else "ltr"
            )
