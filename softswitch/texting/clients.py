"""Businesses that send texts by SMPP: we are their message centre (B1-B3, B9-B12).

A bind needs the right to send, a login that isn't suspended, an address that it may come from, its
password, and a free place among its connections. Wrong passwords are counted at the guard, together
with those of phones. A message needs the business's contract, and hears OK with its id once it is
held and on disk; what is refused costs nothing. Receipts wait until the business has taken them.
"""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Literal

from msgspec import Struct

from billing.facts.authorization import BillingError
from sip.guard import Guard
from smpp.bodies import (
    Address,
    Cancel,
    DataMessage,
    MessageId,
    MultiMessage,
    MultiResponse,
    Query,
    QueryResponse,
    ShortMessage,
)
from smpp.codes import Command, RegisteredDelivery, Status, Ton
from smpp.endpoint import Connection
from smpp.segments import Reassembly
from smpp.session import (
    Answered,
    BindRequested,
    Closed,
    Event,
    Requested,
    SessionError,
    Unanswered,
)
from smpp.session import State as SessionState
from smpp.times import absolute
from softswitch.admission.admission import Stages
from softswitch.database.threads import Run
from softswitch.subscribers import passwords
from softswitch.subscribers.directory import Line
from softswitch.subscribers.refusal import Refusal
from softswitch.texting import raw, store
from softswitch.texting.carrier import TEMPORARY, Rate
from softswitch.texting.charging import TextCharging
from softswitch.texting.client_messages import (
    MESSAGE_STATES,
    one_of,
    receipt_of,
    short_of,
    shown,
    times_of,
)
from softswitch.texting.client_store import Client, SenderName
from softswitch.texting.message import FINAL, State, StoredText
from softswitch.texting.sending import Payer, TextPrices, TextSending
from softswitch.texting.writer import TextWriter
from softswitch.trace.log import Log

SYSTEM_ID = "softswitch"
MAX_PENDING = 200
"""Messages of one connection that wait for their answers; more are throttled."""
RECEIPTS_AT_ONCE = 100
BURST_SECONDS = 1.0
"""A business sends a second's worth at once: many send in bursts as large as their window."""
PASSWORDS_AT_ONCE = 2
"""A password takes 50 ms and 16 MB to check; this bounds the cost of a flood of binds."""
MAX_QUEUED_BINDS = 100
"""Binds that wait for their password to be tried; more are refused untried."""

_STATUS_OF = {
    "text_no_carrier": Status.INVALID_DESTINATION,
    "text_price_unknown": Status.INVALID_DESTINATION,
    "text_segments_too_many": Status.INVALID_MESSAGE_LENGTH,
    "text_unpaid": Status.SUBMIT_FAILED,
    "text_line_full": Status.MESSAGE_QUEUE_FULL,
    "number_not_dialable": Status.INVALID_DESTINATION,
}
"""Statuses of refusals by their codes; others are ESME_RSUBMITFAIL, or ESME_RTHROTTLED for what
passes by itself."""


class Businesses(Struct, frozen=True):
    """The businesses that may bind and send, as the database has them.

    Args:
        granted: accounts that may send.
        contracted: accounts that have accepted the conditions as they are now.
        senders: approved sender names.
    """

    clients: Sequence[Client]
    granted: Sequence[int]
    contracted: Sequence[int]
    senders: Sequence[SenderName]


class _Bound(Struct):
    """A connection that is bound.

    Args:
        takes: True if it takes receipts.
    """

    client: Client
    takes: bool


