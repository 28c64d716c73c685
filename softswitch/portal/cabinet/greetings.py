"""Greetings of a line: played, chosen, uploaded; one that can't be played as it is is refused with
every reason, and converted if its owner wants (E18)."""

from __future__ import annotations

import asyncio
import base64
import time

from starlette.datastructures import UploadFile
from starlette.responses import Response

from rtp.wav import Reason, WavError, file_bytes
from softswitch.control.errors import OperationError
from softswitch.control.values import as_row
from softswitch.errors.texts import LANGUAGES
from softswitch.operations.access import USER
from softswitch.operations.accounts.request_details import VOICES
from softswitch.operations.accounts.requests import GREETING
from softswitch.portal.cabinet.lines import mailbox
from softswitch.portal.cabinet.sounds import stream
from softswitch.portal.held_files import HeldFile
from softswitch.portal.routes import UPLOAD_BYTES, Action, Page
from softswitch.portal.visit import Visit
from softswitch.portal.words import NAMES
from softswitch.voicemail.greeting_file import MAX_SECONDS, check, converted_samples

LINE = {"number": "line"}


async def show(visit: Visit) -> Response:
    """The greetings of a line."""
    return await _shown(visit)


async def play(visit: Visit) -> Response:
    """A greeting's sound."""
    return await stream(
        visit, "greeting_open", number=visit.path["line"], greeting=visit.path["greeting"]
    )


async def upload(visit: Visit) -> Response:
    """Keep an uploaded file, or say why it can't be played; or convert the one that was refused.

    The sound is checked and converted here, away from the switch, which has calls to carry.
    """
    if visit.form.get("do") == "greeting_convert":
        return await _convert(visit)
    if visit.form.get("do") == "order_greeting":
        return await _order(visit)
    form = await visit.request.form()
    given = form.get("wav")
    content = await given.read() if isinstance(given, UploadFile) else b""
    if not content:
        raise OperationError("argument_missing", operation="greeting_upload", field="wav")
    file_name = given.filename if isinstance(given, UploadFile) else ""
    name = visit.form.get("name", "").strip() or _stem(file_name or "")
    try:
        await asyncio.to_thread(check, content)
    except WavError as error:
        token = visit.portal.held_files.hold(visit.actor.session, name, content, time.monotonic())
        return await _shown(
            visit, status=422, name=name, token=token, reasons=_in_words(visit, error)
        )
    return await _keep(visit, name, content)


async def _order(visit: Visit) -> Response:
    """Ask for a greeting from the studio (E19): a request, to which the answer is a price."""
    form, number = visit.form, visit.path["line"]
    key = form.get("key", "")
    if not 16 <= len(key) <= 64:
        raise OperationError("idempotency_key_missing")
    arguments = {
        "kind": GREETING, "line": number, "text": form.get("text", "").strip(),
        "details": {name: form.get(name, "") for name in ("language", "voice")},
    }  # fmt: skip
    try:
        made = await visit.portal.gateway.perform(
            visit.actor, "request_open", arguments, f"form-{key}"
        )
    except OperationError as error:
        visit.refuse(error, "order_greeting", ORDER)
        return await _shown(visit)
    return visit.go(f"/requests/{as_row(made)['id']}?done=request_open")


async def _convert(visit: Visit) -> Response:
    token = visit.form.get("held", "")
    held = visit.portal.held_files.take(visit.actor.session, token, time.monotonic())
    if held is None:
        raise OperationError("argument_missing", operation="greeting_upload", field="wav")
    name = visit.form.get("name", "").strip() or held.name
    try:
        samples = await asyncio.to_thread(converted_samples, held.content)
    except WavError as error:
        raise OperationError("greeting_unconvertible", name=name, reason=error) from None
    try:
        return await _keep(visit, name, file_bytes(samples))
    except OperationError:
        _hold_again(visit, held)
        raise


def _hold_again(visit: Visit, held: HeldFile) -> None:
    """The name was refused: the file needn't be sent again."""
    token = visit.portal.held_files.hold(held.session, held.name, held.content, time.monotonic())
    visit.form = {**visit.form, "held": token}


async def _keep(visit: Visit, name: str, content: bytes) -> Response:
    number = visit.path["line"]
    wav = base64.b64encode(content).decode("ascii")
    arguments = {"number": number, "name": name, "wav": wav}
    await visit.portal.gateway.perform(visit.actor, "greeting_upload", arguments)
    return visit.go(f"/greetings/{number.replace('+', '%2B')}?done=greeting_choose")


async def _shown(
    visit: Visit,
    status: int = 200,
    name: str = "",
    token: str = "",
    reasons: tuple[str, ...] = (),
) -> Response:
    number = visit.path["line"]
    box = await mailbox(visit, number)
    return visit.page(
        "cabinet/greetings.html",
        status=status,
        number=number,
        mailbox=box,
        greetings=await visit.rows("greeting_list", number=number),
        name=name,
        held=token or visit.form.get("held", ""),
        reasons=reasons,
        most_seconds=MAX_SECONDS,
        languages_of_studio=[(one, NAMES[one]) for one in LANGUAGES],
        voices=[(one, visit.text(f"voicemail.voice_{one}")) for one in VOICES],
    )


def _in_words(visit: Visit, error: WavError) -> tuple[str, ...]:
    return tuple(
        visit.text(f"voicemail.wav_{reason.code}", **reason.facts)
        if isinstance(reason, Reason)
        else visit.text("voicemail.wav_other")
        for reason in error.reasons
    )


def _stem(file_name: str) -> str:
    """A greeting's name from its file's."""
    return file_name.rpartition("/")[2].rpartition("\\")[2].rpartition(".")[0][:64]


ORDER = Action("request_open", ("text", "language", "voice"))
"""The form that orders a greeting from the studio."""
PAGES = (
    Page(
        "/greetings/{line}",
        show,
        USER,
        (
            Action("greeting_choose", ("greeting",), LINE, beside={"greeting": ""}),
            Action("greeting_choose", (), LINE, {"greeting": None}, name="greeting_none"),
            Action("greeting_delete", ("greeting",), LINE, beside={"greeting": ""}),
        ),
        submit=upload,
        most_bytes=UPLOAD_BYTES,
    ),
    Page("/greetings/{line}/{greeting}/sound", play, USER),
)
