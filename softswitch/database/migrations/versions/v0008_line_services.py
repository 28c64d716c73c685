"""Supplementary services of lines, and malicious calls that they marked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "line_services",
        sa.Column("line_id", sa.Integer, sa.ForeignKey("lines.id"), primary_key=True),
        sa.Column("service", sa.String(32), primary_key=True),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("numbers", sa.String, nullable=False),
        sa.Column("seconds", sa.Integer),
    )
    op.create_table(
        "malicious_calls",
        sa.Column("call_id", sa.String(64), primary_key=True),
        sa.Column("line_id", sa.Integer, primary_key=True),
        sa.Column("line", sa.String(16), nullable=False),
        sa.Column("calling", sa.String(64), nullable=False),
        sa.Column("called", sa.String(64), nullable=False),
        sa.Column("withheld", sa.Boolean, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("marked_at", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("malicious_calls")
    op.drop_table("line_services")
