"""Room for the text of a notice that an operator writes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0068"
down_revision = "0067"
branch_labels = None
depends_on = None

_COLUMNS = (("notices", "about"), ("bulk_jobs", "value"))


def upgrade() -> None:
    _set_lengths(500, 64)


def downgrade() -> None:
    _set_lengths(64, 500)


def _set_lengths(length: int, before: int) -> None:
    for table, column in _COLUMNS:
        with op.batch_alter_table(table) as batch:
            batch.alter_column(
                column, type_=sa.String(length), existing_type=sa.String(before),
                existing_nullable=False,
            )  # fmt: skip
