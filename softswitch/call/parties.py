"""Who is on the two sides of a call: their legs, the lines whose phones these are, who they are."""

from __future__ import annotations

from collections.abc import Iterator

from sip.session import Session
from softswitch.admission.caller_id import NOBODY, Identity, identity_of
from softswitch.call.media.media import Side
from softswitch.subscribers.directory import Line


class Parties:
    """The caller on side a and, once somebody has answered, the called person on side b; later
    whoever was put in their place."""

    __slots__ = ("_identities", "_legs", "_lines")

    def __init__(self, session: Session | None, line: Line | None) -> None:
        """`session` is None until a caller whom the switch calls itself has answered."""
        self._legs: dict[Side, Session] = {} if session is None else {"a": session}
        self._lines: dict[Side, Line | None] = {"a": line}
        self._identities: dict[Side, Identity] = {}

    def put(
        self, side: Side, session: Session, line: Line | None, identity: Identity | None = None
    ) -> None:
        """Somebody takes a side.

        Args:
            line: None for a trunk's.
            identity: None: the line's own.
        """
        self._legs[side], self._lines[side] = session, line
        if identity is None:
            identity = NOBODY if line is None else identity_of(line)
        self._identities[side] = identity

    def name(self, side: Side, identity: Identity) -> None:
        """Who is on a side is known now."""
        self._identities[side] = identity

    def give(self, side: Side) -> tuple[Session, Line | None, Identity]:
        """Let somebody go to another call."""
        return self._legs.pop(side), self._lines[side], self.identity(side)

    def leg(self, side: Side) -> Session:
        return self._legs[side]

    def get(self, side: Side) -> Session | None:
        """As `leg`; None if nobody is there yet."""
        return self._legs.get(side)

    def line(self, side: Side) -> Line | None:
        """Whose phone a leg is; None for a trunk's."""
        return self._lines.get(side)

    def identity(self, side: Side) -> Identity:
        """Who is on a side, for one whom the call is transferred to."""
        return self._identities.get(side, NOBODY)

    def side_of(self, session: Session) -> Side:
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
