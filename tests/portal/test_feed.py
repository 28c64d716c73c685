"""The feed of open pages: a subscriber's page hears of its own account alone."""

from __future__ import annotations

import asyncio

from softswitch.control.watch import WatchEvent
from softswitch.portal.feed import Stream


def heard(owner: int | None, **row: object) -> list[str]:
    """The topics that a page is told of after a text with such a row."""

    async def talk() -> list[str]:
        stream = Stream("session", frozenset({"texts"}), owner)
        stream.hear(WatchEvent("changed", 1, "texts", 5, row))
        stream.tell("end")
        return [name for name in await stream.names() if name != "end"]

    return asyncio.run(talk())


def test_a_text_between_two_lines_is_told_to_the_accounts_of_both() -> None:
    row = {"account": None, "accounts": [1, 2]}
    assert [heard(owner, **row) for owner in (1, 2, 3, None)] == [
        ["texts"], ["texts"], [], ["texts"],
    ]  # fmt: skip


def test_a_text_that_an_account_pays_for_is_told_to_it() -> None:
    assert [heard(owner, account=7) for owner in (7, 8)] == [["texts"], []]
