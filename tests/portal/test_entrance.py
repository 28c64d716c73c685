"""Signing in, step by step, and everybody who mustn't."""

from __future__ import annotations

import re
from contextlib import ExitStack

from served import PASSWORD, Browserless, Served, token
from sqlalchemy import select

from billing.stores.store import Store
from softswitch.mail.outbox import outbox_table

DATABASES = ("sqlite", "postgresql")


def new_user(portal: Served, login: str, role: str = "subscriber") -> str:
    account = () if role == "admin" else ("--account", "1")
    (user,) = portal.command("user", "add", login, "--role", role, *account)
    return str(user["password"])


def test_an_issued_password_is_changed_before_anything_else(portal: Served) -> None:
    issued, person = new_user(portal, "first"), Browserless(portal.url)
    answer = person.sign_in("first", issued)
    assert answer.url.path == "/password"
    assert person.get("/calls").url.path == "/password"
    assert person.post("/password", old=issued, new=PASSWORD, again=PASSWORD).url.path == "/"
    assert person.get("/calls").url.path == "/calls"


def test_a_wrong_password_and_an_unknown_login_get_the_same_answer(portal: Served) -> None:
    new_user(portal, "known")
    answers = [Browserless(portal.url).sign_in(login, "wrong") for login in ("known", "unknown")]
    assert [answer.status_code for answer in answers] == [403, 403]
    texts = [answer.text.split('role="alert"')[1].split("</span>")[0] for answer in answers]
    assert texts[0] == texts[1]
    assert "wrong" in texts[0]


def test_after_five_wrong_passwords_the_next_one_waits(portal: Served) -> None:
    issued = new_user(portal, "guessed")
    stranger = Browserless(portal.url)
    for _ in range(5):
        stranger.sign_in("guessed", "wrong")
    answer = stranger.sign_in("guessed", issued)
    assert "Too many wrong tries" in answer.text
    assert answer.status_code == 403


def test_staff_sign_in_with_a_code(portal: Served) -> None:
    issued, person = new_user(portal, "clerk", "admin"), Browserless(portal.url)
    person.sign_in("clerk", issued)
    person.post("/password", old=issued, new=PASSWORD, again=PASSWORD)
    assert person.get("/op").url.path == "/totp"
    page = person.set_up_codes()
    assert "Recovery codes" in page.text
    recovery = page.text.split("<code>")[1].split("</code>")[0]
    assert person.get("/op").url.path == "/op"
    again = Browserless(portal.url)
    assert again.sign_in("clerk", PASSWORD).url.path == "/login/code"
    assert again.get("/op").url.path == "/login/code"
    assert again.post("/login/code", code="000000").status_code == 403
    assert again.post("/login/code", code=recovery).url.path == "/op"
    third = Browserless(portal.url)
    third.sign_in("clerk", PASSWORD)
    assert third.post("/login/code", code=recovery).status_code == 403  # used up


def test_signing_out_ends_the_session(portal: Served, ana: Browserless) -> None:
    issued, person = new_user(portal, "leaving"), Browserless(portal.url)
    person.first_sign_in("leaving", issued)
    before = person.session
    assert person.post("/logout", "/").url.path == "/login"
    person.session = before
    assert person.get("/calls").url.path == "/login"


def test_a_disabled_user_is_out_at_once(portal: Served) -> None:
    issued, person = new_user(portal, "gone"), Browserless(portal.url)
    person.first_sign_in("gone", issued)
    portal.command("user", "set", "gone", "disabled", "yes")
    assert person.get("/calls").url.path == "/login"


def test_subscribers_find_no_console(ana: Browserless) -> None:
    answers = [ana.get(path) for path in ("/op", "/op/calls", "/op/nothing")]
    assert [answer.status_code for answer in answers] == [404, 404, 404]


def test_a_form_needs_its_token_and_our_origin(portal: Served, ana: Browserless) -> None:
    fields = {"language": "ru", "next": "/"}
    assert ana.send("POST", "/language", data=fields).status_code == 403
    csrf = token(ana.get("/").text, "csrf")
    foreign = {"sec-fetch-site": "cross-site"}
    answer = ana.send("POST", "/language", data=fields | {"csrf": csrf}, headers=foreign)
    assert answer.status_code == 403
    assert answer.json()["code"] == "csrf_failed"


def test_sign_in_leads_on_only_to_pages_of_ours(portal: Served) -> None:
    issued = new_user(portal, "onward")
    for target in ("https://example.org/", "//example.org", "/\\example.org"):
        person = Browserless(portal.url)
        shown = person.get("/login", next=target).text
        assert token(shown, "next") == ""
        answer = person.post("/login", login="onward", password=issued, next=target)
        assert answer.url.host == "127.0.0.1"


