"""Texts: which node asks a carrier; how receipts write ids; holds that are open, by their ids."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("texts", sa.Column("node", sa.String(64), nullable=False, server_default=""))
    op.add_column(
        "sms_carriers",
        sa.Column("receipt_ids", sa.String(8), nullable=False, server_default="any"),
    )
    is_open = sa.text("held_micros > 0")
    op.create_index("holds_open", "holds", ["id"], sqlite_where=is_open, postgresql_where=is_open)


def downgrade() -> None:
    op.drop_index("holds_open", "holds")
    with op.batch_alter_table("sms_carriers") as carriers:
        carriers.drop_column("receipt_ids")
    with op.batch_alter_table("texts") as texts:
        texts.drop_column("node")
