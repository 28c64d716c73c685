"""Conference rooms and call completion in the cabinet, by forms without scripts."""

from __future__ import annotations

import time

from served import Browserless, Served
from test_lines import codes

from billing.stores.store import Store
from softswitch.completion.store import CompletionStore
from softswitch.completion.waiting import State, Waiting

ANA, BEKA = "+995322000001", "+995322000002"


def test_a_room_is_added_gets_a_pin_and_is_deleted(portal: Served, ana: Browserless) -> None:
    page = "/conference"
    assert codes(ana.post(page, do="room_add", room="x", line=ANA).text) == [
        "room_number_malformed"
    ]
    ana.post(page, do="room_add", room="4711", line=ANA, pin="")
    (room,) = portal.command("room", "list")
    assert (room["room"], room["line"], room["pin"]) == ("4711", ANA, "none")
    weak = ana.post(page, do="room_set", room="4711", value="1111")
    assert 'id="error-room_set-value" data-code="pin_guessable"' in weak.text
    ana.post(page, do="room_set", room="4711", value="5172")
    assert portal.command("room", "list")[0]["pin"] == "set"
    ana.post(page, do="room_delete", room="4711")
    assert portal.command("room", "list") == []


def test_a_room_belongs_to_a_line_of_ones_own(portal: Served, ana: Browserless) -> None:
    refused = ana.post("/conference", do="room_add", room="4712", line=BEKA)
    assert codes(refused.text) == ["line_not_found"]
    assert portal.command("room", "list") == []


def test_nobody_is_in_a_conference_and_none_can_be_sent_away(ana: Browserless) -> None:
    assert "Nobody is in a conference." in ana.get("/conference").text
    refused = ana.post("/conference", do="conference_remove", call="0" * 16)
    assert codes(refused.text) == ["call_not_found"]
    assert 'class="alert"' in refused.text


def waits(portal: Served, *found: Waiting) -> None:
    """Have callers wait, as the last running switch left them."""
    portal.stop("serve")
    store = Store(f"sqlite:///{portal.folder}/var/softswitch.db")
    CompletionStore(store.engine).write({one.id: one for one in found})
    store.close()
    (portal.folder / "serve.out").unlink()
    portal.start("serve")


def waiting(name: str, caller: int, callee: int, number: str, state: State, shown: bool) -> Waiting:
    now = round(time.time() * 1000)
    return Waiting(name * 16, caller, callee, number, shown, "busy", state, now, now)


def test_waits_are_seen_by_both_sides_accepted_and_cancelled(
    portal: Served, ana: Browserless
) -> None:
    lines = {row["number"]: int(str(row["id"])) for row in portal.command("line", "list")}
    one, two = lines[ANA], lines[BEKA]
    waits(
        portal,
        waiting("a", one, two, BEKA, "offered", True),
        waiting("b", one, two, BEKA, "declined", True),
        waiting("c", two, one, ANA, "accepted", True),
        waiting("d", two, one, ANA, "accepted", False),
    )
    shown = ana.get("/waiting").text
    assert "it is free: shall we connect you?" in shown
    mine, others = shown.split("Who waits for me")
    assert mine.count("was busy") == 2
    assert others.count(f'<strong><bdi dir="ltr">{BEKA}</bdi></strong>') == 1
    assert others.count("<strong>withheld</strong>") == 1
    ana.post("/waiting", do="completion_cancel", waiting_id="b" * 16)
    assert "b" * 16 not in {row["id"] for row in portal.command("completion", "list")}
    refused = ana.post("/waiting", do="completion_cancel", waiting_id="c" * 16)
    assert codes(refused.text) == ["completion_not_found"]
    answer = ana.post("/waiting", do="completion_accept", waiting_id="a" * 16)
    assert codes(answer.text) == []
