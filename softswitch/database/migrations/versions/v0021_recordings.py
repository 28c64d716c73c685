"""Recorded calls, and the lines that want them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    record = sa.Column("record", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("lines", record)
    op.create_table(
        "recordings",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("call_id", sa.String(64), nullable=False),
        sa.Column("line_id", sa.Integer, nullable=False),
        sa.Column("line", sa.String(16), nullable=False),
        sa.Column("calling", sa.String(64), nullable=False),
        sa.Column("called", sa.String(64), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("problem", sa.String(256), nullable=False),
        sa.Column("begun_at", sa.BigInteger, nullable=False),
        sa.Column("duration_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("recordings_by_line", "recordings", ["line", "begun_at"])
    op.create_index("recordings_by_expiry", "recordings", ["expires_at"])


def downgrade() -> None:
    op.drop_table("recordings")
    op.drop_column("lines", "record")
