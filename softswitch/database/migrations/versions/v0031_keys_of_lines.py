"""How lines and trunks are told of keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("lines", "trunks"):
        op.add_column(table, sa.Column("dtmf", sa.String(16)))


def downgrade() -> None:
    for table in ("lines", "trunks"):
        op.drop_column(table, "dtmf")
