"""Frames of datagrams in a stream (RFC 4571): two octets of length before each."""

from __future__ import annotations

import struct

MAX_FRAME_BYTES = 2048
"""What is longer is no media, and ends the connection."""
_LENGTH = struct.Struct("!H")


class FrameError(ValueError):
    """A frame that is too long."""


class FrameReader:
    """Cuts the datagrams out of a connection's octets."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take octets; the datagrams that have become whole, without empty ones.

        Raises:
            FrameError: a frame is too long.
        """
        data = self._rest + data
        found: list[bytes] = []
        at = 0
        while at + _LENGTH.size <= len(data):
            (length,) = _LENGTH.unpack_from(data, at)
            if length > MAX_FRAME_BYTES:
                raise FrameError(f"a frame of {length} octets")
            ends_at = at + _LENGTH.size + length
            if ends_at > len(data):
                break
            if length:
                found.append(data[at + _LENGTH.size : ends_at])
            at = ends_at
        self._rest = data[at:]
        return found


def frame(datagram: bytes) -> bytes:
    """A datagram with its length in front."""
    return _LENGTH.pack(len(datagram)) + datagram
