"""Every page of the table in Chromium, on the narrowest phone, at 200 % zoom and on a desk: nothing
scrolls sideways; and forms that are filled by the keyboard alone."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from served import Browserless, Served
from test_accessibility import of_role
from test_console_live import opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]
LINE, PEER = "+995322000001", "+995322000002"
WIDTHS = {"phone": 320, "zoom of 200 %": 640, "desk": 1280}
"""A window of 1280 pixels has 640 at 200 %."""
WIDER = """() => {
  const seen = [...document.querySelectorAll('.scroll')]
    .filter(one => one.scrollWidth > one.clientWidth + 1)
    .map(one => `a table by ${one.scrollWidth - one.clientWidth} px`);
  const page = document.documentElement.scrollWidth - window.innerWidth;
  return page > 0 ? [`the page by ${page} px`, ...seen] : seen;
}"""


@pytest.fixture(scope="module")
def known(portal: Served, ana: Browserless) -> dict[str, list[str]]:
    """Pages of things that there are, by role."""
    demo = [sys.executable, "-m", "softswitch", "demo"]
    subprocess.run(demo, cwd=portal.folder, check=True, timeout=120, stdout=subprocess.DEVNULL)
    call = portal.command("cdr", "list")[-1]
    asked = {"do": "request_open", "kind": "fault", "text": "It crackles", "line": LINE}
    ana.post("/requests", **asked)
    ana.post(f"/lines/{LINE}", do="voicemail_enable")
    request = portal.command("request", "list")[-1]["id"]
    shown = re.search(r'href="(/calls/[^"]+)"', ana.get("/calls").text)
    assert shown is not None
    line = f"/lines/{LINE}"
    parts = ("", "/pin", "/password", "/connection", "/devices", "/services", "/voicemail")
    return {
        "subscriber": [
            *(line + part for part in parts), f"/greetings/{LINE}", f"/messages/{LINE}/{PEER}",
            shown[1], f"/requests/{request}",
        ],
        "admin": [
            "/op/customers/1", f"/op/lines/{LINE}", "/op/tariffs/default", "/op/staff/ana",
            f"/op/requests/{request}",
            *(f"/op/call/{call['id']}?tab={tab}" for tab in ("why", "ladder", "sound", "money")),
        ],
    }  # fmt: skip


@pytest.mark.parametrize("language", ["en", "ru", "fa"])
@pytest.mark.parametrize("role", ["subscriber", "admin"])
def test_G2_nothing_scrolls_sideways(
    portal: Served, ana: Browserless, admin: Browserless, known: dict[str, list[str]],
    browser: Browser, role: str, language: str,
) -> None:  # fmt: skip
    person, found = ana if role == "subscriber" else admin, dict[str, list[str]]()
    for kind, width in WIDTHS.items():
        with opened(browser, person, {"width": width, "height": 800}) as page:
            for path in (*of_role(role), *known[role]):
                page.goto(f"{portal.url}{path}{'&' if '?' in path else '?'}lang={language}")
                wide = page.evaluate(WIDER)
                if wide:
                    found[f"{path} {kind}"] = wide
    assert found == {}


def focus(page: Page, selector: str) -> None:
    """Go on by the tabulator until an element has the focus."""
    wanted = f"document.activeElement.matches({selector!r})"
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate(wanted):
            assert page.evaluate(
                "getComputedStyle(document.activeElement).outlineStyle !== 'none'"
            ), "the focus is seen"
            return
    raise AssertionError(f"no {selector} by the keyboard")


def test_G2_F4_a_payment_is_taken_by_the_keyboard_alone(
    portal: Served, admin: Browserless, browser: Browser
) -> None:
    with opened(browser, admin, {"width": 1280, "height": 800}) as page:
        page.goto(f"{portal.url}/op/till")
        for name, text in (("account", "1"), ("amount", "4.25"), ("payment_id", "by-keys")):
            focus(page, f"form[data-do=account_topup] input[name={name}]")
            page.keyboard.type(text)
        focus(page, "form[data-do=account_topup] button")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        page.reload()
    paid = [row for row in portal.command("account", "ledger", "1") if row["amount"] == "4.25"]
    assert len(paid) == 1


def test_G2_F9_forwarding_is_set_by_the_keyboard_alone(
    portal: Served, ana: Browserless, browser: Browser
) -> None:
    with opened(browser, ana, {"width": 390, "height": 844}) as page:
        page.goto(f"{portal.url}/lines/{LINE}/services")
        focus(page, "[data-id=forward_always] summary")
        page.keyboard.press("Enter")
        focus(page, "[data-id=forward_always] input[name=value]")
        page.keyboard.type(PEER)
        with page.expect_navigation():
            page.keyboard.press("Enter")
    rows = portal.command("line", "service", "list", LINE)
    (kept,) = (row for row in rows if row["service"] == "forward_always")
    assert kept["numbers"] == [PEER]
