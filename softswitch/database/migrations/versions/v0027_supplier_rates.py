"""By which rate a trunk charges us for a call."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("cdrs", sa.Column("cost_rate", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("cdrs", "cost_rate")
