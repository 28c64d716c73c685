"""Texts: True in a column if the sender set how long they are valid."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "texts",
        sa.Column("has_validity", sa.Boolean, nullable=False, server_default=sa.false()),
    )


def downgrade() -> None:
    with op.batch_alter_table("texts") as texts:
        texts.drop_column("has_validity")
