"""The data of a call, below all its parts: two legs, their sound, their payers and one mailbox.

A part of a call (ringing, transfer, recording, ...) is given these legs and the sibling parts that
it uses by its constructor. Nothing here knows any of the parts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from rtp.session import MediaSession
from softswitch.call.media.call_recording import CallRecording
from softswitch.call.media.info_keys import InfoKeys
from softswitch.call.media.keys import RELAY_TYPE
from softswitch.call.media.leg_security import LegSecurity
from softswitch.call.media.media import CallMedia, Side

if TYPE_CHECKING:
    from sip.dialog import Dialog
    from sip.flow import Flow
    from sip.message import Request
    from sip.sdp import SessionDescription
    from sip.session import Session
    from softswitch.admission.authentication import Caller
    from softswitch.admission.caller_id import Identity
    from softswitch.call.charging.accounting import Record
    from softswitch.call.charging.payers import Payers
    from softswitch.call.clock import Clock
    from softswitch.call.context import CallNews
    from softswitch.call.letters import Letter
    from softswitch.call.mailbox import Mailbox
    from softswitch.call.media.call_relay import CallRelay
    from softswitch.call.media.hold_music import HoldMusic
    from softswitch.call.media.leg_security import SecurityPolicy
    from softswitch.call.parties import Parties
    from softswitch.recordings.desk import RecordingDesk
    from softswitch.subscribers.directory import Line, Trunk
    from softswitch.subscribers.supplementary import ForwardKind
    from softswitch.trace.log import Log


StoredDialogs = tuple[tuple["Dialog", bytes, "Flow"], ...]
"""The dialogs of the legs with the ways to their peers, as they were when they were stored."""


class Legs(Struct, eq=False):
    """The legs of one call. A leg's session has them as its owner.

    Args:
        caller: who pays first.
        request: the INVITE of the caller, or one made in the caller's name.
        post: tells the call something; its own task handles it.
        now: monotonic seconds.
        news: told when a leg joins or a side changes hands.
        hold_music: None: none is played.
        info_keys: None before keys are first passed on in INFO.
        recordings: the recorded calls of all lines.
        recording: begins and ends as lines that are recorded come and go; None before the first.
        stored_dialogs: tells if the dialogs of the legs have changed since they were stored.
        answered_at: monotonic seconds of the answer; None before it.
        served: a service of the switch talks with the caller now.
        closing: the call ends, and takes nothing on any more.
        diverted_as: why the called line's forwarding or mailbox took the call; None if neither did.
    """

    id: str
    caller: Caller
    request: Request
    clock: Clock
    mailbox: Mailbox
    post: Callable[[Letter], None]
    now: Callable[[], float]
    record: Record
    parties: Parties
    payers: Payers
    relay: CallRelay
    security: SecurityPolicy
    recordings: RecordingDesk
    news: CallNews
    log: Log
    stored_dialogs: StoredDialogs = ()
    hold_music: HoldMusic | None = None
    info_keys: InfoKeys | None = None
    recording: CallRecording | None = None
    answered_at: float | None = None
    served: bool = False
    closing: bool = False
    diverted_as: ForwardKind | None = None

    @property
    def answered(self) -> bool:
        """True once the caller has been answered."""
        return self.answered_at is not None

    @property
    def talking(self) -> bool:
        """True from the answer to the end."""
        return self.answered_at is not None and not self.closing

    # Who is on the sides

    def leg(self, side: Side) -> Session:
        """The session on a side; KeyError if there is none."""
        return self.parties.leg(side)

    def side_of(self, session: Session) -> Side:
        """The side that a leg of the call is on."""
        return self.parties.side_of(session)

    def line_of(self, side: Side) -> Line | None:
        """The line whose phone a leg is; None for a trunk's leg."""
        return self.parties.line(side)

    def identity(self, side: Side) -> Identity:
        """The caller id of a side, as a transfer target sees it."""
        return self.parties.identity(side)

    def is_held_by(self, session: Session, line: Line) -> bool:
        """True if a leg is a phone of this line."""
        return session in self.parties.of_line(line)

    # Who comes and goes

    def joined(self, session: Session) -> None:
        """A leg begins, or comes over from another call."""
        self.news.leg_joined(self.id, session.dialog.call_id)

    def changed(self) -> None:
        """The call rings, was answered, or has another party on one of its sides."""
        self.news.changed(self)

    def secure(self, session: Session, party: Line | Trunk | None) -> LegSecurity:
        """The SRTP keys of a leg, by the policy of its line or trunk."""
        return self.security.secure(session, party)

    def put_leg(
        self, side: Side, session: Session, line: Line | None, identity: Identity | None
    ) -> None:
        """Put a leg on a side that has none, or whose leg is gone."""
        session.report_to(self)
        self.joined(session)
        self.parties.put(side, session, line, identity)
        self.media.join(side, LegSecurity.of(session))
        self.changed()

    def replace_leg(
        self, side: Side, session: Session, line: Line | None, identity: Identity | None = None
    ) -> Session:
        """Put another leg in the place of one; returns the one that was there."""
        gone = self.leg(side)
        self.put_leg(side, session, line, identity)
        if self.answered_at is not None:
            self.follow_recording()
        return gone

    def follow_recording(self) -> None:
        """Begin or end the recording, if need be, after the answer or when a side has changed
        hands."""
        a, b = self.parties.a.line, self.parties.b.line
        line = a if a is not None and a.record else b if b is not None and b.record else None
        if self.recording is None:
            if line is None:
                return  # as of nearly every call
            self.recording = CallRecording(self, self.recordings, self.log)
        self.recording.follow(line)

    def let_go(self) -> None:
        """The call is over: let go of the parts that refer back here, which the garbage collector
        would otherwise have to find."""
        self.hold_music = self.info_keys = self.recording = None

    # Their sound

    @property
    def media(self) -> CallMedia:
        """Offers and answers; only once ports are open."""
        assert self.relay.media is not None
        return self.relay.media

    @property
    def sound(self) -> MediaSession:
        """The relay session; only once ports are open."""
        return self.media.session

    def learn(self, side: Side, heard: SessionDescription) -> None:
        """Teach the relay the offer or answer of a leg."""
        parties, media = self.parties, self.relay.media
        leg = parties.a.leg if side == "a" else parties.b.leg
        assert leg is not None and media is not None
        media.learn(side, heard, leg.dialog.flow.peer[0], RELAY_TYPE in leg.peer.info_types)
        if self.hold_music is not None:
            self.hold_music.heard(side, heard)
        if self.answered_at is not None:
            self.follow_keys()

    def follow_keys(self) -> None:
        """Detect keys for legs that take them in INFO, as hardly any does. Called after the answer,
        and when a side has another leg or the abilities of its leg have changed."""
        media = self.relay.media
        assert media is not None
        if self.info_keys is not None or media.may_send_info:
            self.keys_in_info().follow()

    def keys_in_info(self) -> InfoKeys:
        """The keys for legs that take them in INFO."""
        if self.info_keys is None:
            self.info_keys = InfoKeys(self, self.log)
        return self.info_keys

    def relearn_sound(self, session: Session) -> None:
        """Let a leg's RTP come from a new port: it refreshed its session or registered again, and a
        NAT may have moved it meanwhile."""
        relay = self.relay.session
        if relay is not None and session in self.parties:
            relay.relearn(self.side_of(session), session.dialog.flow.peer[0])

    def take_info(self, side: Side) -> None:
        """Note if a leg takes keys in INFO, as far as it has said so."""
        self.media.takes_info(side, RELAY_TYPE in self.leg(side).peer.info_types)
