"""The directory of lines and trunks, and an index over them.

The whole directory is held in memory, lines packed (:mod:`softswitch.subscribers.packed_lines`), so
that the call path asks no database, and neither does a guesser of logins. The index is changed in
place when an operator changes a line or trunk; a call that is under way keeps the facts it was
admitted with.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import structs

from billing.facts.account import ACTIVE, Status
from sip.uri import Uri
from softswitch.subscribers.caps import CapsWatch
from softswitch.subscribers.last_calls import LastCall, LastCalls
from softswitch.subscribers.line import Line, Proof, Waiting
from softswitch.subscribers.packed_lines import PackedLines, proof_of
from softswitch.subscribers.policies import (
    CallerIdPolicy,
    ContactPolicy,
    KeyPolicy,
    SrtpPolicy,
    StirPolicy,
)
from softswitch.subscribers.rented import RentedNumbers
from softswitch.subscribers.standing import Kind, passes

if TYPE_CHECKING:
    from sip.digest import Algorithm

__all__ = ["Directory", "Line", "Source", "Trunk", "Waiting"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_NUMBER = re.compile(r"\+?[0-9]+", re.ASCII)
"""A number, of which nothing is escaped in a URI."""


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

    def request_uri(self, number: str) -> bytes:
        """The Request-URI of a call to a number, or to a user of a foreign server."""
        if _NUMBER.fullmatch(number) is None:
            return bytes(structs.replace(self.uri, user=number, password=None, headers=None))
        before, after = _around_user(self.target)  # a fifth of the steps
        return b"%s%s%s" % (before, number.encode("ascii"), after)

    @property
    def is_active(self) -> bool:
        return self.status == ACTIVE


@lru_cache(maxsize=1024)
def _around_user(target: str) -> tuple[bytes, bytes]:
    """The octets of a trunk's URI before and after its user part, which each call writes anew."""
    written = bytes(structs.replace(_uri(target), user="", password=None, headers=None))
    before, _, after = written.partition(b":@")
    return before + b":", b"@" + after


@lru_cache(maxsize=1024)
def _uri(target: str) -> Uri:
    return Uri.parse(target.encode("utf-8"))


