"""The SIP dialogs of live calls, in which a switch that takes them over says BYE."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("live_calls", sa.Column("dialogs", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("live_calls", "dialogs")
