"""The context of an operation: its stores, its actor, and the facts that the running switch then
reads again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from sqlalchemy import Connection

from billing.facts.account import Account
from billing.facts.assignment import Assignment
from billing.facts.calendar import local_day
from billing.facts.command import Answer, Apply, Command
from billing.facts.product import Destinations, Subscription
from billing.facts.tariff import Tariff
from billing.stores import rental_store, sales_store, tariff_store
from billing.stores.store import CdrFilter, Store
from softswitch.admission.numbering import NumberError, NumberPlan
from softswitch.admission.settings import number_plan
from softswitch.config.config import Config
from softswitch.control.actor import THE_SWITCH, Actor
from softswitch.control.errors import OperationError
from softswitch.database import news
from softswitch.database.changes import Changes
from softswitch.identity.users import UserStore
from softswitch.operations.refusals import refusal_of
from softswitch.operations.running_requests import RunningRequests
from softswitch.reception.refused_registrations import RefusedRegistrations
from softswitch.scheduled.number_moves import NumberMoves
from softswitch.subscribers.caps import DAY_MS, Caps
from softswitch.subscribers.directory import Directory, Line, Trunk
from softswitch.subscribers.directory_store import DirectoryStore
from softswitch.subscribers.reach_store import reaches_of
from softswitch.subscribers.rented import RentedNumber
from softswitch.subscribers.subscriber_store import SubscriberStore

Capped = tuple[Caps, tuple[tuple[int, int], ...]]
"""An account's caps, and what it spent: (epoch milliseconds, micros)."""


@dataclass(frozen=True, slots=True)
class Reload:
    """Facts read again after a change, for the running switch to take over."""

    lines: tuple[Line, ...]
    removed_lines: tuple[int, ...]
    trunks: tuple[Trunk, ...] | None
    """All of them, or None when none changed."""
    tariffs: tuple[Tariff, ...]
    accounts: tuple[Account, ...]
    subscriptions: tuple[Subscription, ...] | None = None
    """Subscriptions of these accounts; None when no account changed."""
    caps: tuple[Capped, ...] = ()
    rented: tuple[RentedNumber, ...] = ()
    """The numbers that these accounts rent."""
    destinations: Destinations | None = None
    assignments: tuple[Assignment, ...] = ()
    """Which tariffs were assigned to these accounts."""
    changed_numbers: Mapping[str, str] | None = None
    """Old numbers to new ones, all of them; None when none changed."""
    texts: bool = False
    """True if texts were stored or taken back, or carriers of texts changed."""

    def put_into(self, directory: Directory) -> None:
        """Bring the directory up to date."""
        for line_id in self.removed_lines:
            directory.forget_line(line_id)
        directory.put_lines(self.lines)
        if self.trunks is not None:
            directory.set_trunks(self.trunks)
        for caps, spent in self.caps:
            directory.caps.put(caps, spent)
        directory.rented.put(self.rented, (account.id for account in self.accounts))
        for account in self.accounts:
            directory.put_account(account.id, account.status)
        if self.changed_numbers is not None:
            directory.changed_numbers = dict(self.changed_numbers)


@dataclass
class Concern:
    """The first account that an operation looked up: whom the audit names."""

    account_id: int | None = None


