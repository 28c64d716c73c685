"""Users of the web: memberships, sessions, one-time codes, reset links and wrong guesses.

Accounts' logins become users, each the owner of its account.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("login", sa.String(64), nullable=False, unique=True),
        sa.Column("secret", sa.String(256), nullable=False),
        sa.Column("must_change", sa.Boolean, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("language", sa.String(2), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("issued_at", sa.BigInteger, nullable=False),
        sa.Column("totp_secret", sa.String(64), nullable=False),
        sa.Column("totp_used", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "memberships",
        sa.Column("id", sa.Integer, primary_key=True),
        _user(),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("account_id", sa.Integer, sa.ForeignKey("accounts.id")),
        sa.Column("lines", sa.String(2000), nullable=False),
        sa.Column("ends_on", sa.String(10), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("memberships_of_user", "memberships", ["user_id"])
    op.create_index("memberships_of_account", "memberships", ["account_id", "role"])
    op.create_table(
        "recovery_codes",
        _user(primary_key=True),
        sa.Column("code_hash", sa.String(64), primary_key=True),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
        _user(),
        sa.Column("membership_id", sa.Integer),
        sa.Column("csrf", sa.String(32), nullable=False),
        sa.Column("opened_at", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
        sa.Column("confirmed_at", sa.BigInteger, nullable=False),
        sa.Column("passed_totp", sa.Boolean, nullable=False),
        sa.Column("remembered", sa.Boolean, nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("agent", sa.String(200), nullable=False),
        sa.Column("impersonator", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
    )
    op.create_index("sessions_of_user", "sessions", ["user_id"])
    op.create_index("sessions_by_use", "sessions", ["seen_at"])
    op.create_table(
        "password_resets",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        _user(),
        sa.Column("issued_at", sa.BigInteger, nullable=False),
    )
    op.create_index("password_resets_of_user", "password_resets", ["user_id"])
    op.create_table(
        "login_attempts",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("last_at", sa.BigInteger, nullable=False),
    )
    op.create_index("login_attempts_by_time", "login_attempts", ["last_at"])
    op.execute(
        "INSERT INTO users (login, secret, must_change, disabled, language, email, created_at,"
        " issued_at, totp_secret, totp_used)"
        " SELECT login, secret, true, false, '', '', issued_at, issued_at, '', 0"
        " FROM account_logins ORDER BY account_id"
    )
    op.execute(
        "INSERT INTO memberships (user_id, role, account_id, lines, ends_on)"
        " SELECT users.id, 'subscriber', account_logins.account_id, '', ''"
        " FROM account_logins JOIN users ON users.login = account_logins.login"
        " ORDER BY account_logins.account_id"
    )
    op.drop_table("account_logins")


def downgrade() -> None:
    op.create_table(
        "account_logins",
        sa.Column("account_id", sa.Integer, sa.ForeignKey("accounts.id"), primary_key=True),
        sa.Column("login", sa.String(32), nullable=False, unique=True),
        sa.Column("secret", sa.String(256), nullable=False),
        sa.Column("issued_at", sa.BigInteger, nullable=False),
    )
    op.execute(
        "INSERT INTO account_logins (account_id, login, secret, issued_at)"
        " SELECT memberships.account_id, min(users.login), min(users.secret), min(users.issued_at)"
        " FROM users JOIN memberships ON memberships.user_id = users.id"
        " WHERE memberships.role = 'subscriber' GROUP BY memberships.account_id"
    )
    for table in (
        "login_attempts", "password_resets", "sessions", "recovery_codes", "memberships", "users",
    ):  # fmt: skip
        op.drop_table(table)


def _user(*, primary_key: bool = False) -> sa.Column[int]:
    return sa.Column(
        "user_id", sa.Integer, sa.ForeignKey("users.id"), primary_key=primary_key, nullable=False
    )
