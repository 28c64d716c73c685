"""Lines in the cabinet: services, PIN, password and connection, by forms without scripts."""

from __future__ import annotations

import re

import pytest
from served import PASSWORD, Browserless, Served

DATABASES = ("sqlite", "postgresql")

ANA, BEKA = "+995322000001", "+995322000002"
PAGE = f"/lines/{ANA}"


def services(portal: Served) -> dict[str, dict[str, object]]:
    rows = portal.command("line", "service", "list", ANA)
    return {str(row["service"]): row for row in rows}


def codes(page: str) -> list[str]:
    """The codes of the refusals that a page shows."""
    return re.findall(r'data-code="(\w+)"', page)


def test_the_list_leads_to_the_line_and_says_that_no_phone_is_registered(ana: Browserless) -> None:
    shown = ana.get("/lines").text
    assert f'href="/lines/{ANA.replace("+", "%2B")}"' in shown
    assert "no phone registered" in shown


def test_forwarding_is_set_by_a_form_and_said_in_words(portal: Served, ana: Browserless) -> None:
    answer = ana.post(f"{PAGE}/services", do="forward_always", value=BEKA)
    assert f'All calls: on, to <bdi dir="ltr">{BEKA}</bdi>.' in answer.text
    assert services(portal)["forward_always"]["numbers"] == [BEKA]
    answer = ana.post(f"{PAGE}/services", do="forward_always", value="off")
    assert "All calls: off." in answer.text
    assert services(portal)["forward_always"]["on"] is False


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"value": ANA}, "target_is_own_number"),
        ({"value": "no number"}, "number_malformed"),
        ({"value": BEKA, "seconds": "4"}, "seconds_out_of_range"),
        ({"value": BEKA, "seconds": "soon"}, "argument_malformed"),
    ],
)
def test_a_refusal_stands_beside_its_field(
    ana: Browserless, fields: dict[str, object], code: str
) -> None:
    answer = ana.post(f"{PAGE}/services", do="forward_no_answer", **fields)
    assert answer.status_code == 422
    field = "seconds" if "seconds" in fields else "value"
    assert f'id="error-forward_no_answer-{field}" data-code="{code}"' in answer.text


def test_refused_callers_are_added_and_removed_one_by_one(portal: Served, ana: Browserless) -> None:
    page = f"{PAGE}/services"
    ana.post(page, do="call_filter", value=BEKA)
    assert services(portal)["call_filter"]["numbers"] == [BEKA]
    ana.post(page, do="call_filter_clear")
    assert services(portal)["call_filter"]["numbers"] == []


def test_the_second_zero_opens_with_the_pin_and_locks_after_five_wrong_ones(
    portal: Served, ana: Browserless
) -> None:
    page = f"{PAGE}/services"
    weak = ana.post(f"{PAGE}/pin", do="line_pin_set", pin="1234", password=PASSWORD)
    assert codes(weak.text) == ["pin_guessable"]
    wrong = ana.post(f"{PAGE}/pin", do="line_pin_set", pin="5172", password="not mine")
    assert 'id="error-line_pin_set-password" data-code="credentials_wrong"' in wrong.text
    ana.post(f"{PAGE}/pin", do="line_pin_set", pin="5172", password=PASSWORD)
    ana.post(page, do="bar_international", value="on")
    assert services(portal)["bar_international"]["on"] is True
    assert codes(ana.post(page, do="bar_international", value="off").text) == ["pin_missing"]
    opened = ana.post(page, do="bar_international", value="off", pin="5172")
    assert "Calls abroad: off." in opened.text
    ana.post(page, do="bar_international", value="on")
    for _ in range(5):
        answer = ana.post(page, do="bar_international", value="off", pin="9999")
        assert codes(answer.text) == ["pin_wrong"]
    answer = ana.post(page, do="bar_international", value="off", pin="5172")
    assert codes(answer.text) == ["pin_locked"]
    (locked,) = portal.command("pin", "list")
    assert (locked["kind"], locked["number"]) == ("line", ANA)
    assert services(portal)["bar_international"]["on"] is True
    portal.command("pin", "unlock", "line", ANA)
    ana.post(page, do="bar_international", value="off", pin="5172")


def test_settings_are_saved_each_by_its_form(portal: Served, ana: Browserless) -> None:
    ana.post(PAGE, do="display_name", value="Ana's desk")
    ana.post(PAGE, do="listed", value="yes")
    ana.post(PAGE, do="language", value="ka")
    (line,) = portal.command("line", "show", ANA)
    assert (line["display_name"], line["listed"], line["language"]) == ("Ana's desk", True, "ka")
    answer = ana.post(PAGE, do="display_name", value="x" * 65)
    assert 'id="error-display_name-value" data-code="display_name_malformed"' in answer.text


def test_a_new_password_is_shown_once(portal: Served, ana: Browserless) -> None:
    answer = ana.post(f"{PAGE}/password")
    found = re.search(r'<code class="secret" dir="ltr">(\w{20})</code>', answer.text)
    assert found is not None
    assert found[1] not in ana.get(f"{PAGE}/password").text


def test_a_line_is_disconnected_and_reconnected(portal: Served, ana: Browserless) -> None:
    ana.post(f"{PAGE}/connection", do="line_disconnect")
    assert portal.command("line", "show", ANA)[0]["status"] == "disconnected"
    assert "disconnected at your wish" in ana.get(PAGE).text
    ana.post(f"{PAGE}/connection", do="line_reconnect")
    assert portal.command("line", "show", ANA)[0]["status"] == "active"


@pytest.mark.parametrize("page", ["", "/services", "/pin", "/password", "/connection"])
def test_a_line_of_another_account_is_not_there(ana: Browserless, page: str) -> None:
    own, unknown = f"/lines/{BEKA}{page}", f"/lines/+995322999999{page}"
    answers = [ana.send("GET", path) for path in (own, unknown)]
    assert [answer.status_code for answer in answers] == [404, 404]


def test_a_form_changes_no_line_of_another_account(portal: Served, ana: Browserless) -> None:
    page = f"/lines/{BEKA}/services"
    answer = ana.post(page, f"{PAGE}/services", do="do_not_disturb", value="on")
    assert answer.status_code == 404
    rows = portal.command("line", "service", "list", BEKA)
    assert not any(row["on"] for row in rows if row["service"] == "do_not_disturb")


def test_a_user_of_a_line_sees_that_line_alone_and_no_money(portal: Served) -> None:
    portal.command("line", "add", "+995322000009", "--account", "1")
    (user,) = portal.command(
        "user", "add", "tenant", "--role", "line_user", "--account", "1", "--lines", "+995322000009"
    )
    tenant = Browserless(portal.url)
    tenant.first_sign_in("tenant", str(user["password"]))
    assert 'data-page="home"' in tenant.get("/").text
    shown = tenant.get("/lines").text
    assert "+995322000009" in shown and ANA not in shown
    assert tenant.post("/lines/+995322000009/services", do="do_not_disturb", value="on").is_success
    for path in (PAGE, f"{PAGE}/services", "/numbers", "/numbers/shop", "/recordings"):
        assert tenant.get(path).status_code == 404, path
    for path in ("/lines/+995322000009/password", "/lines/+995322000009/connection"):
        assert tenant.get(path).status_code == 404, path
