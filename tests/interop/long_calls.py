"""Five phones in a room, and two that share no codec, for as long as one likes:

    PYTHONPATH=tests python tests/interop/long_calls.py --minutes 10

Each phone says a tone of its own. What the others recorded shows whether it was ever broken, and
whether its delay ever changed.
"""

import argparse
import contextlib
import io
import tempfile
import time
from pathlib import Path

import sound
import steadiness
from baresip import Baresip
from steadiness import TONES, Steadiness
from switchboard import ANA, BEKA, Switchboard, until

ROOM, PIN = "100", "4711"
PEOPLE = ("ana", "beka", "cira", "dato", "elene")
"""The room is the first one's."""
SPARE_SECONDS = 60.0
"""For coming in; a phone hangs up when it has said all."""


class Phones:
    """Phones of a switch's lines, each with a tone of its own to say."""

    def __init__(self, board: Switchboard, folder: Path, seconds: float) -> None:
        self._board = board
        self._folder = folder
        self._seconds = seconds
        self._stack = contextlib.ExitStack()
        self.made: dict[str, Baresip] = {}
        self.hertz: dict[str, float] = {}

    def make(self, login: str, hertz: float, **options) -> Baresip:
        said = steadiness.tone(hertz, self._seconds + SPARE_SECONDS)
        path = sound.write_wav(self._folder / f"{login}.wav", said)
        phone = Baresip(self._board, self._folder / login, login, path, **options)
        self._stack.callback(phone.close)
        self.made[login], self.hertz[login] = phone, hertz
        return phone

    def close(self) -> None:
        self._stack.close()

    def hang_up(self) -> None:
        for phone in self.made.values():
            phone.command("hangup")
        until(lambda: not self._board.ask("call_list"), "the calls are over")

    def heard(self) -> dict[str, dict[str, Steadiness]]:
        """By who heard it, and whose tone it is, his own included."""
        found = {}
        for login, phone in self.made.items():
            heard = sound.read_wav(phone.heard)
            tones = {who: steadiness.phasors(heard, hertz) for who, hertz in self.hertz.items()}
            others = [tone for who, tone in tones.items() if who != login]
            time = steadiness.all_there(*others)
            found[login] = {who: steadiness.steadiness(tone[time]) for who, tone in tones.items()}
        return found


def with_five_lines(board: Switchboard) -> None:
    """A room, and lines for all who come to it."""
    for place, login in enumerate(PEOPLE[3:], 5):
        board.cli("account", "add", login)
        board.cli("line", "add", f"+99532200010{place}", "--account", login, "--login", login,
                  "--password", "secret")  # fmt: skip
    board.ask("room_add", room=ROOM, line=ANA, pin=PIN)


def come_together(board: Switchboard, phones: Phones) -> None:
    """All dial in, and type as fast as they can: the owner the room, the others its PIN, too."""
    for login, hertz in zip(PEOPLE, TONES, strict=True):
        phone = phones.make(login, hertz)
        phone.command("dial", "*88")
        phone.hears("CALL_ESTABLISHED")
        for key in f"{ROOM}#" if login == PEOPLE[0] else f"{ROOM}#{PIN}#":
            phone.command("sndcode", key)
    until(lambda: len(board.ask("conference_list")) == len(PEOPLE), "all are in the room", 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    seconds = parser.parse_args().minutes * 60
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        boards, groups = [], []
        for name in ("room", "transcoded"):
            place = Path(folder) / name
            (place / "switch").mkdir(parents=True)
            with contextlib.redirect_stdout(io.StringIO()):
                Switchboard.create(place / "switch")
            board = Switchboard(place / "switch", CONFERENCE__SERVICE="free")
            board.start()
            stack.callback(board.stop)
            phones = Phones(board, place, seconds)
            stack.callback(phones.close)
            boards.append(board)
            groups.append(phones)
        with_five_lines(boards[0])
        come_together(boards[0], groups[0])
        a = groups[1].make("ana", TONES[2], codec="pcmu")
        groups[1].make("beka", TONES[0], codec="pcma")
        a.command("dial", BEKA)
        a.hears("CALL_ESTABLISHED")
        time.sleep(seconds)
        ticks = [board.ask("media_show") for board in boards]
        for phones in groups:
            phones.hang_up()
        for name, board, phones, workers in zip(
            ("room", "transcoded"), boards, groups, ticks, strict=True
        ):
            show(name, phones, workers, board.cdrs())


def show(name: str, phones: Phones, workers: list[dict], cdrs: list[dict]) -> None:
    (worker,) = workers
    late = ", ".join(f"{part} {worker[f'late_{part}_ms']}" for part in ("p50", "p99", "p999"))
    print(
        f"== {name}: {worker['ticks']} ticks, {worker['ticks_skipped']} skipped, late by {late} ms"
    )
    print("lost", [cdr["media"]["caller"]["lost"] for cdr in cdrs])
    for login, heard in phones.heard().items():
        for who, found in heard.items():
            whose = "itself" if who == login else who
            print(
                f"{login:6} hears {whose:6} {phones.hertz[who]:7.2f} Hz: {found.level_db:7.2f} dB,"
                + ("" if who == login else
                   f" {found.breaks} breaks in {found.seconds:.0f} s, phase within"
                   f" {found.wandered_degrees} degrees")
            )  # fmt: skip


if __name__ == "__main__":
    main()
