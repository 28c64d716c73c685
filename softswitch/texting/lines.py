"""Texts between lines (RFC 3428): sent to the phones at once, or stored until one registers.

A text is on disk before its sender is answered:

    200    a phone has taken it
    202    it is stored: no phone was there, or none took it in time; it goes out in order when
           one registers, with the Date at which it was sent
    4xx    it is refused: no such line, barred, too long, a content type that doesn't pass

"Is typing" is passed on or dropped, and never stored. Senders who ask for it in an envelope get
delivery reports (RFC 5438).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from urllib.parse import quote

from billing.facts.authorization import BillingError
from sip.events import Received, Replied
from sip.fields import Fields
from sip.flow import Flow
from sip.registrar import Binding
from sip.standalone import StandaloneRequest
from sip.transaction_layer import ServerTransaction
from sip.user_agent import UserAgent
from softswitch.admission.admission import Stages
from softswitch.admission.authentication import Caller
from softswitch.admission.caller_id import Identity, from_field, privacy_fields
from softswitch.subscribers.directory import Line
from softswitch.subscribers.refusal import Refusal
from softswitch.texting import cpim, store
from softswitch.texting.delivery_report import Status, is_wanted, report
from softswitch.texting.line_admission import (
    DAY_MS,
    TYPING,
    LineAdmission,
    TextSettings,
    ToCarrier,
    ToPhones,
    media_type,
)
from softswitch.texting.message import State, StoredText, Text
from softswitch.texting.sending import TextSending
from softswitch.texting.writer import TextWriter
from softswitch.trace.log import Log

ANSWER_SECONDS = 20.0
"""The answer's deadline: a sender that waits longer than 32 s ignores it (RFC 4320)."""
MAX_FORWARDS = 70
LOADED_AT_ONCE = 20
LONGEST_TIMER_SECONDS = 86_400.0

REFUSED_FOR_GOOD = frozenset({413, 415, 488, 600, 603, 604, 606})
"""A phone's refusals that are final; after any other a text is kept."""


@dataclass(frozen=True, slots=True)
class TextNodes:
    """The switches of a cluster, of which one delivers the texts that are kept for a line.

    Args:
        delivers: True if this one does.
        kept: called with each line for whose phones a text is kept.
        done: called with each line for whose phones no more texts are kept.
    """

    delivers: Callable[[Line], bool]
    kept: Callable[[int], None]
    done: Callable[[int], None]


ALONE = TextNodes(lambda line: True, lambda line_id: None, lambda line_id: None)
"""A switch that is no cluster's."""


