"""Mailboxes of lines: opened, set, listened through, closed."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace

from billing.facts.cdr import show_stamp
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.operations.lines.lines import optional_integer
from softswitch.operations.lines.pin_locks import locked_until
from softswitch.operations.pages import cut, page_at, read_cursor
from softswitch.subscribers import pins
from softswitch.subscribers.directory import Line
from softswitch.subscribers.mail_address import is_address
from softswitch.subscribers.mailbox import CONDITIONS, LIMITS, VoiceMailbox
from softswitch.subscribers.pin_tries import PinTries, Secret
from softswitch.subscribers.supplementary import ForwardKind
from softswitch.voicemail.shelf import Shelf, voicemail_shelf
from softswitch.voicemail.store import Message, VoicemailStore


def voicemail_enable(
    context: Context, number: str, takes: str | None = None, email: str | None = None
) -> Row:
    """Open a line's mailbox, or change what an open one takes."""
    line = context.line(number)
    if line.mailbox is None and line.waiting is not None:
        raise OperationError("mailbox_outside", line=line.number)
    mailbox = line.mailbox or VoiceMailbox()
    if takes is not None:
        mailbox = replace(mailbox, takes=_conditions(takes))
    if email is not None:
        mailbox = _set_email(mailbox, email)
    return _save(context, line, mailbox)


def voicemail_disable(context: Context, number: str) -> Row:
    """Close a mailbox for good, with its messages and greetings."""
    line, _ = mailbox_of(context, number)
    sounds = store_of(context).close(line.id)
    for sound in sounds:
        shelf_of(context).remove(sound)
    context.changes.lines.add(line.id)
    return {"number": line.number, "removed": True, "files": len(sounds)}


def voicemail_show(context: Context, number: str) -> Row:
    line, mailbox = mailbox_of(context, number)
    return _row(context, line, mailbox)


def voicemail_set(context: Context, number: str, key: str, value: str) -> Row:
    """Change one setting; "" goes back to [voicemail]."""
    line, mailbox = mailbox_of(context, number)
    if key == "pin":
        return _save(context, line, _set_pin(mailbox, line, value))
    change = _KEYS.get(key)
    if change is None:
        known = ", ".join(sorted([*_KEYS, "pin"]))
        raise OperationError(
            "setting_unknown",
            what="a mailbox",
            noun="setting",
            setting=key,
            hint=f"known are {known}",
        )
    return _save(context, line, change(mailbox, value))


def voicemail_list(
    context: Context,
    number: str | None = None,
    limit: int | None = None,
    before: str | None = None,
) -> list[Row]:
    """The messages of a line, the oldest first; without a line, all mailboxes.

    Args:
        limit: the newest so many messages, the newest first.
        before: likewise, those before the last one of the page before ("RECEIVED_AT,ID").
    """
    page = page_at(limit, None if before is None else read_cursor(before))
    if number is None:
        return [_summary(line) for line in context.own_lines() if line.mailbox is not None]
    line, _ = mailbox_of(context, number)
    found = store_of(context).messages(line.id)
    if page is not None:
        found = cut(page, found, lambda message: (message.received_at, message.id))
    return [_message_row(message) for message in found]


def voicemail_delete(context: Context, number: str, message: str) -> Row:
    line, found = _message(context, number, message)
    store_of(context).delete(line.id, [found.id])
    shelf_of(context).remove(found.id)
    context.changes.lines.add(line.id)
    return _message_row(found) | {"state": "deleted"}


def voicemail_mark(context: Context, number: str, message: str, state: str) -> Row:
    """Have a message counted as new, or as saved."""
    if state not in ("new", "saved"):
        raise OperationError("message_state_unknown", value=state)
    line, found = _message(context, number, message)
    store_of(context).mark(line.id, found.id, "new" if state == "new" else "saved")
    context.changes.lines.add(line.id)
    return _message_row(found) | {"state": state}


def voicemail_export(context: Context, number: str, message: str) -> Row:
    """A message with its WAV file in base64."""
    _, found = _message(context, number, message)
    return _message_row(found) | {"wav": read_sound(context, found.id)}


def voicemail_open(context: Context, number: str, message: str) -> Row:
    """A message with the path of its WAV file, for a program that streams it."""
    _, found = _message(context, number, message)
    return _message_row(found) | sound_file(shelf_of(context), found.id)


def sound_file(shelf: Shelf, sound_id: str) -> Row:
    """A sound file for a program of the switch's own user; its users never see the path."""
    path = shelf.path(sound_id)
    try:
        shelf.fetch(sound_id)
        octets = path.stat().st_size
    except OSError as error:
        raise OperationError("file_not_read", path=path, reason=error.strerror) from None
    return {"path": str(path.absolute()), "octets": octets, "type": "audio/wav"}


def mailbox_of(context: Context, number: str) -> tuple[Line, VoiceMailbox]:
    """Raises OperationError: no such line, or it has no mailbox."""
    line = context.line(number)
    if line.mailbox is None:
        raise OperationError("mailbox_none", line=line.number)
    return line, line.mailbox


