"""The directory of lines and trunks, and an index over them.

The whole directory is held in memory, so that the call path asks no database. The index is changed
in place when an operator changes a line or trunk; a call that is under way keeps the facts it was
admitted with.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from billing.facts.account import ACTIVE, Status
from sip.uri import Uri
from softswitch.subscribers.caps import CapsWatch
from softswitch.subscribers.device_credentials import DeviceCredentials
from softswitch.subscribers.last_calls import LastCall, LastCalls
from softswitch.subscribers.mailbox import VoiceMailbox
from softswitch.subscribers.policies import (
    CallerIdPolicy,
    ContactPolicy,
    KeyPolicy,
    SrtpPolicy,
    StirPolicy,
    WebPolicy,
)
from softswitch.subscribers.rented import RentedNumbers
from softswitch.subscribers.standing import Kind, passes
from softswitch.subscribers.supplementary import NO_SERVICES, Supplementary

if TYPE_CHECKING:
    from sip.digest import Algorithm

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


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
    """A line with the digest secrets that prove it under one username."""

    line: Line
    secrets: tuple[Mapping[Algorithm, str], ...]


@dataclass(frozen=True, slots=True)
class Source:
    """The source of a trunk's requests: addresses, and a port when it must match too."""

    network: Network
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Source:
        """ "192.0.2.0/24", "192.0.2.1:5080" or "[2001:db8::1]:5080". Raises ValueError."""
        host, port = text, None
        if text.startswith("[") or text.count(":") == 1:
            host, _, digits = text.rpartition(":")
            if not (digits.isascii() and digits.isdigit() and 0 < int(digits[:6]) < 65536):
                raise ValueError(f"{text!r} has no valid port")
            host, port = host.strip("[]"), int(digits)
        try:
            return cls(ipaddress.ip_network(host), port)
        except ValueError as error:
            raise ValueError(f"{text!r} is no address or network: {error}") from None

    def __str__(self) -> str:
        whole = self.network.prefixlen == self.network.max_prefixlen
        host = str(self.network.network_address) if whole else str(self.network)
        if self.port is None:
            return host
        return f"[{host}]:{self.port}" if self.network.version == 6 else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Trunk:
    """Another operator or gateway that calls go to and come from."""

    id: int
    name: str
    target: str
    """SIP URI that calls are sent to, e.g. "sip:gw.example.org:5060;transport=tcp"."""
    prefixes: tuple[str, ...]
    """Digits (without "+") at the beginning of the numbers it takes. ("",) takes every number."""
    priority: int = 100
    """The order among equally long prefixes: the lower number is tried first."""
    username: str | None = None
    password: str | None = None
    """The password for its digest challenges. Never printed."""
    inbound_from: tuple[Source, ...] = ()
    """Requests from these sources are this trunk's. Empty: it isn't recognised by its address."""
    status: Status = ACTIVE
    max_calls: int | None = None
    """Calls at once in both directions, above which none is sent to it. None: no limit."""
    ping_seconds: int | None = None
    """The interval of OPTIONS pings; 0: none. None: the switch's own setting."""
    trusted: bool = False
    """True if it is in our trust domain (RFC 3325): it asserts identities, and receives those that
    are withheld from everyone else."""
    tariff: str | None = None
    """The tariff by which it charges us; None: unknown, or free."""
    weight: int = 1
    """The share of calls among trunks of equal cost and priority."""
    srtp: SrtpPolicy | None = None
    """The SRTP policy of calls to and from it. None: the switch's own setting."""
    inbound_certificates: tuple[str, ...] = ()
    """Names (lower case) in the certificate by which it authenticates over TLS, from any
    address."""
    dtmf: KeyPolicy | None = None
    """Its DTMF policy. None: the switch's own setting."""
    contact: ContactPolicy = "auto"
    """The target of requests within its calls."""
    caller_id: CallerIdPolicy = "numbers"
    """The caller ids of an untrusted trunk that are shown."""
    stir: StirPolicy = "off"
    """Signed caller ids of its calls."""

    @property
    def uri(self) -> Uri:
        """The target, parsed."""
        return _uri(self.target)

    @property
    def is_active(self) -> bool:
        return self.status == ACTIVE


@lru_cache(maxsize=1024)
def _uri(target: str) -> Uri:
    return Uri.parse(target.encode("utf-8"))