@dataclass
class Context:
    """Everything an operation may use.

    In the running switch `apply` goes through the single billing writer, so operations that
    move money never write by themselves."""

    config: Config
    billing: Store
    directory: DirectoryStore
    apply: Apply
    now_ms: Callable[[], int]
    """Epoch milliseconds."""
    changes: Changes = field(default_factory=Changes)
    actor: Actor = THE_SWITCH
    concern: Concern = field(default_factory=Concern)
    refused_registrations: RefusedRegistrations = field(default_factory=RefusedRegistrations)
    """Those of the running switch; none without one."""
    is_change: bool = False
    """True while something is changed: not by a tenant at a line whose lease is over."""
    running: RunningRequests = field(default_factory=RunningRequests)
    """The keyed requests that this process carries out."""

    @cached_property
    def subscribers(self) -> SubscriberStore:
        return SubscriberStore(self.billing.engine)

    @cached_property
    def users(self) -> UserStore:
        return UserStore(self.billing.engine)

    @cached_property
    def plan(self) -> NumberPlan:
        return number_plan(self.config)

    def tell(self) -> None:
        """Tell the other switches on this database what `changes` names."""
        with self.billing.engine.begin() as connection:
            news.tell(connection, self.changes)

    def do(self, command: Command[Answer]) -> Answer:
        """Apply one billing command. Raises OperationError with its refusal."""
        (result,) = self.apply([command])
        if isinstance(result, Exception):
            raise refusal_of(result) from result
        return result

    def account(self, reference: str | int) -> Account:
        """By id, or by a name that only one account has; a subscriber's own by its id alone.
        Raises OperationError."""
        text = str(reference).strip()
        if text.isascii() and text.isdigit() and len(text) < 18 and self.owns(int(text)):
            found = self.billing.account(int(text))
            if found is not None:
                self._concerns(found.id)
                return found
        named: list[Account] = []
        if not self.actor.is_subscriber:
            named = self.billing.accounts_named(text)
        if not named:
            raise OperationError("account_not_found", account=text)
        if len(named) > 1:
            ids = ", ".join(str(account.id) for account in named)
            raise OperationError("account_ambiguous", account=text, ids=ids)
        self._concerns(named[0].id)
        return named[0]

    def owns(self, account_id: int | None) -> bool:
        """True if the actor may see what belongs to an account. An operation that looks something
        up by its id asks this, and answers as if it weren't there."""
        own = not self.actor.is_subscriber or account_id == self.actor.account
        if own and account_id is not None:
            self._concerns(account_id)
        return own

    def owns_line(self, line: Line | None) -> bool:
        """Likewise of a line, and of what belongs to it; None: a line that is gone."""
        if not self.actor.is_subscriber:
            return True
        if line is None or line.account_id != self.actor.account:
            return False
        return not self.actor.is_line_user or line.id in self.actor.lines

    def own_lines(self) -> list[Line]:
        """The lines that the actor may see, by number: staff all of them."""
        account = self.actor.account if self.actor.is_subscriber else None
        found = self.directory.lines() if account is None else self.directory.lines_of([account])
        return [line for line in found if self.owns_line(line)]

    def line_of(self, line_id: int) -> Line | None:
        """A line by its id; None: it is gone."""
        return next(iter(self.directory.lines([line_id])), None)

    def own_account(self, account: str | None) -> int | None:
        """The account by which a list is narrowed: a subscriber's own, or the one that staff named;
        None: all of them. Raises OperationError."""
        if account is None and self.actor.is_subscriber:
            return self.actor.account
        return None if account is None else self.account(account).id

    def identified(self, ids: Iterable[str], wanted: str) -> list[str]:
        """The ids that an id means: itself, or for the command line those that begin so."""
        known = list(ids)
        if wanted in known:
            return [wanted]
        abbreviated = self.actor.abbreviates and bool(wanted)
        return [each for each in known if abbreviated and each.startswith(wanted)]

    def _concerns(self, account_id: int) -> None:
        if self.concern.account_id is None:
            self.concern.account_id = account_id

    def number(self, text: str) -> str:
        """A number that a person typed, as E.164 with "+". Raises OperationError."""
        try:
            read = self.plan.read(text.strip(), self._is_line)
        except NumberError as error:
            raise OperationError("number_malformed", number=text, reason=error.reason) from None
        if read.kind != "e164":
            raise OperationError("number_is_service_code", number=text)
        return read.number

    def _is_line(self, number: str) -> bool:
        return self.directory.line_by_number(number) is not None

    def line(self, text: str, *, though_ended: bool = False) -> Line:
        """A line by its number, or by its login where no line has it for a number.

        Args:
            though_ended: True for what a tenant may do when the lease is over.

        Raises:
            OperationError: there is none, or the change is a tenant's whose lease is over.
        """
        text = text.strip()
        found = None
        with contextlib.suppress(OperationError):
            found = self.directory.line_by_number(self.number(text))
        if found is None:
            found = self.directory.line_by_login(text)
        if found is not None and self.owns_line(found):
            self._concerns(found.account_id)
            if self.is_change and self.actor.is_subscriber and not though_ended:
                self._check_lease(found)
            return found
        raise OperationError("line_not_found", line=text)

    def _check_lease(self, line: Line) -> None:
        today = local_day(self.now_ms(), self.config.switch.time_zone).isoformat()
        if line.lease_ends_on is not None and line.lease_ends_on < today:
            raise OperationError("lease_ended", line=line.number, date=line.lease_ends_on)

    def reload(self) -> Reload:
        """Read what `changes` names. For the running switch."""
        changes = self.changes
        lines = self.directory.lines(sorted(changes.lines)) if changes.lines else []
        present = {line.id for line in lines}
        accounts = (self.billing.account(account_id) for account_id in sorted(changes.accounts))
        subscriptions, destinations = None, None
        rented: list[RentedNumber] = []
        assignments: list[Assignment] = []
        if changes.accounts or changes.destinations:
            with self.billing.reading() as connection:
                if changes.accounts:
                    found = sales_store.subscriptions(connection, sorted(changes.accounts))
                    subscriptions = tuple(found)
                    rented = rented_numbers(connection, sorted(changes.accounts))
                    assignments = tariff_store.assignments(connection, changes.accounts)
                if changes.destinations:
                    destinations = Destinations(sales_store.destinations(connection))
        return Reload(
            lines=tuple(lines),
            removed_lines=tuple(sorted(changes.lines - present)),
            trunks=tuple(self.directory.trunks()) if changes.trunks else None,
            tariffs=tuple(self.billing.tariff(name) for name in sorted(changes.tariffs)),
            accounts=tuple(account for account in accounts if account is not None),
            subscriptions=subscriptions,
            rented=tuple(rented),
            caps=tuple(
                capped(self.billing, self.directory, self.now_ms(), sorted(changes.accounts))
                if changes.accounts
                else ()
            ),
            destinations=destinations,
            changed_numbers=changed_numbers(self.billing) if changes.moves else None,
            assignments=tuple(assignments),
            texts=changes.texts,
        )


