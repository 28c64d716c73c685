"""Devices of lines: desk phones and apps, with credentials of their own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

HA1 = ("ha1_md5", "ha1_sha256", "ha1_sha512_256")


def upgrade() -> None:
    op.create_table(
        "devices",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("account_id", sa.Integer, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("model", sa.String(32), nullable=False),
        sa.Column("mac", sa.String(12)),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("keys", sa.Text, nullable=False),
        sa.Column("token_hash", sa.String(64)),
        sa.Column("next_token_hash", sa.String(64)),
        sa.Column("enrolment_hash", sa.String(64)),
        sa.Column("enrolment_ends_at", sa.BigInteger),
        sa.Column("rotating", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("enrolled_at", sa.BigInteger),
        sa.Column("seen_at", sa.BigInteger),
        sa.Column("seen_address", sa.String(64), nullable=False),
        sa.Column("seen_agent", sa.String(256), nullable=False),
        sa.UniqueConstraint("mac", name="devices_mac"),
    )
    op.create_index("devices_of_account", "devices", ["account_id"])
    for column in ("token_hash", "next_token_hash", "enrolment_hash"):
        op.create_index(f"devices_{column}", "devices", [column], unique=True)
    op.create_table(
        "device_lines",
        sa.Column("device_id", sa.String(16), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("line_id", sa.Integer, sa.ForeignKey("lines.id"), nullable=False),
        sa.Column("username", sa.String(80), nullable=False),
        *(sa.Column(name, sa.String(64)) for name in HA1),
        *(sa.Column(f"next_{name}", sa.String(64)) for name in HA1),
        sa.UniqueConstraint("username", name="device_lines_username"),
    )
    op.create_index("ix_device_lines_line_id", "device_lines", ["line_id"])
    op.create_table(
        "device_push_tokens",
        sa.Column("device_id", sa.String(16), primary_key=True),
        sa.Column("selector", sa.String(256), primary_key=True),
        sa.Column("call_token", sa.String(512), nullable=False),
        sa.Column("call_app", sa.String(256), nullable=False),
        sa.Column("other_token", sa.String(512), nullable=False),
        sa.Column("other_app", sa.String(256), nullable=False),
        sa.Column("reported_at", sa.BigInteger, nullable=False),
    )
    op.add_column(
        "bindings", sa.Column("username", sa.String(80), nullable=False, server_default="")
    )


def downgrade() -> None:
    with op.batch_alter_table("bindings") as bindings:
        bindings.drop_column("username")
    for table in ("device_push_tokens", "device_lines", "devices"):
        op.drop_table(table)
