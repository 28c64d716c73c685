"""Call details are found by line and by direction, and what somebody with many calls had seldom.

With ten million records this takes some minutes.
"""

from __future__ import annotations

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

BEFORE = ("account", "calling", "called")
INDICES = {
    "account": ("setup_at", "type", "direction"),
    "calling": ("setup_at", "type", "direction", "account"),
    "called": ("setup_at", "type", "direction", "account"),
    "line": ("setup_at", "type", "direction"),
    "direction": ("setup_at",),
}


def upgrade() -> None:
    for column in BEFORE:
        op.drop_index(f"cdrs_by_{column}", table_name="cdrs")
    for column, others in INDICES.items():
        op.create_index(f"cdrs_by_{column}", "cdrs", [column, *others])


def downgrade() -> None:
    for column in INDICES:
        op.drop_index(f"cdrs_by_{column}", table_name="cdrs")
    for column in BEFORE:
        op.create_index(f"cdrs_by_{column}", "cdrs", [column, "setup_at"])
