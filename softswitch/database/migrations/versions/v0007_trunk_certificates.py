"""Trunks that prove themselves by a certificate."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    names = sa.Column("inbound_certificates", sa.String(), nullable=False, server_default="")
    op.add_column("trunks", names)


def downgrade() -> None:
    op.drop_column("trunks", "inbound_certificates")
