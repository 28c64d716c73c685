"""Texts on their way to carriers: taken from the database in order, sent, and followed up.

A text waits in a lane of those that have the same carriers to choose from, so that a carrier that
is away holds up nobody else's. In a lane, texts of people go before those of batches.

Before a carrier is asked, the text is SENDING on disk; then each of its segments is submitted.
What follows is decided here alone:

    all segments taken            SENT; its price is captured
    a segment refused for now     another carrier; if there is none, or a segment went out already,
                                  the same again a second later
    a segment refused for good    another carrier if none went out yet; otherwise FAILED
    no answer                     UNKNOWN: it may have gone out, so it is never sent again
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from smpp import segments
from smpp.bodies import Address, ShortMessage
from smpp.codes import EsmClass, Npi, RegisteredDelivery, Status, Ton
from smpp.session import SessionError
from softswitch.texting import parts, raw, store
from softswitch.texting.carrier import TEMPORARY, Carrier, address_type, routes
from softswitch.texting.charging import TextCharging
from softswitch.texting.link import Link
from softswitch.texting.message import State, StoredText
from softswitch.texting.writer import TextWriter
from softswitch.trace.log import Log

LOADED_AT_ONCE = 2_000
"""Texts in memory; the others stay in the database until there is room."""
AGAIN_MS = 1_000
"""How soon a text is tried again that no carrier took for now."""
MAX_TRIES = 60
"""Temporary refusals of a segment after which it counts as refused for good."""

Make = Callable[[Carrier], Link]


class _Sending:
    """A text whose carrier is being asked.

    Args:
        messages: its segments, in order.
    """

    def __init__(self, text: StoredText, link: Link, messages: Sequence[ShortMessage]) -> None:
        self.text = text
        self.link = link
        self.messages = messages
        self.outstanding = len(messages)
        self.taken = 0
        self.tries = 0
        self.refused_for_good: int | None = None
        self.refused_for_now = False
        self.lost = False


class _Segment(NamedTuple):
    """Which segment of which text a request carries; numbers count from 1."""

    sending: _Sending
    number: int


class _Lane:
    """Texts with the same carriers to choose from, those of people before those of batches."""

    def __init__(self, carriers: Sequence[Carrier]) -> None:
        self.carriers = carriers
        self._single: deque[StoredText] = deque()
        self._bulk: deque[StoredText] = deque()

    def __len__(self) -> int:
        return len(self._single) + len(self._bulk)

    def put(self, text: StoredText) -> None:
        (self._single if text.text.batch_id is None else self._bulk).append(text)

    def put_back(self, text: StoredText) -> None:
        """Put a text that was taken where it was."""
        (self._single if text.text.batch_id is None else self._bulk).appendleft(text)

    def take(self) -> StoredText:
        return (self._single or self._bulk).popleft()


class Outbound:
    """The queue to all carriers.

    Args:
        writer: writes texts; the queue's texts are read through it, too.
        charging: captures and releases what is held for texts.
        make_link: makes the connections to a carrier.
        on_state: called with each text that has another state.
        wall_ms: epoch milliseconds.
    """

    def __init__(
        self,
        writer: TextWriter,
        charging: TextCharging,
        loop: asyncio.AbstractEventLoop,
        log: Log,
        *,
        make_link: Make,
        on_state: Callable[[StoredText, State], None],
        wall_ms: Callable[[], int],
    ) -> None:
        self._writer = writer
        self._charging = charging
        self._loop = loop
        self._log = log
        self._make_link = make_link
        self._on_state = on_state
        self._wall_ms = wall_ms
        self._links: dict[int, Link] = {}
        self._lanes: dict[tuple[int, ...], _Lane] = {}
        self._held: set[int] = set()
        """Ids of texts in memory, in a lane or being sent."""
        self._tried: dict[int, set[int]] = {}
        """Carriers that refused a text, by text id."""
        self._loading = False
        self._more = True
        """True if the database may have texts that are due and aren't in memory."""
        self._timer: asyncio.TimerHandle | None = None
        self._pumping = False
        self._stopped = False

    # What the switch tells

    def use(self, carriers: Iterable[Carrier]) -> None:
        """Use these carriers from now on; connections of unchanged ones stay."""
        wanted = {carrier.id: carrier for carrier in carriers if not carrier.suspended}
        for carrier_id, link in list(self._links.items()):
            if wanted.get(carrier_id) != link.carrier:
                del self._links[carrier_id]
                self._loop.create_task(link.stop())
        for carrier_id, carrier in wanted.items():
            if carrier_id not in self._links:
                self._links[carrier_id] = self._make_link(carrier)
                self._links[carrier_id].start()
        waiting = [lane.take() for lane in self._lanes.values() for _ in range(len(lane))]
        self._lanes.clear()
        for text in waiting:
            self._queue(text)
        self.wake()

    @property
    def links(self) -> list[Link]:
        """Connections to carriers, for operators."""
        return list(self._links.values())

    def wake(self) -> None:
        """Look for texts that are due: some were stored, or a carrier may have room."""
        self._more = True
        self._pump_later()

    def ready(self) -> None:
        """A carrier may have room."""
        self._pump_later()

    async def recover(self) -> list[StoredText]:
        """After a crash: texts whose outcome isn't known; they are captured and not sent again."""
        now = self._wall_ms()
        found = await self._writer.submit(lambda connection: store.interrupted(connection, now))
        for text in found:
            self._charging.capture(text)
        return found

    async def stop(self) -> None:
        """Send nothing any more, and end the connections."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.gather(*(link.stop() for link in self._links.values()))

    def follow(self, text: StoredText) -> None:
        """A text's state has changed on disk: its money follows, and its sender is told."""
        self._charging.follow(text)
        self._on_state(text, text.state)

    # Choosing

    def _queue(self, text: StoredText) -> None:
        carriers = routes((link.carrier for link in self._links.values()), text.text.recipient)
        key = tuple(carrier.id for carrier in carriers)
        self._lanes.setdefault(key, _Lane(carriers)).put(text)

    def _pump_later(self) -> None:
        if not self._pumping and not self._stopped:
            self._pumping = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        """Claim as many texts as the carriers have room for."""
        self._pumping = False
        room = {link_id: link.room for link_id, link in self._links.items()}
        now = self._loop.time()
        delays: list[float] = []
        claims: list[tuple[StoredText, Link]] = []
        for lane in self._lanes.values():
            while lane:
                text = lane.take()
                link = self._choose(lane, text, room, now, delays)
                if link is None:
                    lane.put_back(text)
                    break
                room[link.carrier.id] -= text.text.segments
                link.rate.take(now, text.text.segments)
                claims.append((text, link))
        if claims:
            self._claim(claims)
        if self._more and len(self._held) < LOADED_AT_ONCE // 2:
            self._load()
        if delays:
            self._wake_in(min(delays))

    def _choose(
        self,
        lane: _Lane,
        text: StoredText,
        room: dict[int, int],
        now: float,
        delays: list[float],
    ) -> Link | None:
        """The first carrier that has room and hasn't refused this text; None: none has now."""
        tried = self._tried.get(text.id, ())
        for carrier in lane.carriers:
            link = self._links.get(carrier.id)
            if link is None or carrier.id in tried or room[carrier.id] <= 0:
                continue
            delay = link.rate.delay(now)
            if delay == 0:
                return link
            delays.append(delay)
        return None

    def _wake_in(self, seconds: float) -> None:
        due = self._loop.time() + seconds
        if self._timer is not None and not self._timer.cancelled() and self._timer.when() <= due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._timed)

    def _timed(self) -> None:
        self._timer = None
        self.wake()

    # Loading and claiming

    def _load(self) -> None:
        if self._loading:
            return
        self._loading = True
        held, now = len(self._held), self._wall_ms()
        limit = LOADED_AT_ONCE + held
        self._writer.submit(
            lambda connection: (
                store.due_out(connection, now, limit), store.next_due_out(connection, now)
            )
        ).add_done_callback(partial(self._loaded, limit))  # fmt: skip

    def _loaded(
        self, limit: int, done: asyncio.Future[tuple[list[StoredText], int | None]]
    ) -> None:
        self._loading = False
        if done.exception() is not None:
            self._log.error("texts can't be read", why=str(done.exception()))
            self._wake_in(1.0)
            return
        found, next_due = done.result()
        self._more = len(found) == limit
        for text in found:
            if text.id not in self._held:
                self._held.add(text.id)
                self._queue(text)
        if next_due is not None:
            self._wake_in(max(0.0, (next_due - self._wall_ms()) / 1000))
        if found:
            self._pump_later()

    def _claim(self, claims: list[tuple[StoredText, Link]]) -> None:
        ids = [text.id for text, _ in claims]
        self._writer.submit(partial(store.claim, ids=ids, now=self._wall_ms())).add_done_callback(
            partial(self._claimed, claims)
        )

    def _claimed(
        self, claims: list[tuple[StoredText, Link]], done: asyncio.Future[set[int]]
    ) -> None:
        if done.exception() is not None:
            self._log.error("texts can't be claimed", why=str(done.exception()))
            for text, _ in claims:
                self._forget(text)
            self._wake_in(1.0)
            return
        for text, link in claims:
            if text.id in done.result():
                self._send(text, link)
            else:
                self._forget(text)

    # Sending

    def _send(self, text: StoredText, link: Link) -> None:
        sending = _Sending(text, link, _messages(text))
        for number in range(1, len(sending.messages) + 1):
            self._submit(sending, number)

    def _submit(self, sending: _Sending, number: int) -> None:
        try:
            sending.link.submit(sending.messages[number - 1], _Segment(sending, number))
        except (SessionError, ValueError) as error:
            # The window filled, or the connection ended, since this was chosen: nothing went out.
            refused = Status.MESSAGE_QUEUE_FULL if isinstance(error, SessionError) else None
            self._refused(sending, number, refused or Status.SUBMIT_FAILED)

    def answered(self, link: Link, token: object, status: int, message_id: str) -> None:
        """A carrier answered a submit_sm."""
        sending, number = _segment(token)
        if status != Status.OK:
            self._refused(sending, number, status)
            return
        sending.outstanding -= 1
        sending.taken += 1
        text, total, now = sending.text, len(sending.messages), self._wall_ms()
        work = partial(
            parts.accepted,
            text_id=text.id,
            number=number,
            total=total,
            carrier=link.carrier.name,
            message_id=message_id,
            at=now,
        )
        self._writer.submit(work).add_done_callback(self._told)
        self._settle(sending)

    def unanswered(self, link: Link, token: object) -> None:
        """A carrier won't answer a submit_sm any more."""
        sending, _ = _segment(token)
        sending.outstanding -= 1
        sending.lost = True
        self._settle(sending)

    def _refused(self, sending: _Sending, number: int, status: int) -> None:
        if status in TEMPORARY and sending.taken and sending.tries < MAX_TRIES:
            # A part is out: the rest goes the same way, or the phone gets a torn text.
            sending.tries += 1
            self._loop.call_later(AGAIN_MS / 1000, self._submit, sending, number)
            return
        sending.outstanding -= 1
        if status in TEMPORARY and not sending.taken:
            sending.refused_for_now = True
        else:
            sending.refused_for_good = status
        self._settle(sending)

    def _settle(self, sending: _Sending) -> None:
        """Decide what becomes of a text once every segment has its answer."""
        text = sending.text
        if sending.outstanding:
            return
        now = self._wall_ms()
        if sending.lost:
            self._move(text, State.UNKNOWN, now, "no answer")
        elif sending.taken == len(sending.messages):
            self._forget(text)
        elif sending.taken:
            self._move(text, State.FAILED, now, _error(sending.refused_for_good))
        else:
            self._pass_on(sending, now)

    def _pass_on(self, sending: _Sending, now: int) -> None:
        """Try the next carrier, or wait, or give up: no segment went out."""
        text = sending.text
        tried = self._tried.setdefault(text.id, set())
        tried.add(sending.link.carrier.id)
        left = [
            carrier
            for carrier in routes((link.carrier for link in self.links), text.text.recipient)
            if carrier.id not in tried
        ]
        if left or sending.refused_for_good is None:
            if not left:
                self._tried.pop(text.id, None)
            due = now if left else now + AGAIN_MS
            self._writer.submit(partial(store.postpone, text_id=text.id, due_at=due))
            self._held.discard(text.id)
            self._wake_in((due - now) / 1000)
            return
        self._move(text, State.FAILED, now, _error(sending.refused_for_good))

    def _move(self, text: StoredText, event: State, at: int, error: str) -> None:
        work = partial(store.move, text_id=text.id, event=event, at=at, error=error)
        self._writer.submit(work).add_done_callback(self._told)
        self._forget(text)

    def _told(self, done: asyncio.Future[StoredText | None]) -> None:
        """A text's state is on disk, or can't be."""
        if done.exception() is not None:
            self._log.error("a text's state can't be kept", why=str(done.exception()))
            return
        text = done.result()
        if text is not None:
            self.follow(text)

    def _forget(self, text: StoredText) -> None:
        self._held.discard(text.id)
        self._tried.pop(text.id, None)
        if self._more:
            self._pump_later()


def _messages(text: StoredText) -> list[ShortMessage]:
    """The segments of a text as submit_sm."""
    facts = text.text
    as_it_is = raw.read(facts.content_type)
    if as_it_is is not None:
        coding, has_header = as_it_is
        sent = segments.Segments(coding, has_header, (facts.body,))
    else:
        sent = segments.split(facts.body.decode("utf-8", "replace"), text.id & 0xFF)
    source = Address(*address_type(facts.sender), facts.sender.removeprefix("+"))
    destination = Address(Ton.INTERNATIONAL, Npi.E164, facts.recipient.removeprefix("+"))
    return [
        ShortMessage(
            source,
            destination,
            octets,
            sent.data_coding,
            EsmClass.UDH if sent.has_header else 0,
            RegisteredDelivery.FINAL,
        )
        for octets in sent.octets
    ]


def _segment(token: object) -> _Segment:
    """The token of a submit_sm: no other request of a link has one."""
    assert isinstance(token, _Segment)
    return token


def _error(status: int | None) -> str:
    if status is None:
        return "refused"
    try:
        return Status(status).name.lower()
    except ValueError:
        return f"{status:#x}"
