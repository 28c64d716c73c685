"""Keys of encrypted documents, wrapped; NULL for a document that isn't encrypted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0063"
down_revision = "0062"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("account_documents", sa.Column("sealed_key", sa.LargeBinary))


def downgrade() -> None:
    with op.batch_alter_table("account_documents") as table:
        table.drop_column("sealed_key")
