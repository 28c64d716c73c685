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
    descriptor = os.open(file_of(config), os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write("# person, number, password\n")
        file.writelines(f"{line.person}\t{line.number}\t{line.password}\n" for line in lines)


def read(config: Config) -> list[DemoLine]:
    """The demo lines, or none when this is no demo. Raises OSError."""
    try:
        text = file_of(config).read_text("utf-8")
    except FileNotFoundError:
        return []
    rows = (row.split("\t") for row in text.splitlines() if not row.startswith("#"))
    return [DemoLine(*row) for row in rows if len(row) == 3]


def create(context: Context) -> None:
    """An account with money and a line for each person, and the tariff."""
    from softswitch.operations.accounts import accounts
    from softswitch.operations.lines import lines
    from softswitch.operations.tariffs import tariffs

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
