"""Session refreshes by UPDATE or re-INVITE, and the session interval that is agreed on (RFC
4028)."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from sip.credentials import Credentials
from sip.dialog import Dialog
from sip.errors import SipError
from sip.fields import Fields
from sip.flow import Flow
from sip.message import Request, Response
from sip.peer import Peer
from sip.session_timer import Agreement, SessionTimer, agree, learn
from sip.stack import Stack
from sip.transaction_layer import ClientTransaction


class RefreshedSession(Protocol):
    """The session, as its refresher sees it."""

    dialog: Dialog
    credentials: Credentials | None
    local_description: bytes

    @property
    def pending(self) -> bool:
        """True while an INVITE or UPDATE is under way, so that no refresh may be sent."""

    def reinvite(self, body: bytes, now: float) -> None:
        """Send a re-INVITE with this SDP, which refreshes the session."""

    def refresh(self, now: float) -> None:
        """Refresh the session: the timer of the refresher has fired."""

    def expired(self, now: float) -> None:
        """End the session, which was not refreshed in time."""

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Take the response to an UPDATE of the refresher."""

    def on_failure(self, transaction: ClientTransaction, status: int, now: float) -> None:
        """Take the timeout or transport error of an UPDATE of the refresher."""


class Refresher(Struct, eq=False):
    """The session timer of one session, and the method that refreshes it.

    The session is an argument where it is needed, since the session holds its refresher.
    """

    _stack: Stack
    _peer: Peer
    _timer: SessionTimer | None = None
    by_reinvite: bool = False
    """Our last re-INVITE only refreshes; the owner needn't hear of its answer."""

    def suits(self, request: Request, flow: Flow, now: float) -> bool:
        """True if the interval that a re-INVITE or UPDATE asks for is long enough; otherwise it
        is refused by 422 (section 9)."""
        stack = self._stack
        try:
            if stack.session_interval is not None:
                agree(request, stack.session_interval)
        except SipError as error:
            stack.reply(request, flow, error.status, now, error.headers)
            return False
        return True

    def agreement(self, request: Request) -> Agreement | None:
        """What a request of the peer's that suits agrees on; None without session timers."""
        ours = self._stack.session_interval
        return None if ours is None else agree(request, ours)

    def agree(self, session: RefreshedSession, agreement: Agreement | None, now: float) -> Fields:
        """Count anew, for a request of the peer's that we accept; what our 2xx says of it."""
        if agreement is None:
            return ()
        terms, fields = agreement
        self._running(session).start(terms, now)
        return fields

    def learn(self, session: RefreshedSession, response: Response, now: float) -> None:
        """Count anew, after a 2xx to a request of ours."""
        ours = self._stack.session_interval
        terms = None if ours is None else learn(response)
        if terms is not None:
            self._running(session).start(terms, now)
        elif self._timer is not None:
            self.stop()

    def request_fields(self) -> Fields:
        """Session-Expires and Min-SE of our re-INVITE or UPDATE: the roles stay as they are
        (section 7.4)."""
        ours = self._stack.session_interval
        if ours is None:
            return ()
        return ours.request_fields(we_refresh=self._timer is None or self._timer.terms.we_refresh)

    def update_answered(self, session: RefreshedSession, response: Response, now: float) -> None:
        """Our UPDATE got its answer; what else failed is tried again before the time is over."""
        if response.status < 300:
            session.dialog.refresh_target(response)
            self.learn(session, response, now)
        elif response.status in (405, 501):
            self._peer.allows_update = False

    def stop(self) -> None:
        """Stop the timer: the session is over, or the peer has no timers."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _running(self, session: RefreshedSession) -> SessionTimer:
        if self._timer is None:
            self._timer = SessionTimer(self._stack.wheel, session.refresh, session.expired)
        return self._timer

    def refresh(self, session: RefreshedSession, now: float) -> None:
        """Show that we are there without touching the sound: UPDATE, or the same offer again."""
        if session.pending:
            return
        if self._peer.allows_update:
            fields = ((b"Contact", session.dialog.contact), *self._stack.capabilities)
            self._stack.send_in_dialog(
                session.dialog,
                "UPDATE",
                (*fields, *self.request_fields()),
                b"",
                session.credentials,
                now,
                session,
            )
        elif session.local_description:
            session.reinvite(session.local_description, now)
            self.by_reinvite = True
