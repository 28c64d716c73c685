"""The browser phone: a page that is a phone of one of the visitor's lines."""

from __future__ import annotations

import secrets

from starlette.responses import JSONResponse, Response

from softswitch.control.errors import OperationError
from softswitch.operations.access import USER
from softswitch.portal.routes import Page
from softswitch.portal.visit import Visit

WORDS = (
    "accept", "away", "busy", "calling", "call", "ended", "failed", "fair", "good", "hang_up",
    "hold", "incoming", "microphone", "mute", "on_hold", "poor", "ready", "refused", "resume",
    "talking", "unmute",
)  # fmt: skip
"""The texts that the page's script shows."""


async def show(visit: Visit) -> Response:
    """The phone, for one of the visitor's lines. Raises OperationError where there is none."""
    if not visit.portal.config.portal.phone_url:
        raise OperationError("browser_phone_off")
    return visit.page(
        "cabinet/phone.html",
        lines=await visit.some("line_list"),
        words={word: visit.text(f"phone.{word}", number="{number}") for word in WORDS},
    )


async def submit(visit: Visit) -> Response:
    """A new pass for the page's script, as JSON; a refusal with its status and sentence."""
    line = visit.form.get("line", "")
    made = await visit.portal.gateway.perform(
        visit.actor, "line_browser_pass", {"line": line}, f"pass-{secrets.token_urlsafe(18)}"
    )
    return JSONResponse(made)


PAGES = (Page("/phone", show, USER, submit=submit),)