class Directory:
    """Index of all lines and active trunks."""

    def __init__(self, lines: Iterable[Line] = (), trunks: Iterable[Trunk] = ()) -> None:
        self._lines = PackedLines()
        self.line: Callable[[int], Line | None] = self._lines.get
        """A line by its id."""
        self._octets = self._lines.octets
        self._by_login: dict[str, int] = {}
        """Ids of lines; so are the next two."""
        self._by_number: dict[str, int] = {}
        self._by_username: dict[str, int] = {}
        self.algorithm_orders: Counter[tuple[Algorithm, ...] | None] = Counter()
        """The number of lines with each order of digest algorithms; None: the switch's own
        order."""
        self.rented = RentedNumbers()
        self.caps = CapsWatch()
        self._account_status: dict[int, str] = {}
        """Of the accounts that aren't active, by their ids."""
        self.changed_numbers: dict[str, str] = {}
        """Old numbers of lines to their new ones, for as long as callers of the old ones are
        informed."""
        self.last_calls = LastCalls()
        self.touched: set[int] | None = None
        """Ids of lines that were changed during a reload of everything; None: no reload is under
        way."""
        self.put_lines(lines)
        self.set_trunks(trunks)

    def line_by_login(self, login: str) -> Line | None:
        """A line by its login, also a suspended one: admission decides on its calls."""
        return self.line(self._by_login.get(login, 0))

    def proof(self, username: str, decoy: bytes) -> Proof:
        """What proves a line under a username of digest credentials: a login, or a device's.

        Args:
            decoy: a packed line for a username that isn't there. The way is the same for both.
        """
        return proof_of(self._octets(self._by_username.get(username), decoy), username)

    def line_by_number(self, number: str) -> Line | None:
        """A line by its own number, or by a rented one that rings there; E.164 with "+"."""
        line_id = self._by_number.get(number)
        if line_id is None and (rented := self.rented.get(number)) is not None:
            line_id = self._by_number.get(rented.line)
        return None if line_id is None else self.line(line_id)

    def is_line(self, number: str) -> bool:
        """True if a line has this number; the callback of :meth:`NumberPlan.read`."""
        return number in self._by_number or self.rented.get(number) is not None

    def line_ids(self) -> list[int]:
        return list(self._lines)

    def differs(self, line: Line) -> bool:
        """True if a line isn't here with exactly these facts."""
        return not self._lines.holds(line)

    def restore_last_calls(self, calls: Iterable[LastCall]) -> None:
        """Restore the last caller of each line from these calls, the oldest call first."""
        for call in calls:
            line = self.line_by_number(call.called)
            if line is not None and call.at >= (line.since or 0):
                self.last_calls.note(line.id, call)

    def bar(self, line: Line, kind: Kind) -> str | None:
        """The status, of the line or of its account, that bars this kind of use; None if none
        does."""
        account = self._account_status.get(line.account_id, ACTIVE)
        if line.status == account == ACTIVE:
            return None  # bars nothing
        for status in (line.status, account):
            if not passes(status, kind):
                return status
        return None

    def put_account(self, account_id: int, status: str) -> None:
        """The status that an account has; one that was never put is active."""
        if status == ACTIVE:
            self._account_status.pop(account_id, None)
        else:
            self._account_status[account_id] = status

    def trunk(self, trunk_id: int) -> Trunk | None:
        """A trunk by its id, also a suspended one."""
        return self._trunks.get(trunk_id)

    def trunks(self) -> Iterator[Trunk]:
        return iter(self._trunks.values())

    def trunks_for(self, digits: str) -> tuple[Trunk, ...]:
        """Active trunks that take the number (without "+"): longest prefix, then priority."""
        for length in self._prefix_lengths:
            found = self._by_prefix.get(digits[:length])
            if found is not None:
                return found
        return ()

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
            key = line.id
            self.remove_line(key)
            if self.touched is not None:
                self.touched.add(key)
            self._lines.put(line)
            self._by_login[line.login] = key
            self._by_number[line.number] = key
            for device in line.devices:
                self._by_username[device.username] = key
            self._by_username[line.login] = key
            self.algorithm_orders[line.algorithms] += 1

    def forget_line(self, line_id: int) -> None:
        """Remove a line for good, with everything that is kept by its id."""
        self.remove_line(line_id)
        if self.touched is not None:
            self.touched.add(line_id)
        self.last_calls.forget(line_id)

    def remove_line(self, line_id: int) -> None:
        """Remove a line; an unknown id is no error."""
        line = self._lines.pop(line_id)
        if line is None:
            return
        self.algorithm_orders[line.algorithms] -= 1
        if not self.algorithm_orders[line.algorithms]:
            del self.algorithm_orders[line.algorithms]
        # By now another line may have its login or number.
        if self._by_login.get(line.login) == line_id:
            del self._by_login[line.login]
        if self._by_number.get(line.number) == line_id:
            del self._by_number[line.number]
        for username in (line.login, *(device.username for device in line.devices)):
            if self._by_username.get(username) == line_id:
                del self._by_username[username]

    def set_trunks(self, trunks: Iterable[Trunk]) -> None:
        """Replace all trunks."""
        self._trunks = {trunk.id: trunk for trunk in trunks}
        active = sorted(
            (trunk for trunk in self._trunks.values() if trunk.is_active),
            key=lambda trunk: (trunk.priority, trunk.id),
        )
        by_prefix: dict[str, list[Trunk]] = {}
        self._by_address: dict[tuple[str, int | None], Trunk] = {}
        self._by_network: list[tuple[Source, Trunk]] = []
        self._by_certificate: dict[str, Trunk] = {}
        for trunk in active:
            for prefix in trunk.prefixes:
                by_prefix.setdefault(prefix, []).append(trunk)
            for source in trunk.inbound_from:
                self._put_source(source, trunk)
            for name in trunk.inbound_certificates:
                self._by_certificate.setdefault(name, trunk)
        self._prefix_lengths = sorted({len(prefix) for prefix in by_prefix}, reverse=True)
        self._by_prefix = {prefix: _taking(prefix, by_prefix) for prefix in by_prefix}
        """The trunks that take the numbers of each prefix, also by a shorter prefix."""
        self._by_network.sort(key=lambda item: (-item[0].network.prefixlen, item[0].port is None))

    def _put_source(self, source: Source, trunk: Trunk) -> None:
        if source.network.prefixlen == source.network.max_prefixlen:
            host = str(source.network.network_address)
            self._by_address.setdefault((host, source.port), trunk)
        else:
            self._by_network.append((source, trunk))


def _taking(number: str, by_prefix: Mapping[str, Iterable[Trunk]]) -> tuple[Trunk, ...]:
    """The trunks that take a number, those with the longest prefix first."""
    found: dict[int, Trunk] = {}
    for length in range(len(number), -1, -1):
        for trunk in by_prefix.get(number[:length], ()):
            found.setdefault(trunk.id, trunk)
    return tuple(found.values())
