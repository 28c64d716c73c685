"""Wrong PINs are counted in one place."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pin_tries",
        sa.Column("kind", sa.String(8), primary_key=True),
        sa.Column("owner", sa.String(12), primary_key=True),
        sa.Column("wrong", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("locked_until", sa.BigInteger(), nullable=False),
    )
    op.execute(
        "INSERT INTO pin_tries (kind, owner, wrong, last_at, locked_until) "
        "SELECT 'mailbox', CAST(line_id AS VARCHAR(12)), pin_failures, 0, locked_until "
        "FROM mailboxes WHERE pin_failures > 0"
    )
    op.drop_column("mailboxes", "pin_failures")
    op.drop_column("mailboxes", "locked_until")


def downgrade() -> None:
    for name, kind in (("pin_failures", sa.Integer()), ("locked_until", sa.BigInteger())):
        op.add_column("mailboxes", sa.Column(name, kind, nullable=False, server_default="0"))
    op.drop_table("pin_tries")
