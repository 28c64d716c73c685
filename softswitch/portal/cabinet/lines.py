"""Lines: the list, a line with its phones and settings, its PIN, password and connection."""

from __future__ import annotations

from collections import Counter

from starlette.responses import Response

from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.errors.texts import LANGUAGES
from softswitch.operations.access import OWNER, USER
from softswitch.operations.lines.lines import generate_password
from softswitch.portal.cabinet.services import in_words
from softswitch.portal.cabinet.way import way_in_words
from softswitch.portal.routes import Action, Page
from softswitch.portal.visit import Visit
from softswitch.portal.words import NAMES

LINE = {"number": "line"}
"""The argument that the path's line is."""


async def show_list(visit: Visit) -> Response:
    """The visitor's lines with their phones and messages."""
    phones = Counter(str(row["number"]) for row in await visit.some("registration_list"))
    boxes = {str(row["number"]): row for row in await visit.some("voicemail_list")}
    return visit.page(
        "cabinet/lines.html", lines=await visit.rows("line_list"), phones=phones, boxes=boxes
    )


async def show(visit: Visit) -> Response:
    """A line: its state, its phones, what is on, and its settings."""
    number = visit.path["line"]
    line = await visit.row("line_show", number=number)
    lease_end = str(line["lease_ends_on"] or "")
    return visit.page(
        "cabinet/line.html",
        line=line,
        lease_is_over="" < lease_end < visit.portal.identity.today(),
        phones=await visit.some("registration_list", line=number),
        services=in_words(visit, await visit.some("line_service_list", number=number)),
        mailbox=await mailbox(visit, number),
        way=way_in_words(visit, await visit.some("explain_incoming", number=number)),
        domain=visit.portal.config.switch.domain,
        languages_of_prompts=[(code, NAMES[code]) for code in LANGUAGES],
    )


async def mailbox(visit: Visit, number: str) -> Row | None:
    """A line's mailbox; None if it has none."""
    try:
        return await visit.row("voicemail_show", number=number)
    except OperationError:
        return None


async def show_pin(visit: Visit) -> Response:
    """The form for another PIN."""
    line = await visit.row("line_show", number=visit.path["line"])
    return visit.page("cabinet/line_pin.html", line=line)


async def show_connection(visit: Visit) -> Response:
    """The form that disconnects a line, or reconnects it."""
    line = await visit.row("line_show", number=visit.path["line"])
    return visit.page("cabinet/line_connection.html", line=line)


async def show_password(visit: Visit) -> Response:
    """The form for a new password of the line's phones."""
    line = await visit.row("line_show", number=visit.path["line"])
    return visit.page("cabinet/line_password.html", line=line, password=None)


async def make_password(visit: Visit) -> Response:
    """Make a new password, and show it this once."""
    number, password = visit.path["line"], generate_password()
    arguments = {"number": number, "key": "password", "value": password}
    await visit.portal.gateway.perform(visit.actor, "line_set", arguments)
    line = await visit.row("line_show", number=number)
    return visit.page(
        "cabinet/line_password.html",
        line=line,
        password=password,
        domain=visit.portal.config.switch.domain,
    )


def _setting(key: str) -> Action:
    """The form of one setting of a line."""
    return Action("line_set", ("value",), LINE, {"key": key}, name=key, beside={key: "value"})


PAGES = (
    Page("/lines", show_list, USER),
    Page(
        "/lines/{line}",
        show,
        USER,
        (
            *map(_setting, ("display_name", "language", "listed", "no_answer_seconds", "record")),
            Action("voicemail_enable", (), LINE, then="/lines/{line}/voicemail"),
        ),
    ),
    Page(
        "/lines/{line}/pin",
        show_pin,
        USER,
        (
            Action(
                "line_pin_set",
                ("pin", "old_pin", "password"),
                LINE,
                then="/lines/{line}",
                beside={
                    "pin_wrong": "old_pin",
                    "pin_missing": "old_pin",
                    "credentials_wrong": "password",
                },
            ),
        ),
    ),
    Page("/lines/{line}/password", show_password, OWNER, submit=make_password, confirmed=True),
    Page(
        "/lines/{line}/connection",
        show_connection,
        OWNER,
        (
            Action("line_disconnect", (), LINE, then="/lines/{line}"),
            Action("line_reconnect", (), LINE, then="/lines/{line}"),
        ),
        confirmed=True,
    ),
)
