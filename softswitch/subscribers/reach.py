"""Targets of a rented number: up to two, rung at once or in turn (E5, E7)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Literal

from sip.errors import ParseError
from sip.uri import Uri
from softswitch.errors.coded import CodedError

TargetKind = Literal["line", "number", "sip"]

MAX_TARGETS = 2
"""The number of targets that the monthly fee includes."""
RING_SECONDS = 25
MIN_RING_SECONDS, MAX_RING_SECONDS = 5, 120


class ReachError(CodedError):
    """A target that a number can't have."""


@dataclass(frozen=True, slots=True)
class Target:
    """A target of a rented number.

    Args:
        value: a line's number; any number (E.164), which the owner pays for; a SIP URI. A URI
            without a user part is called with the rented number as its user.
        confirm: the person who answers must press 1, so that a mailbox can't take the call.
        seconds: how long it rings.
    """

    kind: TargetKind
    value: str
    confirm: bool = False
    seconds: int = RING_SECONDS


@dataclass(frozen=True, slots=True)
class Reach:
    """The handling of calls to a rented number.

    Args:
        in_turn: the second target rings when the first didn't take the call; else both at once.
        greeting: the path of a WAV file that callers hear first; None: none.
    """

    targets: tuple[Target, ...]
    in_turn: bool = False
    greeting: str | None = None

    def check(self) -> None:
        """Raises ReachError."""
        if not 1 <= len(self.targets) <= MAX_TARGETS:
            raise ReachError("targets_count", count=len(self.targets))
        if len({target.value for target in self.targets}) < len(self.targets):
            raise ReachError("targets_equal")
        for target in self.targets:
            if not MIN_RING_SECONDS <= target.seconds <= MAX_RING_SECONDS:
                raise ReachError("target_seconds", least=MIN_RING_SECONDS, most=MAX_RING_SECONDS)
            if target.kind == "sip":
                sip_uri(target.value)


def sip_uri(text: str) -> Uri:
    """A SIP URI, or the IP address of a client's server with or without a port, as a URI.

    Raises:
        ReachError: it is neither, or no server can have the address.
    """
    if not text.lower().startswith(("sip:", "sips:")):
        text = f"sip:{text}"
    try:
        uri = Uri.parse(text.encode("utf-8"))
    except ParseError as error:
        raise ReachError("target_no_uri", value=text, reason=error) from None
    if uri.scheme not in ("sip", "sips") or uri.headers is not None or uri.password is not None:
        raise ReachError("target_uri_malformed", value=text)
    try:
        address = ipaddress.ip_address(uri.host)
    except ValueError:
        return uri
    if address.is_multicast or address.is_unspecified:
        raise ReachError("target_no_host", value=uri.host)
    return uri
