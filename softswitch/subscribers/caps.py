"""Caps against fraud: limits on an account's calls that hold even when its passwords were stolen.

Attempts and spending are counted in memory, per account that has caps; after a restart, spending is
counted again from the CDRs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from softswitch.subscribers.refusal import Refusal

HIGH_RISK = "high_risk"
"""The destination set whose numbers an account may not call until it is allowed to."""
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000


@dataclass(frozen=True, slots=True)
class Caps:
    """An account's caps; None: no cap.

    Args:
        calls: outgoing calls at once.
        calls_per_minute: outgoing attempts in any minute.
        spend_hour_micros: the price of the calls that ended in the last hour, above which no other
            call begins.
        spend_day_micros: the same for the last 24 hours.
        countries: country calling codes that may be called; the first call to any other waits
            for an operator's approval.
        high_risk: True if the numbers of the set "high_risk" may be called.
    """

    account_id: int
    calls: int | None = None
    calls_per_minute: int | None = None
    spend_hour_micros: int | None = None
    spend_day_micros: int | None = None
    countries: tuple[str, ...] | None = None
    high_risk: bool = False


class CapsWatch:
    """The caps of all accounts, with the counters that they limit."""

    def __init__(self) -> None:
        self._caps: dict[int, Caps] = {}
        self._attempts: dict[int, deque[int]] = {}
        self._spent: dict[int, deque[tuple[int, int]]] = {}
        self.on_attempt: Callable[[int, int], None] | None = None
        """Told of each attempt that counts: the account, and epoch milliseconds."""

    def put(
        self, caps: Caps, spent: Iterable[tuple[int, int]] = (), since: int | None = None
    ) -> None:
        """Set an account's caps; `spent` are the ends and prices of its last day's calls.

        Args:
            since: when these were read; calls that ended after it are counted already.
        """
        read = set(spent)
        if since is not None:
            ended = self._spent.get(caps.account_id, ())
            read.update(call for call in ended if call[0] >= since)
        self._caps[caps.account_id] = caps
        self._spent[caps.account_id] = deque(sorted(read))

    def counts(self, account: int | None) -> bool:
        """True if the spending of an account is counted."""
        return account in self._spent

    def spent(self, account: int | None, at: int, micros: int) -> None:
        """Count the price of a call that ended."""
        if account in self._spent and micros:
            self._spent[account].append((at, micros))

    def check(
        self,
        account: int,
        number: str,
        groups: frozenset[str],
        live: Callable[[int], int],
        at: int,
        on_net: bool,
    ) -> int | None:
        """Count another call of an account, unless a cap refuses it.

        Args:
            number: the called one, digits without "+".
            groups: the destination sets that hold it.
            live: returns the number of outgoing calls that an account has now.

        Returns:
            The outgoing calls that the account may have at once; None: any number.

        Raises:
            Refusal: 403, or 480 for a limit that passes with time; the rule names the cap.
        """
        caps = self._caps.get(account)
        if not on_net and HIGH_RISK in groups and not (caps is not None and caps.high_risk):
            raise _refusal("cap_high_risk")
        if caps is None:
            return None
        if not on_net and caps.countries is not None and not number.startswith(caps.countries):
            raise _refusal("cap_new_country")
        if caps.calls is not None and live(account) >= caps.calls:
            raise too_many_calls(caps.calls)
        attempts = _count(self._attempts.get(account), at - MINUTE_MS)
        if caps.calls_per_minute is not None and attempts >= caps.calls_per_minute:
            raise _refusal("cap_calls_a_minute", 480, "too-many-calls", most=caps.calls_per_minute)
        for code, cap, window in (
            ("cap_spent_hour", caps.spend_hour_micros, HOUR_MS),
            ("cap_spent_day", caps.spend_day_micros, DAY_MS),
        ):
            if cap is not None and self._sum(account, at, window) >= cap:
                raise _refusal(code, says="spending-limit", cap_micros=cap)
        if caps.calls_per_minute is not None:
            self.attempted(account, at)
            if self.on_attempt is not None:
                self.on_attempt(account, at)
        return caps.calls

    def attempted(self, account: int, at: int) -> None:
        """Count an attempt, here or at another node."""
        self._attempts.setdefault(account, deque()).append(at)

    def _sum(self, account: int, at: int, window: int) -> int:
        spent = self._spent.get(account)
        if spent is None:
            return 0
        while spent and spent[0][0] <= at - DAY_MS:
            spent.popleft()
        return sum(micros for when, micros in spent if when > at - window)


def _count(attempts: deque[int] | None, since: int) -> int:
    if attempts is None:
        return 0
    while attempts and attempts[0] <= since:
        attempts.popleft()
    return len(attempts)


def too_many_calls(most: int) -> Refusal:
    """The refusal of a call of an account that has as many as it may."""
    return _refusal("cap_calls", 480, "too-many-calls", most=most)


def _refusal(code: str, status: int = 403, says: str = "barred", **facts: int) -> Refusal:
    return Refusal(status, code, ended_by="operator", says=(f"refused-{says}",), **facts)
