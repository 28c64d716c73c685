"""Texts to other networks: admitted like a call, priced by segment, held, stored, sent.

The price of a segment is the connection fee of the text tariff's rate (`[sms] tariff`), which is
imported, dated and taken back like any other tariff. A text that a package of the line covers costs
nothing (A22). Texts of the same origin are one text, whoever repeats them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from msgspec import Struct
from sqlalchemy import Connection

from billing.facts.authorization import InsufficientFunds
from billing.facts.rate import Rate
from billing.facts.wallet import MONEY, ONE
from smpp import segments
from smpp.codes import DataCoding
from softswitch.admission.admission import Stages
from softswitch.subscribers.directory import Line
from softswitch.subscribers.refusal import Refusal
from softswitch.texting import store
from softswitch.texting.carrier import Carrier, routes
from softswitch.texting.charging import TextCharging
from softswitch.texting.message import StoredText, Text
from softswitch.texting.outbound import Outbound
from softswitch.texting.writer import TextWriter

DAY_MS = 86_400_000
PREMIUM = "premium"


class Quote(Struct, frozen=True):
    """The price of a text.

    Args:
        number: of the recipient, E.164.
        alphabet: "gsm" or "ucs2".
        segments: short messages that it takes.
        price_micros: of all of them, in `unit`: a currency, or SMS.
        package: the subscription that covers it, or empty.
    """

    number: str
    alphabet: str
    segments: int
    price_micros: int
    unit: str
    package: str = ""


class Payer(Struct, frozen=True):
    """The payer of texts, and the way of payment.

    Args:
        line: the line that sends; None: a business by API or SMPP.
        wallet: "money", or "sms" for prepaid messages.
        batch_id: whose hold pays, if the texts of a batch were held as a whole.
    """

    account_id: int
    line: Line | None = None
    wallet: str = MONEY
    batch_id: str | None = None
    client_id: int | None = None


class TextPrices:
    """Prices of texts, and the rights to send them.

    Args:
        tariff: the name of the tariff that has the prices of texts.
        carriers: those that are in use now.
    """

    def __init__(
        self, stages: Stages, tariff: str, carriers: Callable[[], Iterable[Carrier]]
    ) -> None:
        self._stages = stages
        self._tariff = tariff
        self._carriers = carriers

    def quote(self, payer: Payer, number: str, text: str, at: int) -> Quote:
        """The price of a text to a number, by the rules of sending.

        Args:
            number: E.164 with "+".
            at: epoch milliseconds.

        Raises:
            Refusal: 403 barred, capped or without a price; 404 no carrier takes it; 413 too long.
        """
        self.check(payer, number, at)
        count = self.segments(text)
        is_gsm = segments.coding_of(text) is DataCoding.DEFAULT
        alphabet = "gsm" if is_gsm else "ucs2"
        if payer.wallet != MONEY:
            return Quote(number, alphabet, count, count * ONE, "SMS")
        packages: tuple[str, ...] = ()
        if payer.line is not None:
            packages = self._stages.entitlements.for_call(
                payer.account_id, payer.line.number, number, False
            )
        rate = self._rate(number, at)
        if packages:
            return Quote(number, alphabet, count, 0, rate.currency, packages[0])
        return Quote(number, alphabet, count, count * rate.connect_fee_micros, rate.currency)

    def check(self, payer: Payer, number: str, at: int) -> None:
        """Raise the Refusal of a number to which a payer can't send: no carrier, barred, capped."""
        if not routes(self._carriers(), number):
            raise Refusal(404, "text_no_carrier", number=number)
        self._bar(payer, number, at)

    @staticmethod
    def segments(text: str) -> int:
        """How many segments a text takes. Raises the Refusal of one that is too long."""
        try:
            return segments.count(text)
        except ValueError:
            raise Refusal(413, "text_segments_too_many", most=segments.MAX_SEGMENTS) from None

    def _bar(self, payer: Payer, number: str, at: int) -> None:
        """Hold a text against its line's barrings and its account's caps, as a call."""
        stages = self._stages
        digits = number.removeprefix("+")
        groups = stages.entitlements.destinations.of(digits)
        if payer.line is not None:
            premium = PREMIUM in groups or stages.plan.is_premium(number)
            payer.line.services.bar(stages.plan.type_of(number), premium)
        stages.directory.caps.check(payer.account_id, digits, groups, _no_calls, at, False)

    def _rate(self, number: str, at: int) -> Rate:
        """The rate of texts to a number; its connection fee is the price of a segment."""
        tariff = self._stages.tariffs.get(self._tariff)
        sets = self._stages.entitlements.destinations
        rate = None if tariff is None else tariff.find(number.removeprefix("+"), at, sets)
        if rate is None:
            raise Refusal(403, "text_price_unknown", tariff=self._tariff, number=number)
        return rate


