"""Who waits at which of several switches."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    node = sa.Column("node", sa.String(64), nullable=False, server_default="")
    op.add_column("call_completions", node)


def downgrade() -> None:
    op.drop_column("call_completions", "node")
