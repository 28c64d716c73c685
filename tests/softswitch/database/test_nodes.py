"""Several switches on one PostgreSQL database: each ends its own calls, and those of the dead."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from billing.facts.authorization import AddAccount, AnswerCall, OpenCall, ProveAlive, TopUp
from billing.facts.calendar import Term
from billing.facts.cdr import Cdr
from billing.facts.product import Product
from billing.facts.rate import Rate
from billing.facts.sales import BuyPackage, DefineProduct
from billing.stores import sales_store
from billing.stores.store import Store
from softswitch.config.config import parse
from softswitch.control.claim import DatabaseClaim, is_claimed
from softswitch.control.errors import OperationError
from softswitch.control.server import AlreadyRunning
from softswitch.operations.context import Context
from softswitch.operations.installation import setup
from softswitch.operations.network import nodes
from softswitch.scheduled.due import run_due

NOW = 1_800_000_000_000
RATE = Rate("default", "995", "Georgia", 0, 60_000, 1, 1, currency="GEL")
BASE = '[switch]\ndomain = "x.example"\ncountry = "GE"\ncurrency = "GEL"\n'


@pytest.fixture
def url(own_database: str) -> str:
    """Nodes claim names in a database."""
    first = Store(own_database)
    first.create()
    first.close()
    return own_database


@contextlib.contextmanager
def node(url: str, name: str, folder: Path, now: int = NOW) -> Iterator[Context]:
    given = BASE + f'node = "{name}"\n[database]\nurl = "{url}"\n'
    config = parse(given, folder / "softswitch.toml")
    store = Store(url)
    yield Context(config, store, setup.DirectoryStore(store.engine), store.apply, lambda: now)
    store.close()


def talking(context: Context, call_id: str, account: int) -> None:
    """A call that this node admitted and that lived for ten seconds."""
    facts = Cdr(
        call_id, "a", "outgoing", "national", account, "+1", "+1", "+995322000002", "", None, None,
        NOW, None, None, NOW, 0, 0, 200, 16, "caller",
    )  # fmt: skip
    own = context.config.switch.node
    results = context.apply(
        [
            OpenCall(call_id, account, RATE, facts.to_json(), NOW, 60, (), own),
            AnswerCall(call_id, NOW),
            ProveAlive([(call_id, NOW + 10_000)]),
        ]
    )
    assert not any(isinstance(result, Exception) for result in results)


def account(context: Context, micros: int = 10_000_000) -> int:
    (made,) = context.apply([AddAccount("x", "person", "GEL", 0, "default", NOW)])
    context.apply([TopUp(made.id, micros, "p", NOW)])
    return int(made.id)


def test_a_node_that_starts_ends_its_own_calls_alone(url: str, tmp_path: Path) -> None:
    with node(url, "a", tmp_path) as a, node(url, "b", tmp_path) as b:
        who = account(a)
        talking(a, "one", who)
        talking(b, "two", who)
        (ended,) = b.billing.recover("b")
        assert (ended.call_id, ended.price_micros) == ("two", 10_000)
        assert [call.call_id for call in a.billing.live_calls()] == ["one"]
        assert a.billing.verify() == []


def claim(context: Context) -> DatabaseClaim:
    return DatabaseClaim(context.billing.engine, None, "db", context.config.switch.node)


def test_two_names_serve_one_database_and_one_name_is_claimed_once(
    url: str, tmp_path: Path
) -> None:
    with node(url, "a", tmp_path) as a, node(url, "b", tmp_path) as b:
        first, second, again = claim(a), claim(b), claim(a)
        first.take()
        second.take()
        with pytest.raises(AlreadyRunning, match="as node 'a'"):
            again.take()
        assert is_claimed(b.billing.engine, "a")
        first.release()
        assert not is_claimed(b.billing.engine, "a")
        second.release()


def test_an_operator_ends_the_calls_of_a_node_that_proves_no_life_and_holds_no_claim(
    url: str, tmp_path: Path
) -> None:
    minutes = NOW + 10_000 + nodes.DEAD_MS
    with node(url, "a", tmp_path) as a, node(url, "b", tmp_path, minutes) as b:
        who = account(a)
        talking(a, "one", who)
        talking(b, "two", who)
        living = claim(a)
        living.take()
        with pytest.raises(OperationError, match="is serving"):
            nodes.node_recover(b, "a")
        living.release()
        early = replace(b, now_ms=lambda: minutes - 1)
        with pytest.raises(OperationError, match="was alive 59 s ago: wait"):
            nodes.node_recover(early, "a")
        assert [row["calls"] for row in nodes.node_list(b)] == [1, 1]
        assert nodes.node_recover(b, "a")["ended"] == 1
        (cdr,) = b.billing.cdrs()
        assert (cdr.call_id, cdr.ended_by, cdr.duration_ms) == ("one", "restart", 10_000)
        with pytest.raises(OperationError, match="no live calls"):
            nodes.node_recover(b, "a")
        assert nodes.node_recover(b, "b")["ended"] == 1
        assert b.billing.verify() == []


def test_two_nodes_that_end_the_same_calls_at_once_bill_them_once(url: str, tmp_path: Path) -> None:
    late = NOW + 10 * nodes.DEAD_MS
    with node(url, "a", tmp_path) as a:
        who = account(a)
        for number in range(40):
            talking(a, f"call{number}", who)

    def bury(name: str) -> int:
        with node(url, name, tmp_path, late) as other:
            return len(nodes._end(other, "a"))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(bury, ("b", "c")))
    with node(url, "d", tmp_path) as d:
        assert d.billing.live_calls() == []
        assert len(d.billing.cdrs()) == 40
        assert d.billing.account(who).balance_micros == 10_000_000 - 40 * 10_000  # type: ignore[union-attr]
        assert d.billing.verify() == []


def test_two_nodes_that_do_the_due_work_at_once_do_it_once(url: str, tmp_path: Path) -> None:
    day = 86_400_000
    product = Product("day", "GEL", 1_000_000, Term(24, "hours"), ("all",))
    with node(url, "a", tmp_path) as a:
        a.apply([DefineProduct(product)])
        owners = [account_of(a, number) for number in range(8)]
        for owner in owners:
            (bought,) = a.apply(
                [
                    BuyPackage(
                        account_id=owner, at=NOW, purchase_id=f"p{owner}", product="day",
                        line=None, zone="UTC", auto_renew=True,
                    )
                ]
            )  # fmt: skip
            assert not isinstance(bought, Exception)

    def work(name: str) -> None:
        with node(url, name, tmp_path) as other:
            report = run_due(other.billing, other.apply, NOW + 5 * day, "UTC")
            assert report.failures == []

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, ("b", "c")))
    with node(url, "d", tmp_path) as d:
        for owner in owners:
            assert d.billing.account(owner).balance_micros == 10_000_000 - 6 * 1_000_000  # type: ignore[union-attr]
        with d.billing.reading() as connection:
            terms = sales_store.subscriptions(connection, owners)
        assert {item.renewals for item in terms} == {5}
        assert d.billing.verify() == []


def account_of(context: Context, number: int) -> int:
    (made,) = context.apply([AddAccount(f"x{number}", "person", "GEL", 0, "default", NOW)])
    context.apply([TopUp(made.id, 10_000_000, f"pay{number}", NOW)])
    return int(made.id)
