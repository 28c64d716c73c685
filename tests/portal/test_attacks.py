"""Attacks: scripts in names, forms of other sites, fields that nobody offered, floods."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from html.parser import HTMLParser

import pytest
from hostile_phone import HostilePhone
from served import Browserless, Served, token

from softswitch.operations.arguments import parameters
from softswitch.operations.registry import OPERATIONS
from softswitch.portal.app import PAGES
from softswitch.portal.console.calls import TABS
from softswitch.portal.routes import Action, Page

SCRIPT = "<zz9 onload=alert(1)>'\"&"
ANA = "+995322000001"
PATH = {
    "line": ANA, "number": ANA, "peer": "+995322000002", "request": "1", "document": "1",
    "account": "1", "token": "x",
}  # fmt: skip


def filled(path: str) -> str:
    return path.format_map({name: PATH.get(name, "1") for name in re.findall(r"{(\w+)}", path)})


def state(portal: Served) -> dict[str, int]:
    """Rows by table, without those that every request writes."""
    with sqlite3.connect(portal.folder / "var" / "softswitch.db") as database:
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        left_out = {"sessions", "login_attempts", "audit", "nodes"}
        return {
            name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
            for (name,) in names
            if name not in left_out
        }


class Tags(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def without_scripts(shown: str, path: str) -> None:
    """A page has no element, no attribute and no address of a stranger's making."""
    tags = Tags()
    tags.feed(shown)
    assert not [tag for tag, _ in tags.found if tag.startswith("zz9")], path
    for tag, attributes in tags.found:
        assert not [name for name in attributes if name.startswith("on")], (path, tag)
        for name in ("href", "src", "action"):
            value = (attributes.get(name) or "").strip().lower()
            assert not value.startswith(("javascript:", "data:", "http")), (path, value)


@pytest.fixture(scope="module")
def poisoned(portal: Served, ana: Browserless, admin: Browserless) -> None:
    """Everything that a subscriber or a stranger can write holds a script."""
    portal.command("account", "set", "1", "name", SCRIPT)
    portal.command("account", "set", "1", "address", SCRIPT)
    ana.post("/requests", do="request_open", kind="relocation", text=SCRIPT)
    ana.post("/requests/1", do="request_note", text=SCRIPT)
    ana.post("/people", do="token_add", login="ana", name=SCRIPT, scopes="*:read")
    shown = ana.get("/documents").text
    fields = {"csrf": token(shown, "csrf"), "key": "b" * 24, "do": "document_upload",
              "kind": "identity"}  # fmt: skip
    file = {"content": (f"{SCRIPT}.pdf", b"%PDF-1.7", "application/pdf")}
    ana.send("POST", "/documents", data=fields, files=file)
    portal.command("line", "set", ANA, "display_name", "<zz9 onload=alert(1)>")
    ana.post(f"/messages/{ANA}/+995322000002", do="sms_send", text=SCRIPT)
    stranger = Browserless(portal.url)
    stranger.sign_in(SCRIPT, SCRIPT)
    portal.command(
        "line", "add", "+995322000044", "--account", "1", "--login", "zz", "--password", "secret"
    )
    with contextlib.closing(HostilePhone(portal.sip_port, "zz", "secret", "127.0.0.1")) as phone:
        assert phone.register() == 200
        assert phone.call("+995322000002") == 480
        assert phone.text("+995322000002") == 202
        assert phone.call("%3Czz9%3E") == 404
    calls = portal.command("cdr", "list")
    PATH["call"] = str(calls[0]["id"])


@pytest.mark.parametrize("path", [page.path for page in PAGES if page.stage == "role"])
def test_no_script_of_a_stranger_becomes_part_of_a_page(
    poisoned: None, ana: Browserless, admin: Browserless, path: str
) -> None:
    if path == "/live":
        return
    for person in (ana, admin):
        answer = person.get(filled(path))
        if "html" not in answer.headers.get("content-type", ""):
            continue
        assert answer.status_code < 500, path
        without_scripts(answer.text, path)


def test_what_a_phone_says_of_itself_is_shown_as_text(poisoned: None, admin: Browserless) -> None:
    path = f"/op/call/{PATH['call']}"
    for tab in TABS:
        without_scripts(admin.get(path, tab=tab).text, f"{path} {tab}")
    assert "&lt;zz9 onload=alert(1)&gt;" in admin.get(path, tab="ladder").text


def with_forms() -> list[Page]:
    return [page for page in PAGES if page.actions or page.submit is not None]


@pytest.mark.parametrize("page", with_forms(), ids=lambda page: page.path)
def test_a_form_of_another_site_changes_nothing(
    portal: Served, ana: Browserless, admin: Browserless, page: Page
) -> None:
    before = state(portal)
    for person in (ana, admin):
        csrf = token(person.get("/profile" if person is ana else "/op").text, "csrf")
        for action in page.actions or (None,):
            fields = {"key": "c" * 24} | ({} if action is None else {"do": action.do})
            path = filled(page.path)
            without = person.send("POST", path, data=fields)
            foreign = person.send(
                "POST", path, data=fields | {"csrf": csrf},
                headers={"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
            )  # fmt: skip
            old = person.send(
                "POST", path, data=fields | {"csrf": csrf},
                headers={"sec-fetch-site": "", "origin": "https://evil.example"},
            )  # fmt: skip
            assert foreign.status_code == old.status_code == 403, (path, foreign.status_code)
            assert without.status_code in (303, 403, 404), (path, without.status_code)
    assert state(portal) == before


def offered() -> list[tuple[Page, Action]]:
    return [(page, one) for page in PAGES for one in page.actions if "subscriber" in page.roles]


@pytest.mark.parametrize(
    ("page", "action"), offered(), ids=lambda one: getattr(one, "do", one.path)
)
def test_a_field_that_a_form_doesnt_have_is_refused(
    portal: Served, ana: Browserless, page: Page, action: Action
) -> None:
    operation = OPERATIONS.get(action.operation)
    if operation is None:
        return
    before = state(portal)
    hidden = (set(parameters(operation.function)) | {"is_admin", "price"}) - set(action.fields)
    shown = ana.get(filled(page.path))
    if shown.status_code != 200:
        return
    tokens = {"csrf": token(shown.text, "csrf"), "key": "d" * 24, "do": action.do}
    for name in sorted(hidden - {"key"}):
        answer = ana.send("POST", filled(page.path), data=tokens | {name: "1"})
        assert answer.status_code == 422, (page.path, action.do, name, answer.status_code)
    assert state(portal) == before


def test_a_request_that_is_too_large_is_not_read(ana: Browserless) -> None:
    large = b"x" * (64 * 1024 + 1)
    assert ana.send("POST", "/requests", content=large).status_code == 413
    assert ana.send("POST", "/documents", content=b"x" * (12 << 20 | 1)).status_code == 413


def test_a_file_is_known_by_its_content(ana: Browserless) -> None:
    shown = ana.get("/documents").text
    fields = {"csrf": token(shown, "csrf"), "do": "document_upload", "kind": "identity"}
    for number, content in enumerate(
        (b"<html><script>alert(1)</script>", b"MZ\x90", b"PK\x03\x04")
    ):
        file = {"content": ("scan.pdf", content, "application/pdf")}
        data = fields | {"key": f"file{number}" * 5}
        answer = ana.send("POST", "/documents", data=data, files=file)
        assert answer.status_code == 422
        assert 'data-code="document_type_unknown"' in answer.text
