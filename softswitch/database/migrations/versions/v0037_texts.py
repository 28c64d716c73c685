"""Texts that wait for a phone or a carrier, and what became of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "texts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("origin", sa.String(200), nullable=False, unique=True),
        sa.Column("kind", sa.String(4), nullable=False),
        sa.Column("account_id", sa.Integer),
        sa.Column("from_line", sa.Integer),
        sa.Column("to_line", sa.Integer),
        sa.Column("sender", sa.String(32), nullable=False),
        sa.Column("recipient", sa.String(32), nullable=False),
        sa.Column("content_type", sa.String(128), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("segments", sa.Integer, nullable=False),
        sa.Column("price_micros", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("batch_id", sa.String(64)),
        sa.Column("client_id", sa.Integer),
        sa.Column("wants_receipt", sa.Boolean, nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("carrier", sa.String(64), nullable=False),
        sa.Column("sent_at", sa.BigInteger),
        sa.Column("done_at", sa.BigInteger),
        sa.Column("error", sa.String(64), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("texts_to_line", "texts", ["to_line", "id"])
    op.create_index("texts_from_line", "texts", ["from_line", "id"])
    op.create_index("texts_of_account", "texts", ["account_id", "id"])
    op.create_index("texts_of_batch", "texts", ["batch_id", "state"])
    op.create_index("texts_by_state", "texts", ["state", "kind", "due_at"])


def downgrade() -> None:
    op.drop_table("texts")
