"""Mailboxes of lines, their messages and greetings; who answered a call beside its phones."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mailboxes",
        sa.Column("line_id", sa.Integer(), nullable=False),
        sa.Column("takes", sa.String(64), nullable=False),
        sa.Column("pin", sa.String(128), nullable=True),
        sa.Column("pin_failures", sa.Integer(), nullable=False),
        sa.Column("locked_until", sa.BigInteger(), nullable=False),
        sa.Column("greeting", sa.String(64), nullable=True),
        sa.Column("email", sa.String(254), nullable=True),
        sa.Column("max_seconds", sa.Integer(), nullable=True),
        sa.Column("max_messages", sa.Integer(), nullable=True),
        sa.Column("days_kept", sa.Integer(), nullable=True),
        sa.Column("ring_seconds", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"]),
        sa.PrimaryKeyConstraint("line_id"),
    )
    op.create_table(
        "voice_messages",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("line_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("calling", sa.String(64), nullable=False),
        sa.Column("withheld", sa.Boolean(), nullable=False),
        sa.Column("call_id", sa.String(64), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("voice_messages_by_line", "voice_messages", ["line_id", "received_at"])
    op.create_index("voice_messages_by_expiry", "voice_messages", ["expires_at"])
    op.create_table(
        "greetings",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("line_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_greetings_line_id", "greetings", ["line_id"])
    op.add_column("cdrs", sa.Column("answered_by", sa.String(16), nullable=True))


def downgrade() -> None:
    op.drop_column("cdrs", "answered_by")
    for name in ("greetings", "voice_messages", "mailboxes"):
        op.drop_table(name)