class TextSending:
    """The way of texts out of the switch.

    Args:
        kept_days: how long a text may wait for a carrier or a phone.
        max_kept: texts that wait for one line at once.
        wall_ms: epoch milliseconds.
    """

    def __init__(
        self,
        writer: TextWriter,
        charging: TextCharging,
        outbound: Outbound,
        *,
        kept_days: int,
        max_kept: int,
        wall_ms: Callable[[], int],
    ) -> None:
        self._writer = writer
        self._charging = charging
        self._outbound = outbound
        self._kept_ms = kept_days * DAY_MS
        self._max_kept = max_kept
        self._wall_ms = wall_ms

    async def keep(
        self,
        payer: Payer,
        origin: str,
        sender: str,
        line: Line,
        text: str,
        *,
        due_at: int | None = None,
        expires_at: int | None = None,
        wants_receipt: bool = False,
    ) -> StoredText:
        """Store a text for a line of ours, which costs nothing.

        Raises:
            Refusal: 480, as many texts wait for the line as are kept for one.
        """
        now = self._wall_ms()
        due = now if due_at is None else max(now, due_at)
        made = Text(
            origin=origin,
            kind="line",
            account_id=payer.account_id,
            to_line=line.id,
            sender=sender,
            recipient=line.number,
            body=text.encode("utf-8"),
            created_at=now,
            due_at=due,
            expires_at=min(due + self._kept_ms, expires_at or due + self._kept_ms),
            has_validity=expires_at is not None,
            client_id=payer.client_id,
            wants_receipt=wants_receipt,
        )
        stored = await self._writer.submit(partial(store.keep, text=made, max_kept=self._max_kept))
        if stored is None:
            raise Refusal(480, "text_line_full", most=self._max_kept)
        return stored

    async def send(
        self,
        payer: Payer,
        origin: str,
        sender: str,
        quote: Quote,
        text: str,
        *,
        octets: bytes | None = None,
        content_type: str | None = None,
        due_at: int | None = None,
        expires_at: int | None = None,
        wants_receipt: bool = False,
    ) -> StoredText:
        """Hold the price of a text, store it and have it sent; the same origin again is answered
        by the text as it stands.

        Args:
            sender: what the recipient sees: a number or a name.
            octets, content_type: of a message that is no text, see :mod:`softswitch.texting.raw`.
            due_at, expires_at: epoch milliseconds; at once, and `kept_days` after that.

        Raises:
            Refusal: 402, the account can't pay for it.
            BillingError: the account is barred.
        """
        now = self._wall_ms()
        due = now if due_at is None else max(now, due_at)
        made = Text(
            origin=origin,
            kind="out",
            account_id=payer.account_id,
            from_line=None if payer.line is None else payer.line.id,
            sender=sender,
            recipient=quote.number,
            content_type=content_type or "text/plain;charset=utf-8",
            body=text.encode("utf-8") if octets is None else octets,
            segments=quote.segments,
            price_micros=quote.price_micros,
            currency=quote.unit,
            created_at=now,
            due_at=due,
            expires_at=min(due + self._kept_ms, expires_at or due + self._kept_ms),
            has_validity=expires_at is not None,
            batch_id=payer.batch_id,
            client_id=payer.client_id,
            wants_receipt=wants_receipt,
        )
        currency = quote.unit if payer.wallet == MONEY else None
        held = True
        if quote.price_micros and payer.batch_id is None:
            try:
                hold = await self._charging.hold(
                    f"text:{origin}", payer.account_id, payer.wallet, quote.price_micros, currency
                )
            except InsufficientFunds as error:
                raise Refusal(402, "text_unpaid", why=str(error)) from error
            held = hold.is_open
        stored = await self._writer.submit(partial(_add, text=made, is_held=held))
        if stored is None:
            raise Refusal(480, "text_hold_over")
        self._outbound.put(stored)
        return stored


def _add(connection: Connection, text: Text, is_held: bool) -> StoredText | None:
    """Store a text, or find it stored; None: it is new, and its hold was given back already.

    That is so if a crash came between the hold and the text, and the same text comes again after
    the hold was released.
    """
    if not is_held and not store.of_origins(connection, [text.origin]):
        return None
    return store.add(connection, [text])[0]


def _no_calls(_account: int) -> int:
    """Texts aren't calls under way."""
    return 0
