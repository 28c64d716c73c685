"""Messages from carriers: receipts of our texts, and texts to numbers of ours.

A carrier hears OK once a message is on disk, so one that a crash interrupts is delivered again. A
text is kept for its number's owner, and goes to the phones of the line at which the number rings. A
one-time number (E12) takes exactly one text, of the service it was bought for; the number is burned
before the carrier hears OK.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from functools import partial

from msgspec.structs import replace
from sqlalchemy import Connection

from billing.facts.authorization import BillingError
from billing.facts.rental import LENT, BurnNumber
from billing.stores import rental_store
from billing.stores.store import Store
from smpp import receipt
from smpp.bodies import ShortMessage
from smpp.codes import Status, Ton
from smpp.segments import Reassembly
from softswitch.subscribers import notice_ways
from softswitch.subscribers.directory import Directory
from softswitch.texting import parts, raw, stops, store
from softswitch.texting.link import Link, is_receipt
from softswitch.texting.message import State, StoredText, Text
from softswitch.texting.writer import TextWriter
from softswitch.trace.log import Log

DAY_MS = 86_400_000
REPEATED_MS = 600_000
"""A text that a carrier may have sent again came at most so long before its new connection."""
Answer = Callable[[Status], None]
MailText = Callable[[Connection, StoredText], None]


class Inbound:
    """Takes deliver_sm of carriers.

    Args:
        books: burn one-time numbers.
        arrived: told of each text that has come, once it is stored.
        followed: told of each text of ours whose receipt has come.
        mail: queues the mail about a text that came to a rented number, in its transaction.
        kept_days: how long a text waits for a phone.
        max_kept: texts that wait for one line at once.
        wall_ms: epoch milliseconds.
    """

    def __init__(
        self,
        writer: TextWriter,
        directory: Directory,
        books: Store,
        log: Log,
        *,
        arrived: Callable[[StoredText], None],
        followed: Callable[[StoredText], None],
        mail: MailText,
        kept_days: int,
        max_kept: int,
        wall_ms: Callable[[], int],
    ) -> None:
        self._writer = writer
        self._directory = directory
        self._books = books
        self._log = log
        self._arrived = arrived
        self._followed = followed
        self._mail = mail
        self._kept_ms = kept_days * DAY_MS
        self._wall_ms = wall_ms
        self._max_kept = max_kept
        self._segments = Reassembly()
        self._tasks: set[asyncio.Task[None]] = set()

    def deliver(self, link: Link, message: ShortMessage, answer: Answer) -> None:
        """Take a deliver_sm; `answer` is called with its status once it is kept."""
        if is_receipt(message):
            self._take_receipt(link, message, answer)
            return
        content = raw.with_header(message)
        now = self._wall_ms() / 1000
        try:
            source = f"{link.carrier.name}:{message.source.digits}"
            text = raw.joined(self._segments, content, source, now)
        except ValueError as error:
            self._log.warning("a carrier's text is damaged", carrier=link.carrier.name,
                              why=str(error))  # fmt: skip
            answer(Status.RECEIVER_PERMANENT_ERROR)
            return
        if text is None:
            # The carrier isn't asked to keep the first parts of a text until its last one comes.
            answer(Status.OK)
            return
        if not text:
            answer(Status.RECEIVER_PERMANENT_ERROR)
            return
        task = asyncio.get_running_loop().create_task(self._take(link, message, text, answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Receipts

    def _take_receipt(self, link: Link, message: ShortMessage, answer: Answer) -> None:
        found = receipt.read(message.payload, message.tlvs)
        if found is None:
            answer(Status.OK)  # nothing in it that another try would change
            return
        work = partial(
            parts.receipted,
            carrier=link.carrier.name,
            receipt=found,
            at=self._wall_ms(),
            written=link.carrier.receipt_ids,
        )
        self._writer.submit(work).add_done_callback(partial(self._receipted, answer))

    def _receipted(self, answer: Answer, done: asyncio.Future[StoredText | None]) -> None:
        if done.exception() is not None:
            self._log.error("a receipt can't be kept", why=str(done.exception()))
            answer(Status.RECEIVER_TEMPORARY_ERROR)
            return
        answer(Status.OK)
        text = done.result()
        if text is not None:
            self._followed(text)

    # Texts

    async def _take(self, link: Link, message: ShortMessage, text: str, answer: Answer) -> None:
        sender = _shown(message)
        number = "+" + message.destination.digits.removeprefix("+").removeprefix("00")
        try:
            status = await self._keep(link, sender, number, text)
        except Exception as error:
            self._log.error("a carrier's text can't be kept", why=str(error))
            status = Status.RECEIVER_TEMPORARY_ERROR
        answer(status)

    async def _keep(self, link: Link, sender: str, number: str, text: str) -> Status:
        """Keep a text for the owner of the number; RECEIVER_PERMANENT_ERROR: none may have it."""
        directory = self._directory
        line = directory.line_by_number(number)
        rented = directory.rented.get(number)
        if line is None and rented is None:
            return await self._keep_one_time(sender, number, text)
        if rented is not None:
            if rented.shut:
                return Status.RECEIVER_PERMANENT_ERROR
            line = directory.line_by_number(rented.line)
            account: int | None = rented.account_id
        else:
            assert line is not None
            if directory.bar(line, "incoming") is not None:
                return Status.RECEIVER_PERMANENT_ERROR
            account = line.account_id
        # A carrier that heard no answer before its connection ended sends the text again.
        since = self._wall_ms() - int(1000 * link.bound_seconds)
        digest = hashlib.sha256(f"{sender}\0{number}\0{text}".encode("utf-8", "replace"))
        key = f"carrier:{link.carrier.name}:{digest.hexdigest()}:"
        made = self._text(f"{key}{secrets.token_hex(8)}", account, sender, number, text)
        if line is not None:
            made = replace(made, to_line=line.id)

        def keep(connection: Connection) -> StoredText | None:
            wanted = made if line is not None else self._for_line(connection, made)
            again = store.newest_of(connection, key)
            if again is not None and since - REPEATED_MS < again.text.created_at < since:
                return again
            stored = store.keep(connection, wanted, self._max_kept)
            if stored is not None:
                stops.heard(connection, made)
            if stored is not None and rented is not None:
                self._mail(connection, stored)
            return stored

        stored = await self._writer.submit(keep)
        if stored is None:
            return Status.MESSAGE_QUEUE_FULL
        if stored.state is State.WAITING and stored.text.origin == made.origin:
            self._arrived(stored)
        return Status.OK

    async def _keep_one_time(self, sender: str, number: str, text: str) -> Status:
        """The one text of a one-time number, if it is of the service that was bought. The number is
        burned in the transaction that stores it."""
        work = partial(self._store_and_burn, sender=sender, number=number, text=text)
        status, stored = await self._writer.submit(work)
        if stored is not None:
            self._arrived(stored)
        return status

    def _store_and_burn(
        self, connection: Connection, sender: str, number: str, text: str
    ) -> tuple[Status, StoredText | None]:
        found = rental_store.number(connection, number)
        if found is None or found.account_id is None:
            return Status.RECEIVER_PERMANENT_ERROR, None
        # One text for each purchase: its origin is unique.
        origin = f"one-time:{number}:{found.account_id}"
        made = self._text(origin, found.account_id, sender, number, text)
        if found.state != LENT:
            return self._repeated(connection, made), None
        service = found.service or ""
        if service.lower() not in f"{sender}\n{text}".lower():
            # Not shown: the number was bought for another service's text.
            self._log.info("a one-time number's text is of another service", number=number)
            return Status.RECEIVER_PERMANENT_ERROR, None
        burn = BurnNumber(
            account_id=found.account_id, at=made.created_at, number=number, service=service
        )
        (burned,) = self._books.apply_within(connection, [burn])
        if isinstance(burned, BillingError):
            self._log.warning(
                "a one-time number couldn't be burned", number=number, why=str(burned)
            )
            return Status.RECEIVER_PERMANENT_ERROR, None
        (stored,) = store.add(connection, [self._for_line(connection, made)])
        self._mail(connection, stored)
        return Status.OK, stored

    @staticmethod
    def _repeated(connection: Connection, made: Text) -> Status:
        """OK for the text that burned a number, whose carrier hadn't heard the answer."""
        first = store.of_origins(connection, [made.origin]).get(made.origin)
        if first is not None and (first.text.body, first.text.sender) == (made.body, made.sender):
            return Status.OK
        return Status.RECEIVER_PERMANENT_ERROR

    @staticmethod
    def _for_line(connection: Connection, made: Text) -> Text:
        """A text for the line that gets the account's notices, if its owner wants such texts
        there."""
        assert made.account_id is not None
        way = notice_ways.ways_of(connection, made.account_id)["texts"]
        line = notice_ways.line_of(connection, made.account_id)
        return made if line is None or not notice_ways.by_text(way) else replace(made, to_line=line)

    def _text(
        self, origin: str, account_id: int | None, sender: str, number: str, text: str
    ) -> Text:
        now = self._wall_ms()
        return Text(
            origin=origin,
            kind="in",
            account_id=account_id,
            sender=sender,
            recipient=number,
            body=text.encode("utf-8"),
            created_at=now,
            due_at=now,
            expires_at=now + self._kept_ms,
        )


def _shown(message: ShortMessage) -> str:
    """The sender as people write it: an international number with its "+", a name as it is."""
    digits = message.source.digits
    if message.source.ton == Ton.INTERNATIONAL and digits.isascii() and digits.isdigit():
        return f"+{digits}"
    return digits
