"""Texts on their way to carriers: taken from the database in order, sent, and followed up.

A text waits in a lane (:mod:`softswitch.texting.lane`) of those that have the same carriers to
choose from. Before a carrier is asked, the text is SENDING on disk, under this node's name; then
its segments are submitted as the carrier's window has room. What follows is decided here alone:

    all segments taken            SENT; its price is captured
    a segment refused for now     another carrier; if there is none, or a segment went out already,
                                  the same again a second later
    a segment refused for good    another carrier if none went out yet; otherwise FAILED
    no answer                     UNKNOWN: it may have gone out, so it is never sent again
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

from smpp.codes import Status
from smpp.session import SessionError
from softswitch.texting import parts, store
from softswitch.texting.carrier import TEMPORARY, Carrier, routes
from softswitch.texting.charging import TextCharging
from softswitch.texting.lane import Lane
from softswitch.texting.link import Link
from softswitch.texting.message import State, StoredText
from softswitch.texting.store import Cursor
from softswitch.texting.submission import Segment, Submission, error_of, messages_of
from softswitch.texting.writer import TextWriter
from softswitch.trace.log import Log

LOADED_AT_ONCE = 2_000
"""Texts that are read from the database at once, while fewer than half as many can move."""
AGAIN_MS = 1_000
"""How soon a text is tried again that no carrier took for now."""
MAX_TRIES = 60
"""Temporary refusals of a segment after which it counts as refused for good."""
MAX_PASSED_OVER = 50
"""Texts at the head of a lane that wait for a carrier which refuses none of them yet."""
MAX_REMEMBERED = 10_000
"""Texts of which the carriers that refused them are remembered."""

Make = Callable[[Carrier], Link]


class Outbound:
    """The queue to all carriers.

    Args:
        node: this switch's name among those that share the database.
        writer: writes texts; the queue's texts are read through it, too.
        charging: captures and releases what is held for texts.
        make_link: makes the connections to a carrier.
        on_state: called with each text that has another state.
        wall_ms: epoch milliseconds.
    """

    def __init__(
        self,
        node: str,
        writer: TextWriter,
        charging: TextCharging,
        loop: asyncio.AbstractEventLoop,
        log: Log,
        *,
        make_link: Make,
        on_state: Callable[[StoredText, State], None],
        wall_ms: Callable[[], int],
    ) -> None:
        self._node = node
        self._writer = writer
        self._charging = charging
        self._loop = loop
        self._log = log
        self._make_link = make_link
        self._on_state = on_state
        self._wall_ms = wall_ms
        self._links: dict[int, Link] = {}
        self._lanes: dict[tuple[int, ...], Lane] = {}
        self._held: set[int] = set()
        """Ids of texts in memory, in a lane or being sent."""
        self._unfinished: list[Submission] = []
        """Texts of which some segments wait for room in their carrier's window, in order."""
        self._claiming: dict[Link, int] = {}
        """Segments of texts that are being claimed."""
        self._tried: dict[int, set[int]] = {}
        """Carriers that refused a text, by text id."""
        self._cursor: Cursor | None = None
        """The last text that was read; those behind it follow."""
        self._loading = False
        self._more = True
        """True if the database may have texts that are due behind the cursor."""
        self._timer: asyncio.TimerHandle | None = None
        self._pumping = False
        self._stopped = False
        self._ending: set[asyncio.Task[None]] = set()
        """Connections of carriers that aren't used any more."""

    # What the switch tells

    def use(self, carriers: Iterable[Carrier]) -> None:
        """Use these carriers from now on; connections of unchanged ones stay."""
        wanted = {carrier.id: carrier for carrier in carriers if not carrier.suspended}
        before = {link.carrier for link in self._links.values()}
        for carrier_id, link in list(self._links.items()):
            if wanted.get(carrier_id) != link.carrier:
                del self._links[carrier_id]
                task = self._loop.create_task(link.stop())
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)
        for carrier_id, carrier in wanted.items():
            if carrier_id not in self._links:
                self._links[carrier_id] = self._make_link(carrier)
                self._links[carrier_id].start()
        if before != set(wanted.values()):
            waiting = [lane.take() for lane in self._lanes.values() for _ in range(len(lane))]
            self._lanes.clear()
            for text in sorted(waiting, key=lambda one: (one.text.due_at, one.id)):
                self._queue(text)
            self._cursor = None
        self.wake()

    @property
    def links(self) -> list[Link]:
        """Connections to carriers, for operators."""
        return list(self._links.values())

    def put(self, text: StoredText) -> None:
        """Take a text that was just stored: without reading it again if none waits before it."""
        if self._more or self._loading or text.text.due_at > self._wall_ms():
            self.wake()
        elif text.state is State.WAITING and text.id not in self._held:
            self._queue(text)
            self._pump_later()

    def wake(self) -> None:
        """Look for texts that are due and weren't read yet."""
        self._more = True
        self._pump_later()

    def rescan(self) -> None:
        """Look for all texts that are due, also those that were passed over."""
        self._cursor = None
        self.wake()

    def ready(self) -> None:
        """A carrier may have room, or its connection has ended."""
        self._pump_later()

    async def recover(self, node: str | None = None) -> list[StoredText]:
        """After a crash of a node, this one if None: texts whose outcome isn't known. They are
        captured and not sent again."""
        now, crashed = self._wall_ms(), self._node if node is None else node
        found = await self._writer.submit(
            lambda connection: store.interrupted(connection, crashed, now)
        )
        for text in found:
            self.follow(text)
        return found

    async def stop(self) -> None:
        """Send nothing any more, and end the connections once what is out is answered."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        self._advance_all()
        await asyncio.gather(*self._ending, *(link.stop() for link in self._links.values()))

    def follow(self, text: StoredText) -> None:
        """A text's state has changed on disk: its money follows, and its sender is told."""
        self._charging.follow(text)
        self._on_state(text, text.state)

    # Choosing

    def _queue(self, text: StoredText) -> None:
        """Put a text into its lane; one for which it has no room stays in the database."""
        carriers = routes((link.carrier for link in self._links.values()), text.text.recipient)
        key = tuple(carrier.id for carrier in carriers)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(carriers)
        if lane.overflowed or not lane.has_room:
            lane.overflowed = True
            self._held.discard(text.id)
        else:
            self._held.add(text.id)
            lane.put(text)

    def _pump_later(self) -> None:
        if not self._pumping and not self._stopped:
            self._pumping = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        """Send what was begun, then claim as many texts as the carriers have room for."""
        self._pumping = False
        self._advance_all()
        room = {link_id: self._room(link) for link_id, link in self._links.items()}
        delays: list[float] = []
        claims: list[tuple[StoredText, Link]] = []
        for lane in self._lanes.values():
            self._drain(lane, room, delays, claims)
        if claims:
            self._claim(claims)
        if any(lane.is_low for lane in self._lanes.values()):
            for lane in self._lanes.values():
                lane.overflowed = False
            self._cursor, self._more = None, True
        if self._more and self._movable < LOADED_AT_ONCE // 2:
            self._load()
        if delays:
            self._wake_in(min(delays))

    def _room(self, link: Link) -> int:
        """Segments that may be claimed for a carrier: as many again as its window holds, so that
        the window fills while the disk is written."""
        if not link.is_up:
            return 0
        unsent = sum(len(one.unsent) for one in self._unfinished if one.link is link)
        return link.room + link.carrier.window - unsent - self._claiming.get(link, 0)

    def _drain(
        self,
        lane: Lane,
        room: dict[int, int],
        delays: list[float],
        claims: list[tuple[StoredText, Link]],
    ) -> None:
        """Take from a lane what its carriers have room for."""
        now = self._loop.time()
        passed_over: list[StoredText] = []
        while lane and len(passed_over) < MAX_PASSED_OVER:
            text = lane.take()
            link = self._choose(lane, text, room, now, delays)
            if link is not None:
                room[link.carrier.id] -= text.text.segments
                link.rate.take(now, text.text.segments)
                claims.append((text, link))
                continue
            passed_over.append(text)
            if text.id not in self._tried:
                break
        for text in reversed(passed_over):
            lane.put_back(text)

    @property
    def _movable(self) -> int:
        """Texts in lanes of which a carrier is there; with none there, as many as can be."""
        up = {link_id for link_id, link in self._links.items() if link.is_up}
        if not up:
            return LOADED_AT_ONCE
        return sum(len(lane) for key, lane in self._lanes.items() if not up.isdisjoint(key))

    def _choose(
        self,
        lane: Lane,
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
        self._loading, self._more = True, False
        now, cursor = self._wall_ms(), self._cursor
        self._writer.submit(
            lambda connection: (
                store.due_out(connection, now, LOADED_AT_ONCE, cursor),
                store.next_due_out(connection, now),
            )
        ).add_done_callback(partial(self._loaded, cursor))

    def _loaded(
        self, cursor: Cursor | None, done: asyncio.Future[tuple[list[StoredText], int | None]]
    ) -> None:
        self._loading = False
        if done.exception() is not None:
            self._log.error("texts can't be read", why=str(done.exception()))
            self._more = True
            self._wake_in(1.0)
            return
        found, next_due = done.result()
        if self._cursor == cursor and found:
            self._cursor = Cursor(found[-1].text.due_at, found[-1].id)
        self._more = self._more or len(found) == LOADED_AT_ONCE
        for text in found:
            if text.id not in self._held:
                self._queue(text)
        if next_due is not None:
            self._wake_in(max(0.0, (next_due - self._wall_ms()) / 1000))
        if found or self._more:
            self._pump_later()

    def _claim(self, claims: list[tuple[StoredText, Link]]) -> None:
        ids, now = [text.id for text, _ in claims], self._wall_ms()
        for text, link in claims:
            self._claiming[link] = self._claiming.get(link, 0) + text.text.segments
        self._writer.submit(
            lambda connection: store.claim(connection, ids, self._node, now)
        ).add_done_callback(partial(self._claimed, claims))

    def _claimed(
        self, claims: list[tuple[StoredText, Link]], done: asyncio.Future[set[int]]
    ) -> None:
        for text, link in claims:
            self._claiming[link] -= text.text.segments
            if not self._claiming[link]:
                del self._claiming[link]
        if done.exception() is not None:
            self._log.error("texts can't be claimed", why=str(done.exception()))
            for text, _ in claims:
                self._forget(text)
            self._cursor = None
            self._wake_in(1.0)
            return
        for text, link in claims:
            if text.id in done.result():
                self._unfinished.append(Submission(text, link, messages_of(text)))
            else:
                self._forget(text)
        self._advance_all()

    # Sending

    def _advance_all(self) -> None:
        unfinished, self._unfinished = self._unfinished, []
        for submission in unfinished:
            self._advance(submission)

    def _advance(self, submission: Submission) -> None:
        """Send as many segments of a text as its carrier's window has room for."""
        link = submission.link
        if self._stopped and not submission.taken and not submission.outstanding:
            self._put_back(submission.text, self._wall_ms())
            return
        while submission.unsent and link.room > 0:
            number = submission.unsent.popleft()
            try:
                link.submit(submission.messages[number - 1], Segment(submission, number))
            except SessionError:
                submission.unsent.appendleft(number)
                break
            except ValueError:
                submission.refused = Status.SUBMIT_FAILED
                submission.give_up()
            else:
                submission.outstanding += 1
        if submission.unsent and link.is_up:
            self._unfinished.append(submission)
            return
        # The connection has ended before these were sent: they may be sent later.
        submission.again.extend(submission.unsent)
        submission.unsent.clear()
        self._settle(submission)

    def answered(self, link: Link, token: object, status: int, message_id: str) -> None:
        """A carrier answered a submit_sm."""
        submission, number = _segment(token)
        submission.outstanding -= 1
        if status == Status.OK:
            submission.taken += 1
            work = partial(
                parts.accepted,
                text_id=submission.text.id,
                number=number,
                total=len(submission.messages),
                carrier=link.carrier.name,
                message_id=message_id,
                at=self._wall_ms(),
                written=link.carrier.receipt_ids,
            )
            self._writer.submit(work).add_done_callback(self._told)
        elif status in TEMPORARY:
            submission.again.append(number)
        else:
            submission.refused = status
            submission.give_up()
        self._settle(submission)

    def unanswered(self, link: Link, token: object) -> None:
        """A carrier won't answer a submit_sm any more."""
        submission, _ = _segment(token)
        submission.outstanding -= 1
        submission.lost = True
        submission.give_up()
        self._settle(submission)

    def _settle(self, submission: Submission) -> None:
        """Decide what becomes of a text once every segment that was sent has its answer."""
        if not submission.is_settled:
            return
        text, now = submission.text, self._wall_ms()
        if submission.lost:
            self._move(text, State.UNKNOWN, now, "no answer")
        elif not submission.taken:
            self._pass_on(submission, now)
        elif submission.refused is not None or submission.tries >= MAX_TRIES:
            self._move(text, State.FAILED, now, error_of(submission.refused))
        elif submission.again:
            # A part is out: the rest goes the same way, or the phone gets a torn text.
            submission.tries += 1
            self._loop.call_later(AGAIN_MS / 1000, self._send_again, submission)
        else:
            self._forget(text)

    def _send_again(self, submission: Submission) -> None:
        """Send the segments that were refused for now."""
        submission.unsent.extend(sorted(submission.again))
        submission.again.clear()
        self._advance(submission)

    def _pass_on(self, submission: Submission, now: int) -> None:
        """Try the next carrier, or wait, or give up: no segment went out."""
        text = submission.text
        tried = self._tried.setdefault(text.id, set())
        tried.add(submission.link.carrier.id)
        carriers = [link.carrier for link in self._links.values()]
        left = [one for one in routes(carriers, text.text.recipient) if one.id not in tried]
        if not left and submission.refused is not None:
            self._move(text, State.FAILED, now, error_of(submission.refused))
            return
        there = [one for one in left if self._links[one.id].is_up]
        if not there and submission.refused is None:
            # Those that refused it for now are there, at least; they are asked again.
            self._tried.pop(text.id, None)
        if len(self._tried) > MAX_REMEMBERED:
            self._tried.clear()
        due = now if there else now + AGAIN_MS
        self._put_back(text, due)
        self._wake_in((due - now) / 1000)

    def _put_back(self, text: StoredText, due_at: int) -> None:
        """Let a text wait again of which nothing went out."""
        self._writer.submit(partial(store.postpone, text_id=text.id, due_at=due_at))
        self._held.discard(text.id)

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


def _segment(token: object) -> Segment:
    """The token of a submit_sm: no other request of a link has one."""
    assert isinstance(token, Segment)
    return token
