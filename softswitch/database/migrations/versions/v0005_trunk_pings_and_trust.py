"""How often a trunk is pinged, and whether identities pass to and from it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("trunks") as trunks:
        trunks.add_column(sa.Column("ping_seconds", sa.Integer(), nullable=True))
        trunks.add_column(
            sa.Column("trusted", sa.Boolean(), nullable=False, server_default=sa.false())
        )


def downgrade() -> None:
    with op.batch_alter_table("trunks") as trunks:
        trunks.drop_column("trusted")
        trunks.drop_column("ping_seconds")
