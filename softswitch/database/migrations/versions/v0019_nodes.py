"""Which node a live call belongs to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    node = sa.Column("node", sa.String(length=64), nullable=False, server_default="")
    op.add_column("live_calls", node)


def downgrade() -> None:
    op.drop_column("live_calls", "node")
