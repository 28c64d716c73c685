"""Devices in the database: tokens that follow each other, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from billing.facts.authorization import AddAccount
from billing.stores.store import Store
from sip.digest import Algorithm
from softswitch.provisioning.device import Device, DeviceLine, Key, PushToken
from softswitch.provisioning.device_secrets import digest_secrets
from softswitch.provisioning.devices import (
    RETRY_MS,
    DeviceStore,
    HandOver,
    Sighting,
    devices_table,
    push_tokens_table,
)
from softswitch.subscribers.device_credentials_store import device_lines_table
from softswitch.subscribers.directory import Line
from softswitch.subscribers.directory_store import DirectoryStore, bindings_table, lines_table

MAC = "0015654aa937"
NOW = 1_780_000_000_000


@pytest.fixture(params=["sqlite", "postgresql"])
def books(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path}/x.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql")
    store = Store(url)
    devices_table.metadata.create_all(store.engine)
    with store.engine.begin() as connection:
        for table in (push_tokens_table, device_lines_table, devices_table, bindings_table,
                      lines_table):  # fmt: skip
            connection.execute(delete(table))
    yield store
    store.close()


@pytest.fixture
def line(books: Store) -> Line:
    (account,) = books.apply([AddAccount("Nino", "person", "GEL", 0, "default", 0)])
    made = Line(0, "+995322000001", "nino", account.id, dict.fromkeys(Algorithm, "0"))
    (line_id,) = DirectoryStore(books.engine).add_lines([made])
    return replace(made, id=line_id)


@pytest.fixture
def store(books: Store, line: Line) -> DeviceStore:
    """One phone, whose one-time token has the hash "once"."""
    made = DeviceStore(books.engine)
    made.add(device(line))
    made.open_enrolment("d1", "once", NOW + 1_000)
    return made


def device(line: Line, name: str = "d1", **more: object) -> Device:
    lines = (DeviceLine(1, line.id, f"user of {name}"),)
    return Device(name, line.account_id, "yealink", NOW, lines=lines, **more)  # type: ignore[arg-type]


def given(presented: str, token: str, mac: str | None = MAC, of: str = "d1") -> HandOver:
    secrets = digest_secrets(token, [f"user of {of}"], "example.org")
    return HandOver(of, presented, mac, token, secrets)


def passwords(books: Store, line: Line) -> list[str]:
    """HA1 (MD5) of each password that is good for the line's first device."""
    (found,) = DirectoryStore(books.engine).lines([line.id])
    return [secrets[Algorithm.MD5] for secrets in found.devices[0].secrets]


def test_tokens_and_passwords_follow_each_other(
    books: Store, store: DeviceStore, line: Line
) -> None:
    assert passwords(books, line) == []
    assert store.hand_over(given("once", "first"), NOW) == {line.id}
    handed = passwords(books, line)
    assert len(handed) == 1
    found = store.find("first", NOW)
    assert found is not None and found.presented == "next" and found.device.mac == MAC
    assert found.holders[line.id].number == line.number
    assert store.arrived("d1", "first") == {line.id}
    assert store.arrived("d1", "first") is None  # the phone's next request
    assert passwords(books, line) == handed
    assert store.find("once", NOW) is None
    store.begin_rotation("d1")
    assert store.hand_over(given("first", "second"), NOW) == {line.id}
    assert len(passwords(books, line)) == 2
    assert store.arrived("d1", "second") == {line.id}
    assert len(passwords(books, line)) == 1 and passwords(books, line) != handed
    assert store.find("first", NOW) is None
    found = store.find("second", NOW)
    assert found is not None and found.presented == "permanent" and not found.device.rotating


@pytest.mark.parametrize(
    ("handed", "at"),
    [
        (given("wrong", "x"), NOW),
        (given("once", "x", of="d2"), NOW),
        (given("once", "x"), NOW + 1_000),
    ],
)
def test_no_other_token_is_exchanged(
    books: Store, store: DeviceStore, line: Line, handed: HandOver, at: int
) -> None:
    assert store.hand_over(handed, at) is None
    assert passwords(books, line) == [] and store.find("x", NOW) is None


def test_a_permanent_token_is_exchanged_only_while_it_rotates(
    store: DeviceStore, line: Line
) -> None:
    store.hand_over(given("once", "first"), NOW)
    store.arrived("d1", "first")
    assert store.hand_over(given("first", "second"), NOW) is None
    store.begin_rotation("d1")
    assert store.hand_over(given("first", "second"), NOW) == {line.id}


def test_a_used_one_time_token_answers_its_own_mac_for_ten_minutes(
    store: DeviceStore, line: Line
) -> None:
    store.open_enrolment("d1", "once", NOW + 10 * RETRY_MS)
    assert store.hand_over(given("once", "first"), NOW) == {line.id}
    assert store.hand_over(given("once", "x", "001565000001"), NOW + 1) is None
    assert store.hand_over(given("once", "second"), NOW + RETRY_MS - 1) == {line.id}
    assert store.hand_over(given("once", "third"), NOW + RETRY_MS) is None


def test_one_mac_is_one_device(store: DeviceStore, line: Line) -> None:
    store.add(device(line, "d2", mac=MAC))
    with pytest.raises(IntegrityError):
        store.add(device(line, "d3", mac=MAC))
    assert store.get("d3") is None
    assert store.hand_over(given("once", "first"), NOW) is None  # the MAC is the other one's


def test_keys_sightings_and_push_tokens_are_kept_and_removed(
    books: Store, store: DeviceStore, line: Line
) -> None:
    store.set_keys("d1", [Key("blf", "1002", "გიო")])
    store.seen([Sighting("d1", NOW, "203.0.113.9", "x" * 300 + "\x00"), Sighting("?", 1, "", "")])
    store.put_push_token(PushToken("d1", "s", "t", "a", "", "", NOW))
    store.put_push_token(PushToken("d1", "s", "u", "a", "", "", NOW))
    found = store.get("d1")
    assert found is not None and found.keys == (Key("blf", "1002", "გიო"),)
    assert (found.seen_at, found.seen_address, len(found.seen_agent)) == (NOW, "203.0.113.9", 256)
    assert [token.call_token for token in store.push_tokens(line.id)] == ["u"]
    assert store.remove("d1") == {line.id}
    assert store.get("d1") is None and store.push_tokens(line.id) == []
    (after,) = DirectoryStore(books.engine).lines([line.id])
    assert after.devices == ()


def test_a_line_that_leaves_takes_devices_without_another_line_along(
    books: Store, store: DeviceStore, line: Line
) -> None:
    second = replace(line, number="+995322000002", login="gio")
    (second_id,) = DirectoryStore(books.engine).add_lines([second])
    both = (DeviceLine(1, line.id, "a"), DeviceLine(2, second_id, "b"))
    store.add(replace(device(line, "both"), lines=both))
    store.leave(line.id)
    (left,) = store.of_accounts([line.account_id])
    assert (left.id, [each.line_id for each in left.lines]) == ("both", [second_id])
    assert [holder.number for holder in store.colleagues(line.account_id)] == [
        "+995322000001", "+995322000002",
    ]  # fmt: skip
