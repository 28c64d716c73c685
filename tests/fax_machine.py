"""A fax machine: spandsp's T.30 terminal, whose wire is T.38 packets or sound.

Its time is the samples that it is given, so it runs in virtual time as well as by the clock.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from pathlib import Path

import numpy as np
from PIL import Image

FRAME = 160
_STANDARD_RESOLUTION = (204, 98)
"""Dots per inch of a fax of standard resolution."""
WIDTH = 1728
"""Dots of a line."""


def library() -> ctypes.CDLL | None:
    """spandsp (Debian: libspandsp2); None if it isn't there."""
    name = ctypes.util.find_library("spandsp")
    return None if name is None else _declared(ctypes.CDLL(name))


_SEND = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint8),
    ctypes.c_int, ctypes.c_int,
)  # fmt: skip
_END = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)


def _declared(found: ctypes.CDLL) -> ctypes.CDLL:
    pointer, number = ctypes.c_void_p, ctypes.c_int
    for name, result, arguments in (
        ("t38_terminal_init", pointer, (pointer, number, _SEND, pointer)),
        ("t38_terminal_get_t30_state", pointer, (pointer,)),
        ("t38_terminal_get_t38_core_state", pointer, (pointer,)),
        ("t38_terminal_send_timeout", number, (pointer, number)),
        ("t38_terminal_free", number, (pointer,)),
        ("t38_core_rx_ifp_packet", number, (pointer, ctypes.c_char_p, number, ctypes.c_uint16)),
        ("fax_init", pointer, (pointer, number)),
        ("fax_get_t30_state", pointer, (pointer,)),
        ("fax_set_transmit_on_idle", None, (pointer, number)),
        ("fax_rx", number, (pointer, pointer, number)),
        ("fax_tx", number, (pointer, pointer, number)),
        ("fax_free", number, (pointer,)),
        ("t30_set_tx_file", None, (pointer, ctypes.c_char_p, number, number)),
        ("t30_set_rx_file", None, (pointer, ctypes.c_char_p, number)),
        ("t30_set_ecm_capability", number, (pointer, number)),
        ("t30_set_phase_e_handler", None, (pointer, _END, pointer)),
    ):
        function = getattr(found, name)
        function.restype, function.argtypes = result, arguments
    return found


def write_page(path: Path, lines: int = 200) -> None:
    """A page on which no line is like another: the bits of the line's number and a wedge."""
    dots = np.ones((lines, WIDTH), bool)
    for line in range(lines):
        for bit in range(12):
            if line >> bit & 1:
                dots[line, 40 + 60 * bit : 80 + 60 * bit] = False
        dots[line, 900 : 901 + 4 * (line % 200)] = False
    Image.fromarray(dots).save(path, format="TIFF", compression="group4", dpi=_STANDARD_RESOLUTION)


def dots_of(path: Path) -> np.ndarray:
    """The dots of the only page of a fax."""
    with Image.open(path) as page:
        assert getattr(page, "n_frames", 1) == 1
        return np.array(page.convert("1"))


class Machine:
    """One terminal, which sends a file, or receives one if it was called.

    Args:
        sends, receives: one of the two is the file; None the other.
        ecm: error correction (T.30 annex A) by asking again.
    """

    def __init__(self, sends: Path | None, receives: Path | None, *, ecm: bool) -> None:
        found = library()
        assert found is not None
        self._library = found
        self.result: int | None = None
        """spandsp's code of the end, 0 for success; None before."""
        t30 = self._begin(1 if sends else 0)
        if sends is not None:
            found.t30_set_tx_file(t30, str(sends).encode(), -1, -1)
        if receives is not None:
            found.t30_set_rx_file(t30, str(receives).encode(), -1)
        found.t30_set_ecm_capability(t30, int(ecm))
        self._on_end = _END(self._ended)
        found.t30_set_phase_e_handler(t30, self._on_end, None)

    def _begin(self, calling: int) -> int:
        raise NotImplementedError

    def _ended(self, _state: int, _data: int, result: int) -> None:
        self.result = result


class T38Machine(Machine):
    """A terminal on T.38: gives UDPTL packets to send, and takes those that came.

    Redundancy: each packet carries the three before it (T.38 section 9.1.4.1).
    """

    REDUNDANT = 3

    def _begin(self, calling: int) -> int:
        self.outgoing: list[bytes] = []
        self._before: list[bytes] = []
        self._sent = 0
        self._expected = 0
        self._on_send = _SEND(self._send)
        self._state = self._library.t38_terminal_init(None, calling, self._on_send, None)
        self._core = self._library.t38_terminal_get_t38_core_state(self._state)
        return int(self._library.t38_terminal_get_t30_state(self._state))

    def _send(self, _core: int, _data: int, octets: object, size: int, count: int) -> int:
        ifp = ctypes.string_at(octets, size)
        for _ in range(count):
            self.outgoing.append(_udptl(self._sent, ifp, self._before))
            self._sent = self._sent + 1 & 0xFFFF
            self._before = [ifp, *self._before][: self.REDUNDANT]
        return 0

    def advance(self) -> list[bytes]:
        """Let 20 ms pass; the packets to send."""
        self._library.t38_terminal_send_timeout(self._state, FRAME)
        outgoing, self.outgoing = self.outgoing, []
        return outgoing

    def take(self, packet: bytes) -> None:
        """A UDPTL packet came; what was lost before it is taken from its redundant part."""
        sequence = int.from_bytes(packet[:2], "big")
        fields = list(_fields(packet))
        for back in range(len(fields) - 1, -1, -1):
            number = sequence - back & 0xFFFF
            if (number - self._expected & 0xFFFF) < 0x8000:
                ifp = fields[back]
                self._library.t38_core_rx_ifp_packet(self._core, ifp, len(ifp), number)
                self._expected = number + 1 & 0xFFFF

    def close(self) -> None:
        self._library.t38_terminal_free(self._state)


def _length(size: int) -> bytes:
    return bytes([size]) if size < 128 else (0x8000 | size).to_bytes(2, "big")


def _udptl(sequence: int, ifp: bytes, before: list[bytes]) -> bytes:
    rest = b"".join(_length(len(one)) + one for one in before)
    return sequence.to_bytes(2, "big") + _length(len(ifp)) + ifp + bytes([0, len(before)]) + rest


def _fields(packet: bytes):
    """The primary IFP packet, and those before it, the newest first."""

    def field(at: int) -> tuple[bytes, int]:
        size, begins = packet[at], at + 1
        if size >= 0x80:
            size, begins = (size & 0x3F) << 8 | packet[at + 1], at + 2
        return packet[begins : begins + size], begins + size

    primary, at = field(2)
    yield primary
    count = packet[at + 1]
    at += 2
    for _ in range(count):
        one, at = field(at)
        yield one


class SoundMachine(Machine):
    """A terminal whose wire is sound of 8 kHz, in frames of 20 ms."""

    def _begin(self, calling: int) -> int:
        self._state = self._library.fax_init(None, calling)
        self._library.fax_set_transmit_on_idle(self._state, 1)
        return int(self._library.fax_get_t30_state(self._state))

    def exchange(self, heard: np.ndarray) -> np.ndarray:
        """Let 20 ms pass: what it says while it hears this."""
        heard = np.ascontiguousarray(heard, np.int16)
        self._library.fax_rx(self._state, heard.ctypes.data, FRAME)
        said = np.zeros(FRAME, np.int16)
        self._library.fax_tx(self._state, said.ctypes.data, FRAME)
        return said

    def close(self) -> None:
        self._library.fax_free(self._state)
