import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from switchboard import Switchboard

from billing.stores.store import Store


@pytest.fixture(scope="session")
def fresh(tmp_path_factory):
    """The folder of a switch that has never served."""
    folder = tmp_path_factory.mktemp("fresh")
    Switchboard.create(folder)
    return folder


@pytest.fixture
def make_board(tmp_path, fresh):
    """Makes switches that aren't started yet; afterwards each stops cleanly and its books add
    up."""
    boards = []

    def make(**settings):
        folder = tmp_path / f"switch{len(boards)}"
        shutil.copytree(fresh, folder, dirs_exist_ok=True)
        boards.append(Switchboard(folder, **settings))
        return boards[-1]

    yield make
    for board in boards:
        if board.process is not None:
            assert board.stop() == 0
        store = Store(f"sqlite:///{board.folder}/var/softswitch.db")
        assert store.verify() == []
        store.close()


@pytest.fixture
def board(make_board):
    """A running switch; afterwards its log has no error."""
    made = make_board()
    made.start()
    yield made
    log = (made.folder / "var" / "softswitch.log").read_text()
    assert "level=error" not in log, log
