"""Greetings of lines: uploaded, chosen, deleted (E18)."""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import replace
from pathlib import Path

from billing.facts.cdr import show_stamp
from rtp.samples import CLOCK_RATE, Samples
from rtp.wav import WavError
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.operations.lines.voicemail import (
    mailbox_of,
    read_sound,
    shelf_of,
    sound_file,
    store_of,
)
from softswitch.subscribers.directory import Line
from softswitch.subscribers.reach_store import reaches_of
from softswitch.voicemail.greeting_file import MAX_SECONDS, check, converted_samples
from softswitch.voicemail.store import Greeting

MAX_GREETINGS = 20
"""Greetings of one line."""
MAX_NAME = 64
MAX_UPLOAD_BYTES = 16 * 1024 * 1024
"""Of a file that is uploaded: it travels in one message, and is in memory while it is converted."""


def greeting_upload(
    context: Context, number: str, name: str, wav: str, convert: bool = False
) -> Row:
    """Keep a greeting.

    Args:
        wav: the file in base64: PCM, 8 kHz, 16 bit, mono.
        convert: take other sound files, too, and convert them to that.

    Raises OperationError with every reason for which a file can't be played as it is.
    """
    line = context.line(number)
    samples = _samples(name, wav, convert=convert)
    known = store_of(context).greetings(line.id)
    _check_name(name, known)
    if len(known) >= MAX_GREETINGS:
        raise OperationError("greetings_too_many", line=line.number, most=MAX_GREETINGS)
    duration_ms = len(samples) * 1000 // CLOCK_RATE
    greeting = Greeting(secrets.token_hex(16), line.id, name, duration_ms, context.now_ms())
    try:
        shelf_of(context).write(greeting.id, samples)
    except OSError as error:
        raise OperationError("file_not_kept", name=name, reason=error.strerror) from None
    store_of(context).add_greeting(greeting)
    return _row(greeting, line)


def greeting_open(context: Context, number: str, greeting: str) -> Row:
    """A greeting with the path of its WAV file, for a program that streams it."""
    line = context.line(number)
    found = _greeting(context, line, greeting)
    return _row(found, line) | sound_file(shelf_of(context), found.id)


def _samples(name: str, wav: str, *, convert: bool) -> Samples:
    """The sound of an uploaded file. Raises OperationError."""
    try:
        data = base64.b64decode(wav, validate=True)
    except binascii.Error:
        raise OperationError("base64_malformed", name=name) from None
    if len(data) > MAX_UPLOAD_BYTES:
        raise OperationError("greeting_too_large", name=name, most_mib=MAX_UPLOAD_BYTES >> 20)
    try:
        return converted_samples(data) if convert else check(data)
    except WavError as error:
        if convert:
            raise OperationError("greeting_unconvertible", name=name, reason=error) from None
        raise OperationError(
            "greeting_unplayable", name=name, reasons=error.reasons, most_seconds=MAX_SECONDS
        ) from None


def greeting_list(context: Context, number: str) -> list[Row]:
    line = context.line(number)
    return [_row(greeting, line) for greeting in store_of(context).greetings(line.id)]


def greeting_choose(context: Context, number: str, greeting: str | None) -> Row:
    """Which one a mailbox plays; None: the switch's own words."""
    line, mailbox = mailbox_of(context, number)
    chosen = None if greeting is None else _greeting(context, line, greeting)
    mailbox = replace(mailbox, greeting=None if chosen is None else chosen.id)
    store_of(context).save(line.id, mailbox)
    context.changes.lines.add(line.id)
    return {"number": line.number, "greeting": None if chosen is None else chosen.name}


def greeting_delete(context: Context, number: str, greeting: str) -> Row:
    """Forget one; a mailbox that played it goes back to the switch's own words."""
    line = context.line(number)
    found = _greeting(context, line, greeting)
    path = str(shelf_of(context).path(found.id))
    with context.billing.reading() as connection:
        reaches = reaches_of(connection, [line.account_id])
    for (reached, _), reach in reaches.items():
        if reach.greeting == path:
            raise OperationError("greeting_in_use", greeting=found.name, number=reached)
    store_of(context).delete_greeting(found)
    shelf_of(context).remove(found.id)
    context.changes.lines.add(line.id)
    return _row(found, line) | {"chosen": False, "deleted": True}


def greeting_export(context: Context, number: str, greeting: str) -> Row:
    """A greeting with its WAV file in base64."""
    line = context.line(number)
    found = _greeting(context, line, greeting)
    return _row(found, line) | {"wav": read_sound(context, found.id)}


def greeting_path(context: Context, line: Line, reference: str) -> Path:
    """The file of a line's greeting, by its name or its id. Raises OperationError."""
    return shelf_of(context).path(_greeting(context, line, reference).id)


def _check_name(name: str, known: list[Greeting]) -> None:
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise OperationError("greeting_name_malformed", longest=MAX_NAME)
    if any(greeting.name == name for greeting in known):
        raise OperationError("greeting_exists", name=name)


def _greeting(context: Context, line: Line, reference: str) -> Greeting:
    """By its name or its id."""
    known = store_of(context).greetings(line.id)
    found = [one for one in known if one.name == reference]
    if not found:
        ids = context.identified((one.id for one in known), reference)
        found = [one for one in known if one.id in ids]
    if len(found) != 1:
        code = "greeting_ambiguous" if found else "greeting_not_found"
        raise OperationError(code, greeting=reference, line=line.number)
    return found[0]


def _row(greeting: Greeting, line: Line) -> Row:
    return {
        "id": greeting.id,
        "name": greeting.name,
        "seconds": round(greeting.duration_ms / 1000, 1),
        "created_at": show_stamp(greeting.created_at),
        "chosen": line.mailbox is not None and line.mailbox.greeting == greeting.id,
    }
