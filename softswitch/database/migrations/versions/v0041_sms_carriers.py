"""Carriers of texts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sms_carriers",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(64), nullable=False, unique=True),
        sa.Column("host", sa.String(253), nullable=False),
        sa.Column("port", sa.Integer, nullable=False),
        sa.Column("tls", sa.Boolean, nullable=False),
        sa.Column("system_id", sa.String(15), nullable=False),
        sa.Column("password", sa.String(64), nullable=False),
        sa.Column("system_type", sa.String(12), nullable=False),
        sa.Column("prefixes", sa.String(1000), nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("binds", sa.Integer, nullable=False),
        sa.Column("window", sa.Integer, nullable=False, quote=True),
        sa.Column("rate", sa.Integer, nullable=False),
        sa.Column("suspended", sa.Boolean, nullable=False),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("sms_carriers")
