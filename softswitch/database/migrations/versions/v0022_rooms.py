"""Conference rooms that one dials into."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "conference_rooms",
        sa.Column("number", sa.String(12), primary_key=True),
        sa.Column("line_id", sa.Integer, nullable=False),
        sa.Column("pin", sa.String(128)),
    )


def downgrade() -> None:
    op.drop_table("conference_rooms")
