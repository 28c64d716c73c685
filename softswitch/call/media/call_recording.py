"""A call is recorded while a line that wants it takes part (A13).

What both say passes on untouched; the sound tier only listens. Both are told by a tone,
which is mixed into it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rtp.control import PlayItem, Recorded
from softswitch.call.media.media import Side

if TYPE_CHECKING:
    from softswitch.call.call import Call
    from softswitch.subscribers.directory import Line

TONE = (PlayItem(tone="beep"),)
_SIDES: tuple[Side, Side] = ("a", "b")


class CallRecording:
    """At most one recording at a time; begun and ended as people come and go."""

    __slots__ = ("_call", "_ending", "_id", "_task")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._task: asyncio.Task[None] | None = None
        self._id: int | None = None
        self._ending = False

    def follow(self) -> None:
        """Somebody came or went: begin, or end, or leave it as it is."""
        line = self._wanted_by()
        if line is not None and self._task is None:
            self._ending = False
            self._task = self._call.context.loop.create_task(self._record(line))
        elif line is None and self._task is not None:
            self.stop()

    def stop(self) -> None:
        """The recording ends; the call's end ends it by itself."""
        self._ending = True
        self._task = None
        if self._id is not None:
            self._call.sound.stop_recording(self._id)
            self._id = None

    def _wanted_by(self) -> Line | None:
        for side in _SIDES:
            line = self._call.line_of(side)
            if line is not None and line.record:
                return line
        return None

    async def _record(self, line: Line) -> None:
        call, task = self._call, self._task
        desk, record = call.context.recordings, call.record
        if not call.media.decodable:
            call.context.log.warning(
                "a call isn't recorded, its codec can't be decoded",
                call=call.id, line=line.number, codec=call.media.codec,
            )  # fmt: skip
            return
        recording = await desk.begin(call.id, line, record.calling or "", record.called or "")
        if recording is None:
            return
        recorded: asyncio.Future[Recorded] | None = None
        if not call.over and not self._ending and self._task is task:
            if desk.settings.tone:
                for side in _SIDES:
                    call.sound.play(side, TONE, over=True)
            self._id, recorded = call.sound.record(
                desk.path(recording), "both", max_seconds=desk.settings.max_seconds
            )
        desk.keep(recording, recorded)
