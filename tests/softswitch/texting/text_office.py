"""The queue to carriers with real books and message centres on real sockets, for tests."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import structlog

from billing.facts.authorization import AddAccount, TopUp
from billing.stores.group_commit import GroupCommit
from billing.stores.store import Store
from smpp import gsm, receipt, segments
from smpp.bodies import Address, MessageId, ShortMessage
from smpp.codes import Command, EsmClass, MessageState, Status
from smpp.endpoint import Connection, listen
from smpp.receipt import Receipt
from smpp.session import BindRequested, Closed, Event, Requested
from softswitch.texting import parts, store
from softswitch.texting.carrier import Carrier
from softswitch.texting.charging import TextCharging
from softswitch.texting.link import Link, is_receipt
from softswitch.texting.message import State, StoredText, Text
from softswitch.texting.outbound import Outbound
from softswitch.texting.writer import TextWriter

LARI = 1_000_000
PRICE = 50_000


class Centre:
    """A message centre of a test: it numbers what it takes, and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[ShortMessage] = []
        self.ids: list[str] = []
        self.answer: Callable[[ShortMessage], Status | None] = lambda message: Status.OK
        """Status of a submit_sm; None: no answer at all."""
        self.connections: list[Connection] = []
        self.delay_seconds = 0.0
        self.port = 0
        self._numbers = itertools.count(0x1A)
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await listen("127.0.0.1", self.port, self._heard)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self.connections:
            connection.abort()
        self.connections.clear()
        await self._server.wait_closed()

    def receipt(self, message_id: str, state: MessageState = MessageState.DELIVERED) -> None:
        text, tlvs = receipt.write(Receipt(message_id, state, done_at=time.time()))
        self.connections[-1].request(
            Command.DELIVER_SM,
            ShortMessage(Address(), Address(), text, esm_class=EsmClass.RECEIPT, tlvs=tlvs),
            "receipt",
        )

    def texts(self) -> list[str]:
        """Texts as phones show them, joined of their segments."""
        waiting, found = segments.Reassembly(), []
        for message in self.got:
            octets: tuple[bytes, ...] | None = (message.short_message,)
            if message.esm_class & EsmClass.UDH:
                part, rest = segments.read_header(message.short_message)
                assert part is not None
                octets = waiting.add("", message.destination.digits, part, rest, 0.0)
            if octets is not None:
                found.append("".join(gsm.text_of(o, message.data_coding) or "" for o in octets))
        return found

    def _heard(self, connection: Connection, event: Event) -> None:
        match event:
            case BindRequested():
                self.connections.append(connection)
                connection.accept(event, "centre")
            case Requested(sequence=sequence, body=ShortMessage() as body):
                status = self.answer(body)
                if status is None:
                    return
                if status is not Status.OK:
                    connection.respond(sequence, status=status)
                    return
                self.got.append(body)
                self.ids.append(f"{next(self._numbers):X}")
                asyncio.get_running_loop().call_later(
                    self.delay_seconds, connection.respond, sequence, MessageId(self.ids[-1])
                )
            case Closed() if connection in self.connections:
                self.connections.remove(connection)
            case _:
                pass


class Office:
    """An account, its books, and the queue to carriers."""

    def __init__(self, folder: Path, loop: asyncio.AbstractEventLoop) -> None:
        self.books = Store(f"sqlite:///{folder}/books.db")
        self.books.create()
        for table in (store.texts_table, parts.parts_table, parts.ids_table, parts.early_table):
            table.create(self.books.engine, checkfirst=True)
        known = self.books.accounts()
        if known:
            self.who = known[0].id
        else:
            made = AddAccount("Ana", "person", "GEL", 0, "default", 0)
            self.who = self.books.apply([made])[0].id
            self.books.apply([TopUp(self.who, 10 * LARI, "cash", 0)])
        self.money = GroupCommit(self.books.apply, loop)
        self.writer = TextWriter(self.books.engine, loop, asyncio.to_thread)
        log = structlog.get_logger()
        self.charging = TextCharging(self.money, "accepted", log, wall_ms=self.now)
        self.states: list[tuple[str, State]] = []
        self.outbound = Outbound(
            "here",
            self.writer,
            self.charging,
            loop,
            log,
            make_link=lambda carrier: Link(
                carrier,
                loop,
                log,
                answered=self.outbound.answered,
                unanswered=self.outbound.unanswered,
                delivered=self._delivered,
                ready=self.outbound.ready,
            ),
            on_state=lambda text, state: self.states.append((text.text.origin, state)),
            wall_ms=self.now,
        )

    def now(self) -> int:
        return int(time.time() * 1000)

    def _delivered(
        self, link: Link, message: ShortMessage, answer: Callable[[Status], None]
    ) -> None:
        assert is_receipt(message)
        found = receipt.read(message.short_message, message.tlvs)
        assert found is not None
        kept = self.writer.submit(
            lambda connection: parts.receipted(connection, link.carrier.name, found, self.now())
        )
        kept.add_done_callback(lambda _: answer(Status.OK))
        kept.add_done_callback(self.outbound._told)

    async def send(
        self, origin: str, text: str = "Hello", to: str = "+995599000001", **facts: int
    ) -> StoredText:
        count = segments.count(text)
        made = Text(
            origin=origin,
            kind="out",
            account_id=self.who,
            sender="Citynet",
            recipient=to,
            body=text.encode(),
            segments=count,
            price_micros=count * PRICE,
            currency="GEL",
            created_at=self.now(),
            due_at=self.now(),
            **{"expires_at": self.now() + 86_400_000} | facts,
        )
        await self.charging.hold(f"text:{origin}", self.who, "money", count * PRICE)
        (stored,) = await self.writer.submit(lambda connection: store.add(connection, [made]))
        self.outbound.wake()
        return stored

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - also of other threads
                await asyncio.sleep(0.01)

    def state(self, text: StoredText) -> State:
        with self.books.reading() as connection:
            found = store.get(connection, text.id)
        assert found is not None
        return found.state

    def sums(self) -> tuple[int, int]:
        account = self.books.account(self.who)
        assert account is not None
        return account.balance_micros, account.reserved_micros

    async def close(self) -> None:
        await self.outbound.stop()
        await self.writer.close()
        await self.money.close()
        assert self.books.verify() == []
        self.books.close()


@contextlib.asynccontextmanager
async def office(tmp_path: Path, *centres: Centre, **facts: int) -> AsyncIterator[Office]:
    made = Office(tmp_path, asyncio.get_running_loop())
    for centre in centres:
        await centre.start()
    made.outbound.use(
        Carrier(
            id=number, name=f"c{number}", host="127.0.0.1", port=centre.port, system_id="us",
            password="secret", priority=number, **facts,
        )
        for number, centre in enumerate(centres, 1)
    )  # fmt: skip
    try:
        yield made
    finally:
        await made.close()
        for centre in centres:
            await centre.stop()
