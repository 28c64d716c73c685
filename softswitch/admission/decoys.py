"""Decoys: made-up lines for unknown logins, so that our lines can't be enumerated.

A line may have digest algorithms of its own, in an order of its own, and every challenge shows
them. So an unknown login is given an order too: each order as often as lines have it, and the same
login always the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache

from sip.digest import Algorithm
from softswitch.subscribers.line import Line
from softswitch.subscribers.packed_lines import packed

Order = tuple[Algorithm, ...] | None
"""The order of a line's algorithms; None: the switch's own."""

_SPACE = 1 << 64


class Decoys:
    """Makes up a line for a login.

    Args:
        secret: the key of the hashes that pick an order and the digest secrets of decoys; who had
            it could tell decoys from lines.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = hashlib.sha256(b"decoys" + secret).digest()
        self._secrets = {
            algorithm: algorithm.digest(self._key + algorithm.value.encode())
            for algorithm in Algorithm
        }
        self._made = lru_cache(None)(self._packed)

    def line(self, username: str, orders: Mapping[Order, int]) -> bytes:
        """A packed line with the id 0 and secrets that no password fits.

        Args:
            orders: the number of lines that have each order.
        """
        try:
            (order,) = orders  # as on most switches
        except ValueError:
            order = self._drawn(username, orders) if orders else None
        return self._made(order)

    def _packed(self, order: Order) -> bytes:
        return packed(Line(0, "", "", 0, self._secrets, algorithms=order))

    def _drawn(self, login: str, orders: Mapping[Order, int]) -> Order:
        name = login.encode("utf-8", "surrogateescape")
        drawn = int.from_bytes(hashlib.blake2s(name, key=self._key, digest_size=8).digest(), "big")
        # By shares and not by numbers, so that one more line changes next to no login's.
        place = drawn * sum(orders.values()) // _SPACE
        for order in sorted(orders, key=_name):
            place -= orders[order]
            if place < 0:
                return order
        raise AssertionError("the shares don't add up")


def _name(order: Order) -> tuple[str, ...]:
    return () if order is None else tuple(algorithm.value for algorithm in order)
