"""Texts: which are reports, how far conversations are read; imports of contacts to undo."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "texts", sa.Column("is_report", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.create_table(
        "text_reads",
        sa.Column("line_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("peer", sa.String(32), primary_key=True),
        sa.Column("read_id", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "sms_imports",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("account_id", sa.Integer, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("group_id", sa.Integer),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("by", sa.String(128), nullable=False),
        sa.Column("added", sa.Integer, nullable=False),
        sa.Column("replaced", sa.Integer, nullable=False),
        sa.Column("undone_at", sa.BigInteger),
    )
    op.create_index("sms_imports_of_account", "sms_imports", ["account_id", "at"])
    op.create_table(
        "sms_import_rows",
        sa.Column("import_id", sa.String(32), primary_key=True),
        sa.Column("phone", sa.String(32), primary_key=True),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text, nullable=False),
        sa.Column("joined", sa.Boolean, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("sms_import_rows")
    op.drop_index("sms_imports_of_account", "sms_imports")
    op.drop_table("sms_imports")
    op.drop_table("text_reads")
    with op.batch_alter_table("texts") as texts:
        texts.drop_column("is_report")
