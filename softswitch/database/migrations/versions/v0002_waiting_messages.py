"""What a line's mailbox holds, for the lamps of its phones."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("lines") as lines:
        lines.add_column(sa.Column("waiting_new", sa.Integer(), nullable=True))
        lines.add_column(sa.Column("waiting_old", sa.Integer(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("lines") as lines:
        lines.drop_column("waiting_old")
        lines.drop_column("waiting_new")
