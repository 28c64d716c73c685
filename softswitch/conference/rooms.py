"""Dial-in rooms in the database."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from billing.stores.schema import metadata
from softswitch.database.rows import DbRow
from softswitch.subscribers.pin_tries import Secret, forget_tries

rooms_table = Table(
    "conference_rooms",
    metadata,
    Column("number", String(12), primary_key=True),
    Column("line_id", Integer, nullable=False),
    Column("pin", String(128)),
)


@dataclass(frozen=True, slots=True)
class DialInRoom:
    """A dial-in room, which exists whether it has members or not.

    Args:
        number: digits that are typed after the code.
        line_id: the owner's line.
        pin: hashed; None: the room is open to all lines.
    """

    number: str
    line_id: int
    pin: str | None


def forget_rooms(connection: Connection, line_id: int) -> None:
    """Delete the rooms of a line that is removed."""
    mine = rooms_table.c.line_id == line_id
    for number in connection.execute(select(rooms_table.c.number).where(mine)).scalars().all():
        forget_tries(connection, Secret("room", number))
    connection.execute(delete(rooms_table).where(mine))


class RoomStore:
    """The dial-in rooms in the database. Errors come through as SQLAlchemy raises them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(reading=True)

    def add(self, room: DialInRoom) -> None:
        """Add a room. Raises IntegrityError: another room has its number."""
        values = {"number": room.number, "line_id": room.line_id, "pin": room.pin}
        with self._engine.begin() as connection:
            connection.execute(insert(rooms_table).values(values))

    def all(self) -> list[DialInRoom]:
        with self._reader.connect() as connection:
            rows = connection.execute(select(rooms_table).order_by(rooms_table.c.number))
            return [_room(row) for row in rows]

    def find(self, number: str) -> DialInRoom | None:
        statement = select(rooms_table).where(rooms_table.c.number == number)
        with self._reader.connect() as connection:
            row = connection.execute(statement).one_or_none()
            return None if row is None else _room(row)

    def set_pin(self, number: str, pin: str | None) -> None:
        statement = update(rooms_table).where(rooms_table.c.number == number).values(pin=pin)
        with self._engine.begin() as connection:
            connection.execute(statement)
            forget_tries(connection, Secret("room", number))

    def delete(self, number: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(delete(rooms_table).where(rooms_table.c.number == number))
            forget_tries(connection, Secret("room", number))


def _room(row: DbRow) -> DialInRoom:
    return DialInRoom(row.number, row.line_id, row.pin)
