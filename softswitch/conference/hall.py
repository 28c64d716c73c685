"""Live conferences: their members, their owners, and their end.

Each member is a leg of an ordinary call, whose sound goes through a room of the mixer. Nothing of a
conference is stored: it lasts while it has a member.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from billing.stores.store import StoreError
from softswitch.admission.entitlement import Entitlements
from softswitch.call.letters import HangUp
from softswitch.conference.rooms import DialInRoom, RoomStore
from softswitch.config.conference import ConferenceSection
from softswitch.database.threads import Run
from softswitch.subscribers.directory import Directory, Line
from softswitch.subscribers.pin_guard import PinGuard
from softswitch.subscribers.pin_tries import Secret

if TYPE_CHECKING:
    from rtp.session import MediaSession
    from softswitch.call.legs import Legs
    from softswitch.call.media.media import Side

SERVICE = "conference"
"""The service that must be bought."""

ROOM = "room"
"""The kind of a dial-in conference."""

Key = tuple[str, str]
""""room" and its number, or "line" and the number of the line whose calls were merged."""


class Full(Exception):
    """The conference has as many members as it may (A8)."""


class Member:
    """A party in a conference: one side of a call.

    Args:
        owner: it owns the conference.
    """

    __slots__ = ("_hall", "conference", "legs", "muted", "over", "owner", "side")

    def __init__(
        self, hall: Hall, conference: Conference, legs: Legs, side: Side, *, owner: bool
    ) -> None:
        self._hall = hall
        self.conference = conference
        self.legs = legs
        self.side: Side = side
        self.owner = owner
        self.muted = False
        self.over = asyncio.Event()
        """Set when the member is to leave."""

    def listen(self) -> None:
        """Hear the others, and be heard by them; they hear a tone."""
        self.legs.sound.hear(self.side, "room", self.conference.id, muted=self.muted, tones=True)

    def mute(self, muted: bool) -> None:
        """Take the member's voice out of the conference, or put it back."""
        self.muted = muted
        self.legs.sound.mute(self.side, muted)

    def leave(self) -> None:
        """Give the place back."""
        self._hall.leave(self)


class Conference:
    """A conference: members who hear each other.

    Args:
        number: of the mixer's room.
        line: the owner's.
        home: a session in whose worker the room is; it may be over.
    """

    def __init__(self, number: int, key: Key, line: Line, home: MediaSession) -> None:
        self.id = number
        self.key = key
        self.line = line
        self.home = home
        self.members: list[Member] = []
        self.coming: list[Legs] = []
        """The calls to parties that are being invited; each has a place already."""

    def named(self, number: str) -> Member | None:
        """The member with this number, unless it is the owner."""
        for member in self.members:
            if not member.owner and member.legs.identity(member.side).asserted == number:
                return member
        return None


class Hall:
    """All conferences of the switch.

    Args:
        guard: checks PINs.
        run: runs a function that waits for the database in a thread.
        on_sale: True if the service can be bought.
        wall_ms: epoch milliseconds.
        on_changed: called when a member joined or left, or was muted.
    """

    def __init__(
        self,
        store: RoomStore,
        settings: ConferenceSection,
        directory: Directory,
        entitlements: Entitlements,
        guard: PinGuard,
        run: Run,
        *,
        on_sale: Callable[[], Awaitable[bool]],
        wall_ms: Callable[[], int],
        on_changed: Callable[[Conference], None],
    ) -> None:
        self._store = store
        self._directory = directory
        self._entitlements = entitlements
        self._guard = guard
        self._run = run
        self._on_sale = on_sale
        self._wall_ms = wall_ms
        self._numbers = itertools.count(1)
        self._conferences: dict[Key, Conference] = {}
        self.settings = settings
        self._on_changed = on_changed

    def conference(self, key: Key) -> Conference | None:
        return self._conferences.get(key)

    def __len__(self) -> int:
        return len(self._conferences)

    @property
    def conferences(self) -> list[Conference]:
        return list(self._conferences.values())

    # Who may

    async def room(self, number: str) -> tuple[DialInRoom, Line] | None:
        """A dial-in room and its owner's line.

        Raises:
            StoreError: the database is out of order.
        """
        try:
            room = await self._run(self._store.find, number)
        except SQLAlchemyError as error:
            raise StoreError(str(error)) from error
        line = None if room is None else self._directory.line(room.line_id)
        return None if room is None or line is None else (room, line)

    async def opens(self, room: DialInRoom, pin: str) -> bool:
        """Check a PIN of a room.

        Raises:
            pins.Locked: there were too many wrong ones.
            StoreError: the database is out of order.
        """
        if room.pin is None:
            return True
        return await self._guard.fits(Secret("room", room.number), pin, room.pin)

    async def may_hold(self, line: Line) -> bool:
        """True if a line may have a conference, or parallel calls to make one of (A7).

        Raises:
            StoreError: the database is out of order.
        """
        if self.settings.service == "free" or self.has_service(line):
            return True
        return self.settings.service == "auto" and not await self._on_sale()

    def has_service(self, line: Line) -> bool:
        at = self._wall_ms()
        ends = self._entitlements.service_ends_at(line.account_id, line.number, SERVICE, at)
        return ends is not None

    # Coming and going

    def join(self, key: Key, line: Line, legs: Legs, side: Side, *, owner: bool) -> Member:
        """Add a member. Its sound may still have to be moved to the worker of the conference
        (:mod:`softswitch.call.media.worker_move`).

        Args:
            line: the owner's, if this begins the conference.

        Raises:
            Full: no place is left.
        """
        conference = self._conferences.get(key)
        if conference is None:
            conference = Conference(next(self._numbers), key, line, legs.sound)
            self._conferences[key] = conference
        self._check_places(conference, legs)
        self.forget(conference, legs)
        member = Member(self, conference, legs, side, owner=owner)
        conference.members.append(member)
        self._on_changed(conference)
        return member

    def expect(self, conference: Conference, legs: Legs) -> None:
        """Reserve a place for a party that is being invited.

        Raises:
            Full: no place is left.
        """
        self._check_places(conference, legs)
        conference.coming.append(legs)

    def forget(self, conference: Conference, legs: Legs) -> None:
        """Free the place reserved for a party, which has joined or failed."""
        if legs in conference.coming:
            conference.coming.remove(legs)

    def _check_places(self, conference: Conference, legs: Legs) -> None:
        taken = len(conference.members) + len(conference.coming) - (legs in conference.coming)
        if taken >= self.settings.max_members:
            raise Full

    def mute(self, member: Member, muted: bool) -> None:
        """Mute a member, or unmute it."""
        member.mute(muted)
        self._on_changed(member.conference)

    def leave(self, member: Member) -> None:
        """Remove a member; the conference ends with its last one."""
        conference = member.conference
        if member not in conference.members:
            return
        conference.members.remove(member)
        if member.owner and self.settings.ends_with_owner:
            self.end(conference)
        if not conference.members:
            self.end(conference)
        self._on_changed(conference)

    def end(self, conference: Conference) -> None:
        """End a conference for all members; a later caller begins another one."""
        for member in conference.members:
            member.over.set()
        for legs in conference.coming:
            legs.post(HangUp("caller", "conference: it is over"))
        if self._conferences.get(conference.key) is conference:
            del self._conferences[conference.key]
