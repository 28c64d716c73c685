"""The party that waits for the answer to an offer within an established call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sip.session import Session
    from softswitch.call.media.media import Side
    from softswitch.subscribers.directory import Line


@dataclass(frozen=True, slots=True)
class Offerer:
    """A leg that sent a re-INVITE or UPDATE, or a new leg whose INVITE replaces one (RFC 3891).

    Args:
        side: of the leg, or of the leg that is replaced.
        update: the offer came in an UPDATE.
        line: of a new leg.
    """

    side: Side
    session: Session
    update: bool = False
    line: Line | None = None

    @property
    def offer(self) -> bytes:
        """The offer in the INVITE of a new leg; b"" if it has none."""
        incoming = self.session.incoming
        return b"" if incoming is None else incoming.request.description

    def accept(self, body: bytes, now: float) -> None:
        """Answer 200 with this SDP."""
        if self.update:
            self.session.answer_update(200, body, now)
        else:
            self.session.accept(body, now)

    def reject(self, status: int, now: float, reason: str | None = None) -> None:
        """Refuse the offer; a new leg ends with it."""
        if self.update:
            self.session.answer_update(status, b"", now)
        else:
            self.session.reject(status, now, reason)
