"""Texts of the whole switch: lines, carriers and what is between them, joined."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection

from billing.stores.group_commit import GroupCommit
from billing.stores.store import Store
from sip.guard import Guard
from sip.user_agent import UserAgent
from smpp.endpoint import listen
from softswitch.admission.admission import Stages
from softswitch.config.smpp import SmppSection
from softswitch.config.sms import SmsSection
from softswitch.database.threads import Run
from softswitch.texting import carrier_store, client_store, contracts, parts, settlement, store
from softswitch.texting.batches import Batches
from softswitch.texting.carrier import Carrier
from softswitch.texting.charging import TextCharging
from softswitch.texting.clients import MAX_PENDING, Businesses, TextClients
from softswitch.texting.inbound import Inbound, MailText
from softswitch.texting.line_admission import LineAdmission, TakesReply, TextSettings
from softswitch.texting.lines import ALONE, LineTexts, TextNodes
from softswitch.texting.link import Link
from softswitch.texting.message import State, StoredText
from softswitch.texting.outbound import Outbound
from softswitch.texting.own_texts import OwnTexts
from softswitch.texting.sending import TextPrices, TextSending
from softswitch.texting.writer import TextWriter
from softswitch.trace.log import Log

DONE_AT_ONCE = 500
"""Texts that are given up, settled or forgotten in one transaction, which others wait for."""
MAX_ROUNDS = 100
TEXTS_KEPT_MS = 366 * 86_400_000
"""How long a text that is done is shown."""
UNSTORED_MS = 600_000
"""A hold so old, whose text isn't stored, is of a text that a crash kept from being stored."""
SETTLING_MS = 3_600_000
"""How often holds are compared with their texts."""


