"""The connections to one carrier: kept up, within its window and its rate.

A connection that ends is opened again after half a second, for as long as the carrier is used: a
carrier that returns finds its queue moving within a second. Each attempt costs it one SYN.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from functools import partial

from smpp.bodies import Bind, MessageId, ShortMessage
from smpp.codes import Command, EsmClass, Status
from smpp.endpoint import Connection, connect
from smpp.session import (
    Answered,
    BindRefused,
    Bound,
    Closed,
    Event,
    Requested,
    SessionError,
    Unanswered,
)
from softswitch.texting.carrier import SLOWING, Carrier, Rate
from softswitch.trace.log import Log

RETRY_SECONDS = 0.5
REFUSED_RETRY_SECONDS = 30.0
"""A carrier that refuses our password isn't asked twice a second: it would lock us out."""

ANSWERS_SECONDS = 2.0
UNBIND_SECONDS = 2.0

Token = object


class Link:
    """One carrier's binds.

    Args:
        answered: told the token, the status and the carrier's id of each submit_sm.
        unanswered: told the token of each that won't be answered any more.
        delivered: told each deliver_sm; it answers with a status once the text or receipt is kept.
        ready: told when there may be room for more.
    """

    def __init__(
        self,
        carrier: Carrier,
        loop: asyncio.AbstractEventLoop,
        log: Log,
        *,
        answered: Callable[[Link, Token, int, str], None],
        unanswered: Callable[[Link, Token], None],
        delivered: Callable[[Link, ShortMessage, Callable[[Status], None]], None],
        ready: Callable[[], None],
    ) -> None:
        self.carrier = carrier
        self.rate = Rate(carrier.rate)
        self._loop = loop
        self._log = log
        self._answered = answered
        self._unanswered = unanswered
        self._delivered = delivered
        self._ready = ready
        self._bound: dict[Connection, asyncio.Event] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._tls = ssl.create_default_context() if carrier.tls else None
        self._bound_at = 0.0
        self.error = "not connected yet"
        """Why there is no connection, for operators."""

    @property
    def is_up(self) -> bool:
        """True if the carrier is bound."""
        return bool(self._bound)

    @property
    def bound_seconds(self) -> float:
        """How long ago the newest connection was bound."""
        return self._loop.time() - self._bound_at

    @property
    def binds(self) -> int:
        """Connections that are bound now."""
        return len(self._bound)

    @property
    def room(self) -> int:
        """How many requests may be sent now."""
        return sum(connection.room for connection in self._bound)

    def start(self) -> None:
        """Open the connections, and keep them open."""
        self._tasks = [self._loop.create_task(self._keep()) for _ in range(self.carrier.binds)]

    async def stop(self) -> None:
        """Wait two seconds for what isn't answered yet, unbind, and open nothing any more.

        What isn't answered then either is told to be unanswered.
        """
        for task in self._tasks:
            task.cancel()
        deadline = self._loop.time() + ANSWERS_SECONDS
        while self._loop.time() < deadline and any(one.waiting for one in self._bound):  # noqa: ASYNC110 - two seconds at most
            await asyncio.sleep(0.02)
        for connection in list(self._bound):
            connection.unbind()
        ending = [self._loop.create_task(ended.wait()) for ended in self._bound.values()]
        if ending:
            await asyncio.wait(ending, timeout=UNBIND_SECONDS)
        for connection in list(self._bound):
            connection.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def submit(self, message: ShortMessage, token: Token) -> None:
        """Send a message by the connection with most room. Raises SessionError if none has any."""
        connection = max(self._bound, key=lambda one: one.room, default=None)
        if connection is None:
            raise SessionError("the carrier isn't bound")
        connection.request(Command.SUBMIT_SM, message, token)

    async def _keep(self) -> None:
        """One connection, opened again whenever it ends."""
        while True:
            pause = RETRY_SECONDS
            ended = asyncio.Event()
            try:
                connection = await connect(
                    self.carrier.host,
                    self.carrier.port,
                    partial(self._heard, ended),
                    tls=self._tls,
                    window=self.carrier.window,
                )
            except OSError as error:
                self._fail(str(error) or type(error).__name__)
            else:
                connection.bind(Command.BIND_TRANSCEIVER, self._bind())
                try:
                    await ended.wait()
                except asyncio.CancelledError:
                    if connection not in self._bound:
                        connection.abort()
                    raise
                if self.error.startswith("bind refused"):
                    pause = REFUSED_RETRY_SECONDS
            await asyncio.sleep(pause)

    def _bind(self) -> Bind:
        return Bind(self.carrier.system_id, self.carrier.password, self.carrier.system_type)

    def _heard(self, ended: asyncio.Event, connection: Connection, event: Event) -> None:
        match event:
            case Bound():
                self._bound[connection] = ended
                self._bound_at = self._loop.time()
                self.error = ""
                self._log.info("carrier bound", carrier=self.carrier.name, binds=self.binds)
                self._ready()
            case Answered(token=token, status=status, body=body):
                if status in SLOWING:
                    self.rate.slow_down(self._loop.time())
                message_id = body.message_id if isinstance(body, MessageId) else ""
                self._answered(self, token, status, message_id)
                self._ready()
            case Unanswered(token=token):
                self._unanswered(self, token)
            case Requested(sequence=sequence, command=Command.DELIVER_SM, body=ShortMessage() as b):
                self._delivered(
                    self, b, lambda status: connection.respond(sequence, MessageId(), status)
                )
            case Requested(sequence=sequence):
                connection.respond(sequence, status=Status.INVALID_COMMAND_ID)
            case BindRefused(status=status):
                self._fail(f"bind refused: {_status_name(status)}")
            case Closed(reason=reason):
                if self._bound.pop(connection, None) is not None:
                    self._fail(reason)
                    self._ready()
                ended.set()
            case _:
                # BindRequested comes to message centres alone.
                pass

    def _fail(self, why: str) -> None:
        """Note why there is no connection; the log says it once, not twice a second."""
        if why != self.error and not self._bound:
            self._log.warning("carrier not connected", carrier=self.carrier.name, why=why)
        self.error = why


def _status_name(status: int) -> str:
    try:
        return Status(status).name.lower()
    except ValueError:
        return f"{status:#x}"


def is_receipt(message: ShortMessage) -> bool:
    """True if a deliver_sm is a delivery receipt and not a text."""
    return message.esm_class & EsmClass.TYPE_MASK == EsmClass.RECEIPT
