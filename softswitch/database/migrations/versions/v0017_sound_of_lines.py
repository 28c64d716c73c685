"""Whether the sound of lines and trunks is encrypted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("lines", "trunks"):
        op.add_column(table, sa.Column("srtp", sa.String(16)))


def downgrade() -> None:
    for table in ("lines", "trunks"):
        op.drop_column(table, "srtp")
