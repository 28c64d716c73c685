"""What goes wrong around a switch: one clear line that names the thing, and nothing lost."""

import contextlib
import shutil
import socket
import sqlite3
import subprocess
import time

import pytest
from switchboard import BEKA, CIRA, Switchboard, until


def one_line(text, *parts):
    assert len(text.splitlines()) == 1, text
    for part in parts:
        assert part in text, text


@pytest.mark.parametrize(
    ("transport", "kind"), [("udp", socket.SOCK_DGRAM), ("tcp", socket.SOCK_STREAM)]
)
def test_a_port_that_another_program_has(make_board, transport, kind):
    board = make_board()
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", board.port))
        if kind is socket.SOCK_STREAM:
            other.listen()
        said = board.does_not_start()
    one_line(said, f"{transport}:127.0.0.1:{board.port}", "in use", "[sip] listen",
             "softswitch.toml")  # fmt: skip
    board.start()  # nothing of the failed start is in the way


def test_an_unknown_key(make_board):
    board = make_board()
    path = board.folder / "softswitch.toml"
    path.write_text(path.read_text() + "\n[calls]\nmax_duration = 5\n")
    number = len(path.read_text().splitlines())
    one_line(board.does_not_start(), f"softswitch.toml:{number}", "max_duration",
             "max_duration_seconds")  # fmt: skip


def test_a_second_switch_beside_the_first(make_board):
    board = make_board()
    board.start()
    process = f"process {board.process.pid}"
    same_folder = Switchboard(board.folder)
    one_line(same_folder.does_not_start(), "running already", process, "softswitch.db")
    other_folder = make_board(DATABASE__URL=f"sqlite:///{board.folder}/var/softswitch.db")
    one_line(other_folder.does_not_start(), "running already", process, str(board.folder))
    assert board.ask("call_list") == []


def test_a_broken_line_of_a_tariff(make_board):
    board = make_board()
    board.start()
    before = board.ask("tariff_show", name="default")
    (board.folder / "broken.csv").write_text(
        "prefix,destination,connect_fee,per_minute,initial_increment,increment\n"
        "44,United Kingdom,0.05,0.30,60,60\n49,Germany,0.05,a lot,60,60\n"
    )
    said = board.cli("tariff", "import", "broken.csv", fails=True)
    assert "line 3" in said and "a lot" in said
    assert board.ask("tariff_show", name="default") == before


def test_no_free_media_port(make_board):
    first = 30_000 + 4 * (int(time.time_ns()) % 600)
    board = make_board(MEDIA__PORTS=f"{first}-{first + 3}")
    board.start()
    board.register("beka", board.phones[1])
    callee = board.answers("answers.xml", board.phones[1])
    caller = board.sipp("call.xml", board.phones[0], login="ana", password="secret", number=BEKA)
    until(lambda: [c for c in board.ask("call_list") if c["state"] == "talking"], "they talk")
    board.ends_well(board.sipp("refused_503.xml", board.phones[2], login="cira",
                               password="secret", number=BEKA))  # fmt: skip
    board.ends_well(caller)
    board.ends_well(callee)
    until(lambda: len(board.ask("cdr_list")) == 2, "both are recorded")
    refused, talked = sorted(board.ask("cdr_list"), key=lambda record: -record["sip_status"])
    assert (refused["sip_status"], refused["calling"], refused["price"]) == (503, CIRA, "0.00")
    assert (talked["sip_status"], talked["price"]) == (200, "0.002")
    (line,) = errors(board)
    assert f"no free media port in {first}-{first + 3}" in line and "widen the range" in line
    time.sleep(1.1)  # the ports rest for a second
    callee = board.answers("answers.xml", board.phones[1])
    board.ends_well(board.sipp("call.xml", board.phones[0], login="ana", password="secret",
                               number=BEKA))  # fmt: skip
    board.ends_well(callee)


def errors(board) -> list[str]:
    log = (board.folder / "var" / "softswitch.log").read_text()
    return [line for line in log.splitlines() if "level=error" in line]


@pytest.fixture
def talking(make_board):
    """A switch with a call that lasts until it is hung up."""
    board = make_board()
    board.start()
    board.register("beka", board.phones[1])
    callee = board.answers("answers.xml", board.phones[1])
    caller = board.sipp("call.xml", board.phones[0], "-d", "4500", login="ana", password="secret",
                        number=BEKA)  # fmt: skip

    def talks() -> bool:
        ended = [phone.communicate() for phone in (caller, callee) if phone.poll() is not None]
        assert not ended, (ended, errors(board))
        return any(call["state"] == "talking" for call in board.ask("call_list"))

    until(talks, "they talk", 30.0)
    yield board, caller, callee
    for run in (caller, callee):
        run.kill()
        run.communicate()


def nothing_is_lost(board):
    """The call that was refused and the one that went on have their records."""
    refused, talked = sorted(board.ask("cdr_list"), key=lambda record: -record["sip_status"])
    assert (refused["sip_status"], refused["calling"], refused["price"]) == (503, CIRA, "0.00")
    assert talked["sip_status"] == 200 and 4_500 <= talked["duration_ms"] < 15_000
    assert talked["billed_seconds"] == -(-talked["duration_ms"] // 1000) >= 5


def test_a_database_that_somebody_locks(talking):
    board, caller, callee = talking
    database = sqlite3.connect(board.folder / "var" / "softswitch.db", isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    board.ends_well(board.sipp("refused_503.xml", board.phones[2], login="cira",
                               password="secret", number=BEKA))  # fmt: skip
    board.ends_well(caller)
    board.ends_well(callee)
    database.execute("ROLLBACK")
    database.close()
    until(lambda: len(board.ask("cdr_list")) == 2, "both are recorded when it can be written again")
    nothing_is_lost(board)
    assert any("softswitch.db" in line and "locked" in line for line in errors(board))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MB in the place where the switch will be."""
    place = tmp_path / "switch0"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("only root may mount a small file system")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def talking_on_a_small_disk(small_disk, request):
    return request.getfixturevalue("talking")


def test_a_full_disk(talking_on_a_small_disk, small_disk):
    board, caller, callee = talking_on_a_small_disk
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    refused = board.sipp("refused_503.xml", board.phones[2], login="cira", password="secret",
                         number=BEKA)  # fmt: skip
    board.ends_well(refused)
    board.ends_well(caller)
    board.ends_well(callee)
    assert shutil.disk_usage(small_disk).free == 0
    filler.unlink()
    until(lambda: len(board.ask("cdr_list")) == 2, "both are recorded when there is room again")
    nothing_is_lost(board)
