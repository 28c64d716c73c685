"""Port orders, number changes, unused lines; notices that are told as due work."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "port_orders",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("direction", sa.String(length=8), nullable=False),
        sa.Column("number", sa.String(length=16), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("operator", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("planned_on", sa.String(length=10), nullable=True),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.String(length=256), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_port_orders_number"), "port_orders", ["number"])
    op.create_table(
        "number_changes",
        sa.Column("old", sa.String(length=16), nullable=False),
        sa.Column("new", sa.String(length=16), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        sa.PrimaryKeyConstraint("old"),
    )
    op.add_column("lines", sa.Column("rests_until", sa.BigInteger(), nullable=True))
    op.add_column("lines", sa.Column("active_at", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("due_work") as batch:
        batch.alter_column("key", type_=sa.String(length=240), existing_type=sa.String(length=160))
        batch.alter_column(
            "subject", type_=sa.String(length=200), existing_type=sa.String(length=128)
        )


def downgrade() -> None:
    with op.batch_alter_table("lines") as batch:
        batch.drop_column("active_at")
        batch.drop_column("rests_until")
    op.drop_table("number_changes")
    op.drop_table("port_orders")
