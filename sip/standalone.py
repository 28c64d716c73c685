"""Requests of our own outside any dialog: OPTIONS, MESSAGE, unsolicited NOTIFY."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec import Struct

from sip.credentials import Credentials
from sip.fields import Fields
from sip.flow import Flow
from sip.message import Request, Response
from sip.stack import Stack
from sip.transaction_layer import ClientTransaction


class Replied(Struct, frozen=True):
    """The final answer to a standalone request of ours, for the `on_reply` that was given with
    it. `response` is None for a timeout (408) or a transport error (503)."""

    on_reply: Callable[[Replied], None]
    status: int
    response: Response | None
    at: float
    """Monotonic seconds."""


OnReply = Callable[[Replied], None]


@dataclass(frozen=True, slots=True)
class StandaloneRequest:
    """A request outside any dialog, of which nothing but a final answer comes."""

    method: str
    flow: Flow
    uri: bytes
    from_: bytes
    """From field value without tag."""
    to: bytes
    """To field value without tag."""
    max_forwards: int = 70
    extra: Fields = ()
    body: bytes = b""
    credentials: Credentials | None = None


class Errand:
    """A standalone request under way; made by :meth:`UserAgent.send_standalone`."""

    __slots__ = ("_credentials", "_flow", "_on_reply", "_stack", "_tell", "_transaction")

    def __init__(
        self,
        stack: Stack,
        wanted: StandaloneRequest,
        on_reply: OnReply,
        tell: Callable[[Replied], None],
    ) -> None:
        self._stack = stack
        self._tell = tell
        self._flow = wanted.flow
        self._credentials = wanted.credentials
        self._on_reply: OnReply | None = on_reply
        self._transaction: ClientTransaction | None = None

    def send(self, request: Request, now: float) -> None:
        """Send the request."""
        self._transaction = self._stack.layer.send_request(request, self._flow, self, now)

    def give_up(self) -> None:
        """Repeat the request no more, and hear nothing of it."""
        self._on_reply = None
        if self._transaction is not None:
            self._stack.layer.abandon(self._transaction)

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Take a response: the final answer, or a challenge."""
        if response.status < 200:
            return
        if response.status in (401, 407) and self._credentials is not None:
            cnonce = self._stack.token()
            authorization = self._credentials.answer(transaction.request, response, cnonce=cnonce)
            self._credentials = None  # a peer that challenges for ever gets one answer
            if authorization is not None:
                again = self._stack.changed(
                    transaction.request,
                    (authorization,),
                    transaction.request.cseq.number + 1,
                    self._flow,
                )
                self.send(again, now)
                return
        self._conclude(response.status, response, now)

    def on_failure(self, transaction: ClientTransaction, status: int, now: float) -> None:
        """Take the end of the transaction without a response: 408 or 503."""
        self._conclude(status, None, now)

    def _conclude(self, status: int, response: Response | None, now: float) -> None:
        if self._on_reply is not None:
            self._tell(Replied(self._on_reply, status, response, now))
            self._on_reply = None
