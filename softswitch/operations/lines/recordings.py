"""Recorded calls: which there are, and taking them away."""

from __future__ import annotations

from billing.facts.cdr import show_stamp
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.operations.lines.voicemail import encoded_sound, sound_file
from softswitch.operations.pages import read_cursor, rows_asked
from softswitch.recordings.store import RecordedCall, RecordingStore
from softswitch.voicemail.shelf import Shelf, recordings_shelf


def recording_list(
    context: Context,
    number: str | None = None,
    limit: int = 100,
    before: str | None = None,
    account: str | None = None,
) -> list[Row]:
    """The newest first, of all lines, of an account's or of one.

    Args:
        before: those before the last one of the page before ("BEGUN_AT,ID").
    """
    line = None if number is None else context.number(number)
    owned = None
    owner = context.own_account(account)
    if line is not None and context.actor.is_subscriber:
        context.line(line)  # another's isn't found
    if owner is not None:
        own = context.directory.lines_of([owner])
        owned = {line.id: line.since for line in own if context.owns_line(line)}
    cursor = None if before is None else read_cursor(before)
    return [_row(one) for one in _store(context).newest(line, rows_asked(limit), owned, cursor)]


def recording_show(context: Context, recording: str) -> Row:
    found = _recording(context, recording)
    row = _row(found) | {"expires_at": show_stamp(found.expires_at)}
    if context.actor.is_subscriber:
        return row  # where the server keeps its files is its own business
    return row | {"file": str(_shelf(context).path(found.id))}


def recording_export(context: Context, recording: str) -> Row:
    """A recording with its WAV file in base64: stereo, the caller left, the callee right."""
    found = _recording(context, recording)
    return _row(found) | {"wav": encoded_sound(_shelf(context), found.id)}


def recording_open(context: Context, recording: str) -> Row:
    """A recording with the path of its WAV file, for a program that streams it: stereo, the caller
    left, the callee right."""
    found = _recording(context, recording)
    if found.state == "recording":
        raise OperationError("recording_in_progress", recording=found.id)
    return _row(found) | sound_file(_shelf(context), found.id)


def recording_delete(context: Context, recording: str) -> Row:
    found = _recording(context, recording)
    if found.state == "recording":
        raise OperationError("recording_in_progress", recording=found.id)
    _store(context).delete(found.id)
    _shelf(context).remove(found.id)
    return _row(found) | {"state": "deleted"}


def _recording(context: Context, begin: str) -> RecordedCall:
    """By its id."""
    near = {one.id: one for one in _store(context).find(begin)} if begin else {}
    ids = context.identified(near, begin)
    found = [near[key] for key in ids if _is_own(context, near[key])]
    if len(found) != 1:
        code = "recording_ambiguous" if found else "recording_not_found"
        raise OperationError(code, recording=begin)
    return found[0]


def _is_own(context: Context, recording: RecordedCall) -> bool:
    """True if the actor had the line when the call was recorded; its next owner doesn't hear it."""
    line = context.line_of(recording.line_id)
    had = line is None or line.since is None or line.since <= recording.begun_at
    return context.owns_line(line) and (had or not context.actor.is_subscriber)


def _store(context: Context) -> RecordingStore:
    return RecordingStore(context.billing.engine)


def _shelf(context: Context) -> Shelf:
    return recordings_shelf(context.config)


def _row(one: RecordedCall) -> Row:
    return {
        "id": one.id,
        "state": one.state,
        "line": one.line,
        "calling": one.calling or None,
        "called": one.called or None,
        "begun_at": show_stamp(one.begun_at),
        "seconds": round(one.duration_ms / 1000, 1),
        "call": one.call_id,
        "problem": one.problem or None,
    }
