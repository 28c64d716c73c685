"""Conferences: everybody hears the sum of the others. All rooms of a tick are mixed at once.

What fits is added up exactly. When the sum of loud voices doesn't fit, who hears it hears it
quieter for a while: the loudness changes along the frame and comes back slowly, so nothing clicks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from rtp.samples import FRAME_SAMPLES, Samples

MAX_MEMBERS = 500
"""The limit of one room; voices at once are noise long before."""
FULL_SCALE = 32767
_RECOVERY = 0.02
"""The share of full loudness that comes back in a frame: from half in half a second."""
_DUCK_SAMPLES = 40
"""5 ms: how fast loudness goes down."""
_DOWN = np.minimum(np.arange(FRAME_SAMPLES) / _DUCK_SAMPLES, 1.0)
_UP = np.arange(1, FRAME_SAMPLES + 1) / FRAME_SAMPLES
_WAYS = np.array([_DOWN, _UP], np.float32)
"""The ramps of a frame's loudness from the old to the new value."""
_SMALL_ROOM = 32
"""Members of the rooms whose rows are added up place by place."""
_MUTE_RAMP = np.linspace(1.0, 0.0, FRAME_SAMPLES, dtype=np.float32)

_SPEAKING_RMS = 10 ** (-42 / 20) * 32768
"""-42 dBov: a voice, not a breath."""
_SPEAKER_SMOOTHING = 0.1
_SPEAKER_LEAD = 2.0
"""A member takes the floor by being this much louder, in power, than the present speaker."""


Key = TypeVar("Key")


class Member(Generic[Key]):
    """A member of a room.

    Args:
        key: identifies it to readers of `Room.speaker`.
    """

    __slots__ = ("gain", "key", "muted", "power", "row", "was_muted")

    def __init__(self, key: Key, *, muted: bool = False) -> None:
        self.key = key
        self.muted = muted
        self.gain = 1.0
        """The gain of its voice."""
        self.power = 0.0
        """The power of its voice: the mean square of its samples, smoothed."""
        self.row = 0
        """Its row in what a :class:`Mixer` takes and returns."""
        self.was_muted = muted

    def spoken(self, frame: Samples) -> Samples:
        """The frame for the others, made of what the member said; a change of `muted` is a fade."""
        if self.muted and self.was_muted:
            return np.zeros(FRAME_SAMPLES, np.int16)
        if self.muted == self.was_muted:
            return frame
        self.was_muted = self.muted
        ramp = _MUTE_RAMP if self.muted else _MUTE_RAMP[::-1]
        return (frame * ramp).astype(np.int16)


class Room(Generic[Key]):
    """Members and who of them speaks."""

    __slots__ = ("announcement", "floor_may_change", "id", "members", "speaker")

    def __init__(self, room: int) -> None:
        self.id = room
        self.members: list[Member[Key]] = []
        self.announcement: Samples | None = None
        """A frame that all hear in the next tick, such as the tone for a new member."""
        self.speaker: Member[Key] | None = None
        self.floor_may_change = True
        """True if another member was loud enough in the last tick to take the floor."""

    def find_speaker(self) -> bool:
        """Choose the member that has the floor; True if it is another one than before."""
        loudest = max(self.members, key=lambda member: member.power, default=None)
        speaker = self.speaker if self.speaker in self.members else None
        if loudest is None or loudest.power < _SPEAKING_RMS**2:
            changed = speaker is not self.speaker
            self.speaker = speaker
            return changed
        if speaker is None or loudest.power > _SPEAKER_LEAD * speaker.power:
            speaker = loudest
        changed = speaker is not self.speaker
        self.speaker = speaker
        return changed


