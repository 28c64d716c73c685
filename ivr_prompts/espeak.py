"""The voice of espeak-ng, from the wheel espeakng-loader: its library and data, nothing installed.

The library is under the GPL and is loaded here alone, by `prompt build`; a serving switch
never loads it.
"""

from __future__ import annotations

import ctypes

VOICES = {"ka": b"ka", "ru": b"ru", "en": b"en-us", "fa": b"fa", "kk": b"kk"}
WORDS_PER_MINUTE = 150
"""Slower than espeak's own 175: on a telephone there is no second look."""

_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000
_RATE = 1
_UTF8 = 1
_OK = 0

_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class NoVoice(Exception):
    """espeak-ng is missing, or can't do what is asked; one line that says how to mend it."""


class Espeak:
    """The speech synthesiser; one for each process, since the library has one state. Not
    thread-safe.

    Raises:
        NoVoice: the wheel isn't installed, or the library doesn't start.
    """

    def __init__(self) -> None:
        try:
            import espeakng_loader  # type: ignore[import-untyped]
        except ImportError:
            raise NoVoice(
                "no voice: pip install espeakng-loader, or set [prompts] command"
            ) from None
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        self.rate: int = self._library.espeak_Initialize(_SYNCHRONOUS, 0, data, _DONT_EXIT)
        """Samples a second."""
        if self.rate <= 0:
            raise NoVoice("no voice: espeak-ng doesn't start")
        self._blocks: list[bytes] = []
        self._callback = _Callback(self._take)  # the library keeps only a pointer to it
        self._library.espeak_SetSynthCallback(self._callback)

    def speak(self, language: str, text: str) -> bytes:
        """16-bit samples of a text, in the machine's order.

        Raises:
            NoVoice: not in this language.
        """
        voice = VOICES.get(language)
        if voice is None or self._library.espeak_SetVoiceByName(voice) != _OK:
            raise NoVoice(f"espeak-ng has no voice for {language}")
        self._library.espeak_SetParameter(_RATE, WORDS_PER_MINUTE, 0)
        self._blocks = []
        data = text.encode() + b"\0"
        failed = self._library.espeak_Synth(data, len(data), 0, 1, 0, _UTF8, None, None)
        if failed != _OK or not self._blocks:
            raise NoVoice(f"espeak-ng can't say {text!r}")
        return b"".join(self._blocks)

    def _take(self, samples: ctypes._Pointer[ctypes.c_short], count: int, _: object) -> int:
        if samples and count > 0:
            self._blocks.append(ctypes.string_at(samples, count * 2))
        return 0
