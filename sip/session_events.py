"""The events of an INVITE session, which tell its owner what the peer did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from sip.flow import Flow
from sip.message import Request, Response

if TYPE_CHECKING:
    from sip.session import Session


class _OfSession(Struct, frozen=True):
    """The session that an event belongs to."""

    session: Session


class Progress(_OfSession, frozen=True):
    """A provisional response above 100 to our INVITE."""

    response: Response


class Answered(_OfSession, frozen=True):
    """The first 2xx to our INVITE. Without an offer in the INVITE, the body is the offer and
    :meth:`Session.acknowledge` must bring the answer; otherwise the ACK has been sent."""

    response: Response


class Refused(_OfSession, frozen=True):
    """Our INVITE failed; the session is over. `response` is None for a time-out (408), a
    transport error (503) or a CANCEL that was never answered (487)."""

    status: int
    response: Response | None


class Cancelled(_OfSession, frozen=True):
    """The caller gave up before we answered; 487 has been sent and the session is over."""

    request: Request


class Acknowledged(_OfSession, frozen=True):
    """The ACK to our 2xx; its body answers our delayed offer."""

    request: Request


class Reinvited(_OfSession, frozen=True):
    """A re-INVITE; answer by :meth:`Session.accept` or :meth:`Session.reject`."""

    request: Request


class Refreshed(_OfSession, frozen=True):
    """The session goes on unchanged: one end refreshed it, and the other agreed."""


class ReinviteAnswered(_OfSession, frozen=True):
    """2xx to our re-INVITE; as with :class:`Answered` as to the ACK."""

    response: Response


class ReinviteRefused(_OfSession, frozen=True):
    """Our re-INVITE failed and the session goes on as it was."""

    status: int


class InfoReceived(_OfSession, frozen=True):
    """An INFO of the session; it has been answered with 200."""

    request: Request


class InfoAnswered(_OfSession, frozen=True):
    """The final status of an INFO of ours, 408 or 503 if there was no answer. The session goes
    on."""

    status: int


class Updated(_OfSession, frozen=True):
    """An UPDATE with an offer; answer by :meth:`Session.answer_update`."""

    request: Request


class Referred(_OfSession, frozen=True):
    """A REFER; answer by :meth:`Session.accept_refer` or :meth:`Session.refuse_refer`."""

    request: Request
    flow: Flow


class HungUp(_OfSession, frozen=True):
    """The end of the session: a BYE came (`status` 0), an in-dialog request failed with
    `status`, our 2xx got no ACK (408), or the session wasn't refreshed in time (`expired`)."""

    status: int
    request: Request | None
    expired: bool = False


SessionEvent = (
    Progress | Answered | Refused | Cancelled | Acknowledged | Reinvited | Refreshed
    | ReinviteAnswered | ReinviteRefused | InfoReceived | InfoAnswered | Updated | Referred | HungUp
)  # fmt: skip
"""Everything that a session tells its owner."""