class LineTexts:
    """Takes texts of lines, keeps them, and delivers them to phones.

    Args:
        drain: writes what the user agent wants written.
        now: monotonic seconds.
        wall_ms: epoch milliseconds.
        on_state: called with each text that was kept, or has another state.
        nodes: which switch of a cluster delivers kept texts.
    """

    def __init__(
        self,
        agent: UserAgent,
        stages: Stages,
        admission: LineAdmission,
        writer: TextWriter,
        sending: TextSending,
        loop: asyncio.AbstractEventLoop,
        settings: TextSettings,
        log: Log,
        *,
        drain: Callable[[], None],
        now: Callable[[], float],
        wall_ms: Callable[[], int],
        on_state: Callable[[StoredText, State], None],
        nodes: TextNodes = ALONE,
    ) -> None:
        self._agent = agent
        self._stages = stages
        self._nodes = nodes
        self._admission = admission
        self._writer = writer
        self._sending = sending
        self._loop = loop
        self._settings = settings
        self._log = log
        self._drain = drain
        self._now = now
        self._wall_ms = wall_ms
        self._on_state = on_state
        self._kept_for: set[int] = set()
        """Lines for whose phones texts wait in the database."""
        self._tasks: set[asyncio.Task[None]] = set()
        """Texts to other networks whose price is being held."""
        self._queues: dict[int, _Queue] = {}
        """Lines to whose phones kept texts are going now, one after another."""
        self._due: asyncio.TimerHandle | None = None
        """For the next text that is to go later."""

    # What the switch tells

    def restore(self, kept_for: set[int]) -> None:
        """Take over what an earlier run kept: texts wait for these lines' phones."""
        self._kept_for |= kept_for

    def resume(self) -> None:
        """Deliver what waits to phones that are there."""
        for line_id in self._kept_for - self._queues.keys():
            self._open_queue(line_id)

    async def look(self) -> None:
        """Deliver what operations and other switches stored, and what is due by now."""
        now = self._wall_ms()
        kept_for, next_due = await self._writer.submit(partial(store.lines_waited_for, now=now))
        self.restore(kept_for)
        self.resume()
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if next_due is not None:
            seconds = min((next_due - now) / 1000, LONGEST_TIMER_SECONDS)
            self._due = self._loop.call_later(seconds, self._look_later)

    def _look_later(self) -> None:
        self._due = None
        task = self._loop.create_task(self.look())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def kept_elsewhere(self, line_id: int) -> None:
        """Another switch keeps a text for a line: it goes out from here if that is this one's
        part."""
        self._kept_for.add(line_id)
        self._open_queue(line_id)

    def delivered_elsewhere(self, line_id: int) -> None:
        """Another switch has delivered all texts of a line."""
        self._kept_for.discard(line_id)

    def waits_for(self, line_id: int) -> bool:
        """True if texts wait for the phones of a line."""
        return line_id in self._kept_for

    def registered(self, line: Line) -> None:
        """A phone of a line has registered: what waits for it goes out."""
        if line.id in self._kept_for and line.id not in self._queues:
            self._open_queue(line.id)

    def receive(self, received: Received, caller: Caller, now: float) -> None:
        """Take a MESSAGE. The sender is answered when a phone has taken it, or when it is kept.

        Raises:
            SipError: 400 damaged, 413 too long, 415 not a content that passes, 480 too many texts.
            Refusal: 403 not from there, 404 no line, 480 no line that may receive it.
        """
        if self._admission.replies(received.request, caller):
            self._agent.stack.reply(received.request, received.flow, 200, now)
            return
        outgoing = self._admission.admit(received, caller, now)
        if isinstance(outgoing, ToCarrier):
            self._send_outside(outgoing, received, now)
            return
        transaction = self._agent.stack.postpone(received.request, received.flow)
        if media_type(outgoing.text.content_type) == TYPING:
            self._pass_on(outgoing, transaction, now)
            return
        answer = _Answer(self._agent, transaction, received.flow)
        self._agent.stack.timers.arm(ANSWER_SECONDS, now, _kept, answer)
        self._store(outgoing.text).add_done_callback(partial(self._stored, answer))

    def arrived(self, text: StoredText) -> None:
        """Deliver a text that is stored: of the switch itself, a business or another network."""
        self._on_state(text, text.state)
        line_id = text.text.to_line
        line = None if line_id is None else self._stages.directory.line(line_id)
        if line is None:
            return
        if line.id in self._kept_for or not self._phones(line):
            self._keep_for(line.id)
        else:
            self._deliver(line, text, _Answer(self._agent, None))
        self._drain()

    def given_up(self, text: StoredText) -> None:
        """A text was kept long enough: its sender is told if it asked for that."""
        if text.state is State.EXPIRED:
            self._report("failed", text)

    def _keep_for(self, line_id: int) -> None:
        self._kept_for.add(line_id)
        self._nodes.kept(line_id)

    def _phones(self, line: Line) -> list[Binding]:
        return list(self._stages.bindings_of(line))

    # Keeping

    def _store(self, text: Text) -> asyncio.Future[StoredText | None]:
        """Have a text on disk; the future brings None if the line's room is full."""
        return self._writer.submit(partial(store.keep, text=text, max_kept=self._settings.max_kept))

    def _stored(self, answer: _Answer, done: asyncio.Future[StoredText | None]) -> None:
        """A text is on disk: it goes to the phones that are there, behind those that wait."""
        now = self._now()
        error = done.exception()
        if error is not None:
            self._log.error("a text can't be kept", why=str(error))
            answer.give(500, now)
            self._drain()
            return
        text = done.result()
        if text is None:
            answer.give(480, now)
            self._drain()
            return
        self._on_state(text, text.state)
        assert text.text.to_line is not None
        line = self._stages.directory.line(text.text.to_line)
        if text.state is not State.WAITING or line is None:
            answer.give(200 if text.state is State.DELIVERED else 202, now)
        elif line.id in self._kept_for or not self._phones(line):
            self._keep_for(line.id)
            answer.give(202, now)
            self._report("stored", text)
        else:
            self._deliver(line, text, answer)
        self._drain()

    # To other networks

    def _send_outside(self, outside: ToCarrier, received: Received, now: float) -> None:
        """Hold the price of a text and store it; its sender hears 202 then."""
        transaction = self._agent.stack.postpone(received.request, received.flow)
        answer = _Answer(self._agent, transaction, received.flow)
        self._agent.stack.timers.arm(ANSWER_SECONDS, now, _unavailable, answer)

        async def send() -> None:
            status = 202
            try:
                await self._sending.send(
                    outside.payer, outside.origin, outside.sender, outside.quote, outside.text
                )
            except Refusal as refusal:
                status = refusal.status
            except BillingError:
                status = 403
            except Exception as error:
                self._log.error("a text can't be kept", why=str(error))
                status = 500
            answer.give(status, self._now())
            self._drain()

        task = self._loop.create_task(send())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Delivering

    def _open_queue(self, line_id: int) -> None:
        line = self._stages.directory.line(line_id)
        if line is None or line_id in self._queues or not self._phones(line):
            return
        if not self._nodes.delivers(line):
            return
        queue = self._queues[line_id] = _Queue(line_id)
        self._next(queue)

    def _next(self, queue: _Queue) -> None:
        """Deliver the next text that is kept for a line, if any is."""
        line = self._stages.directory.line(queue.line_id)
        if line is None or queue.line_id not in self._kept_for:
            del self._queues[queue.line_id]
            return
        if queue.texts:
            self._deliver(line, queue.texts.popleft(), None)
            self._drain()
            return
        work = partial(
            store.waiting_for_line,
            line_id=queue.line_id,
            now=self._wall_ms(),
            limit=LOADED_AT_ONCE,
        )
        self._writer.submit(work).add_done_callback(partial(self._loaded, queue))

    def _loaded(self, queue: _Queue, done: asyncio.Future[list[StoredText]]) -> None:
        if done.exception() is not None:
            self._log.error("texts can't be read", why=str(done.exception()))
            self._queues.pop(queue.line_id, None)
            return
        queue.texts.extend(done.result())
        if not queue.texts:
            self._kept_for.discard(queue.line_id)
            self._nodes.done(queue.line_id)
        self._next(queue)

    def _deliver(self, line: Line, text: StoredText, answer: _Answer | None) -> None:
        """Send a text to every phone of its line at once; the first that takes it is enough.

        Args:
            answer: of a text that has just come; None: it was stored before.
        """
        phones = self._phones(line)
        if answer is not None:
            phones = [phone for phone in phones if phone.flow != answer.flow]
        if not phones:
            self._keep(line.id, answer)
            return
        delivery = _Delivery(len(phones), partial(self._delivered, line.id, text, answer))
        for binding in phones:
            message = self._message(text.text, line, binding, late=answer is None)
            self._agent.send_standalone(message, delivery.heard, self._now())

    def _message(self, text: Text, line: Line, binding: Binding, late: bool) -> StandaloneRequest:
        sender = self._identity(text)
        fields: Fields = (
            *privacy_fields(sender), (b"Content-Type", text.content_type.encode("utf-8"))
        )  # fmt: skip
        if late:
            date = formatdate(text.created_at // 1000, usegmt=True)
            fields = (*fields, (b"Date", date.encode("ascii")))
        return StandaloneRequest(
            "MESSAGE",
            binding.flow,
            binding.contact,
            from_field(sender, self._settings.domain),
            b"<%s>" % self._settings.uri(line.number).encode("ascii"),
            MAX_FORWARDS,
            (*binding.routes, *fields),
            text.body,
        )

    def _identity(self, text: Text) -> Identity:
        """The sender of a text, as its recipient sees it."""
        line = None
        if text.from_line is not None:
            line = self._stages.directory.line(text.from_line)
        if line is not None:
            return Identity(text.sender or None, line.display_name, line.number)
        return self._sender(text.sender)

    def _sender(self, sender: str) -> Identity:
        """The identity of a sender that is no line's text: a number, or a name, which stands in the
        URI as far as it may."""
        if not sender:
            return Identity(None, "", "")
        line = self._stages.directory.line_by_number(sender)
        if line is not None:
            return Identity(sender, line.display_name, sender)
        if sender.removeprefix("+").isdigit() and sender.isascii():
            return Identity(sender, "", sender)
        return Identity(quote(sender, safe=""), sender, sender)

    def _delivered(
        self, line_id: int, text: StoredText, answer: _Answer | None, status: int
    ) -> None:
        """A phone has taken a text, or all have refused; `status` is the most informative
        answer."""
        if 200 <= status < 300 or status in REFUSED_FOR_GOOD:
            if status < 300:
                self._finish(text, State.DELIVERED, "delivered")
            else:
                self._finish(text, State.FAILED, "failed", f"the phone answers {status}")
            if answer is not None:
                answer.give(status, self._now())
            else:
                self._next(self._queues[line_id])
        else:
            if answer is not None:
                self._report("stored", text)
            self._keep(line_id, answer)
        self._drain()

    def _keep(self, line_id: int, answer: _Answer | None) -> None:
        """No phone takes a text now: it, and what was kept before, wait until one registers."""
        self._keep_for(line_id)
        if answer is not None:
            answer.give(202, self._now())
        else:
            del self._queues[line_id]

    def _finish(self, text: StoredText, event: State, told: Status, error: str = "") -> None:
        at = self._wall_ms()
        work = partial(store.move, text_id=text.id, event=event, at=at, error=error)
        self._writer.submit(work).add_done_callback(self._moved)
        self._on_state(text, event)
        self._report(told, text)

    def _moved(self, done: asyncio.Future[StoredText | None]) -> None:
        if done.exception() is not None:
            # The text goes out once more; better twice than never.
            self._log.error("a text's state can't be kept", why=str(done.exception()))

    # Reports and typing

    def _report(self, status: Status, text: StoredText) -> None:
        """Report the outcome of a text to its sender, if its envelope asks for that."""
        facts = text.text
        if media_type(facts.content_type) != cpim.CONTENT_TYPE or facts.from_line is None:
            return
        sender = self._stages.directory.line(facts.from_line)
        envelope = cpim.parse(facts.body)
        if sender is None or not is_wanted(status, envelope):
            return
        wall = self._wall_ms()
        body = report(
            status,
            envelope,
            self._settings.uri(sender.number),
            self._settings.uri(facts.recipient),
            wall / 1000,
        )
        made = Text(
            origin=f"report:{status}:{text.id}",
            kind="line",
            from_line=facts.to_line,
            to_line=sender.id,
            sender=facts.recipient,
            recipient=sender.number,
            content_type=cpim.CONTENT_TYPE,
            body=body,
            created_at=wall,
            due_at=wall,
            expires_at=wall + self._settings.kept_days * DAY_MS,
            is_report=True,
        )
        self._store(made).add_done_callback(partial(self._stored, _Answer(self._agent, None)))

    def _pass_on(self, outgoing: ToPhones, transaction: ServerTransaction, now: float) -> None:
        """Pass "is typing" to the phones that are there; nothing is kept of it."""
        answer = _Answer(self._agent, transaction)
        if not outgoing.bindings:
            answer.give(480, now)
            return
        self._agent.stack.timers.arm(ANSWER_SECONDS, now, _unavailable, answer)

        def told(status: int) -> None:
            taken_or_refused = status < 300 or status in REFUSED_FOR_GOOD
            answer.give(status if taken_or_refused else 480, self._now())

        delivery = _Delivery(len(outgoing.bindings), told)
        for binding in outgoing.bindings:
            message = self._message(outgoing.text, outgoing.line, binding, late=False)
            self._agent.send_standalone(message, delivery.heard, now)


class _Queue:
    """Kept texts that go to a line's phones one after another."""

    __slots__ = ("line_id", "texts")

    def __init__(self, line_id: int) -> None:
        self.line_id = line_id
        self.texts: deque[StoredText] = deque()


class _Answer:
    """The answer to a text's sender, given once.

    Args:
        transaction: of the text; None: no answer is expected.
        flow: of the phone that sent it, which doesn't get it back.
    """

    __slots__ = ("_agent", "_transaction", "flow")

    def __init__(
        self,
        agent: UserAgent,
        transaction: ServerTransaction | None,
        flow: Flow | None = None,
    ) -> None:
        self._agent = agent
        self._transaction = transaction
        self.flow = flow

    def give(self, status: int, now: float) -> None:
        if self._transaction is not None:
            transaction, self._transaction = self._transaction, None
            self._agent.stack.conclude(transaction, status, now)


class _Delivery:
    """One text on its way to all phones of a line.

    Args:
        told: called once, with the status of the first phone that took it, or when all have
            refused with the one that tells the sender most.
    """

    __slots__ = ("_refusals", "_told", "_under_way")

    def __init__(self, phones: int, told: Callable[[int], None]) -> None:
        self._under_way = phones
        self._refusals: list[int] = []
        self._told: Callable[[int], None] | None = told

    def heard(self, reply: Replied) -> None:
        """A phone has answered, or was given up."""
        self._under_way -= 1
        if 200 <= reply.status < 300:
            self._tell(reply.status)
            return
        self._refusals.append(reply.status)
        if self._under_way == 0:
            final = (status for status in self._refusals if status in REFUSED_FOR_GOOD)
            self._tell(next(final, 480))

    def _tell(self, status: int) -> None:
        if self._told is not None:
            told, self._told = self._told, None
            told(status)


def _kept(answer: _Answer, now: float) -> None:
    """No phone has answered in time: the text is on disk, and is tried again."""
    answer.give(202, now)


def _unavailable(answer: _Answer, now: float) -> None:
    answer.give(480, now)
