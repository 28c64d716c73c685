"""A call is recorded while a line that wants it takes part (A13).

What both say passes on untouched; the sound tier only listens. Both are told by a tone,
which is mixed into it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec import Struct

from rtp.control import PlayItem, Recorded
from softswitch.call.media.media import Side

if TYPE_CHECKING:
    from softswitch.call.legs import Legs
    from softswitch.recordings.desk import RecordingDesk
    from softswitch.subscribers.directory import Line
    from softswitch.trace.log import Log

TONE = (PlayItem(tone="beep"),)
_SIDES: tuple[Side, Side] = ("a", "b")


class CallRecording(Struct, eq=False):
    """At most one recording at a time; begins and ends as recorded lines come and go."""

    _legs: Legs
    _desk: RecordingDesk
    _log: Log
    _task: asyncio.Task[None] | None = None
    _id: int | None = None
    _ending: bool = False

    def follow(self, line: Line | None) -> None:
        """Begin or end, if need be, for the line of a party that wants a recording."""
        if line is not None and self._task is None:
            self._ending = False
            self._task = self._legs.clock.loop.create_task(self._record(line))
        elif line is None and self._task is not None:
            self.stop()

    def stop(self) -> None:
        """The recording ends; the call's end ends it by itself."""
        self._ending = True
        self._task = None
        media = self._legs.relay.media
        if self._id is not None and media is not None:
            media.session.stop_recording(self._id)
            self._id = None

    async def _record(self, line: Line) -> None:
        legs, desk, task = self._legs, self._desk, self._task
        media, record = legs.relay.media, legs.record
        if media is None:
            return
        if not media.decodable:
            self._log.warning(
                "a call isn't recorded, its codec can't be decoded",
                call=record.call_id, line=line.number, codec=media.codec,
            )  # fmt: skip
            return
        recording = await desk.begin(
            record.call_id, line, record.calling or "", record.called or ""
        )
        if recording is None:
            return
        recorded: asyncio.Future[Recorded] | None = None
        # The line may have left, or the call ended, while its row was written.
        if not legs.closing and not self._ending and self._task is task:
            if desk.settings.tone:
                for side in _SIDES:
                    media.session.play(side, TONE, over=True)
            self._id, recorded = media.session.record(
                desk.path(recording), "both", max_seconds=desk.settings.max_seconds
            )
        desk.keep(recording, recorded)