def test_every_answer_has_the_headers_of_safety(portal: Served, ana: Browserless) -> None:
    for path in ("/login", "/", "/nothing", "/static/portal.css", "/health"):
        headers = ana.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"], path
        assert "unsafe" not in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["x-request-id"], path


def test_of_two_first_pages_that_load_at_once_each_signs_in(portal: Served) -> None:
    issued, person, other = new_user(portal, "two-tabs"), *pair(portal)
    first, second = person.get("/login").text, other.get("/login").text
    person.take_cookies(other)
    answer = person.send_form("/login", first, {"login": "two-tabs", "password": issued})
    assert answer.url.path == "/password"
    late = person.send_form("/login", second, {"login": "two-tabs", "password": issued})
    assert late.url.path == "/password"  # though the browser has signed in meanwhile


def pair(portal: Served) -> tuple[Browserless, Browserless]:
    return Browserless(portal.url), Browserless(portal.url)


def audit(portal: Served, actor: str) -> list[tuple[object, object]]:
    rows = portal.command("audit", "list", "--actor", actor)
    return [(row["operation"], row["outcome"]) for row in reversed(rows)]


def test_the_audit_has_sign_ins_and_changes_of_passwords_and_codes(portal: Served) -> None:
    issued, person = new_user(portal, "noted", "admin"), Browserless(portal.url)
    person.sign_in("noted", "wrong")
    person.first_sign_in("noted", issued)
    person.post("/logout", "/op")
    again = Browserless(portal.url)
    again.sign_in("noted", PASSWORD)
    again.post("/login/code", code="000000")
    assert audit(portal, "noted") == [
        ("sign_in", "credentials_wrong"), ("sign_in", "done"), ("password_change", "done"),
        ("totp_set", "done"), ("sign_out", "done"), ("sign_in", "done"),
        ("sign_in_code", "totp_wrong"),
    ]  # fmt: skip
    (row, *_) = portal.command("audit", "list", "--actor", "noted")
    assert (row["object"], row["address"], row["role"]) == ("login noted", "127.0.0.1", "admin")


def test_the_audit_keeps_no_login_that_nobody_has(portal: Served) -> None:
    Browserless(portal.url).sign_in("my password, not my login", "x")
    (row, *_) = portal.command("audit", "list", "--operation", "sign_in")
    assert row["outcome"] == "credentials_wrong"
    assert "my password" not in str(row)


def test_files_are_kept_by_browsers_and_come_compressed(ana: Browserless) -> None:
    (path,) = re.findall('href="(/static/portal[^"]+)"', ana.get("/").text)
    answer = ana.send("GET", path, headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert "immutable" in answer.headers["cache-control"]
    page = ana.send("GET", "/", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in page.headers  # its length would tell of the form's token


def link_of(portal: Served, address: str) -> str:
    """The path of the link in the newest mail to an address."""
    store = Store(portal.database)
    query = select(outbox_table.c.text).where(outbox_table.c.recipient == address)
    with store.engine.connect() as connection:
        text = str(connection.execute(query.order_by(outbox_table.c.id.desc())).first()[0])
    store.close()
    found = re.search(r"/reset/[A-Za-z0-9_-]+", text)
    assert found is not None, text
    return found[0]


def said(page: str) -> str:
    """What a page says, without the tokens of its forms."""
    return re.sub('value="[^"]*"', "", page.split("<main")[1])


def test_F20_a_forgotten_password_is_replaced_once_and_ends_every_session(portal: Served) -> None:
    address = "forgetful@example.org"
    (user,) = portal.command("user", "add", "forgetful", "--role", "subscriber", "--account", "1",
                             "--email", address)  # fmt: skip
    at_home, person = pair(portal)
    at_home.first_sign_in("forgetful", str(user["password"]))
    known = person.post("/forgotten", login="forgetful")
    unknown = person.post("/forgotten", login="nobody at all")
    assert said(known.text) == said(unknown.text)
    link, new = link_of(portal, address), "four other plain words"
    with at_home.stream("/live?topics=calls") as stream:
        assert person.post(link, new=new, again=new).url.path == "/login"
        assert "event: over" in "".join(stream.iter_text())  # at once: a heartbeat takes 15 s
    assert at_home.get("/calls").url.path == "/login"
    other = "and once more"
    refused = Browserless(portal.url).post(link, new=other, again=other)
    assert 'data-code="reset_link_void"' in refused.text
    assert person.sign_in("forgetful", new).url.path == "/"
    assert ("password_reset", "done") in audit(portal, "forgetful")


def test_G15_the_oldest_streams_of_many_windows_end(ana: Browserless) -> None:
    with ExitStack() as windows:
        streams = [
            windows.enter_context(ana.stream("/live?topics=calls")).iter_text() for _ in range(8)
        ]
        for stream in streams[:5]:
            assert "event: over" in "".join(stream)
        assert all(next(stream) for stream in streams[5:])
        assert ana.get("/calls").status_code == 200
