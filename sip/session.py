"""INVITE sessions: one leg of a call from its INVITE to its BYE (RFC 3261 sections 13 to 15).

A session has one dialog and at most one INVITE under way in each direction. Its owner commands it
with telephone verbs and is told of it by the events of :mod:`sip.session_events`; after `bye`,
`cancel` or `reject` the owner is told nothing more.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Protocol

from msgspec import Struct

from sip.credentials import Credentials
from sip.dialog import Dialog
from sip.dialogs import Dialogs
from sip.errors import Glare, SipError
from sip.fields import Fields, contact_line, lines_of, usual_lines
from sip.flow import Flow
from sip.invite import IncomingInvite, OutgoingInvite
from sip.message import Request, Response
from sip.peer import Peer
from sip.referral import Referral
from sip.refresher import Refresher
from sip.reliable import acknowledge_provisional, rseq_of
from sip.session_events import (
    Acknowledged,
    Answered,
    Cancelled,
    HungUp,
    InfoAnswered,
    Progress,
    Refreshed,
    Refused,
    ReinviteAnswered,
    ReinviteRefused,
    SessionEvent,
)
from sip.stack import Stack, WrittenResponse
from sip.transaction_layer import ClientTransaction, ServerTransaction

SDP = (b"Content-Type", b"application/sdp")
SDP_LINE = lines_of((SDP,))


class State(Enum):
    """A session is early until a 2xx, then confirmed until a BYE."""

    EARLY = "early"
    CONFIRMED = "confirmed"
    ENDED = "ended"


class SessionOwner(Protocol):
    """The party that a session's events are for, such as a call."""

    def post(self, event: SessionEvent, /) -> None:
        """Take an event of the session."""


