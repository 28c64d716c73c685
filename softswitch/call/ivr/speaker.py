"""Voice menus: a service says prompts, asks questions and collects digits.

    await call.speaker.say("balance-is", Money(12_340_000, "GEL"))
    key = await call.speaker.ask("press-1-to-accept", keys="1")
    number = await call.speaker.collect("enter-number")

A phrase consists of ids of prompts, numbers, amounts and times (:mod:`ivr_prompts.phrase`), and is
said in the language of the caller's line. A key interrupts the phrase and isn't lost: it answers
the next question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivr_prompts.phrase import Part
from rtp.control import PlayItem, Side
from rtp.session import MediaSession
from softswitch.call.ivr.keypad import Keypad

if TYPE_CHECKING:
    from softswitch.prompts.announcer import Announcer

FLUSH = PlayItem(milliseconds=400)
"""A pause longer than the jitter buffers of phones: a phone that is told of the end of the call
drops what its buffer still holds."""
KEYS = "0123456789*#"
KEY_SECONDS = 6.0
"""The timeout for each key."""
TRIES = 3
"""The number of times that a question is asked before it is given up."""
MAX_DIGITS = 20
"""The longest input; no telephone number has so many digits."""


class Speaker:
    """Prompts and keys of one side of a call. From its creation on, that side hears prompts and its
    keys are collected.

    Args:
        call_id: for the log.
        language: the caller's; None: the switch's own.
        in_band: detect keys in the sound as well, since the phone sends no RTP events.
    """

    __slots__ = ("_announcer", "_call_id", "_in_band", "_language", "_side", "_sound", "keypad")

    def __init__(
        self,
        announcer: Announcer,
        call_id: str,
        sound: MediaSession,
        side: Side,
        language: str | None,
        *,
        in_band: bool = False,
    ) -> None:
        self._announcer = announcer
        self._call_id = call_id
        self._side: Side = side
        self._language = language
        self._in_band = in_band
        self.keypad = Keypad()
        self.move(sound)

    def move(self, sound: MediaSession) -> None:
        """Talk with the person in this session from now on."""
        self._sound = sound
        sound.on_digit = self.keypad.press
        sound.hear(self._side, "prompts")
        sound.listen(self._side, in_band=self._in_band)

    async def say(self, *phrase: Part, interruptible: bool = True) -> bool:
        """Play a phrase to its end; False if a key interrupted it.

        If a recording can't be played, another language's or a tone takes its place.

        Args:
            interruptible: a key stops the phrase; a key that was pressed before it skips it.
        """
        if interruptible and len(self.keypad):
            return False
        announcer = self._announcer
        while True:
            said = announcer.announce(self._language, phrase)
            announcer.note(self._call_id, self._side, said)
            played = await self._sound.play(self._side, said.items, barge_in=interruptible)
            if played.reason != "failed":
                return played.reason != "key"
            if not announcer.spoiled(said, played.problem):
                return True

    async def finish(self) -> None:
        """Wait until the phone has played its jitter buffer, before it is hung up."""
        await self._sound.play(self._side, (FLUSH,))

    async def ask(
        self, *phrase: Part, keys: str = KEYS, timeout_seconds: float = KEY_SECONDS
    ) -> str | None:
        """Ask for one of some keys; None if none of them is pressed in three rounds."""
        for _ in range(TRIES):
            await self.say(*phrase)
            key = await self.keypad.next(timeout_seconds)
            if key is not None and key in keys:
                return key
            if key is not None:
                self.keypad.clear()
                await self.say("invalid-key", interruptible=False)
        return None

    async def collect(
        self,
        *phrase: Part,
        maximum: int = MAX_DIGITS,
        terminator: str = "#",
        timeout_seconds: float = KEY_SECONDS,
    ) -> str:
        """Play a phrase, then collect keys until the terminator, the maximum, or a pause.

        Returns:
            The digits without the terminator; "" if no key was pressed.
        """
        if phrase:
            await self.say(*phrase)
        digits = ""
        while len(digits) < maximum:
            key = await self.keypad.next(timeout_seconds)
            if key is None or key == terminator:
                break
            digits += key
        return digits
