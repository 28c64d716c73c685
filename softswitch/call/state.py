"""The state of a call that its parts share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from softswitch.subscribers.supplementary import ForwardKind


class CallState(Struct):
    """The progress of a call.

    Args:
        answered_at: monotonic seconds of the answer; None before it.
        served: a service of the switch talks with the caller now.
        closing: the call ends, and takes nothing on any more.
        diverted_as: why the called line's forwarding or mailbox took the call; None if neither did.
    """

    answered_at: float | None = None
    served: bool = False
    closing: bool = False
    diverted_as: ForwardKind | None = None

    @property
    def answered(self) -> bool:
        """True once the caller has been answered."""
        return self.answered_at is not None
