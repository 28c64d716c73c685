"""The live calls of an account, which are counted where it has a cap."""

from __future__ import annotations

from alembic import op

revision = "0069"
down_revision = "0068"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("live_calls_by_account", "live_calls", ["account_id"])


def downgrade() -> None:
    op.drop_index("live_calls_by_account", "live_calls")
