"""Requests of ours within a dialog, with the INVITE that begins one."""

from __future__ import annotations

from msgspec import Struct

from sip.fields import write
from sip.message import Request


class OwnRequest(Request, Struct, eq=False):
    """A request that we wrote. Its octets are made again of their parts when they are read after
    :meth:`shorten`: an INVITE rings for minutes, and most of its lines are those of other calls,
    too."""

    method: str
    branch: str
    body: bytes
    lines: bytes
    """Those behind the fields that make it one of its dialog."""
    raw: bytes
    _beginning: bytes = b""
    """All that stands before these lines, once the octets are shortened."""

    def shorten(self) -> None:
        """As :meth:`Request.shorten`."""
        self._beginning = self.raw.partition(self.lines)[0]
        del self.raw

    def _read_raw(self) -> bytes:
        return write(self._beginning, self.lines, self.body)
