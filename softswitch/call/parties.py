"""The parties of a call: the leg on each side, the line whose phone it is, and its caller id."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, field

from sip.session import Session
from softswitch.admission.caller_id import NOBODY, Identity, identity_of
from softswitch.call.media.media import Side
from softswitch.subscribers.directory import Line


class Party(Struct, eq=False):
    """One side of a call."""

    leg: Session | None = None
    line: Line | None = None
    """None for a trunk's leg."""
    identity: Identity = NOBODY


class Parties(Struct, eq=False):
    """The caller on side a and, from the answer, the called party on side b; later the legs that
    transfers put in their place.

    Args:
        a: without a leg while the switch is the caller, until the person that it calls has
            answered.
    """

    a: Party
    b: Party = field(default_factory=Party)
    line_ids: tuple[int, ...] = ()  # a set takes many times the octets
    """The lines that have taken part, also those that were only rung; each once."""
    grown: bool = False
    """A line has been added that the index of live calls doesn't know yet."""

    def put(
        self, side: Side, session: Session, line: Line | None, identity: Identity | None = None
    ) -> None:
        """Put a leg on a side.

        Args:
            line: None for a trunk's leg.
            identity: None: the line's own.
        """
        if identity is None:
            identity = NOBODY if line is None else identity_of(line)
        party = self.a if side == "a" else self.b
        party.leg, party.line, party.identity = session, line, identity
        if line is not None:
            self.add_line(line.id)

    def answer(self, session: Session, line: Line | None) -> None:
        """Put the leg that answered on the called side; a trunk's is known by the number that was
        called."""
        if line is None:
            self.b.leg = session
        else:
            self.put("b", session, line)

    def add_line(self, line_id: int) -> None:
        """Another line takes part, or is rung."""
        if line_id not in self.line_ids:
            self.line_ids = (*self.line_ids, line_id)
            self.grown = True

    def drop_line(self, line_id: int) -> None:
        """A line takes no part any more."""
        self.line_ids = tuple([one for one in self.line_ids if one != line_id])

    def name(self, side: Side, identity: Identity) -> None:
        """Note the caller id of a side."""
        (self.a if side == "a" else self.b).identity = identity

    def give(self, side: Side) -> tuple[Session, Line | None, Identity]:
        """Take a leg away, for another call."""
        party, leg = self.a if side == "a" else self.b, self.leg(side)
        party.leg = None
        return leg, party.line, party.identity

    def leg(self, side: Side) -> Session:
        """The leg on a side; KeyError if there is none."""
        leg = self.a.leg if side == "a" else self.b.leg
        if leg is None:
            raise KeyError(side)
        return leg

    def get(self, side: Side) -> Session | None:
        """The leg on a side, or None."""
        return self.a.leg if side == "a" else self.b.leg

    def line(self, side: Side) -> Line | None:
        """The line whose phone a leg is; None for a trunk's."""
        return self.a.line if side == "a" else self.b.line

    def identity(self, side: Side) -> Identity:
        """The caller id of a side, as a transfer target sees it."""
        return self.a.identity if side == "a" else self.b.identity

    def side_of(self, session: Session) -> Side:
        """The side that a leg is on."""
        return "a" if session is self.a.leg else "b"

    def __contains__(self, session: object) -> bool:
        return session is not None and (session is self.a.leg or session is self.b.leg)

    def __iter__(self) -> Iterator[Session]:
        return iter(self.legs)

    @property
    def legs(self) -> tuple[Session, ...]:
        """The legs on both sides, the caller's first."""
        a, b = self.a.leg, self.b.leg
        if a is not None and b is not None:  # as in nearly every call
            return a, b
        return tuple([leg for leg in (a, b) if leg is not None])

    def of_line(self, line: Line) -> Iterator[Session]:
        """The legs that are phones of a line."""
        for party in (self.a, self.b):
            if party.leg is not None and party.line is not None and party.line.id == line.id:
                yield party.leg
