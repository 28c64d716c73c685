"""The peer of a session: the methods and bodies that it takes, and the rate of its re-INVITEs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct

from sip.headers import split_list
from sip.message import Message

MAX_INFO_TYPES = 16
"""INFO body types that are kept of one peer."""
MAX_OFFERS = 20
"""re-INVITEs of a peer within :data:`OFFERS_SECONDS`: each troubles the other leg and the relay."""
OFFERS_SECONDS = 10


_NO_TYPES: frozenset[bytes] = frozenset()


class Peer(Struct, eq=False):
    """The peer's capabilities, by the Allow and Accept of its messages (RFC 3261 sections 20.1 and
    20.5), and the rate of its re-INVITEs."""

    allows_update: bool = False
    info_types: frozenset[bytes] = _NO_TYPES
    """Body types that the peer takes in an INFO: it said so, or sent such an INFO itself."""
    _offers: int = 0
    _offers_since: float = 0.0

    def note(self, message: Message) -> None:
        """Learn from the Allow and Accept of a message of the peer's."""
        values = message.values
        if b"allow" in values:
            allow, accept = values[b"allow"], values.get(b"accept", b"")
            if message.repeated is not None:
                allow = b", ".join(message.get_all(b"allow"))
                accept = b", ".join(message.get_all(b"accept"))
            self.allows_update, types = _read(allow, accept)
            if not self.info_types:
                self.info_types = types  # one set for all the calls of a phone
            elif types:
                self._learn(types)

    def note_info_types(self, types: Sequence[bytes]) -> None:
        """Remember body types that the peer takes in an INFO, up to :data:`MAX_INFO_TYPES`."""
        self._learn(_type_names(tuple(types[:MAX_INFO_TYPES])))

    def _learn(self, types: frozenset[bytes]) -> None:
        if not self.info_types:
            self.info_types = types  # one set for all the calls of a phone
        elif len(self.info_types) < MAX_INFO_TYPES:
            self.info_types |= types

    def offers_too_often(self, now: float) -> bool:
        """Count a re-INVITE; True if it is one too many of the last seconds."""
        if now - self._offers_since > OFFERS_SECONDS:
            self._offers, self._offers_since = 0, now
        self._offers += 1
        return self._offers > MAX_OFFERS


@lru_cache(maxsize=256)  # a phone writes the same in all its calls
def _read(allow: bytes, accept: bytes) -> tuple[bool, frozenset[bytes]]:
    """True if UPDATE is allowed, and the body types that may come in an INFO."""
    methods = frozenset(map(bytes.lower, split_list(allow)))
    types = split_list(accept)[:MAX_INFO_TYPES] if b"info" in methods else []
    return b"update" in methods, _type_names(tuple(types))


@lru_cache(maxsize=64)
def _type_names(types: tuple[bytes, ...]) -> frozenset[bytes]:
    return frozenset(value.partition(b";")[0].strip().lower() for value in types)