class TextClients:
    """The message centre of businesses.

    Args:
        guard: counts wrong passwords, and says which aren't to be tried.
        run: tries passwords away from the event loop.
        arrived: told of each text to a line of ours, once it is stored.
        wall_ms: epoch milliseconds.
    """

    def __init__(
        self,
        stages: Stages,
        prices: TextPrices,
        sending: TextSending,
        charging: TextCharging,
        writer: TextWriter,
        loop: asyncio.AbstractEventLoop,
        guard: Guard,
        run: Run,
        log: Log,
        *,
        arrived: Callable[[StoredText], None],
        wall_ms: Callable[[], int],
    ) -> None:
        self._stages = stages
        self._prices = prices
        self._sending = sending
        self._charging = charging
        self._writer = writer
        self._loop = loop
        self._guard = guard
        self._run = run
        self._log = log
        self._arrived = arrived
        self._wall_ms = wall_ms
        self._clients: dict[str, Client] = {}
        self._granted: frozenset[int] = frozenset()
        self._contracted: frozenset[int] = frozenset()
        self._names: dict[int, frozenset[str]] = {}
        """Approved sender names, by account."""
        self._bound: dict[Connection, _Bound] = {}
        self._rates: dict[int, Rate] = {}
        self._trying = asyncio.Semaphore(PASSWORDS_AT_ONCE)
        self._queued_binds = 0
        self._receipting: set[int] = set()
        """Texts whose receipts are on their way to their business."""
        self._reading: set[int] = set()
        """Businesses whose receipts are being read from the database."""
        self._segments = Reassembly()
        """Segments of texts to lines of ours."""
        self._tasks: set[asyncio.Task[None]] = set()

    # What the switch tells

    def use(self, known: Businesses) -> None:
        """Know these businesses from now on; connections of changed logins end."""
        self._clients = {client.system_id: client for client in known.clients}
        self._granted = frozenset(known.granted)
        self._contracted = frozenset(known.contracted)
        names: dict[int, set[str]] = {}
        for sender in known.senders:
            names.setdefault(sender.account_id, set()).add(sender.name)
        self._names = {account: frozenset(found) for account, found in names.items()}
        for connection, bound in list(self._bound.items()):
            if not self._may_stay(bound.client):
                connection.unbind()

    def follow(self, text: StoredText, state: State) -> None:
        """A text has another state: its business may want a receipt."""
        client_id = text.text.client_id
        if client_id is not None and text.text.wants_receipt and state in FINAL:
            self._send_receipts(client_id)

    def remind(self) -> None:
        """Send receipts that businesses couldn't take when they were due."""
        for client_id in {bound.client.id for bound in self._bound.values()}:
            self._send_receipts(client_id)

    def connections(self) -> list[tuple[Client, str]]:
        """The bound clients with their addresses, for operators."""
        return [(bound.client, connection.address) for connection, bound in self._bound.items()]

    def stop(self) -> None:
        """Ask every business to leave."""
        for connection in list(self._bound):
            connection.unbind()

    def heard(self, connection: Connection, event: Event) -> None:
        """Take an event of a connection."""
        match event:
            case BindRequested():
                self._start(self._bind(connection, event))
            case Requested():
                self._take(connection, event)
            case Answered(token=int(text_id), status=status):
                self._receipt_answered(connection, text_id, status)
            case Unanswered(token=int(text_id)):
                self._receipting.discard(text_id)
            case Closed():
                self._bound.pop(connection, None)
            case _:
                pass

    # Binding

    async def _bind(self, connection: Connection, asked: BindRequested) -> None:
        try:
            status = await self._admit(connection, asked)
        except Exception as error:
            self._log.error("a bind can't be decided", why=str(error))
            status = Status.SYSTEM_ERROR
        if connection.session.state is SessionState.CLOSED:
            return  # it went away while its password was tried
        if status is not Status.OK:
            self._log.warning(
                "bind refused",
                system_id=asked.bind.system_id,
                source=connection.address,
                why=status.name.lower(),
            )
            connection.refuse(asked, status)
            return
        client = self._clients[asked.bind.system_id]
        takes = asked.command is not Command.BIND_TRANSMITTER
        self._bound[connection] = _Bound(client, takes)
        connection.accept(asked, SYSTEM_ID)
        self._log.info("client bound", client=client.name, source=connection.address)
        if client.account_id not in self._contracted:
            self._log.warning(
                "a client sends nothing before its account accepts the conditions",
                client=client.name, account=client.account_id,
            )  # fmt: skip
        if takes:
            self._send_receipts(client.id)

    async def _admit(self, connection: Connection, asked: BindRequested) -> Status:
        """The status of a bind. An unknown login and a wrong password get the same answer, after
        the same work."""
        if self._trying.locked() and self._queued_binds >= MAX_QUEUED_BINDS:
            return Status.BIND_FAILED
        source, login = _plain(connection.address), f"smpp:{asked.bind.system_id}"
        guard = self._guard
        if not guard.may_try(source, login, self._loop.time()):
            return Status.BIND_FAILED
        client = self._clients.get(asked.bind.system_id)
        kept = _NOBODYS_PASSWORD if client is None else client.password
        self._queued_binds += 1
        try:
            async with self._trying:
                right = await self._run(passwords.matches, asked.bind.password, kept)
        finally:
            self._queued_binds -= 1
        if client is None or not right:
            guard.fail(source, login, self._loop.time())
            return Status.INVALID_PASSWORD
        guard.prove(source, login, self._loop.time())
        if not self._may_stay(client) or not _comes_from(connection.address, client.networks):
            return Status.BIND_FAILED
        binds = sum(bound.client.id == client.id for bound in self._bound.values())
        return Status.OK if binds < client.max_binds else Status.ALREADY_BOUND

    def _may_stay(self, client: Client) -> bool:
        """True if a login may be bound now."""
        known = self._clients.get(client.system_id)
        return known == client and not client.suspended and client.account_id in self._granted

    # Messages

    def _take(self, connection: Connection, asked: Requested) -> None:
        bound = self._bound.get(connection)
        if bound is None:
            connection.respond(asked.sequence, status=Status.INVALID_BIND_STATUS)
            return
        match asked.body:
            case ShortMessage() | DataMessage() as message:
                self._start(self._submit(connection, bound.client, asked.sequence, message))
            case MultiMessage() as message:
                self._start(self._submit_all(connection, bound.client, asked.sequence, message))
            case Query(message_id=message_id):
                self._start(self._query(connection, bound.client, asked.sequence, message_id))
            case Cancel(message_id=message_id):
                self._start(self._cancel(connection, bound.client, asked.sequence, message_id))
            case _:
                connection.respond(asked.sequence, status=Status.REPLACE_FAILED)

    async def _submit(
        self,
        connection: Connection,
        client: Client,
        sequence: int,
        message: ShortMessage | DataMessage,
    ) -> None:
        status, text = await self._keep(client, short_of(message), message.destination)
        found = MessageId(str(text.id)) if text is not None else None
        connection.respond(sequence, found, status)

    async def _submit_all(
        self, connection: Connection, client: Client, sequence: int, message: MultiMessage
    ) -> None:
        """Store one text for each destination; the answer has the first one's id, and the
        destinations that were refused."""
        refused: list[tuple[Address, int]] = []
        first = ""
        for destination in message.destinations:
            # Distribution lists aren't kept: a list's name is no number.
            address = destination if isinstance(destination, Address) else Address()
            status, text = await self._keep(client, one_of(message, address), address)
            if text is None:
                refused.append((address, status))
            else:
                first = first or str(text.id)
        status = Status.OK if first else Status.SUBMIT_FAILED
        connection.respond(sequence, MultiResponse(first, tuple(refused)), status)

    async def _keep(
        self, client: Client, message: ShortMessage, destination: Address
    ) -> tuple[Status, StoredText | None]:
        """Hold and store a message; its status, and the text if it is OK."""
        if client.account_id not in self._contracted:
            return Status.SUBMIT_FAILED, None
        rate = self._rates.setdefault(client.id, Rate(client.rate, BURST_SECONDS))
        now = self._loop.time()
        if rate.delay(now) > 0:
            return Status.THROTTLED, None
        if not self._may_send_as(client, message.source):
            return Status.INVALID_SOURCE, None
        try:
            times = times_of(message, self._wall_ms())
        except ValueError:
            return Status.INVALID_EXPIRY, None
        payer = Payer(client.account_id, None, client.wallet, client_id=client.id)
        try:
            number = self._number(destination)
            line = self._stages.directory.line_by_number(number)
            if line is not None:
                rate.take(now, 1)
                return await self._keep_for_line(payer, message, line, times)
            content = raw.with_header(message)
            text = raw.text_of(content)
            if text is None and not raw.fits(content):
                return Status.INVALID_MESSAGE_LENGTH, None
            quote = self._prices.quote(payer, number, text or "", self._wall_ms())
            rate.take(now, quote.segments)
            stored = await self._sending.send(
                payer,
                self._origin(client.id),
                shown(message.source.digits, message.source),
                quote,
                text or "",
                octets=content.payload if text is None else None,
                content_type=raw.content_type(content) if text is None else None,
                due_at=times[0],
                expires_at=times[1],
                wants_receipt=bool(message.registered_delivery & RegisteredDelivery.MASK),
            )
        except Refusal as refusal:
            return _status_of(refusal), None
        except BillingError:
            return Status.SUBMIT_FAILED, None
        except Exception as error:
            self._log.error("a client's text can't be kept", why=str(error))
            return Status.SYSTEM_ERROR, None
        return Status.OK, stored

    async def _keep_for_line(
        self, payer: Payer, message: ShortMessage, line: Line, times: tuple[int | None, int | None]
    ) -> tuple[Status, StoredText | None]:
        """Store a text for a line of ours, which costs nothing; its phones get it.

        Segments are joined first. Those before the last are answered like a text that was kept,
        without an id, and their text is lost if the switch stops before the last one comes.
        """
        if self._stages.directory.bar(line, "incoming") is not None:
            return Status.INVALID_DESTINATION, None
        content = raw.with_header(message)
        sender = shown(message.source.digits, message.source)
        key = f"{payer.account_id}:{sender}"
        try:
            whole = raw.joined(self._segments, content, key, self._loop.time())
        except ValueError:
            return Status.INVALID_MESSAGE_LENGTH, None
        if whole is None:
            return Status.OK, None
        if not whole:
            return Status.INVALID_DESTINATION, None  # no phone of a line shows binary messages
        stored = await self._sending.keep(
            payer,
            self._origin(payer.client_id),
            sender,
            line,
            whole,
            due_at=times[0],
            expires_at=times[1],
            wants_receipt=bool(message.registered_delivery & RegisteredDelivery.MASK),
        )
        if stored.text.due_at <= self._wall_ms():
            self._arrived(stored)
        return Status.OK, stored

    def _origin(self, client_id: int | None) -> str:
        """What made a message of a business: unique, for SMPP can't say that one is repeated."""
        return f"client:{client_id}:{secrets.token_hex(12)}"

    def _may_send_as(self, client: Client, source: Address) -> bool:
        """True for an approved name, and for a number of the account's lines or rentals."""
        if source.digits in self._names.get(client.account_id, frozenset()):
            return True
        directory = self._stages.directory
        number = shown(source.digits, source)
        line, rented = directory.line_by_number(number), directory.rented.get(number)
        owners = {
            None if line is None else line.account_id,
            None if rented is None else rented.account_id,
        }
        return client.account_id in owners

    def _number(self, destination: Address) -> str:
        """The number that a message is for, in E.164. Raises Refusal."""
        digits = destination.digits
        if destination.ton == Ton.INTERNATIONAL and not digits.startswith("+"):
            digits = f"+{digits}"
        dialled = self._stages.number(digits)
        if dialled.kind != "e164":
            raise Refusal(404, "text_no_carrier", number=dialled.number)
        return dialled.number

    # Asking and taking back

    async def _find(self, client: Client, message_id: str) -> StoredText | None:
        """A text of this client's account, by the id that we gave."""
        if not (message_id.isascii() and message_id.isdigit() and len(message_id) < 19):
            return None
        found = await self._writer.submit(partial(store.get, text_id=int(message_id)))
        if found is None or found.text.account_id != client.account_id:
            return None
        return found

    async def _query(
        self, connection: Connection, client: Client, sequence: int, message_id: str
    ) -> None:
        found = await self._find(client, message_id)
        if found is None:
            connection.respond(sequence, status=Status.QUERY_FAILED)
            return
        done = "" if found.done_at is None else absolute(found.done_at / 1000)
        connection.respond(sequence, QueryResponse(message_id, done, MESSAGE_STATES[found.state]))

    async def _cancel(
        self, connection: Connection, client: Client, sequence: int, message_id: str
    ) -> None:
        found = await self._find(client, message_id)
        moved = None
        if found is not None:
            move = partial(store.move, text_id=found.id, event=State.CANCELLED, at=self._wall_ms())
            moved = await self._writer.submit(move)
        if moved is None or moved.state is not State.CANCELLED:
            connection.respond(sequence, status=Status.CANCEL_FAILED)
            return
        self._charging.follow(moved)
        connection.respond(sequence)

    # Receipts

    def _receipt_answered(self, connection: Connection, text_id: int, status: int) -> None:
        """A business answered a receipt: it is done, unless it can't be taken just now."""
        if status in TEMPORARY:
            self._receipting.discard(text_id)
            return
        if status != Status.OK:
            self._log.warning("a receipt was refused", text=text_id, status=f"{status:#x}")
        receipt: Literal["taken", "lost"] = "taken" if status == Status.OK else "lost"
        done = partial(store.receipt_done, text_id=text_id, receipt=receipt)
        self._writer.submit(done).add_done_callback(
            lambda _: self._receipt_kept(connection, text_id)
        )

    def _receipt_kept(self, connection: Connection, text_id: int) -> None:
        self._receipting.discard(text_id)
        bound = self._bound.get(connection)
        if bound is not None and not self._receipting_of(bound.client.id):
            self._send_receipts(bound.client.id)

    def _receipting_of(self, client_id: int) -> bool:
        """True while receipts enough are on their way to a business."""
        waiting = sum(one.waiting for one in self._receivers(client_id))
        return waiting > RECEIPTS_AT_ONCE // 2

    def _send_receipts(self, client_id: int) -> None:
        """Send the receipts that a business hasn't taken, as far as its connections have room."""
        if client_id in self._reading or not self._receivers(client_id):
            return
        self._reading.add(client_id)
        due = partial(store.receipts_due, client_id=client_id, limit=RECEIPTS_AT_ONCE)
        self._writer.submit(due).add_done_callback(partial(self._found, client_id))

    def _found(self, client_id: int, done: asyncio.Future[list[StoredText]]) -> None:
        self._reading.discard(client_id)
        if done.exception() is not None:
            self._log.error("receipts can't be read", why=str(done.exception()))
            return
        for text in done.result():
            if text.id in self._receipting:
                continue
            receivers = [one for one in self._receivers(client_id) if one.room > 0]
            if not receivers:
                return
            connection = max(receivers, key=lambda one: one.room)
            try:
                connection.request(Command.DELIVER_SM, receipt_of(text), text.id)
            except (SessionError, ValueError) as error:
                self._log.error("a receipt can't be sent", text=text.id, why=str(error))
            else:
                self._receipting.add(text.id)

    def _receivers(self, client_id: int) -> Sequence[Connection]:
        return [
            connection
            for connection, bound in self._bound.items()
            if bound.client.id == client_id and bound.takes
        ]

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


_NOBODYS_PASSWORD = passwords.hashed("")
"""The hash that the password of an unknown login is compared with, which takes as long."""


def _comes_from(address: str, networks: Sequence[str]) -> bool:
    """True if an address is in one of the networks, or if none is named."""
    if not networks:
        return True
    source = ipaddress.ip_address(_plain(address))
    return any(source in ipaddress.ip_network(network) for network in networks)


def _plain(address: str) -> str:
    """An address without its zone; one of IPv4 in the form of IPv6 as IPv4."""
    source = ipaddress.ip_address(address.partition("%")[0])
    mapped = source.ipv4_mapped if isinstance(source, ipaddress.IPv6Address) else None
    return str(source if mapped is None else mapped)


def _status_of(refusal: Refusal) -> Status:
    passing = Status.THROTTLED if refusal.status == 480 else Status.SUBMIT_FAILED
    return _STATUS_OF.get(refusal.code, passing)
