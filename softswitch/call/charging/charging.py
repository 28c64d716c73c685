"""Access of calls to reservation and settlement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from billing.stores.group_commit import GroupCommit
    from softswitch.call.charging.accounting import SettlementDesk
    from softswitch.call.charging.meter import Meter
    from softswitch.call.clock import Clock
    from softswitch.call.settings import Limits


class ShortOfMoney(dict[int, "dict[Meter, None]"]):
    """The meters whose last request for an extension found no money, by account.

    A payment, or another call that gives something back, may bring them more. They are kept apart
    because most accounts have none, and an account may have thousands of calls.
    """

    def note(self, account: int, meter: Meter) -> None:
        """There is nothing more to reserve for a meter now."""
        self.setdefault(account, {})[meter] = None

    def forget(self, account: int, meter: Meter) -> None:
        """A meter is settled, or has got money."""
        meters = self.get(account)
        if meters is not None:
            meters.pop(meter, None)
            if not meters:
                del self[account]

    def relieve(self, account: int) -> None:
        """The account has more to reserve: its meters try again."""
        for meter in [*self.get(account, ())]:
            if meter.wants_balance:
                meter.retry()
            else:
                self.forget(account, meter)


@dataclass(frozen=True, slots=True)
class Charging:
    """The billing services that calls use.

    Args:
        money: the single writer of the books.
        desk: settles calls, also while the database is out of order.
        clock, limits: of all calls.
        node: the name of this switch among those that share its database.
        admits: False while another node may take over this node's calls.
        short: the meters that wait for money.
    """

    money: GroupCommit
    desk: SettlementDesk
    clock: Clock
    limits: Limits
    node: str
    admits: Callable[[], bool]
    short: ShortOfMoney = field(default_factory=ShortOfMoney)
