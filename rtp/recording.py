"""Recordings: the sound of a session that is kept, and the conditions that end a recording.

Voicemail keeps one side. A call is kept in stereo, the caller left and the callee right.
"""

from __future__ import annotations

import numpy as np

from rtp.control import RecordedReason, RecordedSides
from rtp.samples import CLOCK_RATE, FRAME_SAMPLES, FRAME_SECONDS, Samples

FRAMES_IN_BLOCK = 25
"""Half a second goes to the disk at once: what a crash costs."""
MAX_SECONDS = 4 * 3600
"""The limit of a recording: the longest call."""
SILENCE_RMS = 10 ** (-50 / 20) * 32768
"""Quieter is silence: -50 dBov, below any voice and above a line's noise."""


class Recording:
    """Gathers frames to blocks.

    Args:
        recording: its id.
        max_seconds: ends then.
        silence_seconds: ends after so long a silence; 0 for never.
        end_digits: keys that end it.
    """

    __slots__ = (
        "_block",
        "_frames",
        "_max_frames",
        "_silence_frames",
        "_silent_for",
        "end_digits",
        "id",
        "reason",
        "sides",
    )

    def __init__(
        self,
        recording: int,
        sides: RecordedSides,
        *,
        max_seconds: float = MAX_SECONDS,
        silence_seconds: float = 0.0,
        end_digits: str = "",
    ) -> None:
        self.id = recording
        self.sides = sides
        self.end_digits = end_digits
        self.reason: RecordedReason | None = None
        """Why it ended; None while it goes on."""
        self._max_frames = int(min(max_seconds, MAX_SECONDS) / FRAME_SECONDS)
        self._silence_frames = int(silence_seconds / FRAME_SECONDS)
        self._silent_for = 0
        self._frames = 0
        self._block: list[Samples] = []

    @property
    def channels(self) -> int:
        """1, or 2 for both sides in stereo."""
        return 2 if self.sides == "both" else 1

    @property
    def duration_ms(self) -> int:
        """Milliseconds recorded so far."""
        return self._frames * FRAME_SAMPLES * 1000 // CLOCK_RATE

    def add(self, a: Samples, b: Samples) -> bytes | None:
        """Keep a frame of either side; a block to write, when one is full. May end it."""
        frame = self._chosen(a, b)
        self._block.append(frame)
        self._frames += 1
        if self._silence_frames:
            self._watch_silence(frame)
        if self._frames >= self._max_frames and self.reason is None:
            self.reason = "limit"
        return self.take_block() if len(self._block) >= FRAMES_IN_BLOCK else None

    def _chosen(self, a: Samples, b: Samples) -> Samples:
        match self.sides:
            case "a":
                return a
            case "b":
                return b
            case "both":
                return np.stack([a, b], axis=1)

    def _watch_silence(self, frame: Samples) -> None:
        values = frame.astype(np.float32)
        loud = float(np.dot(values.ravel(), values.ravel())) > SILENCE_RMS**2 * values.size
        self._silent_for = 0 if loud else self._silent_for + 1
        if self._silent_for >= self._silence_frames and self.reason is None:
            self.reason = "silence"

    def press(self, digit: str) -> None:
        """A key was pressed; may end it."""
        if digit in self.end_digits and self.reason is None:
            self.reason = "digit"

    def take_block(self) -> bytes:
        """Samples that haven't been written yet, as octets."""
        if not self._block:
            return b""
        block = np.concatenate(self._block).astype("<i2").tobytes()
        self._block.clear()
        return block


MARGIN_FRAMES = 10
"""0.2 s of silence stay at each end of what was spoken: words begin and end softly."""


def spoken(samples: Samples) -> Samples:
    """A recording of one side without the silence at its ends; empty if it is silent."""
    whole = len(samples) // FRAME_SAMPLES * FRAME_SAMPLES
    frames = samples[:whole].reshape(-1, FRAME_SAMPLES).astype(np.float32)
    loud = np.flatnonzero(np.einsum("ij,ij->i", frames, frames) > SILENCE_RMS**2 * FRAME_SAMPLES)
    if not len(loud):
        return samples[:0]
    first = max(0, int(loud[0]) - MARGIN_FRAMES)
    last = int(loud[-1]) + 1 + MARGIN_FRAMES
    return samples[first * FRAME_SAMPLES : last * FRAME_SAMPLES]
