"""Corrections of prices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cdr_corrections",
        sa.Column("cdr_id", sa.String(length=80), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("price_micros", sa.BigInteger(), nullable=False),
        sa.Column("posted_micros", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.String(length=256), nullable=False),
        sa.Column("rate", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        sa.ForeignKeyConstraint(["cdr_id"], ["cdrs.id"]),
        sa.PrimaryKeyConstraint("cdr_id", "number"),
    )
    op.create_index("cdr_corrections_by_account", "cdr_corrections", ["account_id", "at"])


def downgrade() -> None:
    op.drop_index("cdr_corrections_by_account", table_name="cdr_corrections")
    op.drop_table("cdr_corrections")
