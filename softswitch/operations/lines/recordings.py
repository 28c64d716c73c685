"""Recorded calls: which there are, and taking them away."""

from __future__ import annotations

import base64

from billing.facts.cdr import show_stamp
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.recordings.store import RecordedCall, RecordingStore
from softswitch.voicemail.shelf import Shelf


def recording_list(context: Context, number: str | None = None, limit: int = 100) -> list[Row]:
    """The newest first, of all lines or of one."""
    line = None if number is None else context.number(number)
    return [_row(one) for one in _store(context).newest(line, limit)]


def recording_show(context: Context, recording: str) -> Row:
    found = _recording(context, recording)
    path = _shelf(context).path(found.id)
    return _row(found) | {"expires_at": show_stamp(found.expires_at), "file": str(path)}


def recording_export(context: Context, recording: str) -> Row:
    """A recording with its WAV file in base64: stereo, the caller left, the callee right."""
    found = _recording(context, recording)
    path = _shelf(context).path(found.id)
    try:
        wav = base64.b64encode(path.read_bytes()).decode("ascii")
    except OSError as error:
        raise OperationError("file_not_read", path=path, reason=error.strerror) from None
    return _row(found) | {"wav": wav}


def recording_delete(context: Context, recording: str) -> Row:
    found = _recording(context, recording)
    if found.state == "recording":
        raise OperationError("recording_in_progress", recording=found.id)
    _store(context).delete(found.id)
    _shelf(context).remove(found.id)
    return _row(found) | {"state": "deleted"}


def _recording(context: Context, begin: str) -> RecordedCall:
    """By its id, or by the beginning of it that only one recording has."""
    found = _store(context).find(begin) if begin else []
    if len(found) != 1:
        code = "recording_ambiguous" if found else "recording_not_found"
        raise OperationError(code, recording=begin)
    return found[0]


def _store(context: Context) -> RecordingStore:
    return RecordingStore(context.billing.engine)


def _shelf(context: Context) -> Shelf:
    return Shelf(context.config.recordings_dir)


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
