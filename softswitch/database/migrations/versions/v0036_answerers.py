"""What answered a live call, for the CDR of one that a crash ends."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("live_calls", sa.Column("answered_by", sa.String(16), nullable=True))


def downgrade() -> None:
    op.drop_column("live_calls", "answered_by")
