"""Targets of rented numbers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "number_reaches",
        sa.Column("number", sa.String(16), primary_key=True),
        sa.Column("account_id", sa.Integer, nullable=False, index=True),
        sa.Column("in_turn", sa.Boolean, nullable=False),
        sa.Column("greeting", sa.String),
        sa.Column("targets", sa.String, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("number_reaches")
