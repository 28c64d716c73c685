"""What one switch or command changes counts at the others on its database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import Engine, delete

from billing.stores.store import Store
from softswitch.config.config import Config
from softswitch.database import news
from softswitch.database.changes import Changes
from softswitch.database.news import News, changes_table
from softswitch.operations.context import Context
from softswitch.operations.dispatch import perform_directly
from softswitch.operations.installation import setup
from softswitch.process.housekeeping import NewsRound
from softswitch.subscribers.mailbox import VoiceMailbox
from softswitch.subscribers.service_store import ServiceStore
from softswitch.subscribers.supplementary import Supplementary
from softswitch.voicemail.store import VoicemailStore

ANA = "+995322000001"


@pytest.fixture(params=["sqlite", "postgresql"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    """Two processes' ways to one database."""
    url = f"sqlite:///{tmp_path}/x.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql")
    first, second = Store(url), Store(url)
    changes_table.metadata.create_all(first.engine)
    with first.engine.begin() as connection:
        connection.execute(delete(changes_table))
    yield first, second
    first.close()
    second.close()


def tell(engine: Engine, changes: Changes) -> None:
    with engine.begin() as connection:
        news.tell(connection, changes)


def test_what_one_tells_the_other_hears_once_and_not_itself(stores: tuple[Store, Store]) -> None:
    one, other = stores
    tell(one.engine, Changes(lines={9}))  # before they began to serve
    first, second = News(one.engine, "first"), News(other.engine, "second")
    tell(one.engine, Changes(lines={1}, tariffs={"retail"}))
    tell(one.engine, Changes(lines={2}, trunks=True))
    assert second.hear() == Changes(lines={1, 2}, tariffs={"retail"}, trunks=True)
    assert second.hear() == first.hear() == Changes()
    tell(other.engine, Changes(accounts={3}, moves=True, destinations=True))
    assert first.hear() == Changes(accounts={3}, moves=True, destinations=True)


def test_a_row_that_shows_after_a_later_one_is_heard(stores: tuple[Store, Store]) -> None:
    """As PostgreSQL's do: a number is given before the row can be seen."""
    one, other = stores
    tell(one.engine, Changes(lines={9}))
    heard = News(other.engine, "second")
    late: dict[str, Any] = {"origin": "", "facts": '{"lines": [1]}'}
    with one.engine.begin() as connection:
        last = News(one.engine, "first")._last
        connection.execute(changes_table.insert().values(late | {"id": last + 2}))
    assert heard.hear() == Changes(lines={1})
    with one.engine.begin() as connection:
        connection.execute(changes_table.insert().values(late | {"id": last + 1}))
    assert heard.hear() == Changes(lines={1})
    assert heard.hear() == Changes()


def test_who_missed_what_is_not_kept_any_more_reads_everything(
    stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = stores
    tell(one.engine, Changes(lines={9}))
    heard = News(other.engine, "second")
    monkeypatch.setattr(news, "KEPT", 3)
    for number in range(5):
        tell(one.engine, Changes(lines={number}))
    assert heard.hear() is None
    tell(one.engine, Changes(lines={7}))
    assert heard.hear() == Changes(lines={7})


def test_commands_on_the_database_itself_and_phones_are_heard(context: Context) -> None:
    config: Config = context.config
    with setup.opened(config) as other:
        heard = News(other.billing.engine, "a switch")
        perform_directly(config, "account_add", {"name": "Ana"})
        perform_directly(config, "line_add", {"number": ANA, "account": "Ana"})
        line = context.line(ANA)
        assert heard.hear() == Changes(lines={line.id}, accounts={line.account_id})
        perform_directly(config, "line_list", {})
        assert heard.hear() == Changes()
        ServiceStore(context.billing.engine).save(line.id, Supplementary({}))
        assert heard.hear() == Changes(lines={line.id})
        context.directory.set_pin(line.id, "kept")
        assert heard.hear() == Changes(lines={line.id})
        mailboxes = VoicemailStore(context.billing.engine)
        for _ in range(2):
            mailboxes.save(line.id, VoiceMailbox())
            assert heard.hear() == Changes(lines={line.id})


def test_what_was_heard_is_read_again_until_that_works(context: Context) -> None:
    perform_directly(context.config, "account_add", {"name": "Ana"})
    read: list[Any] = []
    raised: list[set[int]] = []

    def take(reload: Any) -> None:
        if not read:
            read.append(None)
            raise RuntimeError("once")
        read.append([account.name for account in reload.accounts])

    with setup.opened(context.config) as other:
        told = News(other.billing.engine, "a switch")
        everything: list[int] = []
        log = structlog.get_logger()

        async def take_everything() -> None:
            everything.append(1)

        hears = NewsRound(other, told, take, take_everything, raised.append, log)
        asyncio.run(hears.do())
        assert read == raised == []
        perform_directly(context.config, "account_add", {"name": "Beka"})
        with pytest.raises(RuntimeError, match="once"):
            asyncio.run(hears.do())
        asyncio.run(hears.do())
        assert (read, raised, everything) == ([None, ["Beka"]], [{2}], [])
