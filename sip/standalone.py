"""Requests of our own outside any dialog: OPTIONS, MESSAGE, unsolicited NOTIFY."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sip.events import Replied
from sip.flow import Flow
from sip.invite import Credentials, Fields
from sip.message import Request, Response
from sip.transaction_layer import ClientTransaction

if TYPE_CHECKING:
    from sip.user_agent import UserAgent

OnReply = Callable[[Replied], None]


@dataclass(frozen=True, slots=True)
class StandaloneRequest:
    """What a request outside any dialog says; nothing but its final answer follows from it."""

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

    __slots__ = ("_agent", "_credentials", "_flow", "_on_reply", "_transaction")

    def __init__(self, agent: UserAgent, wanted: StandaloneRequest, on_reply: OnReply) -> None:
        self._agent = agent
        self._flow = wanted.flow
        self._credentials = wanted.credentials
        self._on_reply: OnReply | None = on_reply
        self._transaction: ClientTransaction | None = None

    def send(self, request: Request, now: float) -> None:
        self._transaction = self._agent.layer.send_request(request, self._flow, self, now)

    def give_up(self) -> None:
        """Repeat the request no more, and hear nothing of it."""
        self._on_reply = None
        if self._transaction is not None:
            self._agent.layer.abandon(self._transaction)

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if response.status < 200:
            return
        if response.status in (401, 407) and self._credentials is not None:
            authorization = self._credentials.answer(self._agent, transaction.request, response)
            self._credentials = None  # a peer that challenges for ever gets one answer
            if authorization is not None:
                again = self._agent.changed(
                    transaction.request,
                    (authorization,),
                    transaction.request.cseq.number + 1,
                    self._flow,
                )
                self.send(again, now)
                return
        self._conclude(response.status, response, now)

    def on_failure(self, transaction: ClientTransaction, status: int, now: float) -> None:
        self._conclude(status, None, now)

    def _conclude(self, status: int, response: Response | None, now: float) -> None:
        if self._on_reply is not None:
            self._agent.tell(Replied(self._on_reply, status, response, now))
            self._on_reply = None
