"""A small operator's 400 days in virtual time: 500 accounts, a leap day, both changes of the
clocks, downtimes of hours and days; accounts that are suspended, by operators or for a debt,
disconnected, opened again and closed; orders for numbers, and lines that get another number. Every
posting is compared with an oracle that knows nothing of the books: plain dates, plain sums, one
account after the other.

What happens to accounts that have nothing due on that day is applied as one batch, whatever the
hour; where something is due on that day, everything goes on in the order of its times."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from billing.decisions import bonus
from billing.facts.account import Change
from billing.facts.authorization import (
    AddAccount,
    AnswerCall,
    BillingError,
    ChangeStatus,
    CloseCall,
    OpenCall,
    TopUp,
    WriteCdr,
)
from billing.facts.bill import first_work
from billing.facts.calendar import WEEKDAYS, Term
from billing.facts.cdr import Cdr
from billing.facts.due import DueWork
from billing.facts.order import ConnectOrder, EndOrder, Offer, PlaceOrder
from billing.facts.product import Product
from billing.facts.rate import Rate
from billing.facts.rental import AddNumbers, GiveUpNumber, Number, RentNumber
from billing.facts.sales import (
    BuyPackage,
    DefineBonus,
    DefineProduct,
    EnsureWork,
    ScheduleWork,
    SetAutoRenew,
)
from billing.stores import bill_store, order_store, rental_store, sales_store
from billing.stores.store import Store
from softswitch.scheduled.due import NUMBER_CHANGE_KIND, DueSettings, first_looks, run_due
from softswitch.scheduled.number_moves import NumberChange, NumberMoves

ACCOUNTS, DAYS = 500, 400
BERLIN = ZoneInfo("Europe/Berlin")
FIRST = date(2027, 12, 1)
UNIT = 1_000_000
TETRI = 10_000
RATE = Rate("default", "995", "Georgia", 0, 60_000, 1, 1, 0, 0, "EUR")
PACKAGE = Product("month", "EUR", 6 * UNIT, Term(1, "months"), ("all",), grace=Term(3, "days"))
MONTHLY = Product("days", "EUR", 4 * UNIT, Term(30, "days"), ("all",))
NUMBER = Number("", "DE", "Berlin", "landline", "kpn", "", None, "EUR", 5 * UNIT)
OFFER = Offer("DE", "", "landline", "kpn", "", "EUR", 5 * UNIT, 5, 15)
"""Each account orders in a town of its own: what closed accounts gave up comes back into stock and
connects whoever ordered one like it, and no account's oracle knows of another's."""
SUSPEND_AFTER = 14
SETTINGS = DueSettings(suspend_after=Term(SUSPEND_AFTER, "days"))
PLAIN = frozenset({"topup", "incoming", "call"})
DOWN = [  # local times between which the switch is off
    ("2027-12-31T22:00", "2028-01-01T03:00"),
    ("2028-02-28T20:00", "2028-03-01T06:00"),  # the leap day
    ("2028-03-25T18:00", "2028-03-26T12:00"),  # summer time begins
    ("2028-07-30T00:00", "2028-08-04T00:00"),
    ("2028-10-29T00:30", "2028-10-29T04:30"),  # it ends
]


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def wall(text: str) -> int:
    return ms(datetime.fromisoformat(text).replace(tzinfo=BERLIN))


def month_later(anchor: datetime, months: int) -> datetime:
    """The same day of a later month, or the last there is."""
    month = anchor.month - 1 + months
    for day in (anchor.day, 30, 29, 28):
        try:
            return anchor.replace(year=anchor.year + month // 12, month=month % 12 + 1, day=day)
        except ValueError:
            continue
    raise AssertionError


@dataclass
class Client:
    """What happens to an account, and what the oracle says of it."""

    id: int
    rng: random.Random
    rents_from: datetime | None = None
    product: Product | None = None
    buys_at: datetime | None = None
    happens: list[tuple[int, str, Any]] = field(default_factory=list)
    """(at, "topup", amount), (at, "incoming", ms), (at, "call", seconds), (at, "status", status),
    (at, "order" | "deliver" | "withdraw" | "move_line", 0)."""

    @property
    def town(self) -> str:
        return f"town {self.id}"

    @property
    def line(self) -> str:
        return f"+4940{self.id:03}"


FOLLOWING = {
    "active": {"suspended", "disconnected", "closed"},
    "suspended": {"active", "closed"},
    "disconnected": {"active", "closed"},
    "closed": set(),
}


class Oracle:
    """One account, by itself: plain dates and plain sums."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.balance = self.held = 0
        self.found: list[tuple[int, str, int]] = []
        self.status, self.by_switch = "active", False
        self.suspensions = self.lifted = self.connected = 0
        self.closed_at: int | None = None
        self.free_talks: list[int] = []
        self._covered_until = self._in_grace_until = 0
        self._renews = True
        self._below_since: int | None = None
        self._suspended_for: set[int] = set()
        self._minutes: dict[date, int] = {}
        self._rents: dict[datetime, int | None] = {}
        """Connections to the last debit's number; None: without a bound."""
        self._agenda: list[tuple[int, int, int, str, Any]] = []
        self._pushed = 0

    def run(self) -> Oracle:
        """Due work comes before what people do."""
        end = ms(datetime.combine(FIRST + timedelta(DAYS), datetime.min.time(), BERLIN))
        for at, what, value in self.client.happens:
            self._push(at, 4, what, value)
        if self.client.rents_from:
            self._rent_from(self.client.rents_from)
        if self.client.buys_at:
            self._push(ms(self.client.buys_at), 2, "package", (self.client.buys_at, 0))
        while self._agenda:
            at, _, _, what, value = heapq.heappop(self._agenda)
            if at > end:
                break
            getattr(self, f"_{what}")(at, value)
        self.found.sort()
        return self

    def _push(self, at: int, turn: int, what: str, value: Any) -> None:
        self._pushed += 1
        heapq.heappush(self._agenda, (at, turn, self._pushed, what, value))

    def _move(self, at: int, kind: str, amount: int) -> None:
        before = self.balance
        self.balance += amount
        self.found.append((at, kind, amount))
        if before >= 0 > self.balance:
            self._below_since = at
            over = local(at) + timedelta(SUSPEND_AFTER)
            self._push(midnight_from(over), 1, "debt", at)

    def _debt(self, at: int, since: int) -> None:
        """It is midnight, and the balance has been below zero for too long, if it still is."""
        if self.balance >= 0 or self._below_since != since or since in self._suspended_for:
            return
        if self.status == "active":
            self.status, self.by_switch = "suspended", True
            self.suspensions += 1
            self._suspended_for.add(since)
        elif self.status != "closed":
            self._push(midnight_from(local(at) + timedelta(1)), 1, "debt", since)

    def _rises(self) -> None:
        if self.by_switch and self.balance >= 0:
            self.status, self.by_switch = "active", False
            self.lifted += 1

    def _topup(self, at: int, amount: int) -> None:
        self._move(at, "topup", amount)
        self._rises()
        product = self.client.product
        if self._in_grace_until > at and self._can_pay(product.price_micros):
            self._begin_term(local(at), 0, at)

    def _incoming(self, at: int, talked: int) -> None:
        if self.status != "active":
            return
        day = local(at).date()
        if day not in self._minutes:
            midnight = datetime.combine(day + timedelta(1), datetime.min.time(), BERLIN)
            self._push(ms(midnight), 0, "bonus", day)
        self._minutes[day] = self._minutes.get(day, 0) + talked // 60_000

    def _bonus(self, at: int, day: date) -> None:
        if self._minutes[day]:
            self._move(at, "bonus", self._minutes[day] * TETRI)
            self._rises()

    def _call(self, at: int, seconds: int) -> None:
        free = self.balance - self.held
        if self.status == "active" and at < self._covered_until:
            self.free_talks.append(at)
        elif self.status == "active" and free >= 1000:
            self._move(at + seconds * 1000, "call", -min(seconds, free // 1000) * 1000)

    def _can_pay(self, price: int) -> bool:
        return self.status == "active" and self.balance - self.held >= price

    def _rent_from(self, anchor: datetime) -> None:
        self._rents[anchor] = None
        self._push(ms(anchor), 3, "rent", (anchor, 0))

    def _rent(self, at: int, value: tuple[datetime, int]) -> None:
        anchor, number = value
        last = self._rents[anchor]
        if last is not None and number > last:
            return
        self._move(at, "rent", -5 * UNIT)
        self._push(ms(month_later(anchor, number + 1)), 3, "rent", (anchor, number + 1))

    def _package(self, at: int, value: tuple[datetime, int]) -> None:
        anchor, number = value
        product = self.client.product
        if not self._renews:
            return
        if self._can_pay(product.price_micros):
            self._begin_term(anchor, number, at)
        elif number and product.grace:
            self._in_grace_until = ms(local(at) + timedelta(3))

    def _begin_term(self, anchor: datetime, number: int, at: int) -> None:
        product = self.client.product
        self._move(at, "package", -product.price_micros)
        if product.term.unit == "months":
            ends = month_later(anchor, number + 1)
        else:
            ends = anchor + timedelta(30 * (number + 1))  # aware: the wall clock is kept
        self._covered_until, self._in_grace_until = ms(ends), 0
        self._push(ms(ends), 2, "package", (anchor, number + 1))

    def _status(self, at: int, status: str) -> None:
        if status not in FOLLOWING[self.status]:
            return
        self.status, self.by_switch = status, False
        if status == "closed":
            self._close(at)

    def _close(self, at: int) -> None:
        """Numbers are given up: of those that are due within a day the next fee is still due."""
        self.closed_at, self.held, self._renews, self._in_grace_until = at, 0, False, 0
        for anchor in self._rents:
            number = 1
            while ms(month_later(anchor, number)) <= at:
                number += 1
            soon = ms(month_later(anchor, number)) - at < 86_400_000
            self._rents[anchor] = number if soon else number - 1

    def _order(self, at: int, _: int) -> None:
        if self._can_pay(5 * UNIT) and not self.held:
            self.held = 5 * UNIT

    def _deliver(self, at: int, _: int) -> None:
        if self.held and self.status == "active" and self.balance >= 5 * UNIT:
            self.held, self.connected = 0, self.connected + 1
            self._rent_from(local(at))

    def _withdraw(self, at: int, _: int) -> None:
        self.held = 0

    def _move_line(self, at: int, _: int) -> None:
        """Money doesn't care."""


def local(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, BERLIN)


def midnight_from(moment: datetime) -> int:
    """The first midnight that isn't before a moment of the wall clock."""
    day = moment.date()
    if moment.replace(tzinfo=None) > datetime.combine(day, datetime.min.time()):
        day += timedelta(1)
    return ms(datetime.combine(day, datetime.min.time(), BERLIN))


def clients(rng: random.Random, first: int) -> list[Client]:
    made = []
    for key in range(first, first + ACCOUNTS):
        client = Client(key, random.Random(rng.random()))
        if rng.random() < 0.6:
            client.rents_from = moment(rng, rng.choice([0, 19, 28, 29, 30, rng.randrange(60)]))
        if rng.random() < 0.5:
            client.product = rng.choice([PACKAGE, MONTHLY])
            client.buys_at = moment(rng, rng.randrange(60))
        # The first payment pays for what is bought, later ones may be too little or too late.
        client.happens.append((ms(moment(rng, 0)) - 86_400_000, "topup", 20 * UNIT))
        made.append(client)
    return made


def moment(rng: random.Random, day: int) -> datetime:
    """A second of the day, in the hours at which people buy; never while the switch is down."""
    clock = timedelta(hours=9, seconds=rng.randrange(8 * 3600))
    return datetime.combine(FIRST + timedelta(day), datetime.min.time(), BERLIN) + clock


def happenings(rng: random.Random, all_clients: list[Client]) -> None:
    """A year of payments and calls, and from the third month on of everything else."""
    for day in range(2, DAYS):
        counts = {"topup": 7, "incoming": 5, "call": 3}
        if day > 62:
            counts |= {"status": 2, "order": 1 if day % 2 else 0, "move_line": 1 if day % 9 else 0}
        for what, count in counts.items():
            for client in rng.sample(all_clients, count):
                happen(rng, client, day, what)


def happen(rng: random.Random, client: Client, day: int, what: str) -> None:
    start = datetime.combine(FIRST + timedelta(day), datetime.min.time(), BERLIN)
    at = ms(start) + rng.randrange(86_000_000)
    value: Any = {
        "topup": rng.randrange(2, 30) * UNIT,
        "incoming": rng.randrange(1, 900_000),
        "call": rng.randrange(1, 60),
        "status": rng.choice(["suspended", "disconnected", "active", "active", "closed"]),
    }.get(what, 0)
    if what == "status" and value == "closed" and rng.random() < 0.7:
        value = "active"
    events = [(at, what, value)]
    if what == "order":  # comes to something in one to three weeks, or to nothing
        if any(known == "order" for _, known, _ in client.happens):
            return
        end = rng.choice(["deliver", "deliver", "withdraw"])
        events.append((at + rng.randrange(7, 21) * 86_400_000, end, 0))
    elif what == "status" and value in ("suspended", "disconnected"):
        events.append((at + rng.randrange(1, 40) * 86_400_000, "status", "active"))
    client.happens += [event for event in events if not is_down(event[0])]


DOWN_AT = [(wall(start), wall(end)) for start, end in DOWN]


def is_down(at: int) -> bool:
    return any(begin - 120_000 <= at <= end for begin, end in DOWN_AT)


def record(key: str, client: Client, direction: str, at: int, duration: int) -> Cdr:
    return Cdr(
        key, "a", direction, "national", client.id, "+4930", "+4930", "+995322", "0322", None,
        None, at - 1000, None, at, at + duration, 0, duration, 200, 16, "caller",
    )  # fmt: skip


class Operator:
    """The books under test, driven by what happens."""

    def __init__(self) -> None:
        self.books = Store("sqlite://")
        self.books.create()
        self.count = 0
        self.refused: Counter[str] = Counter()
        self.again: list[TopUp] = []
        """Payments that somebody tells twice, on the next day."""

    def do(self, *commands):
        """Apply a batch; the last result."""
        results = self.books.apply(commands)
        for result in results:
            if isinstance(result, BillingError):
                self.refused[type(result).__name__] += 1
            elif isinstance(result, Exception):
                raise result
        return results[-1] if results else None

    def due(self, at: int) -> None:
        report = run_due(self.books, self.books.apply, at, "Europe/Berlin", SETTINGS)
        assert report.failures == []

    def day(self, events: list[tuple[int, Client, str, Any]], until: int) -> None:
        """A day's events: those of accounts that have nothing due by then as one batch."""
        repeated, self.again = self.again, []
        self.do(*repeated)
        if not events:
            return
        self.due(events[0][0])
        with self.books.reading() as connection:
            works = sales_store.due(connection, until, 10_000)
        busy = {work.account_id for work in works}
        active = {account.id for account in self.books.accounts() if account.is_active}
        busy |= {client.id for _, client, what, _ in events if what not in PLAIN}
        seen = Counter(client.id for _, client, _, _ in events)
        busy |= {key for key, count in seen.items() if count > 1 and key not in active}
        batch: list[Any] = []
        for at, client, what, value in events:
            if client.id not in busy:
                batch += self.commands(client, at, what, value, client.id in active)
        self.do(*batch)
        for at, client, what, value in events:
            if client.id in busy:
                self.due(at)
                is_active = self.books.account(client.id).is_active
                self.do(*self.commands(client, at, what, value, is_active))

    def commands(
        self, client: Client, at: int, what: str, value: Any, is_active: bool
    ) -> list[Any]:
        self.count += 1
        key, mine = f"{what}{self.count}", {"account_id": client.id, "at": at}
        match what:
            case "topup":
                made = TopUp(client.id, value, key, at)
                if self.count % 10 == 0:
                    self.again.append(made)
                return [made]
            case "incoming":
                if not is_active:
                    return []
                return [WriteCdr(record(key, client, "incoming", at - value, value))]
            case "call":
                facts = record(key, client, "outgoing", at, 0).to_json()
                done = record(key, client, "outgoing", at, value * 1000)
                opening = OpenCall(key, client.id, RATE, facts, at, 60, (f"p{client.id}",))
                return [opening, AnswerCall(key, at), CloseCall(key, done)]
            case "rent":
                return [
                    RentNumber(
                        **mine, rental_id=f"r{client.id}", number=f"+49{client.id}",
                        line=client.line, months=1, discount_percent=0, zone="Europe/Berlin",
                    )
                ]  # fmt: skip
            case "package":
                return [
                    BuyPackage(
                        **mine, purchase_id=f"p{client.id}", line=None, zone="Europe/Berlin",
                        product=client.product.name, auto_renew=True,
                    )
                ]  # fmt: skip
            case "order":
                return [
                    PlaceOrder(
                        **mine, order_id=f"o{client.id}", offer=replace(OFFER, city=client.town),
                        line=client.line, months=1, discount_percent=0, zone="Europe/Berlin",
                        approved=frozenset(), days=WEEKDAYS,
                    )
                ]  # fmt: skip
            case "deliver":
                number = replace(NUMBER, number=f"+493100{client.id:03}", city=client.town)
                return [
                    ConnectOrder(
                        **mine, order=f"o{client.id}", number=number.number, fresh=number,
                        who="operator",
                    )
                ]  # fmt: skip
            case "withdraw":
                return [self.end_order(client, mine)]
            case "move_line":
                self.move_line(client, at)
                return []
            case _:
                return self.change_status(client, at, value)

    def end_order(self, client: Client, mine: dict[str, Any]) -> EndOrder:
        key = f"o{client.id}"
        return EndOrder(**mine, order=key, state="cancelled", reason="", who="operator")

    def change_status(self, client: Client, at: int, status: str) -> list[Any]:
        """Who closes gives up his numbers, and what renews itself."""
        change, mine = ChangeStatus(client.id, status, at, "operator", ""), {
            "account_id": client.id, "at": at,
        }  # fmt: skip
        if status != "closed" or self.books.account(client.id).status == "closed":
            return [change]
        with self.books.reading() as connection:
            rented = rental_store.rented(connection, [client.id])
            bought = sales_store.subscriptions(connection, [client.id])
            ordered = order_store.orders(connection, [client.id])
        commands: list[Any] = [GiveUpNumber(**mine, rental=item.id) for item in rented]
        commands += [SetAutoRenew(**mine, subscription=item.id, on=False) for item in bought]
        commands += [self.end_order(client, mine) for _ in ordered]
        return [*commands, change]

    def move_line(self, client: Client, at: int) -> None:
        """The line gets another number, or its first one back; callers are told for a month."""
        old, new = client.line, f"{client.line}9"
        with self.books.reading() as connection:
            lines = {item.line for item in rental_store.numbers(connection) if item.line}
        if new in lines:
            old, new = new, old
        until = at + 30 * 86_400_000
        moved = NumberChange(old, new, client.id, at, until)
        change = Change(client.id, at, "operator", "number", old, new, "")
        NumberMoves(self.books.engine).change_number(0, moved, change)
        work = DueWork(NUMBER_CHANGE_KIND, old, client.id, until)
        self.do(ScheduleWork(work.key, work))


def month_starts() -> list[datetime]:
    """Of every month that was billed, and of the one after the last."""
    first = datetime(2027, 11, 1, tzinfo=BERLIN)
    starts = [month_later(first, months) for months in range(20)]
    end = datetime.combine(FIRST + timedelta(DAYS), datetime.min.time(), BERLIN)
    return [start for start in starts if start <= end]


def check_bills(books: Store, client: Client, oracle: Oracle) -> int:
    """One bill a month, each with what was posted in it, whenever the switch was down; none for a
    month of which a closed account has nothing. How many there are."""
    postings, closed_at = oracle.found, oracle.closed_at
    with books.reading() as connection:
        made = bill_store.bills_of(connection, client.id)
    starts = month_starts()
    months = [
        (start, end)
        for start, end in pairwise(starts)
        if closed_at is None
        or closed_at >= ms(end)
        or any(ms(start) <= at < ms(end) for at, _, _ in postings)
        or any(ms(start) <= at < ms(end) for at in oracle.free_talks)
    ]
    assert [bill.month for bill in made] == [f"{start:%Y-%m}" for start, _ in months]
    balance = 0
    for bill, (start, end) in zip(made, months, strict=True):
        sums: dict[str, int] = {}
        for at, kind, amount in postings:
            if ms(start) <= at < ms(end):
                sums[kind] = sums.get(kind, 0) + amount
        found: dict[str, int] = {}
        for item in bill.items:
            found[item.kind] = found.get(item.kind, 0) + item.amount_micros
        assert {k: v for k, v in found.items() if v} == {k: v for k, v in sums.items() if v}
        assert bill.opening_micros == balance
        balance += sum(sums.values())
        assert bill.closing_micros == balance
    return len(made)


@pytest.mark.timeout(600)
def test_a_year_in_the_life_of_an_operator():
    rng = random.Random(2028)
    operator = Operator()
    books = operator.books
    ids = [
        account.id
        for account in books.apply(
            [AddAccount(f"c{n}", "person", "EUR", 0, "default", 0) for n in range(ACCOUNTS)]
        )
    ]
    everyone = clients(rng, ids[0])
    happenings(rng, everyone)
    start = wall("2027-11-30T00:00")
    operator.do(DefineProduct(PACKAGE), DefineProduct(MONTHLY))
    numbers = tuple(replace(NUMBER, number=f"+49{client.id}") for client in everyone)
    operator.do(AddNumbers(numbers, start))
    work = bonus.first_work(start, "Europe/Berlin")
    operator.do(DefineBonus("EUR", "2027-11-01", TETRI, work))
    looks = first_looks(start, "Europe/Berlin")
    operator.do(*map(EnsureWork, (first_work(start, "Europe/Berlin"), *looks)))

    agenda: list[tuple[int, int, str, Any]] = []
    for index, client in enumerate(everyone):
        agenda += [(at, index, what, value) for at, what, value in client.happens]
        if client.rents_from:
            agenda.append((ms(client.rents_from), index, "rent", 0))
        if client.buys_at:
            agenda.append((ms(client.buys_at), index, "package", 0))
    agenda.sort()
    position = 0
    for number in range(1, DAYS + 1):
        day_end = ms(datetime.combine(FIRST + timedelta(number), datetime.min.time(), BERLIN))
        events: list[tuple[int, Client, str, Any]] = []
        while position < len(agenda) and agenda[position][0] < day_end:
            at, index, what, value = agenda[position]
            position += 1
            events.append((at, everyone[index], what, value))
        operator.day(events, day_end)
        if not any(begin <= day_end < end for begin, end in DOWN_AT):
            operator.due(day_end)
        assert books.verify() == []
    assert books.verify() == []
    check(operator, everyone)


def check(operator: Operator, everyone: list[Client]) -> None:
    """Every posting and bill is what the oracle says; and the year had some of everything."""
    books, billed = operator.books, 0
    had: Counter[str] = Counter()
    lines = lines_of_numbers(books)
    for client in everyone:
        oracle = Oracle(client).run()
        billed += check_bills(books, client, oracle)
        found = sorted((e.at, e.kind, e.amount_micros) for e in books.ledger(client.id))
        assert found == oracle.found, client
        account = books.account(client.id)
        assert (account.balance_micros, account.reserved_micros, account.status) == (
            oracle.balance, oracle.held, oracle.status,
        )  # fmt: skip
        had.update(kind for _, kind, _ in found)
        had["debt"] += oracle.balance < 0
        had["suspended"] += oracle.suspensions
        had["lifted"] += oracle.lifted
        had["connected"] += oracle.connected
        had["closed"] += oracle.status == "closed"
        moved = [what for _, what, _ in client.happens].count("move_line")
        had["moved"] += moved
        mine = {client.line, f"{client.line}9"}
        assert lines.get(client.id, set()) <= mine, client
    for kind in ("topup", "bonus", "rent", "package", "call"):
        assert had[kind] > 50, had
    for kind in ("debt", "suspended", "lifted", "connected", "closed", "moved"):
        assert had[kind] > 10, had
    for kind in ("InsufficientFunds", "AccountBlocked", "StatusConflict"):
        assert operator.refused[kind] > 5, operator.refused
    with books.reading() as connection:
        numbers = [bill.number for bill in bill_store.bills_of(connection)]
        states = {item.state for item in sales_store.subscriptions(connection, None, ended=True)}
        owing = [item.owing for item in rental_store.rented(connection)]
    assert numbers == list(range(1, billed + 1))
    assert {"active", "ended"} <= states
    assert any(owing) and not all(owing)


def lines_of_numbers(books: Store) -> dict[int, set[str]]:
    """At which lines each account's numbers ring."""
    found: dict[int, set[str]] = {}
    with books.reading() as connection:
        for item in rental_store.numbers(connection, "rented"):
            found.setdefault(item.account_id, set()).add(item.line)
    return found
