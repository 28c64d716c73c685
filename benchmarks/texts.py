"""Texts: `python -m benchmarks.texts [in] [out] [receipts] [lines] [--texts N] [--on NAME]`.

in: submit_sm of businesses a second, each priced, held and stored before its answer, and how long
the answers take. out: texts a second to a carrier that answers after 40 ms, at window 100, each
claimed, sent and captured. receipts: receipts of a carrier a second. lines: texts between lines
that are stored. On SQLite, and on PostgreSQL where it is installed; all in one process with the
business and the carrier, so the switch's own share is less than a core.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import structlog

from benchmarks.machine import describe
from billing.facts.authorization import AddAccount, TopUp
from billing.stores.group_commit import GroupCommit
from billing.stores.store import Store
from smpp import receipt, segments
from smpp.bodies import Address, Bind, MessageId, ShortMessage
from smpp.codes import Command, EsmClass, MessageState, Status
from smpp.endpoint import Connection, connect, listen
from smpp.receipt import Receipt
from smpp.session import Answered, BindRequested, Bound, Event, Requested
from softswitch.texting import parts, store
from softswitch.texting.carrier import Carrier
from softswitch.texting.charging import TextCharging
from softswitch.texting.link import Link
from softswitch.texting.message import StoredText, Text
from softswitch.texting.outbound import Outbound
from softswitch.texting.sending import Payer, Quote, TextSending
from softswitch.texting.writer import TextWriter

PARTS = ("in", "out", "receipts", "lines")
WINDOW = 100
ANSWER_SECONDS = 0.04
LARI = 1_000_000
CITYNET, PHONE = Address(5, 0, "Citynet"), Address(1, 1, "995599000001")


class Desk:
    """Books, the writer of texts, and the queue to carriers, as the switch joins them."""

    def __init__(self, url: str) -> None:
        loop = asyncio.get_running_loop()
        self.books = Store(url)
        self.books.create()
        for table in (store.texts_table, parts.parts_table, parts.ids_table, parts.early_table):
            table.create(self.books.engine, checkfirst=True)
        made = AddAccount("shop", "company", "GEL", 0, "default", 0)
        self.who = self.books.apply([made])[0].id
        self.books.apply([TopUp(self.who, 1_000_000 * LARI, "cash", 0)])
        self.money = GroupCommit(self.books.apply, loop)
        self.writer = TextWriter(self.books.engine, loop, asyncio.to_thread)
        log = structlog.get_logger()
        self.charging = TextCharging(self.money, "accepted", log, wall_ms=wall_ms)
        self.outbound = Outbound(
            "here", self.writer, self.charging, loop, log,
            make_link=lambda carrier: Link(
                carrier, loop, log,
                answered=self.outbound.answered, unanswered=self.outbound.unanswered,
                delivered=lambda link, message, answer: None, ready=self.outbound.ready,
            ),
            on_state=lambda text, state: None, wall_ms=wall_ms,
        )  # fmt: skip
        self.sending = TextSending(
            self.writer, self.charging, self.outbound, kept_days=7, max_kept=1_000_000,
            wall_ms=wall_ms,
        )  # fmt: skip

    async def submit(self, key: str) -> StoredText:
        """One message of a business: priced by a quote, held, stored."""
        quote = Quote("+995599000001", "gsm", segments.count("Hello"), 50_000, "GEL")
        return await self.sending.send(Payer(self.who), key, "Citynet", quote, "Hello")

    async def close(self) -> None:
        await self.outbound.stop()
        await self.writer.close()
        await self.money.close()
        assert self.books.verify() == []
        self.books.close()


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


@contextlib.asynccontextmanager
async def desk(url: str) -> AsyncIterator[Desk]:
    made = Desk(url)
    try:
        yield made
    finally:
        await made.close()


async def come_in(made: Desk, count: int) -> str:
    """submit_sm over a connection at window 100, answered once held and on disk."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    async def keep(connection: Connection, sequence: int) -> None:
        stored = await made.submit(f"in:{id(connection)}:{sequence}")
        connection.respond(sequence, MessageId(str(stored.id)))

    def centre(connection: Connection, event: Event) -> None:
        match event:
            case BindRequested():
                connection.accept(event, "centre")
            case Requested(sequence=sequence):
                task = loop.create_task(keep(connection, sequence))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            case _:
                pass

    took: list[float] = []
    sent, done = 0, asyncio.Event()

    def shop(connection: Connection, event: Event) -> None:
        nonlocal sent
        match event:
            case Bound():
                pass
            case Answered(token=float(began), status=Status.OK):
                took.append(time.perf_counter() - began)
                if len(took) == count:
                    done.set()
            case _:
                return
        while sent < count and connection.room:
            sent += 1
            message = ShortMessage(CITYNET, PHONE, b"Hello")
            connection.request(Command.SUBMIT_SM, message, time.perf_counter())

    server = await listen("127.0.0.1", 0, centre, max_pending=2 * WINDOW)
    port = server.sockets[0].getsockname()[1]
    business = await connect("127.0.0.1", port, shop, window=WINDOW)
    began = time.perf_counter()
    business.bind(Command.BIND_TRANSCEIVER, Bind("shop"))
    await done.wait()
    spent = time.perf_counter() - began
    business.abort()
    server.close()
    took.sort()
    p99 = 1000 * took[len(took) * 99 // 100]
    p50 = 1000 * took[count // 2]
    return f"{count / spent:,.0f} submit_sm/s; answers p50 {p50:.0f} ms, p99 {p99:.0f} ms"


async def go_out(made: Desk, count: int) -> str:
    """Texts that wait, to a carrier that answers after 40 ms at window 100."""
    loop = asyncio.get_running_loop()
    got, done = 0, asyncio.Event()

    def carrier(connection: Connection, event: Event) -> None:
        nonlocal got
        match event:
            case BindRequested():
                connection.accept(event, "carrier")
            case Requested(sequence=sequence):
                got += 1
                answer = MessageId(f"out-{got}")
                loop.call_later(ANSWER_SECONDS, connection.respond, sequence, answer)
                if got == count:
                    done.set()
            case _:
                pass

    await asyncio.gather(*(made.submit(f"out:{number}") for number in range(count)))
    server = await listen("127.0.0.1", 0, carrier, max_pending=2 * WINDOW)
    port = server.sockets[0].getsockname()[1]
    began = time.perf_counter()
    made.outbound.use(
        [Carrier(id=1, name="alpha", host="127.0.0.1", port=port, system_id="us", password="x",
                 window=WINDOW)]
    )  # fmt: skip
    await done.wait()
    spent = time.perf_counter() - began
    await asyncio.sleep(1.0)
    server.close()
    return f"{count / spent:,.0f} texts/s to a carrier of 40 ms (at most {WINDOW / 0.04:,.0f})"


async def receipted(made: Desk, count: int) -> str:
    """Receipts of texts that a carrier has taken, each read, matched and kept."""
    texts = await asyncio.gather(*(made.submit(f"receipt:{number}") for number in range(count)))
    ids = [text.id for text in texts]
    await made.writer.submit(lambda c: store.claim(c, ids, "here", wall_ms()))
    for text in texts:
        work = partial(parts.accepted, text_id=text.id, number=1, total=1, carrier="alpha",
                       message_id=f"r-{text.id}", at=wall_ms())  # fmt: skip
        made.writer.submit(work)
    await made.writer.submit(lambda c: None)
    came = [
        ShortMessage(PHONE, CITYNET, *_receipt(f"r-{text.id}"), esm_class=EsmClass.RECEIPT)
        for text in texts
    ]
    began = time.perf_counter()
    waiting = []
    for message in came:
        found = receipt.read(message.short_message)
        assert found is not None
        kept = partial(parts.receipted, carrier="alpha", receipt=found, at=wall_ms())
        waiting.append(made.writer.submit(kept))
    matched = [one for one in await asyncio.gather(*waiting) if one is not None]
    spent = time.perf_counter() - began
    return f"{count / spent:,.0f} receipts/s; {count - len(matched)} unmatched of {count}"


def _receipt(message_id: str) -> tuple[bytes]:
    return (receipt.write(Receipt(message_id, MessageState.DELIVERED))[0],)


async def between_lines(made: Desk, count: int) -> str:
    """Texts to lines, each stored before its answer, 200 at once."""
    now = wall_ms()

    def text(number: int) -> Text:
        return Text(
            origin=f"line:{number}", kind="line", from_line=1, to_line=2 + number % 500,
            recipient="+995322000102", body=b"Hello", created_at=now, due_at=now,
            expires_at=now + 1_000_000,
        )  # fmt: skip

    room = asyncio.Semaphore(200)

    async def keep(number: int) -> None:
        async with room:
            await made.writer.submit(partial(store.keep, text=text(number), max_kept=500))

    began = time.perf_counter()
    await asyncio.gather(*(keep(number) for number in range(count)))
    return f"{count / (time.perf_counter() - began):,.0f} texts/s stored for lines"


MEASURES: dict[str, Callable[[Desk, int], object]] = {
    "in": come_in, "out": go_out, "receipts": receipted, "lines": between_lines,
}  # fmt: skip


@contextlib.contextmanager
def databases(on: str | None) -> Iterator[dict[str, Callable[[], str]]]:
    """URLs of empty databases, by the name of their kind."""
    with (
        tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder,
        contextlib.ExitStack() as stack,
    ):
        numbers = iter(range(100))
        found: dict[str, Callable[[], str]] = {}
        if on in (None, "sqlite"):
            found["SQLite"] = lambda: f"sqlite:///{folder}/{next(numbers)}.db"
        if on in (None, "postgresql"):
            sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
            import postgresql

            try:
                url = stack.enter_context(postgresql.server())
            except postgresql.Missing as why:
                print(f"PostgreSQL isn't measured: {why}")
            else:
                found["PostgreSQL"] = lambda: _emptied(url)
        yield found


def _emptied(url: str) -> str:
    books = Store(url)
    store.metadata.drop_all(books.engine)
    books.close()
    return url


async def measure(name: str, url: str, count: int) -> object:
    async with desk(url) as made:
        found = MEASURES[name](made, count)
        assert asyncio.iscoroutine(found)
        return await found


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.texts", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--texts", type=int, default=10_000)
    parser.add_argument("--quick", action="store_true", help="2,000 texts")
    parser.add_argument("--on", choices=("sqlite", "postgresql"))
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    print(describe())
    count = 2_000 if given.quick else given.texts
    with databases(given.on) as found:
        for kind, url in found.items():
            for name in given.parts or PARTS:
                print(f"{kind}, {name}: {asyncio.run(measure(name, url(), count))}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
