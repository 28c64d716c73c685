"""Two switches on one PostgreSQL: what is changed at one counts at the other without a signal."""

import time

import pytest
from switchboard import LINES, Switchboard

from softswitch.operations.dispatch import perform_directly
from softswitch.operations.installation.setup import load

DORA, EKA = "+995322000105", "+995322000106"
TRIES = 20


@pytest.fixture
def pair(tmp_path, own_database, monkeypatch):
    monkeypatch.setenv("SOFTSWITCH_DATABASE__URL", own_database)
    boards = []
    for node in ("one", "two"):
        folder = tmp_path / node
        folder.mkdir()
        if not boards:
            Switchboard.create(folder, {"ana": LINES["ana"]})
        else:  # the accounts and lines are there
            text = (boards[0].folder / "softswitch.toml").read_text()
            (folder / "softswitch.toml").write_text(text)
        boards.append(Switchboard(folder, SWITCH__NODE=node))
    for board in boards:
        board.start()
    yield boards
    for board in boards:
        assert board.stop() == 0


def refused_as(board, status: int, number: str) -> bool:
    """Whether Ana's call to a number is refused so."""
    call = board.sipp(
        f"refused_{status}.xml", board.phones[0], login="ana", password="secret", number=number
    )
    call.communicate()
    return call.returncode == 0


def soon(true) -> bool:
    for _ in range(TRIES):
        if true():
            return True
        time.sleep(0.2)
    return False


def test_lines_that_are_added_elsewhere_are_known_a_second_later(pair):
    one, two = pair
    assert refused_as(two, 404, DORA)
    one.ask("line_add", number=DORA, account="1", password="secret")
    assert soon(lambda: refused_as(two, 480, DORA))
    # A command that works on the database itself, since no switch of its own runs there.
    perform_directly(load(two.folder / "softswitch.toml"), "line_add",
                     {"number": EKA, "account": "1", "password": "secret"})  # fmt: skip
    assert soon(lambda: refused_as(one, 480, EKA)) and soon(lambda: refused_as(two, 480, EKA))
