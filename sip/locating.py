"""Server location (RFC 3263): the addresses that requests for a URI go to, decided without I/O."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from sip.uri import Uri

MAX_TARGETS = 8
"""The limit of addresses that are tried for a URI, whatever a foreign zone holds."""

DEFAULT_PORT = {"udp": 5060, "tcp": 5060, "tls": 5061}
_SERVICES = {"SIP+D2U": "udp", "SIP+D2T": "tcp", "SIPS+D2T": "tls"}
"""NAPTR services that we know (RFC 3263 section 4.1)."""
_PREFIX = {"udp": "_sip._udp.", "tcp": "_sip._tcp.", "tls": "_sips._tcp."}
_PREFERENCE = ("udp", "tcp", "tls")
"""Ours, where the zone has none: as an ordinary `sip:` URI means."""


class Question(NamedTuple):
    """One DNS question; names are without the last dot."""

    name: str
    kind: str
    """"NAPTR", "SRV", "A" or "AAAA"."""


@dataclass(frozen=True, slots=True)
class Naptr:
    """A rule of RFC 3403; `replacement` is where its SRV records stand."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


@dataclass(frozen=True, slots=True)
class Srv:
    """A server of RFC 2782."""

    priority: int
    weight: int
    port: int
    target: str


Record = Naptr | Srv | str
"""A record; an address is a text."""

Asking = Generator[Question, Sequence[Record], list["Target"]]


class Target(NamedTuple):
    """A place to send to; `host` is numeric."""

    transport: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Reach:
    """Transports and IP versions of our sockets.

    Args:
        transports: "udp", "tcp", "tls".
        versions: of IP, 4 and 6, the one to prefer first.
    """

    transports: Collection[str]
    versions: Sequence[int] = (4,)


def locate(uri: Uri, reach: Reach, pick: Callable[[int], int]) -> Asking:
    """The targets of a URI, the first one to be tried first; none if it can't be reached.

    Args:
        pick: a random number from 0 below its argument, for weights (RFC 2782).
    """
    wanted = _wanted_transport(uri)
    allowed = [t for t in _PREFERENCE if t in reach.transports and t in wanted]
    if not allowed:
        return []
    plain = allowed[0]
    if numeric(uri.host) is not None:
        return [Target(plain, uri.host, uri.port or DEFAULT_PORT[plain])]
    if uri.port is not None:
        return (yield from _addresses(uri.host, uri.port, plain, reach))[:MAX_TARGETS]
    found = yield from _by_service(uri, allowed, reach, pick)
    if not found:
        found = yield from _addresses(uri.host, DEFAULT_PORT[plain], plain, reach)
    return list(dict.fromkeys(found))[:MAX_TARGETS]


def _wanted_transport(uri: Uri) -> Collection[str]:
    """The transports that a URI allows. `sips:` is TLS whatever transport it has, except UDP, which
    contradicts it (RFC 3261 section 26.2.2)."""
    asked = uri.transport
    if uri.scheme == "sips":
        return () if asked not in (None, "tcp", "tls") else ("tls",)
    return _PREFERENCE if asked is None else (asked,)


def _by_service(
    uri: Uri, allowed: Sequence[str], reach: Reach, pick: Callable[[int], int]
) -> Asking:
    """By NAPTR and SRV, or by SRV alone (section 4.1)."""
    rules: list[tuple[str, str]] = []
    if uri.transport is None:
        records = yield Question(uri.host, "NAPTR")
        rules = _rules(records, allowed)
    if rules:
        found: list[Target] = []
        for transport, name in rules[:MAX_TARGETS]:
            found += yield from _servers(name, transport, reach, pick)
        return found
    for transport in allowed:
        found = yield from _servers(_PREFIX[transport] + uri.host, transport, reach, pick)
        if found:
            return found
    return []


def _rules(records: Sequence[Record], allowed: Sequence[str]) -> list[tuple[str, str]]:
    """Transport and SRV name of each rule that we can follow, in the zone's order."""
    rules = [record for record in records if isinstance(record, Naptr)]
    rules.sort(key=lambda rule: (rule.order, rule.preference))
    return [
        (transport, rule.replacement)
        for rule in rules
        if rule.flags.lower() == "s"
        and (transport := _SERVICES.get(rule.service.upper(), "")) in allowed
    ]


def _servers(name: str, transport: str, reach: Reach, pick: Callable[[int], int]) -> Asking:
    records = yield Question(name, "SRV")
    servers = [record for record in records if isinstance(record, Srv) and record.target]
    found: list[Target] = []
    for server in by_weight(servers, pick)[:MAX_TARGETS]:
        found += yield from _addresses(server.target, server.port, transport, reach)
    return found


def by_weight(servers: Sequence[Srv], pick: Callable[[int], int]) -> list[Srv]:
    """Lowest priority first; among equals by chance, in proportion to the weight (RFC 2782)."""
    ordered: list[Srv] = []
    for priority in sorted({server.priority for server in servers}):
        # Those without weight stand first, where only a zero finds them.
        left = sorted(
            (server for server in servers if server.priority == priority),
            key=lambda server: server.weight,
        )
        while left:
            chosen = _draw(left, pick)
            left.remove(chosen)
            ordered.append(chosen)
    return ordered


def _draw(servers: Sequence[Srv], pick: Callable[[int], int]) -> Srv:
    """One of them, by the running sum of weights."""
    drawn = pick(sum(server.weight for server in servers) + 1)
    for server in servers:
        if drawn <= server.weight:
            return server
        drawn -= server.weight
    return servers[-1]


def _addresses(name: str, port: int, transport: str, reach: Reach) -> Asking:
    if numeric(name) is not None:
        return [Target(transport, name, port)]
    found: list[Target] = []
    for version in reach.versions:
        records = yield Question(name, "AAAA" if version == 6 else "A")
        found += [
            Target(transport, record, port)
            for record in records
            if isinstance(record, str) and numeric(record) == version
        ]
    return found


@lru_cache(maxsize=4096)  # a trunk's host is asked about in every call
def numeric(host: str) -> int | None:
    """The IP version of a numeric address; None for a name."""
    try:
        return ipaddress.ip_address(host).version
    except ValueError:
        return None
