"""The demo of `softswitch init --demo`: three lines that can call each other."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from softswitch.config.config import Config

if TYPE_CHECKING:
    from softswitch.operations.context import Context

TARIFF = "default"
"""Also what new accounts get, so that a line of one's own can call at once."""

TARIFF_CSV = """\
prefix,destination,connect_fee,per_minute,initial_increment,increment
on_net,Between our lines,0,0.06,1,1
995,Georgia,0.02,0.10,1,1
9955,Georgia mobile,0.02,0.18,60,1
7,Russia and Kazakhstan,0.05,0.40,60,60
1,North America,0.05,0.30,60,6
44,United Kingdom,0.05,0.30,60,6
49,Germany,0.05,0.35,60,6
90,Turkey,0.05,0.45,60,6
"""


@dataclass(frozen=True, slots=True)
class DemoLine:
    """One of the three: what a person types into a phone."""

    person: str
    number: str
    password: str

    @property
    def login(self) -> str:
        return self.number[1:]


PEOPLE = (("Ana", "+995322000001"), ("Beka", "+995322000002"), ("Cira", "+995322000003"))
BALANCE = "10.00"


def file_of(config: Config) -> Path:
    return config.data_dir / "demo-lines.txt"


def save(config: Config, lines: list[DemoLine]) -> None:
    """Keep the passwords where only the switch's user can read them."""
    rows = [(line.person, line.number, line.password) for line in lines]
    _write(file_of(config), "person, number, password", rows)


def read(config: Config) -> list[DemoLine]:
    """The demo lines, or none when this is no demo. Raises OSError."""
    return [DemoLine(*row) for row in _rows(file_of(config))]


def _write(path: Path, head: str, rows: list[tuple[str, str, str]]) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(f"# {head}\n")
        file.writelines("\t".join(row) + "\n" for row in rows)


def _rows(path: Path) -> list[tuple[str, str, str]]:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return []
    parts = (row.split("\t") for row in text.splitlines() if not row.startswith("#"))
    return [(row[0], row[1], row[2]) for row in parts if len(row) == 3]


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """A user of the web, with the password that was issued."""

    login: str
    password: str
    about: str


def people_file(config: Config) -> Path:
    return config.data_dir / "demo-users.txt"


def read_people(config: Config) -> list[DemoPerson]:
    """The users of the demo, or none when this is no demo. Raises OSError."""
    return [DemoPerson(*row) for row in _rows(people_file(config))]


def create(context: Context) -> None:
    """An account with money and a line for each person, and the tariff; a user of the web for the
    first of them, and an administrator."""
    from softswitch.operations.accounts import accounts
    from softswitch.operations.lines import lines
    from softswitch.operations.tariffs import tariffs
    from softswitch.operations.users import users

    tariffs.tariff_import(context, TARIFF_CSV, name=TARIFF)
    made = []
    for person, number in PEOPLE:
        account = accounts.account_add(context, person, tariff=TARIFF)["id"]
        accounts.account_topup(context, str(account), BALANCE, payment_id=f"demo-{person}")
        line = lines.line_add(context, number, str(account))
        lines.line_set(context, number, "display_name", person)
        # Many phones read only the first challenge, or know only MD5.
        lines.line_set(context, number, "algorithms", "MD5")
        made.append(DemoLine(person, number, str(line["password"])))
    save(context.config, made)
    subscriber = users.user_add(context, "demo", "subscriber", account="1")
    admin = users.user_add(context, "admin", "admin")
    people = [
        DemoPerson("demo", str(subscriber["password"]), f"{PEOPLE[0][0]}, a subscriber"),
        DemoPerson("admin", str(admin["password"]), "the operator's administrator"),
    ]
    rows = [(one.login, one.password, one.about) for one in people]
    _write(people_file(context.config), "login, issued password, who", rows)
