"""The process that carries a keyed request out, and the mark that it changed something."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0070"
down_revision = "0069"
branch_labels = None
depends_on = None


def upgrade() -> None:
    runner = sa.Column("runner", sa.String(96), nullable=False, server_default="")
    changed = sa.Column("changed", sa.Boolean, nullable=False, server_default=sa.true())
    op.add_column("idempotency", runner)
    op.add_column("idempotency", changed)


def downgrade() -> None:
    op.drop_column("idempotency", "changed")
    op.drop_column("idempotency", "runner")