class Directory:
    """Index of all lines and active trunks."""

    def __init__(self, lines: Iterable[Line] = (), trunks: Iterable[Trunk] = ()) -> None:
        self._by_id: dict[int, Line] = {}
        self._by_login: dict[str, Line] = {}
        self._by_number: dict[str, Line] = {}
        self._by_username: dict[str, Proof] = {}
        self.algorithm_orders: Counter[tuple[Algorithm, ...] | None] = Counter()
        """The number of lines with each order of digest algorithms; None: the switch's own
        order."""
        self.rented = RentedNumbers()
        self.caps = CapsWatch()
        self.account_status: dict[int, str] = {}
        """The status of each account by its id; an account that is missing here is active."""
        self.changed_numbers: dict[str, str] = {}
        """Old numbers of lines to their new ones, for as long as callers of the old ones are
        informed."""
        self.last_calls = LastCalls()
        self.touched: set[int] | None = None
        """Ids of lines that were changed during a reload of everything; None: no reload is under
        way."""
        self.put_lines(lines)
        self.set_trunks(trunks)

    def line(self, line_id: int) -> Line | None:
        return self._by_id.get(line_id)

    def line_by_login(self, login: str) -> Line | None:
        """A line by its login, also a suspended one: admission decides on its calls."""
        return self._by_login.get(login)

    def proof(self, username: str) -> Proof | None:
        """The line that a username of digest credentials proves: a login, or a device's."""
        return self._by_username.get(username)

    def line_by_number(self, number: str) -> Line | None:
        """A line by its own number, or by a rented one that rings there; E.164 with "+"."""
        line = self._by_number.get(number)
        rented = None if line is not None else self.rented.get(number)
        return line if rented is None else self._by_number.get(rented.line)

    def is_line(self, number: str) -> bool:
        """True if a line has this number; the callback of :meth:`NumberPlan.read`."""
        return number in self._by_number or self.rented.get(number) is not None

    def lines(self) -> Iterator[Line]:
        return iter(self._by_id.values())

    def restore_last_calls(self, calls: Iterable[LastCall]) -> None:
        """Restore the last caller of each line from these calls, the oldest call first."""
        for call in calls:
            line = self.line_by_number(call.called)
            if line is not None and call.at >= (line.since or 0):
                self.last_calls.note(line.id, call)

    def bar(self, line: Line, kind: Kind) -> str | None:
        """The status, of the line or of its account, that bars this kind of use; None if none
        does."""
        account = self.account_status.get(line.account_id, ACTIVE)
        if line.status == account == ACTIVE:
            return None  # bars nothing
        for status in (line.status, account):
            if not passes(status, kind):
                return status
        return None

    def trunk(self, trunk_id: int) -> Trunk | None:
        """A trunk by its id, also a suspended one."""
        return self._trunks.get(trunk_id)

    def trunks(self) -> Iterator[Trunk]:
        return iter(self._trunks.values())

    def trunks_for(self, digits: str) -> list[Trunk]:
        """Active trunks that take the number (without "+"): longest prefix, then priority."""
        found: list[Trunk] = []
        for length in self._prefix_lengths:
            for trunk in self._by_prefix.get(digits[:length], ()):
                if trunk not in found:
                    found.append(trunk)
        return found

    def trunk_by_source(self, host: str, port: int) -> Trunk | None:
        """The active trunk whose sources include this address and port; the narrowest source
        wins."""
        exact = self._by_address.get((host, port)) or self._by_address.get((host, None))
        if exact is not None or not self._by_network:
            return exact
        address = ipaddress.ip_address(host)
        for source, trunk in self._by_network:
            if source.port in (None, port) and address in source.network:
                return trunk
        return None

    def trunk_by_certificate(self, name: str) -> Trunk | None:
        """The active trunk whose certificates show this name (lower case)."""
        return self._by_certificate.get(name)

    def put_lines(self, lines: Iterable[Line]) -> None:
        """Add lines, or replace the ones with the same id."""
        for line in lines:
            self.remove_line(line.id)
            if self.touched is not None:
                self.touched.add(line.id)
            self._by_id[line.id] = line
            self._by_login[line.login] = line
            self._by_number[line.number] = line
            for device in line.devices:
                # Without a password yet it costs a guesser the same time as one.
                self._by_username[device.username] = Proof(line, device.secrets or ({},))
            self._by_username[line.login] = Proof(line, (line.ha1,))
            self.algorithm_orders[line.algorithms] += 1

    def forget_line(self, line_id: int) -> None:
        """Remove a line for good, with everything that is kept by its id."""
        self.remove_line(line_id)
        if self.touched is not None:
            self.touched.add(line_id)
        self.last_calls.forget(line_id)

    def remove_line(self, line_id: int) -> None:
        """Remove a line; an unknown id is no error."""
        line = self._by_id.pop(line_id, None)
        if line is None:
            return
        self.algorithm_orders[line.algorithms] -= 1
        if not self.algorithm_orders[line.algorithms]:
            del self.algorithm_orders[line.algorithms]
        if self._by_login.get(line.login) is line:
            del self._by_login[line.login]
        if self._by_number.get(line.number) is line:
            del self._by_number[line.number]
        for username in (line.login, *(device.username for device in line.devices)):
            proof = self._by_username.get(username)
            if proof is not None and proof.line is line:
                del self._by_username[username]

    def replace(self, lines: Iterable[Line], trunks: Iterable[Trunk]) -> None:
        """Replace all lines and trunks."""
        self._by_id.clear()
        self._by_login.clear()
        self._by_number.clear()
        self._by_username.clear()
        self.algorithm_orders.clear()
        self.put_lines(lines)
        self.set_trunks(trunks)

    def set_trunks(self, trunks: Iterable[Trunk]) -> None:
        """Replace all trunks."""
        self._trunks = {trunk.id: trunk for trunk in trunks}
        active = sorted(
            (trunk for trunk in self._trunks.values() if trunk.is_active),
            key=lambda trunk: (trunk.priority, trunk.id),
        )
        self._by_prefix: dict[str, list[Trunk]] = {}
        self._by_address: dict[tuple[str, int | None], Trunk] = {}
        self._by_network: list[tuple[Source, Trunk]] = []
        self._by_certificate: dict[str, Trunk] = {}
        for trunk in active:
            for prefix in trunk.prefixes:
                self._by_prefix.setdefault(prefix, []).append(trunk)
            for source in trunk.inbound_from:
                self._put_source(source, trunk)
            for name in trunk.inbound_certificates:
                self._by_certificate.setdefault(name, trunk)
        self._prefix_lengths = sorted({len(prefix) for prefix in self._by_prefix}, reverse=True)
        self._by_network.sort(key=lambda item: (-item[0].network.prefixlen, item[0].port is None))

    def _put_source(self, source: Source, trunk: Trunk) -> None:
        if source.network.prefixlen == source.network.max_prefixlen:
            host = str(source.network.network_address)
            self._by_address.setdefault((host, source.port), trunk)
        else:
            self._by_network.append((source, trunk))
