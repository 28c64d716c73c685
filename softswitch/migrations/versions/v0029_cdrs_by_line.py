"""Call details are found by line and by direction, and by an account's or a number's type.

With ten million records this takes some minutes.
"""

from __future__ import annotations

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

BEFORE = ("account", "calling", "called")


def upgrade() -> None:
    for column in BEFORE:
        op.drop_index(f"cdrs_by_{column}", table_name="cdrs")
    for column in (*BEFORE, "line"):
        op.create_index(f"cdrs_by_{column}", "cdrs", [column, "setup_at", "type", "direction"])
    op.create_index("cdrs_by_direction", "cdrs", ["direction", "setup_at"])


def downgrade() -> None:
    for column in (*BEFORE, "line", "direction"):
        op.drop_index(f"cdrs_by_{column}", table_name="cdrs")
    for column in BEFORE:
        op.create_index(f"cdrs_by_{column}", "cdrs", [column, "setup_at"])