class Texting:
    """The texting room as a whole.

    Attributes:
        lines: takes texts of lines, and delivers them to phones.
        outbound: the queue to carriers.
        inbound: messages from carriers.
        sending: admission and sending for all senders.
        clients: businesses that bind to us.
        own: the switch's own texts.
        batches: follows batches of businesses.

    Args:
        settings, smpp: [sms] and [smpp] of the configuration.
        operator: the sender of the switch's own texts.
        node: this switch's name among those that share the database.
        run: runs slow functions in a thread.
        tls: for listeners with TLS.
        guard: counts wrong passwords of businesses with those of phones.
        mail: queues the mail about a text that came to a rented number.
        takes_reply: True for a line's text that answers a question of the switch's own.
        drain: writes what the user agent wants written.
        on_state: called with each text that was stored, or has another state.
        wall_ms: epoch milliseconds.
        nodes: which switch of a cluster delivers kept texts.
    """

    def __init__(
        self,
        settings: SmsSection,
        smpp: SmppSection,
        domain: bytes,
        operator: str,
        node: str,
        writer: TextWriter,
        run: Run,
        tls: ssl.SSLContext | None,
        money: GroupCommit,
        books: Store,
        agent: UserAgent,
        stages: Stages,
        guard: Guard,
        loop: asyncio.AbstractEventLoop,
        log: Log,
        *,
        mail: MailText,
        takes_reply: TakesReply,
        drain: Callable[[], None],
        on_state: Callable[[StoredText, State], None],
        wall_ms: Callable[[], int],
        nodes: TextNodes = ALONE,
    ) -> None:
        self._writer = writer
        self._loop = loop
        self._log = log
        self._wall_ms = wall_ms
        self._on_state = on_state
        self._smpp = smpp
        self._terms = settings.terms
        self._tls = tls
        self._servers: list[asyncio.Server] = []
        self.carriers: list[Carrier] = []
        charging = self._charging = TextCharging(money, settings.charge, log, wall_ms=wall_ms)
        self._settled_at: int | None = None
        self.outbound = Outbound(
            node,
            writer,
            charging,
            loop,
            log,
            make_link=self._link,
            on_state=self._moved,
            wall_ms=wall_ms,
        )
        self.batches = self._batches(settings, money)
        prices = TextPrices(stages, settings.tariff, lambda: self.carriers)
        self.sending = TextSending(
            writer,
            charging,
            self.outbound,
            kept_days=settings.kept_days,
            max_kept=settings.max_kept,
            wall_ms=wall_ms,
        )
        kept = TextSettings(domain, settings.kept_days, settings.max_kept)
        admission = LineAdmission(stages, prices, kept, takes_reply, wall_ms)
        self.lines = LineTexts(
            agent, stages, admission, writer, self.sending, loop, kept, log,
            drain=drain, on_state=self._moved, now=loop.time, wall_ms=wall_ms, nodes=nodes,
        )  # fmt: skip
        self.inbound = Inbound(
            writer,
            stages.directory,
            books,
            log,
            arrived=self.lines.arrived,
            followed=self.outbound.follow,
            mail=mail,
            kept_days=settings.kept_days,
            max_kept=settings.max_kept,
            wall_ms=wall_ms,
        )
        self.own = OwnTexts(
            writer,
            operator,
            log,
            arrived=self.lines.arrived,
            kept_days=settings.kept_days,
            max_kept=settings.max_kept,
            wall_ms=wall_ms,
        )
        self.clients = self._message_centre(stages, prices, guard, run)

    def _message_centre(
        self, stages: Stages, prices: TextPrices, guard: Guard, run: Run
    ) -> TextClients:
        return TextClients(
            stages,
            prices,
            self.sending,
            self._charging,
            self._writer,
            self._loop,
            guard,
            run,
            self._log,
            arrived=self.lines.arrived,
            wall_ms=self._wall_ms,
        )

    def _batches(self, settings: SmsSection, money: GroupCommit) -> Batches:
        return Batches(
            self._writer,
            self._charging,
            money,
            settings,
            self._loop,
            self._log,
            deferred=self.outbound.wake,
            wall_ms=self._wall_ms,
        )

    async def start(self) -> None:
        """Mend what a crash left, then send."""
        unknown = await self.outbound.recover()
        if unknown:
            self._log.warning("texts with an unknown outcome", texts=len(unknown))
        await self._settle()
        await self.changed()
        for at in self._smpp.listen:
            self._servers.append(
                await listen(
                    at.host,
                    at.port,
                    self.clients.heard,
                    tls=self._tls if at.tls else None,
                    window=self._smpp.window,
                    max_pending=MAX_PENDING,
                )
            )

    async def changed(self) -> None:
        """Carriers were changed, or texts were stored: by an operation, or by another switch."""
        self.carriers = await self._writer.submit(carrier_store.carriers)
        self.outbound.use(self.carriers)
        self.clients.use(await self._writer.submit(partial(_businesses, terms=self._terms)))
        await self.batches.look()
        await self.lines.look()

    async def crashed(self, node: str) -> None:
        """Another switch on this database has died: what it asked carriers has no known outcome."""
        unknown = await self.outbound.recover(node)
        if unknown:
            self._log.warning("texts with an unknown outcome", texts=len(unknown), node=node)

    async def tidy(self) -> int:
        """Give up texts and receipts that were awaited for too long, and forget what is old; how
        many texts have expired.

        Batches keep quiet hours, and those that another switch left are settled.
        """
        now = self._wall_ms()
        await self.batches.defer()
        await self.batches.look()
        expired = await self._give_up(partial(store.expire, now=now, limit=DONE_AT_ONCE))
        await self._give_up(partial(parts.give_up, now=now, limit=DONE_AT_ONCE))
        awaited = now - parts.RECEIPTS_AWAITED_MS
        await self._repeat(partial(parts.forget, before=awaited, limit=DONE_AT_ONCE))
        old = now - TEXTS_KEPT_MS
        await self._repeat(partial(store.forget_done, before=old, limit=DONE_AT_ONCE))
        if self._settled_at is None or now - self._settled_at >= SETTLING_MS:
            await self._settle()
        self.outbound.rescan()
        self.clients.remind()
        return expired

    async def stop(self) -> None:
        """End all connections, and write what is to be written."""
        for server in self._servers:
            server.close()
        self.clients.stop()
        self.batches.stop()
        await self.outbound.stop()
        await self._writer.close()

    def _moved(self, text: StoredText, state: State) -> None:
        """A text was kept, or has another state."""
        self._on_state(text, state)
        self.clients.follow(text, state)
        self.batches.follow(text)

    def _link(self, carrier: Carrier) -> Link:
        return Link(
            carrier,
            self._loop,
            self._log,
            answered=self.outbound.answered,
            unanswered=self.outbound.unanswered,
            delivered=self.inbound.deliver,
            ready=self.outbound.ready,
        )

    async def _give_up(self, work: Callable[[Connection], list[StoredText]]) -> int:
        """Move texts on, some at a time; their money and their senders are told."""
        count = 0
        for _ in range(MAX_ROUNDS):
            moved = await self._writer.submit(work)
            for text in moved:
                self.outbound.follow(text)
                self.lines.given_up(text)
            count += len(moved)
            if len(moved) < DONE_AT_ONCE:
                break
        return count

    async def _repeat(self, work: Callable[[Connection], int]) -> None:
        for _ in range(MAX_ROUNDS):
            if await self._writer.submit(work) < DONE_AT_ONCE:
                break

    async def _settle(self) -> None:
        """Capture or release what a crash left held."""
        now = self._settled_at = self._wall_ms()
        last = ""
        while True:
            found = await self._writer.submit(
                partial(
                    settlement.unsettled, before=now - UNSTORED_MS, limit=DONE_AT_ONCE, after=last
                )
            )
            self._charging.reconcile(found)
            if len(found) < DONE_AT_ONCE:
                return
            last = found[-1][0].id


def _businesses(connection: Connection, terms: str) -> Businesses:
    return Businesses(
        client_store.clients(connection),
        client_store.granted(connection),
        contracts.contracted(connection, terms),
        client_store.senders(connection, state="approved"),
    )
