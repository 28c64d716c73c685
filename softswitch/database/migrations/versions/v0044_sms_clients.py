"""Businesses that send texts, and the receipts that they haven't taken."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sms_grants",
        sa.Column("account_id", sa.Integer, sa.ForeignKey("accounts.id"), primary_key=True),
        sa.Column("granted_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "sms_senders",
        sa.Column("account_id", sa.Integer, sa.ForeignKey("accounts.id"), primary_key=True),
        sa.Column("name", sa.String(11), primary_key=True),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "sms_clients",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(64), nullable=False, unique=True),
        sa.Column("account_id", sa.Integer, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("system_id", sa.String(15), nullable=False, unique=True),
        sa.Column("password", sa.String(256), nullable=False),
        sa.Column("networks", sa.String(1000), nullable=False),
        sa.Column("wallet", sa.String(16), nullable=False),
        sa.Column("max_binds", sa.Integer, nullable=False),
        sa.Column("rate", sa.Integer, nullable=False),
        sa.Column("suspended", sa.Boolean, nullable=False),
        sqlite_autoincrement=True,
    )
    op.add_column("texts", sa.Column("receipt", sa.String(5), nullable=False, server_default=""))
    op.create_index("texts_by_receipt", "texts", ["client_id", "receipt"])


def downgrade() -> None:
    op.drop_index("texts_by_receipt", "texts")
    with op.batch_alter_table("texts") as texts:
        texts.drop_column("receipt")
    for table in ("sms_clients", "sms_senders", "sms_grants"):
        op.drop_table(table)
