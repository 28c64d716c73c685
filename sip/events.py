"""What a user agent tells the one who uses it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sip.flow import Flow
from sip.message import Request, Response

if TYPE_CHECKING:
    from sip.session import Session
    from sip.subscription import Subscription


@dataclass(frozen=True, slots=True)
class Received:
    """A request outside any dialog, not yet answered: no transaction holds it.

    It is answered at once by :meth:`UserAgent.answer` or :meth:`UserAgent.reply`, or, an
    INVITE, taken on by :meth:`UserAgent.open_session`.
    """

    request: Request
    flow: Flow


@dataclass(frozen=True, slots=True)
class Progress:
    """A provisional response above 100 to our INVITE."""

    session: Session
    response: Response


@dataclass(frozen=True, slots=True)
class Answered:
    """The first 2xx to our INVITE. Without an offer in the INVITE, the body is the offer and
    :meth:`Session.acknowledge` must bring the answer; otherwise the ACK has been sent."""

    session: Session
    response: Response


@dataclass(frozen=True, slots=True)
class Refused:
    """Our INVITE failed; the session is over. `response` is None for a time-out (408), a
    transport error (503) or a CANCEL that was never answered (487)."""

    session: Session
    status: int
    response: Response | None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The caller gave up before we answered; 487 has been sent and the session is over."""

    session: Session
    request: Request


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The ACK to our 2xx; its body answers our delayed offer."""

    session: Session
    request: Request


@dataclass(frozen=True, slots=True)
class Reinvited:
    """A re-INVITE; answer by :meth:`Session.accept` or :meth:`Session.reject`."""

    session: Session
    request: Request


@dataclass(frozen=True, slots=True)
class ReinviteAnswered:
    """2xx to our re-INVITE; as with :class:`Answered` as to the ACK."""

    session: Session
    response: Response


@dataclass(frozen=True, slots=True)
class ReinviteRefused:
    """Our re-INVITE failed and the session goes on as it was."""

    session: Session
    status: int


@dataclass(frozen=True, slots=True)
class InfoReceived:
    """An INFO of the session; it has been answered with 200."""

    session: Session
    request: Request


@dataclass(frozen=True, slots=True)
class Updated:
    """An UPDATE with an offer; answer by :meth:`Session.answer_update`."""

    session: Session
    request: Request


@dataclass(frozen=True, slots=True)
class Referred:
    """A REFER; answer by :meth:`Session.accept_refer` or :meth:`Session.refuse_refer`."""

    session: Session
    request: Request
    flow: Flow


@dataclass(frozen=True, slots=True)
class HungUp:
    """The session is over: a BYE came (`status` 0), or the peer can no longer be reached: an
    in-dialog request failed with `status`, our 2xx got no ACK (408), or nobody refreshed it in
    time (`expired`)."""

    session: Session
    status: int
    request: Request | None
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Replied:
    """The final answer to a standalone request of ours, for the `on_reply` that was given with
    it. `response` is None for a time-out (408) or a transport error (503)."""

    on_reply: Callable[[Replied], None]
    status: int
    response: Response | None
    at: float
    """Monotonic seconds."""


@dataclass(frozen=True, slots=True)
class Resubscribed:
    """A SUBSCRIBE that refreshes or ends a subscription, not yet answered: by
    :meth:`Subscription.refresh`, or by :meth:`UserAgent.answer` with a refusal."""

    subscription: Subscription
    request: Request
    flow: Flow


@dataclass(frozen=True, slots=True)
class SubscriptionEnded:
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
    | Updated
    | Referred
    | HungUp
    | Replied
    | Resubscribed
    | SubscriptionEnded
)
