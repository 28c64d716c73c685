"""Texts of the whole switch: lines, carriers and what is between them, joined."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection

from billing.facts.hold import Hold
from billing.stores import hold_store
from billing.stores.group_commit import GroupCommit
from sip.user_agent import UserAgent
from smpp.endpoint import listen
from softswitch.admission.admission import Stages
from softswitch.config.smpp import SmppSection
from softswitch.config.sms import SmsSection
from softswitch.database.threads import Run
from softswitch.texting import carrier_store, client_store, parts, store
from softswitch.texting.batches import Batches
from softswitch.texting.carrier import Carrier
from softswitch.texting.charging import TextCharging
from softswitch.texting.clients import MAX_PENDING, TextClients
from softswitch.texting.inbound import Inbound
from softswitch.texting.line_admission import LineAdmission, TakesReply, TextSettings
from softswitch.texting.lines import LineTexts
from softswitch.texting.link import Link
from softswitch.texting.message import State, StoredText
from softswitch.texting.outbound import Outbound
from softswitch.texting.sending import TextPrices, TextSending
from softswitch.texting.writer import TextWriter
from softswitch.trace.log import Log

FORGOTTEN_AT_ONCE = 1_000
TEXTS_KEPT_MS = 366 * 86_400_000
"""How long a text that is done is shown."""


class Texting:
    """The texting room as a whole.

    Attributes:
        lines: takes texts of lines, and delivers them to phones.
        outbound: the queue to carriers.
        inbound: messages from carriers.
        sending: admission and sending for all senders.
        clients: businesses that bind to us.
        batches: follows batches of businesses.

    Args:
        settings, smpp: [sms] and [smpp] of the configuration.
        run: runs slow functions in a thread.
        tls: for listeners with TLS.
        takes_reply: True for a line's text that answers a question of the switch's own.
        drain: writes what the user agent wants written.
        on_state: called with each text that was stored, or has another state.
        wall_ms: epoch milliseconds.
    """

    def __init__(
        self,
        settings: SmsSection,
        smpp: SmppSection,
        domain: bytes,
        writer: TextWriter,
        run: Run,
        tls: ssl.SSLContext | None,
        money: GroupCommit,
        agent: UserAgent,
        stages: Stages,
        loop: asyncio.AbstractEventLoop,
        log: Log,
        *,
        takes_reply: TakesReply,
        drain: Callable[[], None],
        on_state: Callable[[StoredText, State], None],
        wall_ms: Callable[[], int],
    ) -> None:
        self._writer = writer
        self._loop = loop
        self._log = log
        self._wall_ms = wall_ms
        self._on_state = on_state
        self._smpp = smpp
        self._tls = tls
        self._servers: list[asyncio.Server] = []
        self.carriers: list[Carrier] = []
        charging = self._charging = TextCharging(money, settings.charge, log, wall_ms=wall_ms)
        self.outbound = Outbound(
            writer, charging, loop, log, make_link=self._link, on_state=self._moved, wall_ms=wall_ms
        )
        self.batches = self._batches(settings, money)
        prices = TextPrices(stages, settings.tariff, lambda: self.carriers)
        self.sending = TextSending(
            writer, charging, self.outbound, kept_days=settings.kept_days, wall_ms=wall_ms
        )
        kept = TextSettings(domain, settings.kept_days, settings.max_kept)
        self.lines = LineTexts(
            agent,
            stages,
            LineAdmission(stages, prices, kept, takes_reply, wall_ms),
            writer,
            self.sending,
            loop,
            kept,
            log,
            drain=drain,
            on_state=self._moved,
            now=loop.time,
            wall_ms=wall_ms,
        )
        self.inbound = Inbound(
            writer,
            stages.directory,
            money,
            log,
            arrived=self.lines.arrived,
            followed=self.outbound.follow,
            kept_days=settings.kept_days,
            wall_ms=wall_ms,
        )
        self.clients = TextClients(
            stages,
            prices,
            self.sending,
            charging,
            writer,
            loop,
            run,
            log,
            arrived=self.lines.arrived,
            wall_ms=wall_ms,
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
        await self._reconcile()
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
        self.clients.use(*await self._writer.submit(_businesses))
        await self.batches.look()

    async def tidy(self) -> None:
        """Give up receipts that were awaited for too long, and forget texts that are old.

        Batches keep quiet hours, and those that another switch left are settled.
        """
        now = self._wall_ms()
        await self.batches.defer()
        await self.batches.look()
        awaited = now - parts.RECEIPTS_AWAITED_MS
        await self._writer.submit(partial(parts.forget, before=awaited, limit=FORGOTTEN_AT_ONCE))
        old = now - TEXTS_KEPT_MS
        await self._writer.submit(partial(store.forget_done, before=old, limit=FORGOTTEN_AT_ONCE))

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

    async def _reconcile(self) -> None:
        def read(connection: Connection) -> list[tuple[Hold, StoredText | None]]:
            held = list(hold_store.open_holds(connection, "text:"))
            origins = [one.id.removeprefix("text:") for one in held]
            found = store.of_origins(connection, origins)
            return [(one, found.get(o)) for one, o in zip(held, origins, strict=True)]

        found = await self._writer.submit(read)
        self._charging.reconcile(found)


def _businesses(
    connection: Connection,
) -> tuple[list[client_store.Client], list[int], list[client_store.SenderName]]:
    return (
        client_store.clients(connection),
        client_store.granted(connection),
        client_store.senders(connection, state="approved"),
    )
