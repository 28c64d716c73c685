"""What trunks charge us, and what each call cost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("trunks", sa.Column("tariff", sa.String(length=64), nullable=True))
    weight = sa.Column("weight", sa.Integer(), nullable=False, server_default="1")
    op.add_column("trunks", weight)
    op.add_column("cdrs", sa.Column("cost_micros", sa.BigInteger(), nullable=True))
    op.add_column("cdrs", sa.Column("cost_currency", sa.String(length=3), nullable=True))
    op.add_column("live_calls", sa.Column("trunk", sa.String(length=64), nullable=True))
    op.add_column("live_calls", sa.Column("cost", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    for table, column in (
        ("trunks", "tariff"),
        ("trunks", "weight"),
        ("cdrs", "cost_micros"),
        ("cdrs", "cost_currency"),
        ("live_calls", "trunk"),
        ("live_calls", "cost"),
    ):
        op.drop_column(table, column)
