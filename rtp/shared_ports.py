"""Which media ports the system might give to any program that asks for a port, no matter which.

A call could then get none of them, or a socket of another program would take over the number that a
call has just left.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_SETTINGS = Path("/proc/sys/net/ipv4")
"""The settings apply to IPv6 as well."""


def shared_ports(first: int, last: int) -> list[int]:
    """Ports of a range that the system gives away, in this process's network; none if it doesn't
    say."""
    try:
        given = (_SETTINGS / "ip_local_port_range").read_text()
        reserved = (_SETTINGS / "ip_local_reserved_ports").read_text()
    except OSError:
        return []
    return list(given_away(first, last, given, reserved))


def given_away(first: int, last: int, given: str, reserved: str) -> Iterator[int]:
    """Ports that the system may give to other programs, by the text of ip_local_port_range and
    of ip_local_reserved_ports ("8080,20000-29999")."""
    lowest, highest = map(int, given.split())
    kept: set[int] = set()
    for part in filter(None, reserved.strip().split(",")):
        low, _, high = part.partition("-")
        kept.update(range(int(low), int(high or low) + 1))
    for port in range(max(first, lowest), min(last, highest) + 1):
        if port not in kept:
            yield port
