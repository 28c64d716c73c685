"""Versions of tariffs; intervals, minimum cost, and tariffs assigned from a day on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_KEPT = (
    "tariff, prefix, effective_from, destination, connect_fee_micros, per_minute_micros, "
    "initial_increment_seconds, increment_seconds, grace_seconds"
)


def upgrade() -> None:
    with op.batch_alter_table("tariffs") as tariffs:
        tariffs.add_column(sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
        tariffs.add_column(sa.Column("terms", sa.LargeBinary(), nullable=True))
    op.create_table(
        "tariff_versions",
        sa.Column("tariff", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("terms", sa.LargeBinary(), nullable=True),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.String(length=256), nullable=False),
        sa.ForeignKeyConstraint(["tariff"], ["tariffs.name"]),
        sa.PrimaryKeyConstraint("tariff", "version"),
    )
    op.execute(
        "INSERT INTO tariff_versions (tariff, version, currency, made_at, note) "
        "SELECT name, 1, currency, 0, '' FROM tariffs"
    )
    _new_rates()
    op.execute(
        f"INSERT INTO rates ({_KEPT}, interval, since_version, minimum_micros) "  # noqa: S608
        f"SELECT {_KEPT}, '', 1, 0 FROM rates_of_before"
    )
    op.drop_table("rates_of_before")
    op.create_table(
        "tariff_assignments",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("line", sa.String(length=16), nullable=True),
        sa.Column("tariff", sa.String(length=64), nullable=False),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("tariff_assignments_by_account", "tariff_assignments", ["account_id"])


def _new_rates() -> None:
    """A table by the same name with another key."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE rates RENAME CONSTRAINT rates_pkey TO rates_of_before_pkey")
    op.rename_table("rates", "rates_of_before")
    op.create_table(
        "rates",
        sa.Column("tariff", sa.String(length=64), nullable=False),
        sa.Column("prefix", sa.String(length=64), nullable=False),
        sa.Column("interval", sa.String(length=32), nullable=False),
        sa.Column("effective_from", sa.BigInteger(), nullable=False),
        sa.Column("since_version", sa.Integer(), nullable=False),
        sa.Column("until_version", sa.Integer(), nullable=True),
        sa.Column("destination", sa.String(length=128), nullable=False),
        sa.Column("connect_fee_micros", sa.BigInteger(), nullable=False),
        sa.Column("per_minute_micros", sa.BigInteger(), nullable=False),
        sa.Column("initial_increment_seconds", sa.Integer(), nullable=False),
        sa.Column("increment_seconds", sa.Integer(), nullable=False),
        sa.Column("grace_seconds", sa.Integer(), nullable=False),
        sa.Column("minimum_micros", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["tariff"], ["tariffs.name"]),
        sa.PrimaryKeyConstraint("tariff", "prefix", "interval", "effective_from", "since_version"),
    )
    op.create_index("rates_by_version", "rates", ["tariff", "until_version"])


def downgrade() -> None:
    raise NotImplementedError("versions of tariffs can't be made one again without losing them")
