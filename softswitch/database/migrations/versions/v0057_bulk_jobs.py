"""Changes of many accounts at once: jobs, and what each does to an account."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bulk_jobs",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("value", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(256), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("made_by", sa.String(64), nullable=False),
        sa.Column("run_at", sa.BigInteger),
    )
    op.create_index("bulk_jobs_by_time", "bulk_jobs", ["made_at"])
    op.create_table(
        "bulk_items",
        sa.Column("job_id", sa.String(16), sa.ForeignKey("bulk_jobs.id"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("account_id", sa.Integer, nullable=False),
        sa.Column("before", sa.String(64), nullable=False),
        sa.Column("after", sa.String(64), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("fault", sa.String(64), nullable=False),
    )
    op.create_index("bulk_items_by_state", "bulk_items", ["job_id", "state", "position"])


def downgrade() -> None:
    for table in ("bulk_items", "bulk_jobs"):
        op.drop_table(table)