class Mixer(Generic[Key]):
    """All rooms of a worker while nobody enters, leaves or is muted: what is known of each member
    is in arrays, and a tick takes no step for each of them.

    Args:
        rooms: none of them empty.
    """

    __slots__ = ("_counts", "_gains", "_muted", "_powers", "_rooms", "_starts", "members")

    def __init__(self, rooms: Sequence[Room[Key]]) -> None:
        self._rooms = rooms
        self.members = [member for room in rooms for member in room.members]
        """All members, room by room; each knows its row."""
        for row, member in enumerate(self.members):
            member.row = row
        self._muted = [member for member in self.members if member.muted or member.was_muted]
        self._counts = np.array([len(room.members) for room in rooms], np.int64)
        self._starts = np.cumsum(self._counts) - self._counts
        self._powers = np.array([member.power for member in self.members], np.float64)
        self._gains = np.array([member.gain for member in self.members], np.float64)

    def give_back(self) -> None:
        """Have the members themselves know their power and gain again: another mixer follows."""
        facts = zip(self.members, self._powers.tolist(), self._gains.tolist(), strict=True)
        for member, power, gain in facts:
            member.power, member.gain = power, gain

    def mix(self, frames: Samples) -> Samples:
        """A tick.

        Args:
            frames: what each member said, a row of 160 samples each; it may be written to.

        Returns:
            What each hears, in the same order.
        """
        if not self._rooms:
            return frames
        for member in self._muted:
            frames[member.row] = member.spoken(frames[member.row])
        self._measure(frames)
        spoken = frames.astype(np.int32)
        sums = _sums(spoken, self._starts, self._counts)
        for row, room in enumerate(self._rooms):
            if room.announcement is not None:
                sums[row] += room.announcement
                room.announcement = None
        heard = sums.repeat(self._counts, axis=0)
        heard -= spoken
        return self._fitted(heard)

    def _measure(self, frames: Samples) -> None:
        """Smooth each member's power, and see in which rooms the floor may change: the members of
        those alone are told theirs, to look for the loudest."""
        values = frames.astype(np.float32)
        powers = np.einsum("ij,ij->i", values, values) / FRAME_SAMPLES
        self._powers += _SPEAKER_SMOOTHING * (powers - self._powers)
        of_row = self._powers.tolist()
        loudest = np.maximum.reduceat(self._powers, self._starts).tolist()
        for room, power in zip(self._rooms, loudest, strict=True):
            speaker = room.speaker
            floor = 0.0 if speaker is None else _SPEAKER_LEAD * of_row[speaker.row]
            room.floor_may_change = power >= _SPEAKING_RMS**2 and power > floor
            if room.floor_may_change:
                for member in room.members:
                    member.power = of_row[member.row]

    def _fitted(self, heard: NDArray[np.int32]) -> Samples:
        """Turn down what is too loud; others are left as they are, to the sample."""
        peaks = np.maximum(heard.max(axis=1), -heard.min(axis=1))
        rows = np.flatnonzero((peaks > FULL_SCALE) | (self._gains < 1.0))
        if len(rows):
            before = self._gains[rows]
            after = np.minimum(FULL_SCALE / np.maximum(peaks[rows], 1), before + _RECOVERY)
            after = np.minimum(after, 1.0)
            heard[rows] = _turned_down(heard[rows], before, after)
            self._gains[rows] = after
        return heard.astype(np.int16)


def _sums(
    spoken: NDArray[np.int32], starts: NDArray[np.int64], counts: NDArray[np.int64]
) -> NDArray[np.int32]:
    """The sum of each room's rows: the first members of all rooms, plus the second ones, and so on.
    For small rooms that takes an eighth of the time of `reduceat`, which goes room by room."""
    largest = int(counts.max())
    if largest > _SMALL_ROOM:
        return np.add.reduceat(spoken, starts, axis=0)
    sums = spoken.take(starts, axis=0)
    for place in range(1, largest):
        rooms = np.flatnonzero(counts > place)
        if len(rooms) == len(counts):
            sums += spoken.take(starts + place, axis=0)
        else:
            sums[rooms] += spoken.take(starts[rooms] + place, axis=0)
    return sums


def _turned_down(
    heard: NDArray[np.int32], before: NDArray[np.float64], after: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Rows at the loudness that goes from one gain to another along the frame. All in one array, of
    single precision: a tick of many loud rooms is bound by memory."""
    louder = _WAYS.take((after >= before).astype(np.intp), axis=0)
    louder *= (after - before).astype(np.float32)[:, None]
    louder += before.astype(np.float32)[:, None]
    louder *= heard
    np.rint(louder, out=louder)
    return np.clip(louder, -FULL_SCALE - 1, FULL_SCALE, out=louder)
