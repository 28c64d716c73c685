"""Credit that is held for texts, and where their segments and receipts stand."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "holds",
        sa.Column("id", sa.String(128), primary_key=True),
        sa.Column("account_id", sa.Integer, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("wallet", sa.String(16), nullable=False),
        sa.Column("amount_micros", sa.BigInteger, nullable=False),
        sa.Column("held_micros", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_index("holds_of_account", "holds", ["account_id", "held_micros"])
    op.add_column(
        "wallets", sa.Column("held_micros", sa.BigInteger, nullable=False, server_default="0")
    )
    op.create_table(
        "text_parts",
        sa.Column("text_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
    )
    op.create_table(
        "text_part_ids",
        sa.Column("carrier", sa.String(64), primary_key=True),
        sa.Column("form", sa.String(65), primary_key=True),
        sa.Column("text_id", sa.BigInteger, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
    )
    op.create_index("text_part_ids_of_text", "text_part_ids", ["text_id"])
    op.create_table(
        "early_receipts",
        sa.Column("carrier", sa.String(64), primary_key=True),
        sa.Column("form", sa.String(65), primary_key=True),
        sa.Column("state", sa.Integer, nullable=False),
        sa.Column("error", sa.String(8), nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    for table in ("early_receipts", "text_part_ids", "text_parts", "holds"):
        op.drop_table(table)
    with op.batch_alter_table("wallets") as wallets:
        wallets.drop_column("held_micros")
