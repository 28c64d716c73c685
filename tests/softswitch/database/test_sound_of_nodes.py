"""Sound that several nodes record: each finishes its own after a crash, and check says where it
is."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import insert, update

from billing.stores.store import Store
from softswitch.cluster.node_store import nodes_table
from softswitch.config.config import parse
from softswitch.operations.installation.check_sound import stored_sound
from softswitch.recordings.store import RecordedCall, RecordingStore

BASE = '[switch]\ndomain = "x.example"\ncountry = "GE"\ncurrency = "GEL"\nnode = "a"\n'


@pytest.fixture
def store(own_database: str):
    store = Store(own_database)
    store.create()
    yield store
    store.close()


def recording(key: str) -> RecordedCall:
    return RecordedCall(key, "call", 1, "+1", "+1", "+2", "recording", "", 1, 0, 99)


def test_a_node_that_starts_leaves_alone_what_another_records(store: Store) -> None:
    a, b = RecordingStore(store.engine, "a"), RecordingStore(store.engine, "b")
    a.begin(recording("aaaaaaaa"))
    b.begin(recording("bbbbbbbb"))
    assert [one.id for one in a.unfinished()] == ["aaaaaaaa"]
    assert [one.id for one in b.unfinished()] == ["bbbbbbbb"]
    assert a.ids() == {"aaaaaaaa", "bbbbbbbb"}  # and no file of either is a stranger's


def test_check_warns_of_two_nodes_whose_sound_is_their_own(
    store: Store, own_database: str, tmp_path: Path
) -> None:
    config = parse(f'{BASE}[database]\nurl = "{own_database}"\n', tmp_path / "softswitch.toml")
    assert stored_sound(config) == (True, f"{tmp_path}/var, this switch's own")
    row = {"incarnation": "x", "beat": 1, "state": "serving", "wanted": "serve", "taken_by": "",
           "version": "", "listens": "", "started_at": 1, "alive_at": 1}  # fmt: skip
    with store.engine.begin() as connection:
        connection.execute(insert(nodes_table), [row | {"name": name} for name in "ab"])
    ok, why = stored_sound(config)
    assert not ok
    assert why == (
        f"{tmp_path}/var is this switch's own, and node 'b' can't play what is recorded here: "
        "set [sound] folder (shared) or bucket"
    )
    with store.engine.begin() as connection:
        connection.execute(update(nodes_table).values(state="stopped"))
    assert stored_sound(config)[0] is True
