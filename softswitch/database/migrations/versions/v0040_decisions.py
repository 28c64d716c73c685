"""What the switch decided for a call, beside its record."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("cdrs", sa.Column("decisions", sa.String(300), nullable=True))


def downgrade() -> None:
    op.drop_column("cdrs", "decisions")
