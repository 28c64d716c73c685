"""The node that records a message or a call: only that one finishes it after a crash."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0064"
down_revision = "0063"
branch_labels = None
depends_on = None

_TABLES = ("voice_messages", "recordings")


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(table, sa.Column("node", sa.String(64), nullable=False, server_default=""))


def downgrade() -> None:
    for table in _TABLES:
        op.drop_column(table, "node")