def store_of(context: Context) -> VoicemailStore:
    return VoicemailStore(context.billing.engine)


def shelf_of(context: Context) -> Shelf:
    return voicemail_shelf(context.config)


def read_sound(context: Context, sound_id: str) -> str:
    """A WAV file in base64. Raises OperationError."""
    return encoded_sound(shelf_of(context), sound_id)


def encoded_sound(shelf: Shelf, sound_id: str) -> str:
    """A WAV file of a shelf in base64. Raises OperationError."""
    path = shelf.path(sound_id)
    try:
        return base64.b64encode(shelf.fetch(sound_id).read_bytes()).decode("ascii")
    except OSError as error:
        raise OperationError("file_not_read", path=path, reason=error.strerror) from None


def _message(context: Context, number: str, message: str) -> tuple[Line, Message]:
    """By its id."""
    line, _ = mailbox_of(context, number)
    messages = store_of(context).messages(line.id)
    ids = context.identified((one.id for one in messages), message)
    found = [one for one in messages if one.id in ids]
    if len(found) != 1:
        code = "message_ambiguous" if found else "message_not_found"
        raise OperationError(code, message=message, line=line.number)
    return line, found[0]


def _save(context: Context, line: Line, mailbox: VoiceMailbox) -> Row:
    store_of(context).save(line.id, mailbox)
    context.changes.lines.add(line.id)
    return voicemail_show(context, line.number)


def _conditions(text: str) -> tuple[ForwardKind, ...]:
    wanted = [name.strip() for name in text.replace(" ", ",").split(",") if name.strip()]
    unknown = [name for name in wanted if name not in CONDITIONS]
    if unknown or not wanted:
        known = ", ".join(CONDITIONS)
        raise OperationError(
            "mailbox_reasons_unknown", known=known, unknown=", ".join(unknown) or "none"
        )
    return tuple(name for name in CONDITIONS if name in wanted)


def _set_email(mailbox: VoiceMailbox, value: str) -> VoiceMailbox:
    if value and not is_address(value):
        raise OperationError("email_malformed", value=value)
    return replace(mailbox, email=value or None)


def _set_pin(mailbox: VoiceMailbox, line: Line, value: str) -> VoiceMailbox:
    if not value:
        return replace(mailbox, pin=None)
    try:
        pins.check_strength(value, line.number)
    except pins.WeakPin as error:
        raise OperationError.of(error) from None
    return replace(mailbox, pin=pins.hashed(value, secrets.token_bytes(pins.SALT_BYTES)))


def _limit(key: str) -> Callable[[VoiceMailbox, str], VoiceMailbox]:
    (low, high), put = LIMITS[key], _LIMITED[key]

    def change(mailbox: VoiceMailbox, value: str) -> VoiceMailbox:
        return put(mailbox, optional_integer(key, value, low, high))

    return change


_LIMITED: Mapping[str, Callable[[VoiceMailbox, int | None], VoiceMailbox]] = {
    "max_seconds": lambda mailbox, number: replace(mailbox, max_seconds=number),
    "max_messages": lambda mailbox, number: replace(mailbox, max_messages=number),
    "days_kept": lambda mailbox, number: replace(mailbox, days_kept=number),
    "ring_seconds": lambda mailbox, number: replace(mailbox, ring_seconds=number),
}
"""A mailbox with another limit, by the keys of `LIMITS`."""
_KEYS: Mapping[str, Callable[[VoiceMailbox, str], VoiceMailbox]] = {
    "takes": lambda mailbox, value: replace(mailbox, takes=_conditions(value)),
    "email": _set_email,
    **{key: _limit(key) for key in LIMITS},
}


def _summary(line: Line) -> Row:
    assert line.mailbox is not None
    waiting = line.waiting
    return {
        "number": line.number,
        "new": 0 if waiting is None else waiting.new,
        "saved": 0 if waiting is None else waiting.old,
        "takes": list(line.mailbox.takes),
        "email": line.mailbox.email,
    }


def _row(context: Context, line: Line, mailbox: VoiceMailbox) -> Row:
    greetings = store_of(context).greetings(line.id)
    chosen = (one.name for one in greetings if one.id == mailbox.greeting)
    tries = PinTries(context.billing.engine).of(Secret("mailbox", str(line.id)))
    return _summary(line) | {
        "greeting": next(chosen, None),
        "pin": "none" if mailbox.pin is None else "set",
        "pin_locked_until": locked_until(tries, context.now_ms()),
        "pin_failures": tries.wrong,
        **{key: getattr(mailbox, key) or getattr(context.config.voicemail, key) for key in LIMITS},
    }


def _message_row(message: Message) -> Row:
    return {
        "id": message.id,
        "state": message.state,
        "calling": message.calling or None,
        "received_at": show_stamp(message.received_at),
        "seconds": round(message.duration_ms / 1000, 1),
        "call": message.call_id,
    }
