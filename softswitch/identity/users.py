"""Users of the web, and their memberships: which role each has in which account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Engine,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from billing.facts.account import Change
from billing.stores.paging import Page, containing, newest_first
from billing.stores.schema import account_changes_table, change_row, metadata
from softswitch.control.actor import Actor, Role
from softswitch.database.rows import DbRow

OWNER: Role = "subscriber"

users_table = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("login", String(64), nullable=False, unique=True),
    Column("secret", String(256), nullable=False),
    Column("must_change", Boolean, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("language", String(2), nullable=False),
    Column("email", String(254), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Column("totp_secret", String(64), nullable=False),
    Column("totp_used", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

memberships_table = Table(
    "memberships",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", Integer, ForeignKey("users.id"), nullable=False),
    Column("role", String(32), nullable=False),
    Column("account_id", Integer, ForeignKey("accounts.id")),
    Column("lines", String(2000), nullable=False),
    Column("ends_on", String(10), nullable=False),
    Index("memberships_of_user", "user_id"),
    Index("memberships_of_account", "account_id", "role"),
    sqlite_autoincrement=True,
)

recovery_table = Table(
    "recovery_codes",
    metadata,
    Column("user_id", Integer, ForeignKey("users.id"), primary_key=True),
    Column("code_hash", String(64), primary_key=True),
)


@dataclass(frozen=True, slots=True)
class User:
    """A person who signs in.

    Args:
        secret: the hash of the password; see `passwords`.
        must_change: the password was issued by the operator and must be replaced at once.
        language: ISO 639-1; "": the browser's.
        issued_at: when the password was set; epoch milliseconds. A reset link that is older than
            this is void.
        totp_secret: the key of one-time codes (RFC 6238), in base 32; "": none is asked for.
        totp_used: the time step of the last code that was accepted: none counts twice.
    """

    id: int
    login: str
    secret: str
    must_change: bool
    disabled: bool
    language: str
    email: str
    created_at: int
    issued_at: int
    totp_secret: str = ""
    totp_used: int = 0


@dataclass(frozen=True, slots=True)
class Membership:
    """A role of a user: in an account, or among the operator's staff.

    Args:
        account_id: None for staff.
        lines: ids of the lines of a line user.
        ends_on: ISO date of its last day, a tenant's; "": it has no end.
    """

    id: int
    user_id: int
    role: Role
    account_id: int | None
    lines: tuple[int, ...]
    ends_on: str = ""

    def has_ended(self, today: str) -> bool:
        """True after its last day."""
        return self.ends_on != "" and today > self.ends_on

    def actor(self, login: str) -> Actor:
        """The actor that this membership makes of its user."""
        return Actor(login, self.role, self.account_id, self.lines)


class UserStore:
    """Users and memberships. Errors of the database come through as SQLAlchemy raises them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(reading=True)  # waits for no writer

    # Reading

    def by_login(self, login: str) -> User | None:
        return self._user(users_table.c.login == login)

    def by_id(self, user_id: int) -> User | None:
        return self._user(users_table.c.id == user_id)

    def by_email(self, email: str) -> list[User]:
        """The users to whom this address belongs; compared without case."""
        column = users_table.c.email
        query = select(users_table).where(column == email.lower()).where(column != "")
        with self._reader.connect() as connection:
            return [_user(row) for row in connection.execute(query)]

    def users(self, page: Page, search: str | None) -> list[User]:
        """A page of users, the newest first."""
        query = select(users_table)
        if search:
            query = query.where(containing(search, users_table.c.login))
        query = newest_first(query, page, users_table.c.id)
        with self._reader.connect() as connection:
            return [_user(row) for row in connection.execute(query)]

    def memberships(self, user_id: int) -> list[Membership]:
        """The roles of a user, the oldest first."""
        table = memberships_table
        query = select(table).where(table.c.user_id == user_id).order_by(table.c.id)
        with self._reader.connect() as connection:
            return [_membership(row) for row in connection.execute(query)]

    def of_account(self, account_id: int) -> list[tuple[User, Membership]]:
        """The people of an account, each with the role there, the oldest first."""
        table = memberships_table
        query = select(table).where(table.c.account_id == account_id).order_by(table.c.id)
        with self._reader.connect() as connection:
            found = [_membership(row) for row in connection.execute(query)]
            ids = {one.user_id for one in found}
            rows = connection.execute(select(users_table).where(users_table.c.id.in_(ids)))
            users = {row.id: _user(row) for row in rows}
        return [(users[one.user_id], one) for one in found]

    def owner_login(self, account_id: int) -> str | None:
        """The login of the account's first owner."""
        users, roles = users_table, memberships_table
        query = (
            select(users.c.login)
            .join(roles, roles.c.user_id == users.c.id)
            .where(roles.c.account_id == account_id, roles.c.role == OWNER)
            .order_by(roles.c.id)
        )
        with self._reader.connect() as connection:
            return connection.execute(query).scalars().first()

    # Writing

    def add(
        self,
        login: str,
        secret: str,
        membership: Membership,
        now: int,
        language: str = "",
        email: str = "",
    ) -> User:
        """A new user with one membership, whose `id` and `user_id` don't count. Raises
        IntegrityError if the login is taken."""
        with self._engine.begin() as connection:
            user_id = _insert_user(connection, login, secret, now, language, email)
            _insert_membership(connection, user_id, membership)
        return User(user_id, login, secret, True, False, language, email.lower(), now, now)

    def grant(self, user_id: int, membership: Membership) -> None:
        """Another membership, which takes the place of the user's role in the same account."""
        table = memberships_table
        with self._engine.begin() as connection:
            connection.execute(
                delete(table).where(
                    table.c.user_id == user_id,
                    table.c.account_id.is_(None)
                    if membership.account_id is None
                    else table.c.account_id == membership.account_id,
                )
            )
            _insert_membership(connection, user_id, membership)

    def revoke(self, membership_id: int) -> None:
        table = memberships_table
        with self._engine.begin() as connection:
            connection.execute(delete(table).where(table.c.id == membership_id))

    def set_password(self, user_id: int, secret: str, now: int, *, must_change: bool) -> None:
        self._set(user_id, secret=secret, issued_at=now, must_change=must_change)

    def rehash(self, user_id: int, secret: str) -> None:
        """Keep the same password under a newer hash."""
        self._set(user_id, secret=secret)

    def set_disabled(self, user_id: int, *, disabled: bool) -> None:
        self._set(user_id, disabled=disabled)

    def set_language(self, user_id: int, language: str) -> None:
        self._set(user_id, language=language)

    def set_email(self, user_id: int, email: str) -> None:
        self._set(user_id, email=email.lower())

    def set_totp(self, user_id: int, secret: str) -> None:
        """Ask for one-time codes by this key from now on; "" asks for none."""
        self._set(user_id, totp_secret=secret, totp_used=0)

    def set_recovery_codes(self, user_id: int, code_hashes: Sequence[str]) -> None:
        """Replace the user's recovery codes."""
        table = recovery_table
        with self._engine.begin() as connection:
            connection.execute(delete(table).where(table.c.user_id == user_id))
            if code_hashes:
                rows = [{"user_id": user_id, "code_hash": one} for one in code_hashes]
                connection.execute(insert(table), rows)

    def use_totp(self, user_id: int, step: int) -> bool:
        """True if no code of this time step or a later one was used before; it is used now."""
        table = users_table
        with self._engine.begin() as connection:
            done = connection.execute(
                update(table)
                .where(table.c.id == user_id, table.c.totp_used < step)
                .values(totp_used=step)
            )
            return done.rowcount == 1

    def use_recovery_code(self, user_id: int, code_hash: str) -> bool:
        """True if the user had this code; now it is used up."""
        table = recovery_table
        with self._engine.begin() as connection:
            done = connection.execute(
                delete(table).where(table.c.user_id == user_id, table.c.code_hash == code_hash)
            )
            return done.rowcount == 1

    def recovery_codes_left(self, user_id: int) -> int:
        query = select(recovery_table.c.code_hash).where(recovery_table.c.user_id == user_id)
        with self._reader.connect() as connection:
            return len(connection.execute(query).all())

    def issue_owner(
        self, account_id: int, login: str, secret: str, now: int, changes: Sequence[Change]
    ) -> None:
        """Issue the account's own login with a password that must be changed, and note it in the
        account's history. Raises IntegrityError if somebody else has the login."""
        users, roles = users_table, memberships_table
        with self._engine.begin() as connection:
            query = (
                select(roles.c.user_id)
                .where(roles.c.account_id == account_id, roles.c.role == OWNER)
                .order_by(roles.c.id)
            )
            user_id = connection.execute(query).scalars().first()
            if user_id is None:
                user_id = _insert_user(connection, login, secret, now, "", "")
                owner = Membership(0, user_id, OWNER, account_id, ())
                _insert_membership(connection, user_id, owner)
            else:
                values = {
                    "login": login,
                    "secret": secret,
                    "issued_at": now,
                    "must_change": True,
                    "disabled": False,
                }
                connection.execute(update(users).where(users.c.id == user_id).values(values))
            rows = [change_row(change) for change in changes]
            connection.execute(insert(account_changes_table), rows)

    def _user(self, condition: ColumnElement[bool]) -> User | None:
        with self._reader.connect() as connection:
            row = connection.execute(select(users_table).where(condition)).first()
        return None if row is None else _user(row)

    def _set(self, user_id: int, **values: str | int | bool) -> None:
        with self._engine.begin() as connection:
            connection.execute(
                update(users_table).where(users_table.c.id == user_id).values(values)
            )


