"""Recorded calls: the list with players, download, deletion (A13)."""

from __future__ import annotations

from starlette.responses import Response

from softswitch.control.errors import OperationError
from softswitch.operations.access import OWNER
from softswitch.portal.cabinet.sounds import stream
from softswitch.portal.routes import Action, Page
from softswitch.portal.shown import isolated
from softswitch.portal.visit import Visit

ROWS = 30


async def show(visit: Visit) -> Response:
    """Recorded calls, the newest first, of all lines or of one."""
    line = visit.asked("line")
    found = []
    try:
        found = await visit.rows(
            "recording_list",
            number=line or None,
            limit=ROWS + 1,
            before=visit.asked("before") or None,
        )
    except OperationError as error:
        visit.refuse(error)
    last = found[ROWS - 1] if len(found) > ROWS else None
    return visit.page(
        "cabinet/recordings.html",
        recordings=found[:ROWS],
        line=line,
        lines=[(row["number"], isolated(row["number"])) for row in await visit.some("line_list")],
        next=None if last is None else f"{last['begun_at']},{last['id']}",
    )


async def play(visit: Visit) -> Response:
    """A recording's sound: the caller left, the callee right."""
    return await stream(visit, "recording_open", recording=visit.path["recording"])


PAGES = (
    Page(
        "/recordings",
        show,
        OWNER,
        (Action("recording_delete", ("recording",), beside={"recording": ""}),),
    ),
    Page("/recordings/{recording}/sound", play, OWNER),
)
