"""An index of payments by time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None

OF_PAYMENTS = sa.text("kind IN ('topup', 'reversal') AND account_id IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "ledger_payments",
        "ledger_entries",
        ["at", "id"],
        sqlite_where=OF_PAYMENTS,
        postgresql_where=OF_PAYMENTS,
    )


def downgrade() -> None:
    op.drop_index("ledger_payments", "ledger_entries")
