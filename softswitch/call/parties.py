"""The parties of a call: the leg on each side, the line whose phone it is, and its caller id."""

from __future__ import annotations

from collections.abc import Iterator

from sip.session import Session
from softswitch.admission.caller_id import NOBODY, Identity, identity_of
from softswitch.call.media.media import Side
from softswitch.subscribers.directory import Line


class Parties:
    """The caller on side a and, from the answer, the called party on side b; later the legs that
    transfers put in their place."""

    __slots__ = ("_identities", "_legs", "_lines", "line_ids")

    def __init__(self, session: Session | None, line: Line | None) -> None:
        """`session` is None while the switch is the caller, until the person that it calls has
        answered."""
        self._legs: dict[Side, Session] = {} if session is None else {"a": session}
        self._lines: dict[Side, Line | None] = {"a": line}
        self._identities: dict[Side, Identity] = {}
        self.line_ids: set[int] = set()
        """The lines that have taken part, also those that were only rung."""

    def put(
        self, side: Side, session: Session, line: Line | None, identity: Identity | None = None
    ) -> None:
        """Put a leg on a side.

        Args:
            line: None for a trunk's leg.
            identity: None: the line's own.
        """
        self._legs[side], self._lines[side] = session, line
        if identity is None:
            identity = NOBODY if line is None else identity_of(line)
        self._identities[side] = identity
        if line is not None:
            self.line_ids.add(line.id)

    def name(self, side: Side, identity: Identity) -> None:
        """Note the caller id of a side."""
        self._identities[side] = identity

    def give(self, side: Side) -> tuple[Session, Line | None, Identity]:
        """Take a leg away, for another call."""
        return self._legs.pop(side), self._lines[side], self.identity(side)

    def leg(self, side: Side) -> Session:
        """The leg on a side; KeyError if there is none."""
        return self._legs[side]

    def get(self, side: Side) -> Session | None:
        """The leg on a side, or None."""
        return self._legs.get(side)

    def line(self, side: Side) -> Line | None:
        """The line whose phone a leg is; None for a trunk's."""
        return self._lines.get(side)

    def identity(self, side: Side) -> Identity:
        """The caller id of a side, as a transfer target sees it."""
        return self._identities.get(side, NOBODY)

    def side_of(self, session: Session) -> Side:
        """The side that a leg is on."""
        return "a" if session is self._legs.get("a") else "b"

    def __contains__(self, session: object) -> bool:
        return session in self._legs.values()

    def __iter__(self) -> Iterator[Session]:
        return iter(self._legs.values())

    def of_line(self, line: Line) -> Iterator[Session]:
        """The legs that are phones of a line."""
        for side, leg in self._legs.items():
            holder = self._lines.get(side)
            if holder is not None and holder.id == line.id:
                yield leg
