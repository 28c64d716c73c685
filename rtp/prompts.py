"""Play requests: files are read first, in a thread, then played."""

from __future__ import annotations

from collections.abc import Callable

from rtp.control import Play, PlayItem
from rtp.disk import Loaded
from rtp.player import Piece, Player, Playing
from rtp.samples import Samples, samples_in
from rtp.sound_side import SoundSession, SoundSide, silence
from rtp.tones import tone


class _Waiting:
    """A playing whose files are being read."""

    __slots__ = ("files", "message", "missing", "player", "playing", "side")

    def __init__(self, side: SoundSide, player: Player, playing: Playing, message: Play) -> None:
        self.side = side
        self.player = player
        self.playing = playing
        self.message = message
        self.files: dict[str, Samples] = {}
        self.missing = {item.file for item in message.items if item.file is not None}


class Prompts:
    """Playings that wait until their prompts are loaded.

    Args:
        load: asks for a file.
        failed: told of what can't be played, and why.
    """

    __slots__ = ("_failed", "_load", "_waiting")

    def __init__(
        self, load: Callable[[str], None], failed: Callable[[SoundSide, int, str], None]
    ) -> None:
        self._load = load
        self._failed = failed
        self._waiting: list[_Waiting] = []

    def play(self, side: SoundSide, message: Play) -> None:
        """Queue it at the side; it keeps its place while its files are read."""
        playing = Playing(message.playing, barge_in=message.barge_in, repeat=message.repeat)
        player = side.overlay if message.over else side.player
        if not player.play(playing):
            self._failed(side, message.playing, "too much waits to be played")
            return
        waiting = _Waiting(side, player, playing, message)
        if not waiting.missing:
            self._start(waiting)
            return
        self._waiting.append(waiting)
        for path in waiting.missing:
            self._load(path)

    def loaded(self, result: Loaded) -> list[SoundSide]:
        """A file was read, or can't be; the sides that waited for it."""
        concerned = [waiting for waiting in self._waiting if result.path in waiting.missing]
        for waiting in concerned:
            self._take(waiting, result)
        return [waiting.side for waiting in concerned]

    def _take(self, waiting: _Waiting, result: Loaded) -> None:
        if result.samples is None:
            self._waiting.remove(waiting)
            self._give_up(waiting, f"{result.path}: {result.reason}")
            return
        waiting.missing.discard(result.path)
        waiting.files[result.path] = result.samples
        if not waiting.missing:
            self._waiting.remove(waiting)
            self._start(waiting)

    def _start(self, waiting: _Waiting) -> None:
        try:
            pieces = [_piece(item, waiting.files) for item in waiting.message.items]
        except KeyError as error:
            self._give_up(waiting, f"no tone {error}")
            return
        waiting.playing.set_pieces(pieces)

    def _give_up(self, waiting: _Waiting, problem: str) -> None:
        """Unless it was stopped meanwhile, which was told."""
        if waiting.player.drop(waiting.playing):
            self._failed(waiting.side, waiting.playing.id, problem)

    def forget(self, session: SoundSession) -> None:
        """The session ends."""
        self._waiting = [item for item in self._waiting if item.side.session is not session]


def _piece(item: PlayItem, files: dict[str, Samples]) -> Piece:
    if item.file is not None:
        return Piece(files[item.file])
    if item.tone is None:
        return silence(item.milliseconds or 0)
    length = None if item.milliseconds is None else samples_in(item.milliseconds)
    return Piece(tone(item.tone, item.country), length)
