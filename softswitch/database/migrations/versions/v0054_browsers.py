"""Whether the phones of lines are browsers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("lines", sa.Column("webrtc", sa.String(8)))


def downgrade() -> None:
    with op.batch_alter_table("lines") as lines:
        lines.drop_column("webrtc")
