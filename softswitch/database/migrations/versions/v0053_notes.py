"""Notes on requests and accounts, reviewers of documents, requests' assignees."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "request_notes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("request_id", sa.Integer, sa.ForeignKey("account_requests.id"), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("side", sa.String(10), nullable=False),
        sa.Column("text", sa.String(2000), nullable=False),
    )
    op.create_index("ix_request_notes_request_id", "request_notes", ["request_id"])
    op.create_table(
        "account_notes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("account_id", sa.Integer, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("text", sa.String(2000), nullable=False),
    )
    op.create_index("ix_account_notes_account_id", "account_notes", ["account_id"])
    op.create_table(
        "document_looks",
        sa.Column(
            "document_id",
            sa.Integer,
            sa.ForeignKey("account_documents.id"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.add_column("account_requests", sa.Column("assignee", sa.String(64)))
    op.create_index("account_fields_by_value", "account_fields", ["name", "value"])


def downgrade() -> None:
    op.drop_index("account_fields_by_value", "account_fields")
    with op.batch_alter_table("account_requests") as requests:
        requests.drop_column("assignee")
    for table in ("document_looks", "account_notes", "request_notes"):
        op.drop_table(table)
