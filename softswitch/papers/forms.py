"""The content of bills, invoices, acts, reconciliation acts and contracts (E17, C14)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from billing.facts.bill import Bill, Item, month_days
from billing.facts.tax import to_minor
from softswitch.papers.numerals import amount, clock, day, digits, in_line, in_words, percent
from softswitch.papers.paper import Paper, Table
from softswitch.papers.words import RIGHT_TO_LEFT, isolated, kind_in_words, word


@dataclass(frozen=True, slots=True)
class Seller:
    """The operator as the seller named on papers."""

    name: str
    address: str = ""
    code: str = ""
    bank: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """An entry of the ledger in a reconciliation act."""

    on: date
    kind: str
    about: str
    amount_micros: int


@dataclass(frozen=True, slots=True)
class ContractLine:
    """A line in a contract."""

    number: str
    lease_ends_on: date | None


def bill_paper(bill: Bill, seller: Seller, language: str, *, duplicate: bool = False) -> Paper:
    """A month's bill; a duplicate has the same content and is marked as one (C14)."""
    shown = _Shown(language, bill.currency)
    first, last = month_days(bill.month)
    month = _period(first, last, language)
    return Paper(
        language=language,
        title=f"{word('bill', language)} № {digits(str(bill.number), language)}",
        mark=word("duplicate", language) if duplicate else "",
        facts=[*_of_bill(bill, language), *_seller(seller, language), *_buyer(bill, language)],
        tables=[_services(bill.items, shown, charged=False)],
        sums=[
            shown.sum("opening", bill.opening_micros, day(first, language)),
            *_of_which_tax(bill, shown),
            shown.sum("charges", bill.charges_micros, month),
            shown.sum("payments", bill.payments_micros, month),
            shown.sum("closing", bill.closing_micros, day(last, language)),
            shown.sum("to_pay", bill.to_pay_micros),
        ],
        words=shown.words(bill.to_pay_micros),
    )


def invoice_paper(bill: Bill, seller: Seller, language: str) -> Paper:
    """The bill's services as an invoice, by the bill's number."""
    shown = _Shown(language, bill.currency)
    return Paper(
        language=language,
        title=f"{word('invoice', language)} № {digits(str(bill.number), language)}",
        facts=[*_of_bill(bill, language), *_seller(seller, language), *_buyer(bill, language)],
        tables=[_services(bill.services, shown)],
        sums=[
            *_of_which_tax(bill, shown),
            shown.sum("total", bill.charges_micros),
            shown.sum("to_pay", bill.to_pay_micros),
        ],
        words=shown.words(bill.to_pay_micros),
        signatures=[word("operator", language)],
    )


def act_paper(bill: Bill, seller: Seller, language: str) -> Paper:
    """The act of the bill's services, which states that they were rendered."""
    shown = _Shown(language, bill.currency)
    return Paper(
        language=language,
        title=f"{word('act', language)} № {digits(str(bill.number), language)}",
        facts=[*_of_bill(bill, language), *_seller(seller, language), *_buyer(bill, language)],
        text=word("rendered", language),
        tables=[_services(bill.services, shown)],
        sums=[*_of_which_tax(bill, shown), shown.sum("total", bill.charges_micros)],
        words=shown.words(to_minor(bill.charges_micros)),
        signatures=[word("operator", language), word("subscriber", language)],
    )


def reconciliation_paper(
    seller: Seller,
    buyer: Mapping[str, str],
    account_id: int,
    currency: str,
    period: tuple[date, date],
    opening_micros: int,
    moves: Sequence[Move],
    language: str,
) -> Paper:
    """The mutual debts of both sides in a period, both days included."""
    shown = _Shown(language, currency)
    debit = -sum(move.amount_micros for move in moves if move.amount_micros < 0)
    credit = sum(move.amount_micros for move in moves if move.amount_micros > 0)
    closing = opening_micros + credit - debit
    rows = [
        (
            day(move.on, language),
            kind_in_words(move.kind, move.about, language),
            shown.amount(-move.amount_micros) if move.amount_micros < 0 else "",
            shown.amount(move.amount_micros) if move.amount_micros > 0 else "",
        )
        for move in moves
    ]
    header = [word(key, language) for key in ("date", "service", "debit", "credit_side")]
    through = _period(*period, language)
    return Paper(
        language=language,
        title=word("reconciliation", language),
        facts=[
            (word("period", language), through),
            *_seller(seller, language),
            *_party(buyer, account_id, language),
        ],
        tables=[Table(header, rows, 2)],
        sums=[
            shown.sum("opening", opening_micros, day(period[0], language)),
            shown.sum("debit", debit, through),
            shown.sum("credit_side", credit, through),
            shown.sum("debt" if closing < 0 else "advance", abs(closing), day(period[1], language)),
        ],
        signatures=[word("operator", language), word("subscriber", language)],
    )


