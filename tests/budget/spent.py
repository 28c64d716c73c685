"""The bytecodes that a whole switch executes while its phones, in the same process, call."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from exchange import Exchange

ROOT = Path(__file__).parent.parent.parent
SIGNALLING = ("sip", "softswitch", "billing", "<string>")
"""`<string>` is what dataclasses generate."""


class Spent:
    """Bytecodes by module and function of the product's own files. The code of phones and of the
    tests isn't counted, nor are libraries: their work is the same C and Python for every design."""

    def __init__(self, exchange: Exchange) -> None:
        self.functions: Counter[tuple[str, str]] = Counter()
        self.frames: Counter[tuple[str, str]] = Counter()
        self._phones = {id(phone.endpoint) for phone in exchange.phones}
        self._phone_frame: FrameType | None = None
        """The outermost frame of a phone; nothing counts until it returns."""

    def count(self, work: Callable[[], object]) -> Spent:
        before = sys.gettrace()
        gc.collect()
        gc.disable()  # what others left would be finalized at our expense
        sys.settrace(self._trace)
        try:
            work()
        finally:
            sys.settrace(before)
            gc.enable()
        return self

    def signalling(self) -> int:
        """All but the media, which a process of its own works on."""
        return sum(
            n for (module, _), n in self.functions.items() if module.split("/")[0] in SIGNALLING
        )

    def table(self) -> str:
        """The most expensive modules and functions, with the number of calls of each."""
        modules: Counter[str] = Counter()
        for (module, _), n in self.functions.items():
            modules[module] += n
        lines = [f"{self.signalling():7} signalling, {sum(modules.values())} with media"]
        lines += [f"{n:7} {module}" for module, n in modules.most_common(45)]
        lines += [
            f"{n:7} {self.frames[place]:4} x {place[0]} {place[1]}"
            for place, n in self.functions.most_common(70)
        ]
        return "\n".join(lines)

    def _trace(self, frame: FrameType, event: str, arg: object):
        if self._phone_frame is not None:
            return None
        code = frame.f_code
        frame.f_trace_lines = False
        if code.co_filename.endswith("simulation/phones.py") or (
            id(frame.f_locals.get("self")) in self._phones
        ):
            self._phone_frame = frame
            return self._leave
        module = self._module(code.co_filename)
        if module is None:
            return None
        frame.f_trace_opcodes = True
        place = module, code.co_qualname
        self.frames[place] += 1
        functions = self.functions

        def step(frame: FrameType, event: str, arg: object):
            if event == "opcode":
                functions[place] += 1
            return step

        return step

    def _leave(self, frame: FrameType, event: str, arg: object):
        if event == "return":
            self._phone_frame = None
        return self._leave

    @staticmethod
    def _module(filename: str) -> str | None:
        if filename.startswith("<string>"):
            return "<string>"
        path = Path(filename)
        if not path.is_relative_to(ROOT):
            return None
        module = str(path.relative_to(ROOT))
        return None if module.startswith("tests/") else module
