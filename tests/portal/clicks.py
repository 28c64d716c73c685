"""Random clicks of many people: `python -m tests.portal.clicks [--minutes M] [--people N]`.

Subscribers follow links and send forms with what people type, right and wrong; staff look on. No
answer may be a fault of ours, and at the end the books add up and no log has an error. A run is
repeated by its `--seed`, but for the order of what people do at once.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from served import Browserless, Served, served

HOMES = {"subscriber": "/", "support": "/op", "accountant": "/op/till", "auditor": "/op/audit"}
LEFT_ALONE = ("/logout", "/password", "/totp", "/sign-in", "/live", "/api", "/static", "/phone")
"""Beginnings of paths that would end the person's own session, or are no pages."""
KEPT_OUT = ("user_remove", "user_password", "user_revoke", "user_set", "session_end")
"""Forms by which one subscriber would lock another out."""
TYPED = (
    "1", "0", "-1", "5", "12.50", "1e9", "100000000000000000000", "", " ", "Nino",
    "+995599123456", "995322000001", "112", "1234", "2580", "ana@example.org", "2027-01-31",
    "2027-02-30", "<script>alert(1)</script>", "=1+1", "\u10d2\u10d0\u10db\u10d0\u10e0\u10ef",
    "\u202eabc", "'; DROP TABLE lines; --", "x" * 300, "sip:us@[::1]:5060", "on", "true",
)  # fmt: skip
FILE = ("scan.pdf", b"%PDF-1.7 scan", "application/pdf")


@dataclass
class Form:
    """A form of a page: its address, and its fields with what may be chosen for each."""

    action: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    typed: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)


class Reading(HTMLParser):
    """The links and forms of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._choice = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name, form = given.get("name", ""), self._form
        if tag == "a" and given.get("href", "").startswith(("/", "?")):
            self.links.append(given["href"])
        elif tag == "form" and given.get("method", "").lower() == "post":
            self._form = Form(given.get("action", ""))
        elif form is None or not name:
            return
        elif tag == "select":
            self._choice = name
            form.fields[name] = []
        elif tag == "textarea" or (tag == "input" and given.get("type", "text") not in _FIXED):
            form.fields[name] = [given.get("value", "")]
            form.typed.add(name)
        elif given.get("type") == "file":
            form.files.add(name)
        elif given.get("type") == "checkbox":
            form.fields.setdefault(name, []).extend(["", given.get("value", "on")])
        elif tag in ("input", "button"):
            form.fields.setdefault(name, []).append(given.get("value", ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_data(self, data: str) -> None:
        """Nothing: what a page says isn't clicked."""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._form is not None:
            self.forms.append(self._form)
            self._form = None
        elif tag == "select":
            self._choice = ""

    def option(self, value: str) -> None:
        if self._form is not None and self._choice:
            self._form.fields[self._choice].append(value)


_FIXED = ("hidden", "file", "checkbox", "radio", "submit")


class _Options(Reading):
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "option":
            self.option(dict(attrs).get("value") or "")
        else:
            super().handle_starttag(tag, attrs)


def read(text: str) -> Reading:
    """The links and forms of a page."""
    found = _Options()
    found.feed(text)
    return found


