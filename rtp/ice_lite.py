"""A lite ICE agent for one stream with RTCP on the same port (RFC 8445 section 2.5).

The peer checks our one address and chooses the pair; we answer who knows our password, and send
media to the pair that was nominated last. Nothing that anybody else sends gets an answer.

A peer that goes on wanting media repeats its checks every few seconds (RFC 7675): one that has
stopped, or never began, is gone.
"""

from __future__ import annotations

from collections import OrderedDict

from rtp import stun
from rtp.latch import Address

CONSENT_SECONDS = 25.0
"""Without a check for so long the peer is taken for gone. Browsers send one every 2.5 to 6 s, and
give up on us after 30 (RFC 7675 section 5.1)."""
MAX_CHECKED = 16
"""Pairs remembered: a peer has an address for each of its networks."""
MAX_TRANSACTIONS = 256
"""Checks remembered; a copy of one that comes from elsewhere is not its sender's."""


class IceLite:
    """The checks of one peer.

    Args:
        ufrag, password: ours, from our description.
        their_ufrag: from the peer's.
    """

    __slots__ = (
        "_checked",
        "_password",
        "_transactions",
        "_username",
        "awaited_at",
        "heard_at",
        "selected",
    )

    def __init__(self, ufrag: str, password: str, their_ufrag: str) -> None:
        self._username = f"{ufrag}:{their_ufrag}"
        self._password = password
        self._checked: OrderedDict[Address, None] = OrderedDict()
        self._transactions: OrderedDict[bytes, Address] = OrderedDict()
        self.selected: Address | None = None
        """The peer's end of the nominated pair; None until a pair was nominated."""
        self.heard_at: float | None = None
        """When the last check came that counts; monotonic seconds."""
        self.awaited_at: float | None = None
        """When both ends were known last, so that the peer has to check; monotonic seconds."""

    def renew(self, ufrag: str, password: str, their_ufrag: str) -> None:
        """Take the names and the password of the peer's last description. If they are new ones ICE
        has been restarted (RFC 8445 section 9): the pair in use stays so until another is
        nominated."""
        username = f"{ufrag}:{their_ufrag}"
        if (username, password) != (self._username, self._password):
            self._username, self._password = username, password
            self._checked.clear()
            self._transactions.clear()

    def receive(self, data: bytes, source: Address, now: float) -> bytes | None:
        """The answer to a check; None to what isn't a check of the peer's."""
        binding = stun.read_binding(data)
        if binding is None or binding.username != self._username:
            return None
        if not stun.is_authentic(binding, self._password):
            return None
        if self._transactions.setdefault(binding.transaction, source) != source:
            return None
        while len(self._transactions) > MAX_TRANSACTIONS:
            self._transactions.popitem(last=False)
        if binding.unknown:
            return stun.error(binding, stun.UNKNOWN_ATTRIBUTE, self._password)
        if binding.is_controlled:
            return stun.error(binding, stun.ROLE_CONFLICT, self._password)
        self.heard_at = now
        self._checked[source] = None
        self._checked.move_to_end(source)
        while len(self._checked) > MAX_CHECKED:
            self._checked.popitem(last=False)
        if binding.nominates:
            self.selected = source
        return stun.success(binding, source, self._password)

    def has_checked(self, source: Address) -> bool:
        """True if an address is the peer's: a check with the password came from it."""
        return source == self.selected or source in self._checked

    @property
    def consent_until(self) -> float | None:
        """Monotonic seconds at which the peer counts as gone if no further check comes; None
        while none is awaited yet."""
        known = [at for at in (self.awaited_at, self.heard_at) if at is not None]
        return max(known) + CONSENT_SECONDS if known else None
