"""Requests within a dialog and their effect on its session (RFC 3261 section 12.2.2): one
function for each method."""

from __future__ import annotations

from collections.abc import Callable

from sip.capabilities import ALLOW
from sip.flow import Flow
from sip.message import Request
from sip.referral import Referral
from sip.session import Session
from sip.session_events import HungUp, InfoReceived, Referred, Refreshed, Reinvited, Updated


def receive(session: Session, request: Request, flow: Flow, now: float) -> None:
    """Deliver a request of the session's dialog that is no retransmission."""
    dialog = session.dialog
    if flow != dialog.flow and not _may_come_by(flow, session):
        session.stack.answer(request, flow, 403)
        return
    number = request.cseq.number
    if dialog.remote_cseq is not None and number < dialog.remote_cseq:
        session.stack.reply(request, flow, 500, now)
        return
    dialog.remote_cseq = number
    handler = _HANDLERS.get(request.method)
    if handler is None:
        session.stack.reply(request, flow, 405, now, (ALLOW,))
    else:
        handler(session, request, flow, now)


def acknowledge(session: Session, request: Request, flow: Flow, now: float) -> None:
    """Deliver an ACK of the session's dialog."""
    if flow == session.dialog.flow or _may_come_by(flow, session):
        session.invite_acknowledged(request, now)


def _may_come_by(flow: Flow, session: Session) -> bool:
    """True if a request of the session's peer may come by another flow than ours to it."""
    return flow.has_host_of(session.dialog.flow) or session.trusts(flow)


def _on_invite(session: Session, request: Request, flow: Flow, now: float) -> None:
    stack = session.stack
    if session.offers:
        stack.reply(request, flow, 491, now)
    elif session.pending or not session.confirmed or session.peer.offers_too_often(now):
        _retry_later(session, request, flow, now)
    elif session.refresher.suits(request, flow, now):
        session.dialog.refresh_target(request)
        session.dialog.flow = flow
        session.peer.note(request)
        session.open_incoming(stack.layer.open_server(request, flow), now)
        if session.changes_nothing(request):
            session.accept(session.local_description, now)
            session.tell(Refreshed(session))
        else:
            session.tell(Reinvited(session, request))


def _retry_later(session: Session, request: Request, flow: Flow, now: float) -> None:
    """RFC 3261 section 14.2: Retry-After between 0 and 10 seconds."""
    retry = (b"Retry-After", b"%d" % session.stack.pick(11))
    session.stack.reply(request, flow, 500, now, (retry,))


def _on_bye(session: Session, request: Request, flow: Flow, now: float) -> None:
    session.stack.reply(request, flow, 200, now)
    if session.incoming is not None and not session.incoming.answered:
        session.respond(487, None, b"", (), now)
    if session.outgoing is not None:
        session.outgoing.expire(now)
    session.tell(HungUp(session, 0, request))
    session.end(now)


def _on_options(session: Session, request: Request, flow: Flow, now: float) -> None:
    session.stack.reply(request, flow, 200, now, session.stack.capabilities)


def _on_info(session: Session, request: Request, flow: Flow, now: float) -> None:
    session.stack.reply(request, flow, 200, now)
    if request.content_type is not None:
        session.peer.note_info_types((request.content_type.encode("ascii", "replace"),))
    session.tell(InfoReceived(session, request))


def _on_prack(session: Session, request: Request, flow: Flow, now: float) -> None:
    """Our provisional response arrived (RFC 3262 section 3). An offer in it isn't taken: what
    there was to agree on is agreed."""
    reliable = None if session.incoming is None else session.incoming.reliable
    if reliable is None or not reliable.awaits(request):
        session.stack.reply(request, flow, 481, now)
        return
    session.stack.reply(request, flow, 488 if request.description else 200, now)
    reliable.proceed(now)


def _on_update(session: Session, request: Request, flow: Flow, now: float) -> None:
    """A refresh, or an offer outside of an INVITE (RFC 3311 section 5.2)."""
    if not session.refresher.suits(request, flow, now):
        return
    session.peer.note(request)
    session.dialog.refresh_target(request)
    session.dialog.flow = flow
    if request.description and not session.changes_nothing(request):
        _on_update_offer(session, request, flow, now)
        return
    transaction = session.stack.layer.open_server(request, flow)
    body = session.local_description if request.description else b""
    session.finish_update(transaction, 200, body, now)
    session.tell(Refreshed(session))


def _on_update_offer(session: Session, request: Request, flow: Flow, now: float) -> None:
    if session.confirmed and session.offers:
        session.stack.reply(request, flow, 491, now)
    elif session.update is not None or (session.confirmed and session.pending):
        _retry_later(session, request, flow, now)
    else:
        session.update = session.stack.layer.open_server(request, flow)
        session.tell(Updated(session, request))


def _on_refer(session: Session, request: Request, flow: Flow, now: float) -> None:
    """The owner accepts or refuses it; one at a time."""
    if not session.confirmed or session.owner is None:
        session.stack.reply(request, flow, 403, now)
    elif session.referral is not None:
        session.stack.reply(request, flow, 491, now)
    else:
        session.referral = Referral(session, request, session.referral_over)
        session.tell(Referred(session, request, flow))


_HANDLERS: dict[str, Callable[[Session, Request, Flow, float], None]] = {
    "INVITE": _on_invite,
    "BYE": _on_bye,
    "INFO": _on_info,
    "OPTIONS": _on_options,
    "PRACK": _on_prack,
    "UPDATE": _on_update,
    "REFER": _on_refer,
}
