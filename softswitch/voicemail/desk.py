"""Mailboxes while the switch serves: on disk first, then in the directory and on the lamps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ParamSpec, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from billing.stores.store import StoreError
from rtp.control import Recorded
from rtp.session import MediaError
from softswitch.config.voicemail import VoicemailSection
from softswitch.database.threads import Run
from softswitch.subscribers import pins
from softswitch.subscribers.directory import Directory, Line, Waiting
from softswitch.subscribers.mailbox import VoiceMailbox
from softswitch.subscribers.pin_guard import PinGuard
from softswitch.subscribers.pin_tries import Secret
from softswitch.trace.log import Log
from softswitch.voicemail.notice import notice
from softswitch.voicemail.shelf import Shelf
from softswitch.voicemail.store import Greeting, MailboxFull, Message, State, VoicemailStore

DAY_MS = 86_400_000
CLOSE_SECONDS = 5.0
COPY_SECONDS = 86_400
"""How long a copy of what a bucket keeps stays on the disk."""
SALT_BITS = 8 * pins.SALT_BYTES

P = ParamSpec("P")
T = TypeVar("T")


class NoRoom(Exception):
    """The disk has no space for messages."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """The caller who leaves a message.

    Args:
        calling: the true number.
        shown: the number that the called line may see; None: none.
    """

    calling: str
    shown: str | None
    call_id: str


class VoicemailDesk:
    """Mailboxes as services and the server use them.

    Args:
        guard: checks PINs.
        run: runs a function that waits for store or shelf in a thread.
        token: unguessable ids.
        randbits: for salts.
        wall_ms: epoch milliseconds.
        lines_changed: called with lines whose lamps may have changed.
        zone: of the times in mails.
    """

    def __init__(
        self,
        store: VoicemailStore,
        shelf: Shelf,
        settings: VoicemailSection,
        directory: Directory,
        guard: PinGuard,
        run: Run,
        *,
        randbits: Callable[[int], int],
        wall_ms: Callable[[], int],
        zone: str,
        log: Log,
        lines_changed: Callable[[list[int]], None],
    ) -> None:
        self._store = store
        self._shelf = shelf
        self._directory = directory
        self._guard = guard
        self._run = run
        self._randbits = randbits
        self._wall_ms = wall_ms
        self.zone = zone
        self._log = log
        self._tasks: set[asyncio.Task[object]] = set()
        self.settings = settings
        self._lines_changed = lines_changed

    def ring_seconds(self, line: Line) -> int | None:
        """The ring time of a line's phones before its mailbox takes the call; None: the mailbox
        takes no unanswered calls."""
        mailbox = line.mailbox
        if mailbox is None or "no_answer" not in mailbox.takes:
            return None
        return mailbox.ring_seconds or self.settings.ring_seconds

    # Messages that come

    async def begin(self, line: Line, mailbox: VoiceMailbox, visitor: Visitor) -> str:
        """Note a message that is about to be recorded; its id goes to :meth:`keep`.

        Raises:
            MailboxFull: it holds as many as it may.
            NoRoom: the disk has no space for messages.
            StoreError: the database is out of order.
        """
        begun = self._spawn(self._begin(line, mailbox, visitor))
        try:
            return await asyncio.shield(begun)
        except asyncio.CancelledError:  # the caller hung up just now
            begun.add_done_callback(self._unwanted)
            raise

    def _unwanted(self, begun: asyncio.Task[str]) -> None:
        if not begun.cancelled() and begun.exception() is None:
            self.keep(begun.result(), None)

    async def _begin(self, line: Line, mailbox: VoiceMailbox, visitor: Visitor) -> str:
        if not await self._run(self._has_room):
            self._log.error(
                "no message is taken, the disk is nearly full", call=visitor.call_id,
                line=line.number,
            )  # fmt: skip
            raise NoRoom
        now = self._wall_ms()
        days = mailbox.days_kept or self.settings.days_kept
        calling = visitor.calling if visitor.shown is None else visitor.shown
        message = Message(self.new_sound(), line.id, "recording", calling, now, 0, visitor.call_id)
        most = mailbox.max_messages or self.settings.max_messages
        withheld = visitor.shown is None
        await self._ask(self._store.begin, message, withheld, now + days * DAY_MS, most)
        return message.id

    def path(self, sound_id: str) -> str:
        """The path of a message or greeting that is being recorded."""
        return str(self._shelf.path(sound_id))

    async def fetched(self, sound_id: str) -> str:
        """The path of a finished message or greeting, which is on the disk now; if it can't be
        fetched, playing it fails."""
        try:
            return str(await self._run(self._shelf.fetch, sound_id))
        except OSError as error:
            self._log.error("a sound can't be fetched", sound=sound_id, why=str(error))
            return self.path(sound_id)

    async def greeting_at(self, path: str) -> str:
        """The path of a rented number's greeting, fetched if it is one of the shelf."""
        found = Path(path)
        return await self.fetched(found.stem) if found.parent == self._shelf.folder else path

    def keep(self, message_id: str, recorded: asyncio.Future[Recorded] | None) -> asyncio.Task[int]:
        """Publish a message when its recording ends, however that happens: also when the caller
        hung up, and the call with its service is over.

        Args:
            recorded: None: the recording never began, and nothing is kept.

        Returns:
            Milliseconds that were kept; 0 for nothing.
        """
        return self._spawn(self._keep(message_id, recorded))

    def _spawn(self, work: Coroutine[object, None, T]) -> asyncio.Task[T]:
        """Start a task that runs to its end even if its caller is cancelled."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _keep(self, message_id: str, recorded: asyncio.Future[Recorded] | None) -> int:
        if recorded is not None:
            await self._until_recorded(message_id, recorded)
        try:
            return await self._finish(message_id)
        except (StoreError, OSError) as error:
            # Its row says that it is being recorded, so the next start finishes it.
            why = str(error)
            self._log.error("a message waits for the next start", message=message_id, why=why)
            return 0

    async def _until_recorded(self, message_id: str, recorded: asyncio.Future[Recorded]) -> None:
        try:
            result = await recorded
            if result.reason == "failed" and result.duration_ms:  # else the caller hung up at once
                self._log.error("a message was cut short", message=message_id, why=result.problem)
        except MediaError as error:
            self._log.error("a message was cut short", message=message_id, why=str(error))

    async def _finish(self, message_id: str) -> int:
        duration_ms: int = await self._run(
            self._shelf.finish, message_id, self.settings.min_seconds
        )
        arrived = await self._ask(self._arrive, message_id, duration_ms)
        if arrived is None:
            return 0
        self._put(*arrived)
        return duration_ms

    def _arrive(self, message_id: str, duration_ms: int) -> tuple[int, Waiting] | None:
        unfinished = (one for one in self._store.unfinished() if one.id == message_id)
        message = next(unfinished, None)
        if message is None:
            return None
        if not duration_ms:
            self._store.delete(message.line_id, [message_id])
            return None
        line = self._directory.line(message.line_id)
        mail = None
        if line is not None and line.mailbox is not None and line.mailbox.email is not None:
            mail = notice(line, line.mailbox.email, message, duration_ms, self.zone)
        return self._store.arrived(message_id, duration_ms, mail, self._wall_ms())

    async def close(self) -> None:
        """Wait for recordings that are being finished; those that take too long are finished at the
        next start."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)

    def recover(self) -> tuple[int, int]:
        """Finish the messages that a crash broke off; called before anything records. Returns the
        number of messages kept, and of files without a row that were removed. Raises
        SQLAlchemyError, OSError."""
        kept = 0
        for message in self._store.unfinished():
            duration_ms = self._shelf.finish(message.id, self.settings.min_seconds)
            arrived = self._arrive(message.id, duration_ms)
            if arrived is not None:
                kept += 1
                self._put(*arrived)
        return kept, self._shelf.sweep(self._store.sounds())

    async def expire(self) -> int:
        """Delete messages whose time is over; returns how many."""
        expired: list[Message] = await self._ask(self._store.expired, self._wall_ms())
        for message in expired:
            await self.delete(message)
        await self._run(self._forget_copies)
        return len(expired)

    def _forget_copies(self) -> None:
        unfinished = [message.id for message in self._store.unfinished()]
        self._shelf.forget_copies(unfinished, self._wall_ms() / 1000 - COPY_SECONDS)

    # Messages that are there

    async def messages(self, line: Line, state: State) -> list[Message]:
        """Raises StoreError, as all of the following do."""
        found: list[Message] = await self._ask(self._store.messages, line.id, state)
        return found

    async def mark(self, message: Message, state: State) -> None:
        self._put(
            message.line_id, await self._ask(self._store.mark, message.line_id, message.id, state)
        )

    async def delete(self, message: Message) -> None:
        waiting = await self._ask(self._store.delete, message.line_id, [message.id])
        await self._run(self._shelf.remove, message.id)
        self._put(message.line_id, waiting)

    # PIN

    async def opens(self, line: Line, mailbox: VoiceMailbox, pin: str) -> bool | None:
        """True if a PIN opens a mailbox; None if tries are locked now."""
        if mailbox.pin is None:
            return None
        try:
            return await self._guard.fits(Secret("mailbox", str(line.id)), pin, mailbox.pin)
        except pins.Locked:
            return None

    async def set_pin(self, line: Line, pin: str) -> None:
        """Raises WeakPin."""
        pins.check_strength(pin, line.number)
        salt = self._randbits(SALT_BITS).to_bytes(pins.SALT_BYTES, "big")
        kept = await self._run(pins.hashed, pin, salt)
        await self._change(line, lambda mailbox: replace(mailbox, pin=kept))

    # Greetings

    def new_sound(self) -> str:
        """An id for a new recording."""
        return f"{self._randbits(128):032x}"

    async def prepare(self) -> bool:
        """True if there is room for a recording."""
        return bool(await self._run(self._has_room))

    async def finish_greeting(self, sound_id: str) -> int:
        """Finish the recording of a greeting; returns its milliseconds, 0 if it is empty."""
        duration_ms: int = await self._run(self._shelf.finish, sound_id, self.settings.min_seconds)
        return duration_ms

    async def keep_greeting(self, line: Line, sound_id: str, duration_ms: int) -> None:
        """Play this greeting from now on, in place of one that was recorded by phone before."""
        now = self._wall_ms()
        greeting = Greeting(sound_id, line.id, RECORDED, duration_ms, now)
        former: list[Greeting] = await self._ask(self._store.greetings, line.id)
        await self._ask(self._store.add_greeting, greeting)
        await self._change(line, lambda mailbox: replace(mailbox, greeting=sound_id))
        for one in former:
            if one.name == RECORDED:
                await self._ask(self._store.delete_greeting, one)
                await self._run(self._shelf.remove, one.id)

    def drop_sound(self, sound_id: str) -> None:
        """Drop a recording, which may still be under way."""
        self._spawn(self._drop(sound_id))

    async def _drop(self, sound_id: str) -> None:
        await self._run(self._shelf.remove, sound_id)

    async def choose_greeting(self, line: Line, greeting_id: str | None) -> None:
        await self._change(line, lambda mailbox: replace(mailbox, greeting=greeting_id))

    # Inside

    async def _change(self, line: Line, change: Callable[[VoiceMailbox], VoiceMailbox]) -> None:
        current = self._directory.line(line.id)
        if current is None or current.mailbox is None:
            raise StoreError("the mailbox was taken away")
        mailbox = change(current.mailbox)
        await self._ask(self._store.save, line.id, mailbox)
        current = self._directory.line(line.id)
        if current is not None:
            self._directory.put_lines([replace(current, mailbox=mailbox)])

    def _has_room(self) -> bool:
        try:
            return self._shelf.make_room(self.settings.min_free_megabytes << 20)
        except OSError as error:
            self._log.error("messages can't be kept", folder=str(self._shelf.folder),
                            why=error.strerror)  # fmt: skip
            return False

    def _put(self, line_id: int, waiting: Waiting) -> None:
        line = self._directory.line(line_id)
        if line is not None and line.waiting != waiting:
            self._directory.put_lines([replace(line, waiting=waiting)])
            self._lines_changed([line_id])

    async def _ask(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        try:
            return await self._run(work, *arguments, **named)
        except SQLAlchemyError as error:
            raise StoreError(str(error)) from error


RECORDED = "recorded by phone"
"""The name of a greeting that was recorded by phone."""

__all__ = ["MailboxFull", "NoRoom", "Visitor", "VoicemailDesk"]
