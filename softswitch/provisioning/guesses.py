"""Guesses: wrong tokens and wrong MACs, counted for each address."""

from __future__ import annotations

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address

MAX_GUESSES = 10
"""Of one address within an hour; above it the address gets the answer to a guess, whatever it
asks."""
HOUR_MS = 3_600_000
MAX_ADDRESSES = 100_000
"""Addresses that are counted at once; above it the one that guessed first is forgotten."""
_V6_SHIFT = 64


def source_of(address: str) -> str:
    """The address that is counted: of IPv6 the first 64 bits, of which a guesser has all the
    rest."""
    try:
        read = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(read, IPv6Address):
        if read.ipv4_mapped is not None:
            return str(read.ipv4_mapped)
        return f"{IPv6Address(int(read) >> _V6_SHIFT << _V6_SHIFT)}/64"
    return str(read)


class Guesses:
    """Wrong guesses of the last hour by address."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, tuple[int, int]] = OrderedDict()
        """The number of guesses and the end of their hour, in epoch milliseconds."""

    def barred(self, address: str, now_ms: int) -> bool:
        """True if nothing that this address asks is looked at."""
        count, ends_at = self._counts.get(source_of(address), (0, 0))
        return count >= MAX_GUESSES and now_ms < ends_at

    def note(self, address: str, now_ms: int) -> None:
        """Count a wrong guess."""
        source = source_of(address)
        count, ends_at = self._counts.pop(source, (0, 0))
        if now_ms >= ends_at:
            count, ends_at = 0, now_ms + HOUR_MS
        self._counts[source] = (count + 1, ends_at)
        if len(self._counts) > MAX_ADDRESSES:
            self._counts.popitem(last=False)
