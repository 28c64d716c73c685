"""Trunks: where requests within calls go, which caller ids are shown; callers that are claimed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("trunks") as table:
        table.add_column(sa.Column("contact", sa.String(16), nullable=False, server_default="auto"))
        table.add_column(
            sa.Column("caller_id", sa.String(16), nullable=False, server_default="numbers")
        )
    with op.batch_alter_table("malicious_calls") as table:
        table.add_column(
            sa.Column("claimed", sa.Boolean, nullable=False, server_default=sa.false())
        )
