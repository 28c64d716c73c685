"""REFER: a request to call a transfer target, and the NOTIFYs that tell how the call goes (RFC
3515, 4488, 7647).

A REFER in a dialog makes an implicit subscription: each step is told by a NOTIFY with a fragment of
a SIP response. NOTIFYs are sent one at a time, since over UDP a later one may overtake an earlier
one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote_to_bytes

from sip.credentials import Credentials
from sip.dialog import Dialog, DialogId
from sip.errors import REASONS, ParseError
from sip.headers import NameAddr, parse_params
from sip.message import Request, Response
from sip.stack import Stack
from sip.transaction_layer import ClientTransaction
from sip.uri import Uri

SUBSCRIPTION_SECONDS = 180
"""Until then the call that was asked for is answered or has failed."""
MAX_WAITING = 8


@dataclass(frozen=True, slots=True)
class ReferTo:
    """The transfer target, and the dialog that the call to it shall replace."""

    uri: Uri
    replaces: DialogId | None
    """The dialog as the target sees it: Call-ID, its own tag, ours."""
    method: str = "INVITE"
    """Method of the request that is to be sent to the target (RFC 3261 section 19.1.1)."""

    @classmethod
    def parse(cls, request: Request) -> ReferTo:
        """The Refer-To of a REFER.

        Raises:
            ParseError: 400, there isn't exactly one, or it can't be read.
        """
        values = request.get_list(b"refer-to")
        if len(values) != 1:
            raise ParseError("REFER needs one Refer-To")
        address = NameAddr.parse(values[0])
        headers = address.uri.headers
        wanted = None
        for part in (headers or "").encode("utf-8", "surrogateescape").split(b"&"):
            name, _, value = part.partition(b"=")
            if name.lower() == b"replaces":
                wanted = parse_replaces(unquote_to_bytes(value))[0]
        return cls(address.uri, wanted, address.uri.params.get("method") or "INVITE")


def parse_replaces(value: bytes) -> tuple[DialogId, bool]:
    """Replaces = callid *(SEMI replaces-param) (RFC 3891 section 6.1): the dialog with to-tag and
    from-tag, and whether only an early one is meant.

    Raises:
        ParseError: 400.
    """
    call_id, semicolon, rest = value.strip(b" \t").partition(b";")
    params = parse_params(semicolon + rest)
    to_tag, from_tag = params.get("to-tag"), params.get("from-tag")
    if not call_id or not to_tag or not from_tag:
        raise ParseError("Malformed Replaces")
    text = call_id.rstrip(b" \t").decode("utf-8", "surrogateescape")
    return (text, to_tag, from_tag), "early-only" in params


class Subscriber(Protocol):
    """The receiver of NOTIFYs: the session in which the REFER came, or a dialog that it made."""

    stack: Stack
    dialog: Dialog
    credentials: Credentials | None


class Stranger:
    """The sender of a REFER outside a dialog, which makes one (RFC 3515 section 2.4.4)."""

    __slots__ = ("credentials", "dialog", "stack")

    def __init__(self, stack: Stack, dialog: Dialog) -> None:
        self.stack = stack
        self.dialog = dialog
        self.credentials: Credentials | None = None


class Referral:
    """A REFER that came, until the last NOTIFY about it was answered.

    Args:
        over: called when nothing more will be told.
    """

    __slots__ = ("_over", "_session", "_silent", "_under_way", "_waiting", "finished", "request")

    def __init__(
        self,
        session: Subscriber,
        request: Request,
        over: Callable[[float], None] = lambda now: None,
    ) -> None:
        self._session = session
        self._over = over
        self._waiting: deque[tuple[int, str]] = deque(maxlen=MAX_WAITING)
        self._under_way = False
        self._silent = (request.get(b"refer-sub") or b"").strip().lower().startswith(b"false")
        self.request = request
        self.finished = False
        """Nothing more is to be told."""

    @property
    def accepted_fields(self) -> tuple[tuple[bytes, bytes], ...]:
        """Fields of the 202 (RFC 4488 section 4)."""
        return ((b"Refer-Sub", b"false"),) if self._silent else ()

    @property
    def telling(self) -> bool:
        """True if a NOTIFY waits for its answer, or to be sent."""
        return self._under_way or bool(self._waiting)

    def tell(self, status: int, now: float, reason: str | None = None) -> None:
        """Say how the call is going; a final status ends the subscription."""
        if self.finished:
            return
        self.finished = status >= 200
        if self._silent:
            self._finish(now)
            return
        self._waiting.append((status, reason or REASONS.get(status, "")))
        self._next(now)

    def _next(self, now: float) -> None:
        if self._under_way or not self._waiting:
            return
        status, reason = self._waiting.popleft()
        self._under_way = True
        state = b"active;expires=%d" % SUBSCRIPTION_SECONDS
        if status >= 200:
            state = b"terminated;reason=noresource"
        fields = (
            (b"Event", b"refer;id=%d" % self.request.cseq.number),
            (b"Subscription-State", state),
            (b"Contact", self._session.dialog.contact),
            (b"Content-Type", b"message/sipfrag;version=2.0"),
        )
        body = f"SIP/2.0 {status} {reason}\r\n".encode("utf-8", "replace")
        session = self._session
        session.stack.send_in_dialog(
            session.dialog, "NOTIFY", fields, body, session.credentials, now, self
        )

    def _finish(self, now: float) -> None:
        if self.finished and not self.telling:
            self._over(now)

    # What the NOTIFY's transaction says

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Take the answer to a NOTIFY: send the next one, or end the subscription."""
        self._under_way = False
        if response.status >= 300:  # 481: the peer has forgotten; any other won't hear more either
            self._waiting.clear()
            self.finished = True
        self._next(now)
        self._finish(now)

    def on_failure(self, transaction: ClientTransaction, status: int, now: float) -> None:
        """Take the timeout of a NOTIFY: the subscription is over."""
        self._under_way = False
        self._waiting.clear()
        self.finished = True
        self._finish(now)
