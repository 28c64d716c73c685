"""Ways of notices: what accounts and lines chose, and the line that gets an account's texts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notice_ways",
        sa.Column("account_id", sa.Integer, sa.ForeignKey("accounts.id"), primary_key=True),
        sa.Column("line_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("topic", sa.String(16), primary_key=True),
        sa.Column("way", sa.String(8), nullable=False),
    )
    op.create_table(
        "notice_lines",
        sa.Column("account_id", sa.Integer, sa.ForeignKey("accounts.id"), primary_key=True),
        sa.Column("line_id", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("notice_lines")
    op.drop_table("notice_ways")
