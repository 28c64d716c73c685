"""Re-rating: what calls should have cost by a tariff that was corrected since.

Neither CDRs nor ledger entries are ever changed. What a call costs now is its CDR's price and the
corrections after it, each of which says the whole new price and posts the difference; a call that
costs the right amount already is left alone, so that doing it again changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from billing.facts.cdr import Cdr
from billing.facts.command import SalesCommand, Touched
from billing.facts.coverage import NONE, Coverage, charge_covered
from billing.facts.product import Destinations
from billing.facts.rate import Rate
from billing.facts.rating import Charge
from billing.facts.tariff import Tariff

ON_NET_TYPE = "on_net"


@dataclass(frozen=True, slots=True)
class Correction:
    """A new price of a call.

    Args:
        number: 1 for a call's first.
        price_micros: the whole price.
        posted_micros: the difference from the price before, as it was posted to the account.
    """

    cdr_id: str
    number: int
    account_id: int
    price_micros: int
    posted_micros: int
    at: int
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectPrice(SalesCommand[Correction | None]):
    """Let a call cost what this rate says; answered by the Correction, or None if it does already.

    Args:
        cdr_id: of the call's record.
        rate: as the tariff gives it to a call of that instant.
        at: of the correction; epoch milliseconds.
    """

    cdr_id: str
    rate: Rate
    note: str = ""

    def touches(self, touched: Touched) -> None:
        touched.raises_balance(self.account_id)
        touched.renews(self.account_id)

    @property
    def relieved_account(self) -> int | None:
        return self.account_id


@dataclass(frozen=True, slots=True)
class RatedCall:
    """A call that was priced.

    Args:
        price_micros: what it costs now, corrections included.
        corrections: how many there were.
    """

    cdr: Cdr
    rate: Rate
    coverage: Coverage | None
    price_micros: int
    corrections: int

    def charge(self, rate: Rate) -> Charge:
        """The price by another rate, under the packages that paid for the call then."""
        cdr = self.cdr
        return charge_covered(rate, self.coverage or NONE, cdr.duration_ms, cdr.answered_at or 0)


def rate_by(tariff: Tariff, cdr: Cdr, sets: Destinations) -> Rate | None:
    """The rate that a tariff would have given to a call when it began; None: it has none."""
    rate = tariff.find_on_net(cdr.setup_at) if cdr.type == ON_NET_TYPE else None
    return rate or tariff.find(cdr.called.removeprefix("+"), cdr.setup_at, sets)


def correction_transaction(key: str, number: int) -> str:
    """The transaction of a call's correction: one for each, however often it is asked for."""
    return f"rerate:{key}:{number}"