def contract_paper(
    seller: Seller,
    buyer: Mapping[str, str],
    account_id: int,
    on: date,
    tariff: str,
    credit_limit: tuple[int | None, str],
    lines: Sequence[ContractLine],
    products: Sequence[tuple[str, str, int]],
    language: str,
) -> Paper:
    """The terms between operator and subscriber.

    Args:
        on: the first day.
        credit_limit: in micros (None: without), and the currency.
        products: regular payments: the kind of posting, its object, micros.
    """
    limit, currency = credit_limit
    shown = _Shown(language, currency)
    allowed = word("unlimited", language) if limit is None else shown.amount(limit)
    rows = [(digits(line.number, language), _role(line, language)) for line in lines]
    tables = [Table([word("line", language), word("user", language)], rows, 2)]
    if products:
        regular = [
            (kind_in_words(kind, about, language), shown.amount(micros))
            for kind, about, micros in products
        ]
        tables.append(Table([word("service", language), word("amount", language)], regular))
    return Paper(
        language=language,
        title=f"{word('contract', language)} № {digits(str(account_id), language)}",
        facts=[
            (word("date", language), day(on, language)),
            *_seller(seller, language),
            *_party(buyer, account_id, language),
            (word("tariff", language), tariff),
            (word("credit_limit", language), allowed),
        ],
        text=word("subject", language),
        tables=tables,
        signatures=[word("operator", language), word("subscriber", language)],
    )


class _Shown:
    """Amounts of one currency in one language."""

    def __init__(self, language: str, currency: str) -> None:
        self.language = language
        self._currency = currency

    def amount(self, micros: int) -> str:
        return amount(micros, self._currency, self.language)

    def sum(self, key: str, micros: int, when: str = "") -> tuple[str, str]:
        """A name and an amount.

        Args:
            when: the day of a balance, or the period of a sum.
        """
        name = word(key, self.language)
        comma = "\N{ARABIC COMMA}" if self.language in RIGHT_TO_LEFT else ","
        return f"{name}{comma} {isolated(when)}" if when else name, self.amount(micros)

    def words(self, micros: int) -> tuple[str, str] | None:
        """An amount in words; None for a currency without words."""
        text = in_words(micros, self._currency, self.language)
        return None if text is None else (word("in_words", self.language), text)


def _of_which_tax(bill: Bill, shown: _Shown) -> list[tuple[str, str]]:
    """The sum of services without tax, and the tax; empty where there is none."""
    if not bill.tax_basis_points:
        return []
    name, value = shown.sum("tax", bill.tax_micros)
    rate = in_line(percent(bill.tax_basis_points, shown.language), shown.language)
    return [shown.sum("net", bill.net_micros), (f"{name} {isolated(rate)}", value)]


def _services(items: Iterable[Item], shown: _Shown, *, charged: bool = True) -> Table:
    """Items by row; as charges above zero, or as changes of the account's balance."""
    language = shown.language
    header = [word(key, language) for key in ("service", "count", "duration", "amount")]
    rows = [
        (
            kind_in_words(item.kind, item.about, language),
            digits(str(item.count), language),
            clock(item.seconds, language) if item.seconds else "",
            shown.amount(-item.amount_micros if charged else item.amount_micros),
        )
        for item in items
    ]
    return Table(header, rows)


def _of_bill(bill: Bill, language: str) -> list[tuple[str, str]]:
    first, last = month_days(bill.month)
    following = date.fromordinal(last.toordinal() + 1)
    return [
        (word("date", language), day(following, language)),
        (word("period", language), _period(first, last, language)),
    ]


def _period(first: date, last: date, language: str) -> str:
    return in_line(f"{day(first, language)} – {day(last, language)}", language)


def _seller(seller: Seller, language: str) -> list[tuple[str, str]]:
    facts = [
        ("operator", seller.name),
        ("code", seller.code),
        ("address", seller.address),
        ("bank", seller.bank),
    ]
    return [(word(key, language), value) for key, value in facts if value]


def _buyer(bill: Bill, language: str) -> list[tuple[str, str]]:
    return _party(bill.party, bill.account_id, language)


def _party(party: Mapping[str, str], account_id: int, language: str) -> list[tuple[str, str]]:
    """The recipient of a paper: a person whose first and last name are known with both, every other
    one with the account's name, for half a name names no person."""
    names = (party.get("first_name", "").strip(), party.get("surname", "").strip())
    facts = [
        ("subscriber", " ".join(names) if all(names) else party.get("name", "")),
        ("account", digits(str(account_id), language)),
        ("code", party.get("registration_number") or party.get("national_code", "")),
        ("address", party.get("address", "")),
    ]
    return [(word(key, language), value) for key, value in facts if value]


def _role(line: ContractLine, language: str) -> str:
    if line.lease_ends_on is None:
        return word("owner", language)
    return f"{word('tenant', language)} {day(line.lease_ends_on, language)}"
