"""Calls of real phones take the way that a page has just set."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from served import Browserless, Served, free_port, token
from test_in_a_browser import opened

from softswitch.cli.demo import PHONE

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ANA, BEKA, CIRA = "+995322000001", "+995322000002", "+995322000003"
BERLIN = "+49301234500"
TONE_HERTZ, TALK_SECONDS = 440, 2


class Phone:
    """A phone of the demo in a process of its own."""

    def __init__(self, portal: Served, number: str, *target: str) -> None:
        rows = (portal.folder / "var" / "demo-lines.txt").read_text().splitlines()[1:]
        password = next(row.split("\t")[2] for row in rows if row.split("\t")[1] == number)
        facts = [number[1:], password, "127.0.0.1", portal.sip_port, free_port(), free_port(),
                 TONE_HERTZ, TALK_SECONDS, *target]  # fmt: skip
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(PHONE), *map(str, facts)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def until(self, event: str) -> list[str]:
        """The events until this one, or until the phone has no more to say."""
        assert self._process.stdout is not None
        seen: list[str] = []
        for line in self._process.stdout:
            if line.startswith("{"):
                seen.append(str(json.loads(line)["event"]))
                if seen[-1] == event:
                    break
        return seen

    def go(self) -> None:
        """Begin to call."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def called(portal: Served, number: str, at: str) -> Iterator[list[str]]:
    """Cira calls a number while a phone waits at a line; what that phone saw."""
    callee = Phone(portal, at)
    caller = Phone(portal, CIRA, number)
    try:
        assert callee.until("registered") == ["registered"]
        assert caller.until("registered") == ["registered"]
        caller.go()
        yield callee.until("answered")
        caller.until("hung up")
        callee.until("ended")
    finally:
        caller.close()
        callee.close()


def test_the_next_call_is_forwarded_as_the_page_says(portal: Served, ana: Browserless) -> None:
    page = f"/lines/{ANA}/services"
    ana.post(page, do="forward_always", value=BEKA)
    with called(portal, ANA[1:], BEKA) as seen:
        assert seen == ["ringing", "answered"]
    ana.post(page, do="forward_always", value="off")


def test_the_second_target_rings_when_the_first_has_no_phone(
    portal: Served, ana: Browserless
) -> None:
    portal.command("number", "add", BERLIN, "--country", "DE", "--monthly", "1")
    page = f"/numbers/order?number={BERLIN.replace('+', '%2B')}"
    shown = ana.get(page).text
    fields = {"do": "rental_order", "numbers": BERLIN, "months": "1", "line": ANA}
    ana.send_form(page, shown, fields)
    page = f"/numbers/{BERLIN}"
    shown = ana.get(page).text
    data = {"csrf": token(shown, "csrf"), "key": "t" * 24, "do": "number_reach",
            "targets": [ANA, BEKA], "in_turn": "true", "seconds": "5"}  # fmt: skip
    assert ana.send("POST", page, data=data).status_code == 303
    with called(portal, BERLIN, BEKA) as seen:
        assert seen == ["ringing", "answered"]


def test_an_open_page_of_a_line_shows_what_its_phone_has_set(
    portal: Served, ana: Browserless, browser: Browser
) -> None:
    with opened(browser, ana) as page:
        page.goto(f"{portal.url}/lines/{ANA}")
        assert "Do not disturb" not in page.locator("#now").inner_text()
        phone = Phone(portal, ANA, "*26#")
        try:
            phone.until("registered")
            phone.go()
            page.locator("#now dt", has_text="Do not disturb").wait_for(timeout=30_000)
        finally:
            phone.close()
        while portal.command("call", "list"):  # until the announcement is over
            time.sleep(0.2)