def capped(
    billing: Store, directory: DirectoryStore, now: int, accounts: Sequence[int] | None = None
) -> list[Capped]:
    """The caps of accounts (None: of all), each with the ends and prices of its last day's
    calls."""
    found: list[Capped] = []
    for caps in directory.caps(accounts):
        cdrs = billing.cdrs(CdrFilter(start=now - 2 * DAY_MS, account=caps.account_id))
        spent = tuple((c.ended_at, c.price_micros) for c in cdrs if c.ended_at > now - DAY_MS)
        found.append((caps, spent))
    return found


def changed_numbers(billing: Store) -> dict[str, str]:
    """Old numbers, whose callers are told, to new ones."""
    moves = NumberMoves(billing.engine)
    return {moved.old: moved.new for moved in moves.changes()}


def rented_numbers(
    connection: Connection, accounts: Sequence[int] | None = None
) -> list[RentedNumber]:
    """The numbers that accounts rent or try; None means all accounts."""
    reaches = reaches_of(connection, accounts)
    return [
        RentedNumber(*facts, reaches.get((facts[0], facts[1])))
        for facts in rental_store.ringing(connection, accounts)
    ]


class Submit(Protocol):
    """The billing writer's entrance: :meth:`billing.stores.group_commit.GroupCommit.submit`."""

    def __call__(self, command: Command[Answer], /) -> Awaitable[Answer]: ...


def submitting(loop: asyncio.AbstractEventLoop, submit: Submit) -> Apply:
    """`apply` for operations that run in a thread beside the loop that owns the billing writer."""

    async def all_of(commands: Sequence[Command[Answer]]) -> list[Answer | BaseException]:
        return await asyncio.gather(*map(submit, commands), return_exceptions=True)

    def apply(commands: Sequence[Command[Answer]], /) -> Sequence[Answer | Exception]:
        answers = asyncio.run_coroutine_threadsafe(all_of(commands), loop).result()
        return [_finished(answer) for answer in answers]

    return apply


def _finished(answer: Answer | BaseException) -> Answer | Exception:
    if isinstance(answer, BaseException) and not isinstance(answer, Exception):
        raise answer  # the loop is being shut down
    return answer
