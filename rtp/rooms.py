"""Conference rooms of a worker: who is in them, what they are told, who speaks."""

from __future__ import annotations

from rtp.control import Hear
from rtp.mixer import MAX_MEMBERS, Member, Mixer, Room
from rtp.player import Piece, Player, Playing
from rtp.samples import Samples
from rtp.sound_side import NOBODY, SoundSide
from rtp.tones import tone

ENTRY_TONE, LEAVING_TONE = "entry", "leaving"


class Rooms:
    """Conference rooms by their numbers; each exists while it has members."""

    __slots__ = ("_mixer", "_players", "_rooms", "_rows")

    def __init__(self) -> None:
        self._rooms: dict[int, Room[SoundSide]] = {}
        self._players: dict[int, Player] = {}
        self._mixer: Mixer[SoundSide] | None = None
        """The mixer of the present members; None until they are mixed."""
        self._rows: list[int] | None = None
        """The row of each of its members in the tick's frames."""

    def __len__(self) -> int:
        return len(self._rooms)

    def enter(self, side: SoundSide, message: Hear) -> bool:
        """Add a member; False if the room is full."""
        room = self._rooms.get(message.room)
        if room is None:
            room = self._rooms[message.room] = Room(message.room)
            self._players[message.room] = Player()
        if len(room.members) >= MAX_MEMBERS:
            return False
        side.room = message.room
        side.tones = message.tones
        side.member = Member(side, muted=message.muted)
        room.members.append(side.member)
        self._members_changed()
        self._tell(side, ENTRY_TONE)
        return True

    def leave(self, side: SoundSide) -> None:
        """Remove a member; the room ends with the last one."""
        member, side.member = side.member, None
        if member is None:
            return
        room = self._rooms[side.room]
        room.members.remove(member)
        self._members_changed()
        if room.speaker is member:
            room.speaker = None  # the floor is free
        if room.members:
            self._tell(side, LEAVING_TONE)
            return
        del self._rooms[side.room], self._players[side.room]

    def mute(self, member: Member[SoundSide], *, muted: bool) -> None:
        """Have the others hear a member no more, or again."""
        member.muted = muted
        self._members_changed()

    def mixer(self) -> Mixer[SoundSide]:
        """The mixer of the present members, each of which knows its row in what :meth:`mixed`
        returns."""
        if self._mixer is None:
            self._mixer = Mixer(list(self._rooms.values()))
        return self._mixer

    def rows_changed(self) -> None:
        """The frames of a tick have other rows from now on."""
        self._rows = None

    def _members_changed(self) -> None:
        if self._mixer is not None:
            self._mixer.give_back()
        self._mixer = self._rows = None

    def _tell(self, side: SoundSide, name: str) -> None:
        if side.tones:
            playing = Playing(NOBODY)
            playing.set_pieces([Piece(tone(name))])
            self._players[side.room].play(playing)

    def mixed(self, frames: Samples) -> tuple[Samples, list[SoundSide]]:
        """A tick of all rooms.

        Args:
            frames: what each side said, by its row.

        Returns:
            What the members hear, by `Member.row`, and the sides that took the floor of their room
            in this tick.
        """
        if not self._rooms:
            return frames[:0], []
        rooms = list(self._rooms.values())
        for room in rooms:
            player = self._players[room.id]
            room.announcement = player.frame() if player.busy else None
        mixer = self.mixer()
        if self._rows is None:
            self._rows = [member.key.row for member in mixer.members]
        heard = mixer.mix(frames[self._rows])
        speakers = [
            room.speaker.key
            for room in rooms
            if room.floor_may_change and room.find_speaker() and room.speaker is not None
        ]
        return heard, speakers
