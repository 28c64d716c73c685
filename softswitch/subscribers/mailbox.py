"""A line's mailbox: its settings, and which calls it takes. Nothing here does anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from softswitch.subscribers.refusal import Refusal
from softswitch.subscribers.supplementary import ForwardKind, failed_as

CONDITIONS: tuple[ForwardKind, ...] = ("always", "busy", "no_answer", "unreachable")
TAKES: tuple[ForwardKind, ...] = ("busy", "no_answer", "unreachable")
"""What a mailbox takes that was told nothing else."""

LIMITS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "max_seconds": (10, 900),
        "max_messages": (1, 500),
        "days_kept": (1, 366),
        "ring_seconds": (5, 120),
    }
)
"""Settings that are numbers, and from where to where they go."""


@dataclass(frozen=True, slots=True)
class VoiceMailbox:
    """Settings; None goes by [voicemail].

    Args:
        takes: the conditions in which calls go to it.
        pin: as :mod:`softswitch.subscribers.pins` keeps it; None: not to be opened from outside.
        greeting: id of the one that is played; None: the switch's own words.
        email: where each message goes as well.
        max_seconds: of a message.
        max_messages: held at once.
        days_kept: from a message's coming to its going.
        ring_seconds: how long phones ring first, where the line says nothing else.
    """

    takes: tuple[ForwardKind, ...] = TAKES
    pin: str | None = field(default=None, repr=False)
    greeting: str | None = None
    email: str | None = None
    max_seconds: int | None = None
    max_messages: int | None = None
    days_kept: int | None = None
    ring_seconds: int | None = None


def takes_at_once(
    mailbox: VoiceMailbox | None, *, busy: bool, reachable: bool
) -> ForwardKind | None:
    """Why a call goes to the mailbox before any phone rings; None: it doesn't."""
    if mailbox is None:
        return None
    if "always" in mailbox.takes:
        return "always"
    if busy:
        return "busy" if "busy" in mailbox.takes else None
    return "unreachable" if not reachable and "unreachable" in mailbox.takes else None


def takes_after(
    mailbox: VoiceMailbox | None, refusal: Refusal, *, sent_on: bool
) -> ForwardKind | None:
    """Why a call that nobody took goes to the mailbox; None: it doesn't.

    Forwarding comes first: this is asked when it led nowhere, or there is none. Whoever declines a
    call is busy to the caller.

    Args:
        sent_on: the line's forwarding, or one of its phones, had sent the call elsewhere.
    """
    if mailbox is None:
        return None
    if "always" in mailbox.takes:
        return "always"
    kind = "busy" if refusal.status == 603 else failed_as(refusal)
    if kind is None and sent_on and refusal.ended_by != "operator":
        kind = "unreachable"
    return kind if kind in mailbox.takes else None
