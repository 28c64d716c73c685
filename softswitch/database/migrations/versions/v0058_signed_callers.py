"""Trunks: signed caller ids."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("trunks") as table:
        table.add_column(sa.Column("stir", sa.String(16), nullable=False, server_default="off"))
