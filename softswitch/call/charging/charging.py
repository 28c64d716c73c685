"""Access of calls to reservation and settlement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from billing.stores.group_commit import GroupCommit
    from softswitch.call.charging.accounting import SettlementDesk
    from softswitch.call.clock import Clock
    from softswitch.call.settings import Limits


@dataclass(frozen=True, slots=True)
class Charging:
    """The billing services that calls use.

    Args:
        money: the single writer of the books.
        desk: settles calls, also while the database is out of order.
        clock, limits: of all calls.
        node: the name of this switch among those that share its database.
        admits: False while another node may take over this node's calls.
    """

    money: GroupCommit
    desk: SettlementDesk
    clock: Clock
    limits: Limits
    node: str
    admits: Callable[[], bool]
