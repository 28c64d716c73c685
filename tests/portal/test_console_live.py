"""The console in Chromium: live calls, widths, languages; an error in its console is a failure."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from served import Browserless, Served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PHONE = {"width": 390, "height": 844}
WIDE = {"width": 1280, "height": 800}


@contextmanager
def opened(browser: Browser, person: Browserless, viewport: dict[str, int]) -> Iterator[Page]:
    """A page with a person's session; afterwards nothing was written to the console."""
    context = browser.new_context(viewport=viewport)  # type: ignore[arg-type]
    context.add_cookies(person.cookies())  # type: ignore[arg-type]
    page, said = context.new_page(), list[str]()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    context.close()
    assert said == []


@pytest.fixture
def call(portal: Served) -> Iterator[subprocess.Popen[str]]:
    """A call between the demo's phones, which takes five seconds unless somebody hangs up."""
    process = subprocess.Popen(
        [sys.executable, "-m", "softswitch", "demo"], cwd=portal.folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    yield process
    process.kill()
    process.wait(20)


@pytest.fixture(scope="module")
def record(portal: Served) -> dict[str, object]:
    """The record of a call between the demo's phones that is over."""
    subprocess.run(
        [sys.executable, "-m", "softswitch", "demo"], cwd=portal.folder, check=True, timeout=120,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return portal.command("cdr", "list")[-1]


def test_a_call_shows_on_the_open_page_and_is_hung_up_there(
    portal: Served, admin: Browserless, browser: Browser, call: subprocess.Popen[str]
) -> None:
    with opened(browser, admin, WIDE) as page:
        page.goto(f"{portal.url}/op/calls")
        row = page.locator("tbody tr[data-id]")
        expect(row).to_have_count(1, timeout=60_000)
        expect(row).to_contain_text("+995322000002")
        expect(row).to_contain_text("talking", timeout=20_000)
        row.get_by_role("button", name="Hang up").click()
        expect(page.locator("tbody tr[data-id]")).to_have_count(0, timeout=5_000)
    deadline = time.monotonic() + 30
    ended: set[object] = set()
    while "operator" not in ended and time.monotonic() < deadline:
        ended = {record["ended_by"] for record in portal.command("cdr", "list")}
    assert "operator" in ended


def test_the_ladder_is_drawn_from_the_messages_of_the_call(
    portal: Served, admin: Browserless, browser: Browser, record: dict[str, object]
) -> None:
    with opened(browser, admin, WIDE) as page:
        page.goto(f"{portal.url}/op/call/{record['call_id']}?tab=ladder")
        labels = page.locator("svg .rung text:not(.clock)").all_text_contents()
        assert labels[:2] == ["INVITE SDP", "401 Unauthorized"]
        page.locator("svg .rung").first.click()
        target = page.locator("#message-1")
        target.locator("summary").click()
        expect(target.locator("pre")).to_contain_text("INVITE sip:995322000002")
        page.goto(f"{portal.url}/op/call/{record['call_id']}?tab=money")
        expect(page.locator("main")).to_contain_text(f"call:{record['call_id']}")


@pytest.mark.parametrize("language", ["en", "ka", "fa"])
@pytest.mark.parametrize(
    "path",
    ["/op", "/op/calls/ended", "/op/customers/1", "/op/till", "/op/rights", "/op/audit",
     "/op/lines/+995322000001", "/op/tariffs/default"],
)  # fmt: skip
def test_a_page_fits_a_phone_and_a_desk(
    portal: Served, admin: Browserless, browser: Browser, path: str, language: str
) -> None:
    for viewport in (PHONE, WIDE):
        with opened(browser, admin, viewport) as page:
            page.goto(f"{portal.url}{path}?lang={language}")
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width == viewport["width"], (path, language)


def test_the_menu_of_a_phone_opens_without_a_script(
    portal: Served, admin: Browserless, browser: Browser
) -> None:
    with opened(browser, admin, PHONE) as page:
        page.goto(f"{portal.url}/op")
        till = page.locator("nav.rail a", has_text="Till")
        expect(till).to_be_hidden()
        page.locator("label.menu").click()
        till.click()
        expect(page.locator("h1")).to_have_text("Till")


def test_the_messages_of_a_call_are_a_capture_file(
    admin: Browserless, record: dict[str, object]
) -> None:
    file = admin.get(f"/op/call/{record['call_id']}/pcap")
    assert file.content[:4] in (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4")
    assert b"INVITE sip:995322000002" in file.content


def test_calls_are_priced_again_first_without_a_change(
    portal: Served, admin: Browserless, record: dict[str, object]
) -> None:
    day = date.fromisoformat(str(record["setup_at"])[:10])
    answer = admin.post(
        "/op/tariffs/corrections", do="rerate", since=day - timedelta(days=1),
        until=day + timedelta(days=2), dry_run="true",
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    assert 'data-page="answer"' in answer.text
    assert portal.command("cdr", "corrections") == []
