"""A line's mailbox: its settings, and the decision which calls it takes. Pure: nothing is done
here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from softswitch.subscribers.refusal import Refusal
from softswitch.subscribers.supplementary import ForwardKind, failed_as

CONDITIONS: tuple[ForwardKind, ...] = ("always", "busy", "no_answer", "unreachable")
TAKES: tuple[ForwardKind, ...] = ("busy", "no_answer", "unreachable")
"""The conditions under which a mailbox takes calls by default."""

LIMITS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "max_seconds": (10, 900),
        "max_messages": (1, 500),
        "days_kept": (1, 366),
        "ring_seconds": (5, 120),
    }
)
"""The least and the greatest value of each numeric setting."""


@dataclass(frozen=True, slots=True)
class VoiceMailbox:
    """Settings of a mailbox; None goes by [voicemail].

    Args:
        takes: the conditions under which calls go to it.
        pin: hashed by :mod:`softswitch.subscribers.pins`; None: no access from other phones.
        greeting: id of the greeting that is played; None: the switch's own words.
        email: the address to which each message is mailed as well.
        max_seconds: of a message.
        max_messages: held at once.
        days_kept: after which a message is deleted.
        ring_seconds: how long phones ring first, unless the line has a setting of its own.
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
    """The reason for which a call goes to the mailbox before any phone rings; None: it doesn't."""
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
    """The reason for which an unanswered call goes to the mailbox; None: it doesn't.

    Forwarding comes first: this is asked when it failed, or there is none. A phone that declines a
    call counts as busy.

    Args:
        sent_on: the line's forwarding, or one of its phones, had forwarded the call.
    """
    if mailbox is None:
        return None
    if "always" in mailbox.takes:
        return "always"
    kind = "busy" if refusal.status == 603 else failed_as(refusal)
    if kind is None and sent_on and refusal.ended_by != "operator":
        kind = "unreachable"
    return kind if kind in mailbox.takes else None
