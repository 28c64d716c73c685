"""What a user agent tells the one who uses it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from sip.flow import Flow
from sip.message import Request, Response

if TYPE_CHECKING:
    from sip.session import Session
    from sip.subscription import Subscription


class Received(Struct, frozen=True):
    """A request outside any dialog, not yet answered: no transaction holds it.

    It is answered at once by :meth:`UserAgent.answer` or :meth:`UserAgent.reply`, or, an
    INVITE, taken on by :meth:`UserAgent.open_session`.
    """

    request: Request
    flow: Flow


class Progress(Struct, frozen=True):
    """A provisional response above 100 to our INVITE."""

    session: Session
    response: Response


class Answered(Struct, frozen=True):
    """The first 2xx to our INVITE. Without an offer in the INVITE, the body is the offer and
    :meth:`Session.acknowledge` must bring the answer; otherwise the ACK has been sent."""

    session: Session
    response: Response


class Refused(Struct, frozen=True):
    """Our INVITE failed; the session is over. `response` is None for a time-out (408), a
    transport error (503) or a CANCEL that was never answered (487)."""

    session: Session
    status: int
    response: Response | None


class Cancelled(Struct, frozen=True):
    """The caller gave up before we answered; 487 has been sent and the session is over."""

    session: Session
    request: Request


class Acknowledged(Struct, frozen=True):
    """The ACK to our 2xx; its body answers our delayed offer."""

    session: Session
    request: Request


class Reinvited(Struct, frozen=True):
    """A re-INVITE; answer by :meth:`Session.accept` or :meth:`Session.reject`."""

    session: Session
    request: Request


class ReinviteAnswered(Struct, frozen=True):
    """2xx to our re-INVITE; as with :class:`Answered` as to the ACK."""

    session: Session
    response: Response


class ReinviteRefused(Struct, frozen=True):
    """Our re-INVITE failed and the session goes on as it was."""

    session: Session
    status: int


class InfoReceived(Struct, frozen=True):
    """An INFO of the session; it has been answered with 200."""

    session: Session
    request: Request


class InfoAnswered(Struct, frozen=True):
    """What became of an INFO of ours: the final status, 408 or 503 if there was no answer. The
    session goes on."""

    session: Session
    status: int


class Updated(Struct, frozen=True):
    """An UPDATE with an offer; answer by :meth:`Session.answer_update`."""

    session: Session
    request: Request


class Referred(Struct, frozen=True):
    """A REFER; answer by :meth:`Session.accept_refer` or :meth:`Session.refuse_refer`."""

    session: Session
    request: Request
    flow: Flow


class HungUp(Struct, frozen=True):
    """The session is over: a BYE came (`status` 0), or the peer can no longer be reached: an
    in-dialog request failed with `status`, our 2xx got no ACK (408), or nobody refreshed it in
    time (`expired`)."""

    session: Session
    status: int
    request: Request | None
    expired: bool = False


class Replied(Struct, frozen=True):
    """The final answer to a standalone request of ours, for the `on_reply` that was given with
    it. `response` is None for a time-out (408) or a transport error (503)."""

    on_reply: Callable[[Replied], None]
    status: int
    response: Response | None
    at: float
    """Monotonic seconds."""


class Resubscribed(Struct, frozen=True):
    """A SUBSCRIBE that refreshes or ends a subscription, not yet answered: by
    :meth:`Subscription.refresh`, or by :meth:`UserAgent.answer` with a refusal."""

    subscription: Subscription
    request: Request
    flow: Flow


class SubscriptionEnded(Struct, frozen=True):
    """A subscription is over, for whatever reason."""

    subscription: Subscription


Event = (
    Received
    | Progress
    | Answered
    | Refused
    | Cancelled
    | Acknowledged
    | Reinvited
    | ReinviteAnswered
    | ReinviteRefused
    | InfoReceived
    | InfoAnswered
    | Updated
    | Referred
    | HungUp
    | Replied
    | Resubscribed
    | SubscriptionEnded
)
