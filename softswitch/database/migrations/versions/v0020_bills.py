"""Bills, and indices to search call details by number and by type."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bills",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("account_id", "month", name="bills_by_account"),
    )
    op.create_index("cdrs_by_calling", "cdrs", ["calling", "setup_at"])
    op.create_index("cdrs_by_called", "cdrs", ["called", "setup_at"])
    op.create_index("cdrs_by_type", "cdrs", ["type", "setup_at"])


def downgrade() -> None:
    for name in ("cdrs_by_type", "cdrs_by_called", "cdrs_by_calling"):
        op.drop_index(name, "cdrs")
    op.drop_table("bills")