class Session(Struct, eq=False):
    """One INVITE usage; made by :meth:`UserAgent.invite` or :meth:`UserAgent.open_session`."""

    stack: Stack
    _dialogs: Dialogs[Session]
    _tell: Callable[[SessionEvent], None]
    dialog: Dialog
    _trusts: Callable[[Flow], bool] | None
    peer: Peer
    refresher: Refresher
    credentials: Credentials | None = None
    """For challenges within the dialog: those that its INVITE was authenticated with, and only for
    that realm. A peer that didn't challenge the INVITE gets none, for it may ask in another's
    name."""
    state: State = State.EARLY
    incoming: IncomingInvite | None = None
    outgoing: OutgoingInvite | None = None
    owner: SessionOwner | None = None
    """The party that the events are for. It takes them out of the user agent's queue, or at once:
    see :meth:`report_to`. None: no event is told."""
    sound: object = None
    """The owner's record of how the sound is secured; the session only carries it."""
    local_description: bytes = b""
    """Our SDP of the last offer and answer."""
    remote_description: bytes = b""
    """The peer's SDP of the last offer and answer, by which a mere refresh is known."""
    referral: Referral | None = None
    update: ServerTransaction | None = None
    """An UPDATE whose offer the owner hasn't answered yet."""
    has_acknowledged: bool = False
    """The peer has acknowledged a 2xx of ours."""
    tells_ack: bool = True
    """False: the owner isn't told of an ACK that carries no answer, for nothing waits for it."""
    _deferred_bye: Fields | None = None

    # Commands: the called side

    def progress(self, status: int, now: float, body: bytes = b"", extra: Fields = ()) -> None:
        """Send a provisional response; with a body it carries early media."""
        incoming = self.incoming
        if incoming is None or not incoming.open:
            return
        if not body and not incoming.requires:  # it need not be reliable
            lines = lines_of(extra) + contact_line(self.dialog.contact)
            incoming.tell(status, self.dialog.local_tag, lines, now)
            return
        if body:
            self.agreed(body, incoming.offer)

        def build(more: Fields) -> WrittenResponse:
            return self._response(incoming, status, None, body, (*extra, *more))

        incoming.progress(status, body, build, now)

    def accept(self, body: bytes, now: float, extra: Fields = ()) -> None:
        """Answer the INVITE or re-INVITE with 200 and this SDP."""
        incoming = self.incoming
        if incoming is None or not incoming.open:
            return
        if self.state is State.EARLY:
            self.state = State.CONFIRMED
        if incoming.offer:
            self.agreed(body, incoming.offer)
        else:  # our offer, which the ACK will answer
            self.local_description = body or self.local_description
        interval = self.refresher.agree(self, incoming.agreement, now)
        octets = self._octets(incoming, 200, None, body, extra, usual_lines(interval))
        incoming.respond(WrittenResponse(200, octets, bool(body)), now)

    def reject(
        self, status: int, now: float, reason: str | None = None, extra: Fields = ()
    ) -> None:
        """Refuse the INVITE, which ends the session, or the re-INVITE, which doesn't."""
        if self.incoming is None or self.incoming.answered:
            return
        self.respond(status, reason, b"", extra, now)
        if self.state is State.EARLY:
            self.end(now)

    def respond(
        self, status: int, reason: str | None, body: bytes, extra: Fields, now: float
    ) -> None:
        """Send a final response to the INVITE that came."""
        incoming = self.incoming
        assert incoming is not None
        incoming.respond(self._response(incoming, status, reason, body, extra), now)

    def _response(
        self, invite: IncomingInvite, status: int, reason: str | None, body: bytes, extra: Fields
    ) -> WrittenResponse:
        octets = self._octets(invite, status, reason, body, extra)
        return WrittenResponse(status, octets, bool(body))

    def _octets(
        self,
        asked: Request | IncomingInvite,
        status: int,
        reason: str | None,
        body: bytes,
        extra: Fields,
        lines: bytes = b"",
    ) -> bytes:
        """The response to an INVITE, or to another request of the dialog, with the lines given,
        behind those of `extra`."""
        dialog = self.dialog
        if extra:
            lines = lines_of(extra) + lines
        if status < 300:  # a 100 isn't written here
            lines += contact_line(dialog.contact)
            if status == 200:
                lines += self.stack.capability_lines
        if body:
            lines += SDP_LINE
        return asked.write_response(status, reason, dialog.local_tag, lines, body)

    def agreed(self, local: bytes, remote: bytes) -> None:
        """Remember the descriptions of an offer and its answer."""
        if local and remote:
            self.local_description, self.remote_description = local, remote

    # Commands: the calling side

    def send_invite(
        self, request: Request, offer: bytes, now: float, credentials: Credentials | None = None
    ) -> None:
        """Send an INVITE or re-INVITE whose body has this offer, b"" if it asks for one."""
        self.outgoing = OutgoingInvite(self, request, offer, credentials or self.credentials)
        self.outgoing.send(now)

    def acknowledge(self, body: bytes, now: float) -> None:
        """ACK a 2xx that carried the offer, with the answer."""
        if self.outgoing is not None:
            self.agreed(body, self.remote_description)
            self.outgoing.acknowledge(body, now)

    def cancel(self, now: float, extra: Fields = ()) -> None:
        """Give up an INVITE that isn't answered; a 200 that crosses it is answered by BYE."""
        if self.state is State.EARLY and self.outgoing is not None:
            self.owner = None
            self.outgoing.cancel(now, extra)

    # Commands: both

    def reinvite(self, body: bytes, now: float, extra: Fields = ()) -> None:
        """Send a re-INVITE; without a body it asks the peer for an offer.

        Raises:
            Glare: another INVITE of this session is under way.
        """
        if self.state is not State.CONFIRMED:
            raise SipError(481, "Call/Transaction Does Not Exist")
        if self.pending:
            raise Glare
        fields = [(b"Contact", self.dialog.contact), *self.stack.capabilities, *extra]
        fields += self.refresher.request_fields()
        if body:
            fields.append(SDP)
        self.refresher.by_reinvite = False
        self.send_invite(self.stack.in_dialog(self.dialog, "INVITE", fields, body), body, now)

    @property
    def confirmed(self) -> bool:
        """True between the 2xx and the BYE."""
        return self.state is State.CONFIRMED

    @property
    def offers(self) -> bool:
        """True if an INVITE of ours awaits its final response."""
        return self.outgoing is not None and not self.outgoing.over

    @property
    def pending(self) -> bool:
        """True if an INVITE of either direction awaits its final response or its ACK."""
        if self.offers:
            return True
        return self.waits_for_ack or (self.incoming is not None and not self.incoming.answered)

    @property
    def waits_for_ack(self) -> bool:
        """True if our 2xx has not been acknowledged yet."""
        return self.incoming is not None and self.incoming.waiting_for_ack

    def info(self, content_type: bytes, body: bytes, now: float) -> None:
        """Send an INFO (RFC 6086); :class:`InfoAnswered` says what came of it."""
        if self.state is State.CONFIRMED:
            fields = [(b"Content-Type", content_type)]
            self.stack.send_in_dialog(
                self.dialog, "INFO", fields, body, self.credentials, now, self
            )

    def bye(self, now: float, extra: Fields = ()) -> None:
        """Hang up, whatever the state: BYE, CANCEL or 480."""
        self.owner = None
        if self.state is State.CONFIRMED:
            if self._bye_must_wait:
                self._deferred_bye = extra
                if self.referral is not None:
                    self.referral.tell(487, now)  # the last news, after which the BYE may go
            else:
                self._send_bye(extra, now)
        elif self.state is State.EARLY:
            if self.outgoing is not None:
                self.cancel(now, extra)
            else:
                self.reject(480, now)

    @property
    def _bye_must_wait(self) -> bool:
        """Not before the ACK to our 2xx (section 15), nor may it overtake the news of a REFER."""
        if self.incoming is not None and self.incoming.waiting_for_ack:
            return True
        return self.referral is not None and self.referral.telling

    def _send_deferred_bye(self, extra: Fields, now: float) -> None:
        if not self._bye_must_wait and self.state is not State.ENDED:
            self._send_bye(extra, now)

    def _send_bye(self, extra: Fields, now: float) -> None:
        if self.incoming is not None and not self.incoming.answered:
            self.respond(487, None, b"", (), now)  # a re-INVITE that the owner can no longer answer
        outgoing = self.outgoing
        if outgoing is not None:
            if outgoing.awaits_acknowledgement:
                outgoing.acknowledge(b"", now)  # its offer will never be answered
            outgoing.expire(now)
        self.stack.send_bye(self.dialog, self.credentials, extra, now)
        self.end(now)

    # What the INVITE that we sent says

    def invite_progress(self, response: Response, now: float) -> None:
        """A provisional response above 100 came."""
        if self.state is not State.EARLY:
            return
        if b"rseq" in response.values and rseq_of(response) is not None:
            self._acknowledge_provisional(response, now)
        self.tell(Progress(self, response))

    def _acknowledge_provisional(self, response: Response, now: float) -> None:
        """PRACK in the early dialog; the session follows the first fork that answers so, another
        fork's response is only acknowledged."""
        early = self.dialog
        if early.remote_tag is None:
            early.confirm(response)
            self.peer.note(response)
            self._dialogs.add(self)
        elif early.remote_tag != response.to_tag:
            early = self.dialog.fork()
            early.confirm(response)
        acknowledge_provisional(self.stack, early, response, now)
        self.dialog.local_cseq = max(self.dialog.local_cseq, early.local_cseq)
        assert self.outgoing is not None
        if response.description and self.outgoing.offer:
            self.agreed(self.outgoing.offer, response.description)

    def invite_answered(self, invite: OutgoingInvite, response: Response, now: float) -> None:
        """A 2xx came, to the INVITE or a re-INVITE."""
        first = self.state is State.EARLY
        if first:
            if self.dialog.remote_tag is not None:  # that of the early dialog, maybe another fork's
                self._dialogs.remove(self)
            self.dialog.confirm(response)
            self.state = State.CONFIRMED
            self._dialogs.add(self)
        elif self.state is State.CONFIRMED:
            self.dialog.refresh_target(response)
        else:  # a re-INVITE that our BYE overtook
            invite.acknowledge(b"", now)
            return
        self.peer.note(response)
        self.refresher.learn(self, response, now)
        if invite.offer:
            self.agreed(invite.offer, response.description)
            invite.acknowledge(b"", now)
        else:
            self.remote_description = response.description
        if self.refresher.by_reinvite:
            self.tell(Refreshed(self))
        else:
            self.tell(Answered(self, response) if first else ReinviteAnswered(self, response))

    def invite_refused(self, status: int, response: Response | None, now: float) -> None:
        """A final response of 300 or above came, or none within the time."""
        if self.state is State.EARLY:
            self.tell(Refused(self, status, response))
            self.end(now)
        elif self.state is State.CONFIRMED:
            # 481: the peer no longer knows the dialog (RFC 3261 section 12.2.1.2). A refresh that
            # isn't answered ends the session, too (RFC 4028 section 10). Any other offer that is
            # not delivered only fails: the call may well go on, as one behind a NAT does.
            undelivered = status == 408 or response is None
            if status == 481 or (undelivered and self.refresher.by_reinvite):
                self.lost(status, now)
            elif not self.refresher.by_reinvite:
                self.tell(ReinviteRefused(self, status))

    # What comes in

    def invite_acknowledged(self, request: Request, now: float) -> None:
        """The ACK to our 2xx, unless it is a copy or another INVITE's."""
        incoming = self.incoming
        if incoming is None or not incoming.waiting_for_ack:
            return
        if request.cseq.number != incoming.transaction.request.cseq.number:
            return
        incoming.acknowledged()
        self.has_acknowledged = True
        if not incoming.offer:
            self.agreed(self.local_description, request.description)
        if self._deferred_bye is not None:
            self._send_deferred_bye(self._deferred_bye, now)
        elif self.tells_ack or not incoming.offer:
            self.tell(Acknowledged(self, request))

    def trusts(self, flow: Flow) -> bool:
        """True if a request that comes from another host than before may be the peer's: a
        stranger who has learnt the tags could hang up otherwise."""
        if self._trusts is None or self._trusts(flow):
            return True
        return not self.dialog.pinned and self.dialog.names_host(flow.remote[0])

    def changes_nothing(self, request: Request) -> bool:
        """True if an offer only refreshes the session: the other leg needn't be asked."""
        return bool(request.description) and request.description == self.remote_description

    def open_incoming(self, transaction: ServerTransaction, now: float) -> None:
        """Take on an INVITE that came; 100 Trying goes out at once."""
        if self.incoming is not None:
            self.incoming.superseded()
        request = transaction.request
        requires, agreement = b"require" in request.values, self.refresher.agreement(request)
        self.incoming = transaction.user = IncomingInvite(
            self, transaction, request.description, requires, agreement
        )
        trying = request.write_response(100, "Trying", None, b"", b"")
        self.stack.layer.respond(transaction, 100, trying, now)

    def invite_unheard(self, now: float) -> None:
        """Our reliable provisional response was never acknowledged (RFC 3262 section 3)."""
        self.respond(504, None, b"", (), now)
        if self.incoming is not None and self.incoming.initial:
            self.tell(HungUp(self, 408, None))
            self.end(now)

    def invite_unacknowledged(self, now: float) -> None:
        """Our 2xx was never acknowledged: hang up (RFC 3261 section 13.3.1.4)."""
        self.lost(408, now)

    def lost(self, status: int, now: float, *, expired: bool = False) -> None:
        """The peer can't be reached any more: say BYE all the same, and tell the owner."""
        if self.state is State.CONFIRMED:
            self._send_bye(self._deferred_bye or (), now)
            self.tell(HungUp(self, status, None, expired))

    def invite_cancelled(self, request: Request, now: float) -> None:
        """A CANCEL of an INVITE that we haven't answered (RFC 3261 section 9.2)."""
        assert self.incoming is not None
        self.respond(487, None, b"", (), now)
        if self.state is State.EARLY:
            self.tell(Cancelled(self, request))
            self.end(now)
        elif self.incoming.initial:  # our 200 still waited for a PRACK
            self.tell(HungUp(self, 0, request))
            self.end(now)

    def invite_cancelled_late(self, request: Request, now: float) -> None:
        """A CANCEL that crossed our 200. It changes no transaction (RFC 3261 section 9.2), but the
        caller wants no call: BYE goes at once, for a caller that has given up may never send the
        ACK that section 15 has us wait for."""
        self._send_bye((), now)
        self.tell(Cancelled(self, request))

    def answer_update(self, status: int, body: bytes, now: float) -> None:
        """Answer the offer of an UPDATE: 200 with this SDP, or a refusal."""
        transaction, self.update = self.update, None
        if transaction is not None:
            if status == 200:
                self.agreed(body, transaction.request.description)
            self.finish_update(transaction, status, body, now)

    def finish_update(
        self, transaction: ServerTransaction, status: int, body: bytes, now: float
    ) -> None:
        """Answer an UPDATE, with our description if it carried an offer."""
        request = transaction.request
        extra: Fields = ()
        if status == 200:
            extra = self.refresher.agree(self, self.refresher.agreement(request), now)
        octets = self._octets(request, status, None, body, extra)
        self.stack.layer.respond(transaction, status, octets, now)

    def accept_refer(self, flow: Flow, now: float) -> None:
        """Answer a REFER with 202; :attr:`referral` tells the peer how it goes."""
        if self.referral is not None:
            fields = ((b"Contact", self.dialog.contact), *self.referral.accepted_fields)
            self.stack.reply(self.referral.request, flow, 202, now, fields)
            self.referral.tell(100, now)

    def refuse_refer(self, status: int, flow: Flow, now: float) -> None:
        """Answer a REFER by a refusal."""
        if self.referral is not None:
            self.stack.reply(self.referral.request, flow, status, now)
            self.referral = None

    def referral_over(self, now: float) -> None:
        """No more NOTIFYs of the REFER are due: a BYE that waited for them is sent."""
        self.referral = None
        if self._deferred_bye is not None:
            self._send_deferred_bye(self._deferred_bye, now)

    # What the session timer says

    def refresh(self, now: float) -> None:
        """Refresh the session: half of its interval is over (RFC 4028 section 7.4)."""
        self.refresher.refresh(self, now)

    def expired(self, now: float) -> None:
        """End the session: it was not refreshed in time (RFC 4028 section 10)."""
        self.lost(408, now, expired=True)

    # In-dialog requests of ours that aren't INVITEs

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Take the answer to our INFO, UPDATE or BYE."""
        if transaction.request.method == "INFO" and response.status != 481:
            self.tell(InfoAnswered(self, response.status))
        elif response.status in (408, 481):
            self.lost(response.status, now)
        elif transaction.request.method == "UPDATE" and self.state is State.CONFIRMED:
            self.refresher.update_answered(self, response, now)
            if response.status < 300:
                self.tell(Refreshed(self))

    def on_failure(self, transaction: ClientTransaction, status: int, now: float) -> None:
        """Take the timeout or transport failure of our INFO, UPDATE or BYE."""
        if transaction.request.method == "INFO":
            self.tell(InfoAnswered(self, status))  # met in phones that know no INFO, and talk on
        else:
            self.lost(status, now)

    def report_to(self, owner: SessionOwner) -> None:
        """Tell an owner the events at once, not by way of the user agent's queue, which would cost
        two calls more for each. The owner's `post` only keeps them for later."""
        self.owner, self._tell = owner, owner.post

    # For its parts

    def tell(self, event: SessionEvent) -> None:
        """Tell the owner, if there still is one."""
        if self.owner is not None:
            self._tell(event)

    def end(self, now: float) -> None:
        """Leave the dialogs, and let go of what refers back here."""
        if self.update is not None:
            self.answer_update(487, b"", now)  # the owner no longer does (RFC 3261 section 15.1.2)
        self.state = State.ENDED
        self.referral = None
        self._dialogs.remove(self)
        self.refresher.stop()
        self.outgoing = None
        if self.incoming is not None:
            self.incoming.release()
