"""A subscriber's line: its number, its secrets, its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from billing.facts.account import ACTIVE, Status
from softswitch.subscribers.device_credentials import DeviceCredentials
from softswitch.subscribers.mailbox import VoiceMailbox
from softswitch.subscribers.policies import KeyPolicy, SrtpPolicy, WebPolicy
from softswitch.subscribers.supplementary import NO_SERVICES, Supplementary

if TYPE_CHECKING:
    from sip.digest import Algorithm


class Waiting(NamedTuple):
    """The numbers of new and saved voice messages in a mailbox."""

    new: int
    old: int

    def __str__(self) -> str:
        return f"{self.new}/{self.old}"


@dataclass(frozen=True, slots=True)
class Line:
    """A subscriber's line: one number, one SIP user, one account that pays."""

    id: int
    number: str
    """E.164 with "+"."""
    login: str
    """The SIP user, in the address of record and in the digest."""
    account_id: int
    ha1: Mapping[Algorithm, str]
    """Digest secret of each algorithm (RFC 7616 section 3.4.2), lower-case hexadecimal."""
    status: Status = ACTIVE
    display_name: str = ""
    algorithms: tuple[Algorithm, ...] | None = None
    """The digest algorithms offered to this line's phones, in order. None: the switch's own
    setting."""
    no_answer_seconds: int | None = None
    """Ring time of its phones. None: the switch's own setting."""
    max_calls: int | None = None
    """Calls at once, in both directions together. None: no limit of its own."""
    waiting: Waiting | None = None
    """The message counters of the line's mailbox, ours or one of an external voicemail system;
    None: it has no mailbox."""
    mailbox: VoiceMailbox | None = None
    """The settings of its mailbox; None: the switch takes no messages for it."""
    language: str | None = None
    """The language of announcements to it (ISO 639-1). None: the switch's own setting."""
    record: bool = False
    """True if its calls are recorded (A13)."""
    listed: bool = False
    """True if directory enquiries find it."""
    pin: str | None = None
    """Hash of the PIN for self-service (see softswitch.subscribers.pins); None: none was set."""
    services: Supplementary = NO_SERVICES
    lease_ends_on: str | None = None
    """The last day (ISO date) of the lease of a tenant, and of the tenant's access to the line.
    None: the line's user is its owner."""
    rests_until: int | None = None
    """The end of the quarantine of a line that was cancelled as unused, until which it can be
    restored; epoch milliseconds."""
    srtp: SrtpPolicy | None = None
    """The SRTP policy of its phones. None: the switch's own setting."""
    since: int | None = None
    """The instant from which the line belongs to its account: earlier calls and messages are
    another subscriber's; epoch milliseconds. None: unknown."""
    dtmf: KeyPolicy | None = None
    """The DTMF policy of its phones. None: the switch's own setting."""
    webrtc: WebPolicy | None = None
    """The WebRTC policy of its phones. None: the switch's own setting."""
    devices: tuple[DeviceCredentials, ...] = ()
    """The credentials of its devices, which are good beside its own."""

    @property
    def has_apps_to_wake(self) -> bool:
        """True if a push message can wake one of its apps for a call."""
        return any(device.push_addresses for device in self.devices)


class Proof(NamedTuple):
    """What proves a line under one username; not the line itself, so that a line that isn't there
    costs the same time to look up."""

    line_id: int
    algorithms: tuple[Algorithm, ...] | None
    """Those of the line."""
    secrets: tuple[Mapping[Algorithm, str], ...]
    """HA1 of each algorithm, for each password that is good."""
