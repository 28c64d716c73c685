"""Conference rooms with their PINs, and the members of live conferences (A7, A8)."""

from __future__ import annotations

from starlette.responses import Response

from softswitch.control.errors import OperationError
from softswitch.operations.access import USER
from softswitch.portal.routes import Action, Page
from softswitch.portal.shown import isolated
from softswitch.portal.visit import Visit


async def show(visit: Visit) -> Response:
    """The rooms, and who is in a conference now."""
    try:
        members = await visit.rows("conference_members")
        is_away = False
    except OperationError:
        members, is_away = [], True
    return visit.page(
        "cabinet/conference.html",
        rooms=await visit.rows("room_list"),
        members=members,
        is_away=is_away,
        lines=[(row["number"], isolated(row["number"])) for row in await visit.rows("line_list")],
        code=visit.portal.config.codes.conference,
    )


PAGES = (
    Page(
        "/conference",
        show,
        USER,
        (
            Action("room_add", ("room", "line", "pin")),
            Action(
                "room_set",
                ("room", "value"),
                fixed={"key": "pin"},
                beside={"pin": "value", "room": ""},
            ),
            Action("room_delete", ("room",), beside={"room": ""}),
            Action("conference_mute", ("call",), fixed={"muted": True}, beside={"call": ""}),
            Action(
                "conference_mute",
                ("call",),
                fixed={"muted": False},
                name="conference_unmute",
                beside={"call": ""},
            ),
            Action("conference_remove", ("call",), beside={"call": ""}),
        ),
    ),
)
