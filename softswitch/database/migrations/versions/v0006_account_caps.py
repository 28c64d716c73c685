"""Caps of accounts against fraud."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account_caps",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=True),
        sa.Column("calls_per_minute", sa.Integer(), nullable=True),
        sa.Column("spend_hour_micros", sa.BigInteger(), nullable=True),
        sa.Column("spend_day_micros", sa.BigInteger(), nullable=True),
        sa.Column("countries", sa.String(), nullable=True),
        sa.Column("high_risk", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        sa.PrimaryKeyConstraint("account_id"),
    )


def downgrade() -> None:
    op.drop_table("account_caps")
