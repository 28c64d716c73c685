"""The id of a removed trunk is never given again: health and figures would be another carrier's."""

from pathlib import Path

import pytest

from billing.stores.store import Store
from softswitch.subscribers.directory import Trunk
from softswitch.subscribers.directory_store import DirectoryStore


def trunk(name: str) -> Trunk:
    return Trunk(0, name, "sip:192.0.2.9", ("",), 1)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_highest_id_isnt_given_again_after_its_trunk_was_removed(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    if kind == "postgresql":
        url = request.getfixturevalue("own_database")
    store = Store(url)
    store.create()
    kept = DirectoryStore(store.engine)
    first = kept.add_trunk(trunk("north"))
    second = kept.add_trunk(trunk("south"))
    kept.remove_trunk(second)
    third = kept.add_trunk(trunk("east"))
    kept.remove_trunk(third)
    assert [first, second, third, kept.add_trunk(trunk("west"))] == [1, 2, 3, 4]
    store.close()
