"""A small operator's 400 days in virtual time: 500 accounts, a leap day, both changes of the
clocks, downtimes of hours and days. Every posting is compared with an oracle that knows nothing of
the books: plain dates, plain sums, one account after the other."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from billing import bill_store, bonus, rental_store, sales_store
from billing.authorization import (
    AddAccount,
    AnswerCall,
    CloseCall,
    InsufficientFunds,
    OpenCall,
    TopUp,
    WriteCdr,
)
from billing.bill import first_work
from billing.calendar import Term
from billing.cdr import Cdr
from billing.product import Product
from billing.rental import AddNumbers, Number, RentNumber
from billing.sales import BuyPackage, DefineBonus, DefineProduct, EnsureWork
from billing.store import Store
from billing.tariff import Rate
from softswitch.due import run_due

ACCOUNTS, DAYS = 500, 400
BERLIN = ZoneInfo("Europe/Berlin")
FIRST = date(2027, 12, 1)
UNIT = 1_000_000
TETRI = 10_000
RATE = Rate("default", "995", "Georgia", 0, 60_000, 1, 1, 0, 0, "EUR")
PACKAGE = Product("month", "EUR", 6 * UNIT, Term(1, "months"), ("all",), grace=Term(3, "days"))
MONTHLY = Product("days", "EUR", 4 * UNIT, Term(30, "days"), ("all",))
NUMBER = Number("", "DE", "Berlin", "landline", "kpn", "", None, "EUR", 5 * UNIT)
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
    happens: list[tuple[int, str, int]] = field(default_factory=list)
    """(at, "topup", amount), (at, "incoming", ms), (at, "call", seconds)."""


def oracle(client: Client) -> tuple[list[tuple[int, str, int]], int]:
    """The account's postings (at, kind, amount), and its balance at the end."""
    end = ms(datetime.combine(FIRST + timedelta(DAYS), datetime.min.time(), BERLIN))
    agenda: list[tuple[int, int, str, object]] = []  # at; due work comes before what people do
    for at, what, value in client.happens:
        heapq.heappush(agenda, (at, 3, what, value))
    if client.rents_from:
        heapq.heappush(agenda, (ms(client.rents_from), 2, "rent", 0))
    if client.buys_at:
        heapq.heappush(agenda, (ms(client.buys_at), 1, "package", (client.buys_at, 0)))
    minutes: dict[date, int] = {}
    for at, what, value in client.happens:
        if what == "incoming":
            day = datetime.fromtimestamp(at / 1000, BERLIN).date()
            minutes[day] = minutes.get(day, 0) + value // 60_000
    for day, total in minutes.items():
        midnight = datetime.combine(day + timedelta(1), datetime.min.time(), BERLIN)
        if total:
            heapq.heappush(agenda, (ms(midnight), 0, "bonus", total))
    balance, found = 0, []
    covered_until, in_grace_until = 0, 0

    def move(at: int, kind: str, amount: int) -> None:
        nonlocal balance
        balance += amount
        found.append((at, kind, amount))

    def begin_term(anchor: datetime, number: int, at: int) -> None:
        nonlocal covered_until, in_grace_until
        product = client.product
        move(at, "package", -product.price_micros)
        if product.term.unit == "months":
            ends = month_later(anchor, number + 1)
        else:
            ends = anchor + timedelta(30 * (number + 1))  # aware: the wall clock is kept
        covered_until, in_grace_until = ms(ends), 0
        heapq.heappush(agenda, (ms(ends), 1, "package", (anchor, number + 1)))

    while agenda:
        at, _, what, value = heapq.heappop(agenda)
        if at > end:
            break
        if what == "topup":
            move(at, "topup", value)
            if in_grace_until > at and balance >= client.product.price_micros:
                begin_term(datetime.fromtimestamp(at / 1000, BERLIN), 0, at)
        elif what == "bonus":
            move(at, "bonus", value * TETRI)
        elif what == "rent":
            move(at, "rent", -5 * UNIT)
            heapq.heappush(
                agenda, (ms(month_later(client.rents_from, value + 1)), 2, "rent", value + 1)
            )
        elif what == "package":
            anchor, number = value
            if balance >= client.product.price_micros:
                begin_term(anchor, number, at)
            elif number and client.product.grace:
                ends = datetime.fromtimestamp(at / 1000, BERLIN) + timedelta(3)
                in_grace_until = ms(ends)
        elif what == "call" and at >= covered_until and balance >= 1000:
            move(at + value * 1000, "call", -min(value, balance // 1000) * 1000)
    return sorted(found), balance


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
    """A year of payments and calls."""
    down = [(wall(start), wall(end)) for start, end in DOWN]
    for day in range(2, DAYS):
        for what, count in (("topup", 7), ("incoming", 5), ("call", 3)):
            for client in rng.sample(all_clients, count):
                start = datetime.combine(FIRST + timedelta(day), datetime.min.time(), BERLIN)
                at = ms(start) + rng.randrange(86_000_000)
                if any(begin - 120_000 <= at <= end for begin, end in down):
                    continue
                value = {
                    "topup": rng.randrange(2, 30) * UNIT,
                    "incoming": rng.randrange(1, 900_000),
                    "call": rng.randrange(1, 60),
                }[what]
                client.happens.append((at, what, value))


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
        self.refused = 0

    def do(self, command):
        (result,) = self.books.apply([command])
        if isinstance(result, InsufficientFunds):
            self.refused += 1
        elif isinstance(result, Exception):
            raise result
        return result

    def happen(self, client: Client, at: int, what: str, value: int) -> None:
        self.count += 1
        key = f"{what}{self.count}"
        if what == "topup":
            for _ in range(1 + (self.count % 10 == 0)):  # some are told twice
                self.do(TopUp(client.id, value, key, at))
        elif what == "incoming":
            started = at - value
            self.do(WriteCdr(record(key, client, "incoming", started, value)))
        elif what == "call":
            self._call(client, key, at, value * 1000)
        elif what == "rent":
            order = RentNumber(
                account_id=client.id, at=at, rental_id=f"r{client.id}", number=f"+49{client.id}",
                line="+4930", months=1, discount_percent=0, zone="Europe/Berlin",
            )  # fmt: skip
            self.do(order)
        else:
            purchase = BuyPackage(
                account_id=client.id, at=at, purchase_id=f"p{client.id}", line=None,
                product=client.product.name, zone="Europe/Berlin", auto_renew=True,
            )  # fmt: skip
            self.do(purchase)

    def _call(self, client: Client, key: str, at: int, duration: int) -> None:
        facts = record(key, client, "outgoing", at, 0).to_json()
        opened = self.do(OpenCall(key, client.id, RATE, facts, at, 60, (f"p{client.id}",)))
        if isinstance(opened, Exception):
            return
        self.do(AnswerCall(key, at))
        self.do(CloseCall(key, record(key, client, "outgoing", at, duration)))


def month_starts() -> list[datetime]:
    """Of every month that was billed, and of the one after the last."""
    first = datetime(2027, 11, 1, tzinfo=BERLIN)
    starts = [month_later(first, months) for months in range(20)]
    end = datetime.combine(FIRST + timedelta(DAYS), datetime.min.time(), BERLIN)
    return [start for start in starts if start <= end]


def check_bills(books: Store, client: Client, postings: list[tuple[int, str, int]]) -> None:
    """One bill a month, each with what was posted in it, whenever the switch was down."""
    with books.reading() as connection:
        made = bill_store.bills_of(connection, client.id)
    starts = month_starts()
    assert [bill.month for bill in made] == [f"{start:%Y-%m}" for start in starts[:-1]]
    balance = 0
    for bill, start, end in zip(made, starts[:-1], starts[1:], strict=True):
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


@pytest.mark.timeout(600)
def test_a_year_in_the_life_of_an_operator():
    rng = random.Random(2028)
    operator = Operator()
    books = operator.books
    ids = [
        operator.do(AddAccount(f"c{n}", "person", "EUR", 0, "default", 0)).id
        for n in range(ACCOUNTS)
    ]
    everyone = clients(rng, ids[0])
    happenings(rng, everyone)
    start = wall("2027-11-30T00:00")
    for product in (PACKAGE, MONTHLY):
        operator.do(DefineProduct(product))
    numbers = tuple(replace(NUMBER, number=f"+49{client.id}") for client in everyone)
    operator.do(AddNumbers(numbers, start))
    work = bonus.first_work(start, "Europe/Berlin")
    operator.do(DefineBonus("EUR", "2027-11-01", TETRI, work))
    operator.do(EnsureWork(first_work(start, "Europe/Berlin")))

    agenda: list[tuple[int, int, str, int]] = []
    for index, client in enumerate(everyone):
        agenda += [(at, index, what, value) for at, what, value in client.happens]
        if client.rents_from:
            agenda.append((ms(client.rents_from), index, "rent", 0))
        if client.buys_at:
            agenda.append((ms(client.buys_at), index, "package", 0))
    agenda.sort()
    day_ends = [
        ms(datetime.combine(FIRST + timedelta(n), datetime.min.time(), BERLIN))
        for n in range(1, DAYS + 1)
    ]
    down = [(wall(begin), wall(end)) for begin, end in DOWN]
    position = 0
    for day_end in day_ends:
        while position < len(agenda) and agenda[position][0] < day_end:
            at, index, what, value = agenda[position]
            position += 1
            assert run_due(books, books.apply, at, "Europe/Berlin").failures == []
            operator.happen(everyone[index], at, what, value)
        if not any(begin <= day_end < end for begin, end in down):
            assert run_due(books, books.apply, day_end, "Europe/Berlin").failures == []
        assert books.verify() == []

    owed = 0
    for client in everyone:
        expected, balance = oracle(client)
        check_bills(books, client, expected)
        found = sorted((e.at, e.kind, e.amount_micros) for e in books.ledger(client.id))
        assert found == expected, client
        assert books.account(client.id).balance_micros == balance
        owed += balance < 0
    kinds = {"topup": 0, "bonus": 0, "rent": 0, "package": 0, "call": 0}
    for client in everyone:
        for entry in books.ledger(client.id):
            kinds[entry.kind] += 1
    # The year had some of everything: debts, graces, ends, refusals.
    assert min(kinds.values()) > 50 and owed > 10 and operator.refused > 5, (kinds, owed)
    with books.reading() as connection:
        numbers = [bill.number for bill in bill_store.bills_of(connection)]
    assert numbers == list(range(1, ACCOUNTS * (len(month_starts()) - 1) + 1))
    with books.reading() as connection:
        states = {item.state for item in sales_store.subscriptions(connection, None, ended=True)}
        owing = [item.owing for item in rental_store.rented(connection)]
    assert {"active", "ended"} <= states
    assert any(owing) and not all(owing)
