"""What lines say of announcements, directory enquiries and self-service."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("lines", sa.Column("language", sa.String(2)))
    listed: sa.Column[bool] = sa.Column(
        "listed", sa.Boolean(), nullable=False, server_default=sa.false()
    )
    op.add_column("lines", listed)
    op.add_column("lines", sa.Column("pin", sa.String(128)))


def downgrade() -> None:
    for name in ("pin", "listed", "language"):
        op.drop_column("lines", name)
