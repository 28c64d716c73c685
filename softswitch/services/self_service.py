"""Self-service by telephone: balance, terms, the conference, the PIN.

Everything is read from the database when it is asked for, in a thread; purchases go through the
single writer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ParamSpec, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from billing.facts.account import Account
from billing.facts.product import Subscription
from billing.facts.sales import BuyPackage, Purchase
from billing.stores import sales_store
from billing.stores.group_commit import GroupCommit
from billing.stores.store import Store, StoreError
from softswitch.admission.entitlement import Entitlements
from softswitch.database.changes import Changes
from softswitch.database.news import tell
from softswitch.database.threads import Run
from softswitch.subscribers import pins
from softswitch.subscribers.directory import Directory, Line
from softswitch.subscribers.directory_store import DirectoryStore
from softswitch.subscribers.pin_guard import PinGuard
from softswitch.subscribers.pin_tries import Secret

P = ParamSpec("P")
T = TypeVar("T")
ON_SALE_SECONDS = 10.0
"""How long the cached answer counts if a product is on sale."""
CONFERENCE = "conference"
"""The service that a conference product switches on, and the name of the preferred product."""


class NotOffered(Exception):
    """No product on sale has this service."""


class SelfService:
    """Balances, purchases and PINs of lines.

    Args:
        guard: checks PINs.
        run: runs a function that waits for the database in a thread.
        randbits: for salts.
        wall_ms: epoch milliseconds; `now`: monotonic seconds.
        zone: the time zone in which terms are counted.
    """

    def __init__(
        self,
        books: Store,
        store: DirectoryStore,
        directory: Directory,
        entitlements: Entitlements,
        money: GroupCommit,
        guard: PinGuard,
        run: Run,
        *,
        randbits: Callable[[int], int],
        wall_ms: Callable[[], int],
        now: Callable[[], float],
        zone: str,
    ) -> None:
        self._books = books
        self._store = store
        self._directory = directory
        self._entitlements = entitlements
        self._money = money
        self._guard = guard
        self._run = run
        self._randbits = randbits
        self._wall_ms = wall_ms
        self._now = now
        self._zone = zone
        self._on_sale = False
        self._on_sale_until = 0.0

    async def account(self, line: Line) -> Account:
        """The account that pays for the line, as the books have it now.

        Raises:
            StoreError: the database is out of order.
        """
        found = await self._ask(self._books.account, line.account_id)
        if found is None:
            raise StoreError(f"there is no account {line.account_id}")
        return found

    async def bought(self, line: Line) -> list[Subscription]:
        """The subscriptions that the line has now: its own and its account's.

        Raises:
            StoreError: the database is out of order.
        """
        at = self._wall_ms()
        held = await self._subscriptions(line.account_id)
        return [one for one in held if one.line in (None, line.number) and one.covers(at)]

    async def buy_conference(self, line: Line, purchase_id: str) -> Purchase:
        """Buy the line a term of the conference; if one is still active, return that and charge
        nothing.

        Raises:
            NotOffered: no product is on sale for it.
            BillingError: it can't be paid; nothing has changed.
            StoreError: the database is out of order.
        """
        for held in await self.bought(line):
            if held.terms.service == CONFERENCE:
                return Purchase(held, 0)
        product = await self._ask(self._conference_on_sale)
        if product is None:
            raise NotOffered
        purchase: Purchase = await self._money.submit(
            BuyPackage(
                account_id=line.account_id,
                at=self._wall_ms(),
                purchase_id=purchase_id,
                product=product,
                line=line.number,
                zone=self._zone,
            )
        )
        now_held = await self._subscriptions(line.account_id)
        self._entitlements.put(now_held, [line.account_id])
        await self._ask(self._tell, Changes(accounts={line.account_id}))
        return purchase

    async def sells_conference(self) -> bool:
        """True if the conference service can be bought; cached for a few seconds.

        Raises:
            StoreError: the database is out of order.
        """
        if self._now() >= self._on_sale_until:
            self._on_sale = await self._ask(self._conference_on_sale) is not None
            self._on_sale_until = self._now() + ON_SALE_SECONDS
        return self._on_sale

    async def prove(self, line: Line, pin: str) -> bool:
        """True if it is the line's PIN; False for a line without one.

        Raises:
            pins.Locked: there were too many wrong ones.
            StoreError: the database is out of order.
        """
        return await self._guard.fits(Secret("line", str(line.id)), pin, line.pin)

    async def set_pin(self, line: Line, pin: str) -> None:
        """Set the line's PIN.

        Raises:
            pins.WeakPin: it is too easy to guess.
            StoreError: the database is out of order; nothing has changed.
        """
        pins.check_strength(pin, line.number)
        salt = self._randbits(8 * pins.SALT_BYTES).to_bytes(pins.SALT_BYTES, "big")
        kept = await self._run(pins.hashed, pin, salt)
        await self._ask(self._store.set_pin, line.id, kept)
        current = self._directory.line(line.id)
        if current is not None:
            self._directory.put_lines([replace(current, pin=kept)])

    def _conference_on_sale(self) -> str | None:
        """The name of the product on sale: the one named CONFERENCE, else the first."""
        with self._books.reading() as connection:
            products = sales_store.products(connection)
        names = [p.name for p in products.values() if p.sold and p.service == CONFERENCE]
        return CONFERENCE if CONFERENCE in names else min(names, default=None)

    async def _subscriptions(self, account_id: int) -> list[Subscription]:
        return await self._ask(self._read_subscriptions, account_id)

    def _read_subscriptions(self, account_id: int) -> list[Subscription]:
        with self._books.reading() as connection:
            return sales_store.subscriptions(connection, [account_id])

    def _tell(self, changes: Changes) -> None:
        with self._books.engine.begin() as connection:
            tell(connection, changes)

    async def _ask(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        try:
            return await self._run(work, *arguments, **named)
        except SQLAlchemyError as error:
            raise StoreError(str(error)) from error
