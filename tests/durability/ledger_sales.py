"""The purchases of an account beside calls, in exact arithmetic: packages, numbers, credit,
bonus."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from billing.decisions.rentals import NumberTaken
from billing.facts.authorization import (
    AccountBlocked,
    BillingError,
    InsufficientFunds,
    StatusConflict,
    TopUp,
)
from billing.facts.calendar import Term
from billing.facts.hold import CaptureCredit, HoldCredit, ReleaseCredit
from billing.facts.product import Product
from billing.facts.rental import AddNumbers, GiveUpNumber, KeepNumber, Number, RentNumber
from billing.facts.sales import BuyPackage, DefineProduct, PostBonus
from billing.facts.wallet import ONE, SMS, BuyCredit, ChargeFee, Refund, Spend, TakeTrial
from billing.stores.store import Store
from softswitch.scheduled.due import run_due

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
PRODUCT = Product("day", "GEL", 60_000, Term(24, "hours"), ("all",))
RENT = 40_000
PAID = st.one_of(st.integers(1, 300_000), st.sampled_from([100_000, 300_000]))
"""Often enough to buy something for it."""
NUMBERS = ("+995322000001", "+995322000002")
QUARANTINE_DAYS = 90
TRIAL = 10
BONUS = 1000
MAY_FOLLOW = {
    "active": {"suspended", "disconnected", "closed"},
    "suspended": {"active", "closed"},
    "disconnected": {"active", "closed"},
    "closed": set(),
}


@dataclass
class Rented:
    """The model's facts about a rented number."""

    number: str
    months: int
    began: datetime
    fees: int = 0
    """Debited until now."""
    owing: bool = False
    closing: bool = False

    @property
    def due(self) -> int:
        """When the next debit is: at the hour and on the day of the month of the beginning, or on
        the last day of a month that is shorter."""
        month = self.began.month - 1 + self.months * self.fees
        year, month = self.began.year + month // 12, month % 12 + 1
        last = calendar.monthrange(year, month)[1]
        day = self.began.replace(year=year, month=month, day=min(self.began.day, last))
        return int(day.timestamp()) * 1000


@dataclass
class Held:
    """Credit that is set aside for texts."""

    wallet: str
    left: int


