"""The events of a user agent: all of them, as one closed union.

Each event is defined beside its source: :mod:`sip.session_events`, :mod:`sip.subscription`,
:mod:`sip.standalone` and, for requests outside any dialog, :mod:`sip.stack`. A consumer matches
all of them and ends in ``assert_never``.
"""

from __future__ import annotations

from sip.session_events import (
    Acknowledged,
    Answered,
    Cancelled,
    HungUp,
    InfoAnswered,
    InfoReceived,
    Progress,
    Referred,
    Refreshed,
    Refused,
    ReinviteAnswered,
    Reinvited,
    ReinviteRefused,
    SessionEvent,
    Updated,
)
from sip.stack import Received
from sip.standalone import Replied
from sip.subscription import Resubscribed, SubscriptionEnded

__all__ = (
    "Acknowledged",
    "Answered",
    "Cancelled",
    "Event",
    "HungUp",
    "InfoAnswered",
    "InfoReceived",
    "Progress",
    "Received",
    "Referred",
    "Refreshed",
    "Refused",
    "ReinviteAnswered",
    "ReinviteRefused",
    "Reinvited",
    "Replied",
    "Resubscribed",
    "SessionEvent",
    "SubscriptionEnded",
    "Updated",
)

Event = Received | SessionEvent | Replied | Resubscribed | SubscriptionEnded