@dataclass
class Clicker:
    """A person who clicks by chance.

    Args:
        sends: True for one who sends forms.
    """

    person: Browserless
    home: str
    sends: bool
    chance: random.Random
    seen: Counter[str]
    faults: list[str]

    def run(self, until: float, pause: float) -> None:
        """Click until then."""
        here, page = self.home, self.person.get(self.home)
        while time.monotonic() < until:
            time.sleep(self.chance.uniform(0, 2 * pause))
            try:
                here, page = self._click(here, page)
            except httpx.TransportError as error:
                self.faults.append(f"{here}: {error!r}")
            self.seen[f"{page.status_code}"] += 1
            if page.status_code >= 500:
                self.faults.append(f"{page.request.method} {page.url.path}: {page.status_code}")
            if 'data-page="login"' in page.text:
                self.faults.append(f"signed out after {here}")
                return

    def _click(self, here: str, page: httpx.Response) -> tuple[str, httpx.Response]:
        found = read(page.text if "html" in page.headers.get("content-type", "") else "")
        forms = [one for one in found.forms if self.sends and self._may_send(here, one)]
        if forms and self.chance.random() < 0.5:
            return self._send(here, self.chance.choice(forms))
        links = [one for one in found.links if not urlsplit(one).path.startswith(LEFT_ALONE)]
        path = self.chance.choice(links) if links and self.chance.random() < 0.95 else self.home
        path = urljoin(here, path)
        return path, self.person.send("GET", path, follow_redirects=True)

    def _may_send(self, here: str, form: Form) -> bool:
        path = urlsplit(form.action or here).path
        does = set(form.fields.get("do", []))
        return not path.startswith(LEFT_ALONE) and not does & set(KEPT_OUT)

    def _send(self, here: str, form: Form) -> tuple[str, httpx.Response]:
        path = form.action or here
        data = {name: self._value(form, name) for name in form.fields}
        files = dict.fromkeys(form.files, FILE)
        answer = self.person.send(
            "POST", path, data=data, files=files or None, follow_redirects=True
        )
        self.seen["forms"] += 1
        return answer.url.path, answer

    def _value(self, form: Form, name: str) -> str:
        if name in form.typed and self.chance.random() < 0.7:
            return self.chance.choice(TYPED)
        return self.chance.choice(form.fields[name] or [""])


def people_of(portal: Served, count: int) -> list[tuple[Browserless, str, bool]]:
    """Subscribers with accounts, lines and money of their own, and staff; with home pages."""
    portal.command("user", "add", "robot", "--role", "admin")
    (made,) = portal.command("token", "add", "robot", "clicks", "--scope", "*:write")
    found = []
    headers = {"authorization": f"Bearer {made['token']}"}
    with httpx.Client(base_url=f"{portal.url}/api/v1", headers=headers, timeout=60) as api:
        for number in range(count):
            account = post(api, "/accounts", f"a{number}", {"name": f"Subscriber {number}"})["id"]
            line = {"number": f"+9953221{number:05}", "account": str(account)}
            post(api, "/lines", f"l{number}", line)
            paid = {"amount": "50", "payment_id": f"clicks-{number}"}
            post(api, f"/accounts/{account}/payments", f"p{number}", paid)
            user = {"login": f"clicks-{number}", "role": "subscriber", "account": str(account)}
            issued = post(api, "/users", f"u{number}", user)["password"]
            found.append((signed_in(portal, f"clicks-{number}", str(issued)), "/", True))
        for role, home in HOMES.items():
            if role != "subscriber":
                user = {"login": f"clicks-{role}", "role": role}
                issued = post(api, "/users", role, user)["password"]
                found.append((signed_in(portal, f"clicks-{role}", str(issued)), home, False))
    return found


def post(
    api: httpx.Client, path: str, key: str, body: Mapping[str, object]
) -> Mapping[str, object]:
    answer = api.post(path, json=body, headers={"idempotency-key": key})
    answer.raise_for_status()
    time.sleep(0.05)  # tokens make twenty requests a second
    made: Mapping[str, object] = answer.json()
    return made


def signed_in(portal: Served, login: str, issued: str) -> Browserless:
    person = Browserless(portal.url)
    person.first_sign_in(login, issued)
    return person


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.portal.clicks", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--people", type=int, default=50, help="subscribers; default: 50")
    parser.add_argument("--pause", type=float, default=1.0, help="mean seconds between clicks")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    seen, faults = Counter[str](), list[str]()
    with (
        tempfile.TemporaryDirectory(prefix="softswitch-clicks-") as folder,
        served(Path(folder)) as portal,
    ):
        portal.command("package", "define", "evening", "--price", "1", "--term", "24 hours",
                       "--scope", "on_net")  # fmt: skip
        clickers = [
            Clicker(person, home, sends, random.Random(f"{given.seed}:{number}"), seen, faults)
            for number, (person, home, sends) in enumerate(people_of(portal, given.people))
        ]
        until = time.monotonic() + given.minutes * 60
        threads = [threading.Thread(target=one.run, args=(until, given.pause)) for one in clickers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(f"{len(clickers)} people, {given.minutes:g} min: {dict(seen)}")
        entries = len(portal.command("audit", "list", "--limit", "1000"))
        print(f"audit: {entries} entries (at most 1000 are shown)")
    print("the books add up, no error in the portal's log")
    for one, times in Counter(faults).most_common(20):
        print(f"FAULT {times} x {one}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