def _insert_user(
    connection: Connection, login: str, secret: str, now: int, language: str, email: str
) -> int:
    row = {
        "login": login,
        "secret": secret,
        "must_change": True,
        "disabled": False,
        "language": language,
        "email": email.lower(),
        "created_at": now,
        "issued_at": now,
        "totp_secret": "",
        "totp_used": 0,
    }
    key = connection.execute(insert(users_table).values(row)).inserted_primary_key
    if key is None:
        raise LookupError("the database gave the user no id")
    return int(key[0])


def _insert_membership(connection: Connection, user_id: int, membership: Membership) -> None:
    row = {
        "user_id": user_id,
        "role": membership.role,
        "account_id": membership.account_id,
        "lines": ",".join(map(str, membership.lines)),
        "ends_on": membership.ends_on,
    }
    connection.execute(insert(memberships_table).values(row))


def _user(row: DbRow) -> User:
    return User(
        row.id, row.login, row.secret, row.must_change, row.disabled, row.language, row.email,
        row.created_at, row.issued_at, row.totp_secret, row.totp_used,
    )  # fmt: skip


def _membership(row: DbRow) -> Membership:
    lines = tuple(int(one) for one in row.lines.split(",") if one)
    return Membership(row.id, row.user_id, row.role, row.account_id, lines, row.ends_on)
