"""The mailbox of a line: its messages with players, and its settings."""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response

from softswitch.operations.access import USER
from softswitch.portal.cabinet.sounds import stream
from softswitch.portal.routes import Action, Page
from softswitch.portal.visit import Visit
from softswitch.subscribers.mailbox import CONDITIONS

ROWS = 30
LINE = {"number": "line"}
MESSAGE = {"number": "line", "message": "message"}
TAKES = (
    "busy,no_answer,unreachable", "always", "no_answer", "busy", "unreachable", "busy,no_answer",
    "no_answer,unreachable",
)  # fmt: skip
"""The choices of which calls the mailbox takes."""
LIMITS = ("ring_seconds", "max_seconds", "days_kept", "max_messages")


async def show(visit: Visit) -> Response:
    """The messages, the newest first, and the settings."""
    number = visit.path["line"]
    mailbox = await visit.row("voicemail_show", number=number)
    found = await visit.rows(
        "voicemail_list", number=number, limit=ROWS + 1, before=visit.asked("before") or None
    )
    last = found[ROWS - 1] if len(found) > ROWS else None
    takes = mailbox["takes"]
    return visit.page(
        "cabinet/voicemail.html",
        number=number,
        mailbox=mailbox,
        messages=found[:ROWS],
        next=None if last is None else f"{last['received_at']},{last['id']}",
        takes=",".join(map(str, takes)) if isinstance(takes, list) else "",
        choices=[(value, _takes_in_words(visit, value)) for value in TAKES],
        limits=LIMITS,
    )


async def show_all(visit: Visit) -> Response:
    """The mailboxes of the visitor's lines; of a single line its own page."""
    boxes = await visit.rows("voicemail_list")
    lines = await visit.rows("line_list")
    if len(boxes) == 1 == len(lines):
        return visit.go(f"/lines/{quote(str(boxes[0]['number']), safe='')}/voicemail")
    return visit.page(
        "cabinet/mailboxes.html", boxes={str(box["number"]): box for box in boxes}, lines=lines
    )


async def play(visit: Visit) -> Response:
    """A message's sound."""
    return await stream(
        visit, "voicemail_open", number=visit.path["line"], message=visit.path["message"]
    )


def _takes_in_words(visit: Visit, value: str) -> str:
    parts = value.split(",")
    return ", ".join(visit.text(f"voicemail.takes_{name}") for name in CONDITIONS if name in parts)


def _setting(key: str) -> Action:
    """The form of one setting of a mailbox."""
    return Action("voicemail_set", ("value",), LINE, {"key": key}, name=key, beside={key: "value"})


PAGES = (
    Page("/voicemail", show_all, USER),
    Page(
        "/lines/{line}/voicemail",
        show,
        USER,
        (
            Action("voicemail_mark", ("message", "state"), LINE, beside={"message": ""}),
            Action("voicemail_delete", ("message",), LINE, beside={"message": ""}),
            Action("voicemail_disable", (), LINE, then="/lines/{line}"),
            *map(_setting, ("takes", "email", "pin", *LIMITS)),
        ),
    ),
    Page("/lines/{line}/voicemail/{message}/sound", play, USER),
)