class Sales(RuleBasedStateMachine):
    """The rules of one account's purchases; `do` and `available` are the ledger's."""

    books: Store
    who: int
    balance: int
    status: str
    count: int
    available: int
    floor: int
    """The lowest available amount below zero to which debits of rent have led."""

    def do(self, command):
        raise NotImplementedError

    def open_shop(self) -> None:
        self.today = 0
        self.status = "active"
        self.floor = 0
        self.sold: dict[str, tuple[int, bool]] = {}
        """When each package's term ends, and whether it renews itself."""
        self.rented: dict[str, Rented] = {}
        self.resting: dict[str, int] = {}
        self.given_up: dict[str, Rented] = {}
        """Until when numbers can't be had again."""
        self.credit = 0
        """Units of the SMS wallet, those that are held included."""
        self.holds: dict[str, Held] = {}
        self.tried = False
        self.bonus_minutes: dict[str, int] = {}
        """Posted for each day."""
        self.do(DefineProduct(PRODUCT))
        stock = (
            Number(number, "GE", None, "landline", "supplier", "", None, "GEL", RENT)
            for number in NUMBERS
        )
        self.do(AddNumbers(tuple(stock), 0))

    def key(self, letter: str) -> str:
        self.count += 1
        return f"{letter}{self.count}"

    def twice(self, command) -> Exception | None:
        """Pressed twice; the refusal, if it is refused."""
        refusals = []
        for _ in range(2):
            try:
                self.do(command)
            except BillingError as refused:
                refusals.append(refused)
        assert len(refusals) in (0, 2), refusals
        return refusals[0] if refusals else None

    def sell(self, command, price: int) -> bool:
        """True if it was sold; it must be, exactly if the account may buy and has the money."""
        refused = self.twice(command)
        if self.status != "active":
            assert isinstance(refused, AccountBlocked)
        elif self.available < price:
            assert isinstance(refused, InsufficientFunds)
        else:
            assert refused is None
            self.balance -= price
            return True
        return False

    def risen(self) -> None:
        """The balance rose: numbers that were shut for a debt ring again once it is above zero."""
        if self.balance > 0:
            for rented in self.rented.values():
                rented.owing = False

    # Money

    @rule(micros=PAID)
    def top_up(self, micros):
        self.top_up_by(micros)

    def top_up_by(self, micros):
        assert self.twice(TopUp(self.who, micros, self.key("p"), 0)) is None
        self.balance += micros
        self.risen()

    @precondition(lambda self: self.balance < 0)
    @rule(more=st.integers(0, 1))
    def pay_the_debt(self, more):
        """To the last millionth, or to one more."""
        self.top_up_by(more - self.balance)

    @rule(micros=st.integers(1, 100_000))
    def refund(self, micros):
        """Only what no call holds."""
        command = Refund(
            account_id=self.who, at=0, refund_id=self.key("r"), wallet="money", amount_micros=micros
        )
        refused = self.twice(command)
        if self.available < micros:
            assert isinstance(refused, InsufficientFunds)
        else:
            assert refused is None
            self.balance -= micros

    @rule(micros=st.integers(1, 100_000))
    def pay_a_fee(self, micros):
        command = ChargeFee(
            account_id=self.who, at=0, fee_id=self.key("f"), about="once", amount_micros=micros
        )
        self.sell(command, micros)

    @rule(day=st.sampled_from(["1970-01-01", "1970-01-02"]), minutes=st.integers(0, 40))
    def post_a_bonus(self, day, minutes):
        """A day that is counted again brings what is more than before."""
        command = PostBonus(
            account_id=self.who, at=0, day=day, minutes=minutes, micros_per_minute=BONUS
        )
        assert self.twice(command) is None
        more = (minutes - self.bonus_minutes.get(day, 0)) * BONUS
        if more > 0:
            self.bonus_minutes[day] = minutes
            self.balance += more
            self.risen()

    # Packages

    @rule(auto_renew=st.booleans())
    def buy(self, auto_renew):
        """For a day, on a line of its own."""
        key = self.key("b")
        command = BuyPackage(
            account_id=self.who, at=self.today, purchase_id=key, product=PRODUCT.name,
            line=f"+{self.count}", zone="UTC", auto_renew=auto_renew,
        )  # fmt: skip
        if self.sell(command, PRODUCT.price_micros):
            self.sold[key] = (self.today + DAY_MS, auto_renew)

    # Numbers

    @rule(number=st.sampled_from(NUMBERS), months=st.sampled_from([1, 1, 3]))
    def rent(self, number, months):
        key = self.key("n")
        command = RentNumber(
            account_id=self.who, at=self.today, rental_id=key, number=number, line="+1",
            months=months, discount_percent=0, zone="UTC",
        )  # fmt: skip
        if number in self.resting or any(r.number == number for r in self.rented.values()):
            assert isinstance(self.twice(command), NumberTaken)
        elif self.sell(command, RENT * months):
            self.rented[key] = Rented(
                number, months, datetime.fromtimestamp(self.today / 1000, UTC), 1
            )

    @precondition(lambda self: self.rented)
    @rule(data=st.data(), hours=st.sampled_from([1, 23, 24, 25, 200]))
    def give_up(self, data, hours):
        """Less than a day before the debit, that one is still due."""
        key = data.draw(st.sampled_from(sorted(self.rented)))
        self.pass_until(max(self.today, self.rented[key].due - hours * HOUR_MS))
        rented = self.rented[key]
        command = GiveUpNumber(account_id=self.who, at=self.today, rental=key)
        assert self.twice(command) is None
        if rented.closing:
            return
        self.resting[rented.number] = self.today + QUARANTINE_DAYS * DAY_MS
        rented.closing = self.today + DAY_MS > rented.due
        if not rented.closing:
            del self.rented[key]
            self.given_up[key] = rented

    @precondition(lambda self: self.given_up)
    @rule(data=st.data())
    def keep(self, data):
        """Taken back before the day of the debit, everything goes on as if never given up."""
        key = data.draw(st.sampled_from(sorted(self.given_up)))
        rented = self.given_up.pop(key)
        command = KeepNumber(account_id=self.who, at=self.today, rental=key, line="+1")
        if self.status != "active":
            assert isinstance(self.twice(command), AccountBlocked)
            return
        if self.today >= rented.due or rented.number not in self.resting:
            assert isinstance(self.twice(command), NumberTaken)
            return
        assert self.twice(command) is None
        del self.resting[rented.number]
        self.rented[key] = rented

    # Credit for messages

    @rule(units=st.integers(1, 20), price=st.integers(1, 60_000))
    def buy_credit(self, units, price):
        command = BuyCredit(
            account_id=self.who, at=0, purchase_id=self.key("k"), wallet=SMS,
            credit_micros=units * ONE, price_micros=price,
        )  # fmt: skip
        if self.sell(command, price):
            self.credit += units

    @rule()
    def take_a_trial(self):
        command = TakeTrial(account_id=self.who, at=0, wallet=SMS)
        try:
            self.do(command)
        except AccountBlocked:
            assert self.status != "active"
        except BillingError:
            assert self.tried
        else:
            assert self.status == "active" and not self.tried
            self.tried = True
            self.credit += TRIAL

    @rule(units=st.integers(1, 20), from_phone=st.booleans())
    def send_messages(self, units, from_phone):
        """No phone sends them on credit, and none of it is paid out."""
        command = Spend(
            account_id=self.who, at=0, spend_id=self.key("s"), wallet=SMS,
            amount_micros=units * ONE, from_phone=from_phone,
        )  # fmt: skip
        refused = self.twice(command)
        if self.status != "active" or from_phone:
            assert refused is not None
        elif self.credit * ONE - self.held_of(SMS) < units * ONE:
            assert isinstance(refused, InsufficientFunds)
        else:
            assert refused is None
            self.credit -= units
        back = Refund(account_id=self.who, at=0, refund_id="x", wallet=SMS, amount_micros=ONE)
        assert self.twice(back) is not None

    # Texts

    def held_of(self, wallet) -> int:
        return sum(held.left for held in self.holds.values() if held.wallet == wallet)

    @rule(wallet=st.sampled_from(["money", SMS]), units=st.integers(1, 20))
    def hold(self, wallet, units):
        """A batch is set aside as a whole, or not at all."""
        amount = units * (ONE if wallet == SMS else 20_000)
        key = self.key("h")
        refused = self.twice(
            HoldCredit(account_id=self.who, at=0, hold_id=key, wallet=wallet, amount_micros=amount)
        )
        free = self.available if wallet == "money" else self.credit * ONE - self.held_of(SMS)
        if self.status != "active":
            assert isinstance(refused, AccountBlocked)
        elif free < amount:
            assert isinstance(refused, InsufficientFunds)
        else:
            assert refused is None
            self.holds[key] = Held(wallet, amount)

    @precondition(lambda self: self.holds)
    @rule(data=st.data(), parts=st.integers(1, 4))
    def capture(self, data, parts):
        """A text went out: whatever the account's status is, it is paid, and never twice."""
        key = data.draw(st.sampled_from(sorted(self.holds)))
        held = self.holds[key]
        unit = ONE if held.wallet == SMS else 20_000
        refused = self.twice(
            CaptureCredit(
                account_id=self.who, at=0, hold_id=key, capture_id=self.key("t"),
                amount_micros=parts * unit,
            )
        )  # fmt: skip
        if parts * unit > held.left:
            assert refused is not None
            return
        assert refused is None
        held.left -= parts * unit
        if held.wallet == SMS:
            self.credit -= parts
        else:
            self.balance -= parts * unit

    @precondition(lambda self: self.holds)
    @rule(data=st.data())
    def release(self, data):
        key = data.draw(st.sampled_from(sorted(self.holds)))
        command = ReleaseCredit(account_id=self.who, at=0, hold_id=key)
        assert self.twice(command) is None
        self.holds[key].left = 0

    # Time

    @rule(days=st.sampled_from([1, 2, 3, 31, 92]))
    def days_pass(self, days):
        self.pass_until(self.today + days * DAY_MS)

    @precondition(lambda self: self.rented)
    @rule()
    def rent_is_due(self):
        self.pass_until(min(rented.due for rented in self.rented.values()))

    def pass_until(self, at: int) -> None:
        """Carry out due work until then in its order, by two nodes."""
        self.today = at
        while due := [*self._packages_due(), *self._rents_due()]:
            _, work = min(due)
            kind, _, key = work.partition(":")
            if kind == "package":
                self._renew(key)
            else:
                self._debit(self.rented[key], key)
        for number, until in list(self.resting.items()):
            if until <= self.today:
                del self.resting[number]
        for _ in range(2):
            assert run_due(self.books, self.books.apply, self.today, "UTC").failures == []

    def _packages_due(self):
        return [(at, f"package:{key}") for key, (at, _) in self.sold.items() if at <= self.today]

    def _rents_due(self):
        return [(r.due, f"rental:{key}") for key, r in self.rented.items() if r.due <= self.today]

    def _renew(self, key: str) -> None:
        ends, again = self.sold.pop(key)
        if again and self.status == "active" and self.available >= PRODUCT.price_micros:
            self.balance -= PRODUCT.price_micros
            self.sold[key] = (ends + DAY_MS, True)

    def _debit(self, rented: Rented, key: str) -> None:
        """Debit the rent, with or without money; money that is held for calls pays it, too."""
        fee = RENT * rented.months
        rented.owing |= self.available < fee and self.balance <= fee
        self.balance -= fee
        self.floor = min(self.floor, self.available)
        rented.fees += 1
        if rented.closing:
            del self.rented[key]

    # Statuses

    def change_status(self, status: str, change) -> None:
        """By the table; `change` does it."""
        if status == self.status or status in MAY_FOLLOW[self.status]:
            change()
            self.status = status
            return
        try:
            change()
        except StatusConflict:
            return
        raise AssertionError(f"{self.status} became {status}")

    # Invariants

    def shop_adds_up(self, connection) -> None:
        def rows(query):
            return [tuple(row) for row in connection.exec_driver_sql(query)]

        held = rows("SELECT id, ends_at FROM subscriptions WHERE state = 'active'")
        assert dict(held) == {key: ends for key, (ends, _) in self.sold.items()}
        rented = rows("SELECT id, paid_until, owing FROM rentals WHERE state <> 'ended'")
        assert {key: facts for key, *facts in rented} == {
            key: [item.due, item.owing] for key, item in self.rented.items()
        }
        credit = rows("SELECT balance_micros, held_micros FROM wallets")
        assert sum(micros for micros, _ in credit) == self.credit * ONE
        assert sum(held for _, held in credit) == self.held_of(SMS)
        assert self.available >= self.floor
        self.floor = min(0, self.available)
