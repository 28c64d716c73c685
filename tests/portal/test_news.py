"""What is new to a subscriber: notices with their number, and the operator's announcements."""

from __future__ import annotations

import re

import pytest
from served import PASSWORD, Browserless, Served, token

DATABASES = ("sqlite", "postgresql")

pytestmark = pytest.mark.timeout(300)  # real processes, on machines that may be busy


def test_notices_are_read_in_words_and_counted_until_they_are_read(
    portal: Served, ana: Browserless
) -> None:
    shown = ana.get("/documents").text
    fields = {"csrf": token(shown, "csrf"), "key": "n" * 24, "do": "document_upload",
              "kind": "identity"}  # fmt: skip
    ana.send("POST", "/documents", data=fields,
             files={"content": ("scan.pdf", b"%PDF-1.7 scan", "application/pdf")})  # fmt: skip
    before = unread(ana)
    (document,) = portal.command("document", "list", "--account", "1")
    portal.command("document", "refuse", str(document["id"]), "--reason", "blurred")
    assert unread(ana) == before + 1
    page = ana.get("/notices").text
    assert "Your document was refused: " in page
    assert page.count('class="tag good"') == before + 1
    georgian = ana.get("/notices", lang="ka").text
    assert "თქვენი დოკუმენტი უარყოფილია" in georgian
    ana.get("/notices")  # looking alone changes nothing
    assert unread(ana) == before + 1
    after = ana.post("/notices", do="account_notices_read").text
    assert 'class="news"' not in after
    assert unread(ana) == 0


def unread(person: Browserless) -> int:
    found = re.search(r'class="news".*?<bdi>(\d+)</bdi>', person.get("/lines").text, re.DOTALL)
    return int(found[1]) if found else 0


def test_an_announcement_is_on_each_page_in_its_language_until_it_is_taken_away(
    portal: Served, ana: Browserless, admin: Browserless
) -> None:
    given = {"en": "Works <tonight>", "ka": "სამუშაოები ამაღამ"}
    answer = admin.post("/op/announcements", do="announcement_add", **given)
    assert answer.status_code == 200
    shown = ana.get("/calls").text
    assert '<p dir="auto">Works &lt;tonight&gt;</p>' in shown
    assert "სამუშაოები ამაღამ" in ana.get("/lines", lang="ka").text
    assert 'class="announcement"' in ana.get("/lines", lang="fa").text  # in one that there is
    assert 'class="announcement"' not in admin.get("/op").text
    (made,) = portal.command("announcement", "list")
    assert (made["state"], made["made_by"], made["texts"]) == ("shown", "boss", given)
    begins = ("--begins-at", "2093-01-01T00:00")
    (later,) = portal.command("announcement", "add", "--en", "Later", *begins)
    assert later["state"] == "waiting"
    assert "Later" not in ana.get("/calls").text
    for row in portal.command("announcement", "list"):
        admin.post("/op/announcements", do="announcement_remove", announcement=row["id"])
    assert 'class="announcement"' not in ana.get("/calls").text
    assert portal.command("announcement", "list") == []


def test_an_announcement_is_put_away_by_its_reader_alone(
    portal: Served, ana: Browserless, admin: Browserless
) -> None:
    portal.command("announcement", "add", "--en", "Works at noon")
    portal.command("announcement", "add", "--en", "Works at night")
    (noon,) = re.findall('value="([0-9]+)"', ana.get("/lines").text.split("Works at noon")[1])[:1]
    answer = ana.post("/announcements", "/lines", announcement=noon, next="/lines")
    assert answer.url.path == "/lines"
    assert "Works at noon" not in answer.text
    assert "Works at night" in answer.text
    other = Browserless(portal.url)
    other.sign_in("ana", PASSWORD)
    assert "Works at noon" in other.get("/lines").text
    for row in portal.command("announcement", "list"):
        admin.post("/op/announcements", do="announcement_remove", announcement=row["id"])


def test_an_announcement_without_a_text_or_after_its_end_is_refused(
    portal: Served, admin: Browserless
) -> None:
    before = portal.command("announcement", "list")
    empty = admin.post("/op/announcements", do="announcement_add")
    assert 'data-code="announcement_empty"' in empty.text
    over = admin.post(
        "/op/announcements", do="announcement_add", en="x", ends_at="2001-01-01T00:00"
    )
    assert 'data-code="announcement_over"' in over.text
    assert portal.command("announcement", "list") == before
