"""Bulk texts: contacts, groups, templates, drafts, stop list, contracts and batches."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sms_contacts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        _account(),
        sa.Column("phone", sa.String(32), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("fields", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("account_id", "phone", name="sms_contacts_phone"),
        sqlite_autoincrement=True,
    )
    op.create_index("sms_contacts_of_account", "sms_contacts", ["account_id", "id"])
    op.create_table(
        "sms_groups",
        sa.Column("id", sa.Integer, primary_key=True),
        _account(),
        sa.Column("name", sa.String(64), nullable=False),
        sa.UniqueConstraint("account_id", "name", name="sms_groups_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "sms_group_members",
        sa.Column("group_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("contact_id", sa.BigInteger, primary_key=True, autoincrement=False),
    )
    op.create_index("sms_groups_of_contact", "sms_group_members", ["contact_id"])
    op.create_table(
        "sms_templates",
        _account(primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "sms_drafts",
        _account(primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("sender", sa.String(32), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("groups", sa.Text, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "sms_stops",
        _account(primary_key=True),
        sa.Column("number", sa.String(32), primary_key=True),
        sa.Column("stopped_at", sa.BigInteger, nullable=False),
        sa.Column("by", sa.String(10), nullable=False),
    )
    op.create_table(
        "sms_contracts",
        _account(primary_key=True),
        sa.Column("terms", sa.String(64), primary_key=True),
        sa.Column("accepted_at", sa.BigInteger, nullable=False),
        sa.Column("accepted_by", sa.String(128), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
    )
    _create_batches()


def _create_batches() -> None:
    op.create_table(
        "sms_batches",
        sa.Column("id", sa.String(32), primary_key=True),
        _account(),
        sa.Column("sender", sa.String(32), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("recipients", sa.Integer, nullable=False),
        sa.Column("segments", sa.Integer, nullable=False),
        sa.Column("price_micros", sa.BigInteger, nullable=False),
        sa.Column("unit", sa.String(3), nullable=False),
        sa.Column("doubles", sa.Integer, nullable=False),
        sa.Column("faulty", sa.Integer, nullable=False),
        sa.Column("stopped", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.String(128), nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("done_at", sa.BigInteger),
        sa.Column("settled", sa.Boolean, nullable=False),
    )
    op.create_index("sms_batches_of_account", "sms_batches", ["account_id", "created_at", "id"])
    op.create_index("sms_batches_by_time", "sms_batches", ["created_at", "id"])
    op.create_index("sms_batches_unsettled", "sms_batches", ["settled", "id"])


def _account(*, primary_key: bool = False) -> sa.Column[int]:
    return sa.Column(
        "account_id",
        sa.Integer,
        sa.ForeignKey("accounts.id"),
        primary_key=primary_key,
        nullable=False,
    )


def downgrade() -> None:
    for table in (
        "sms_batches", "sms_contracts", "sms_stops", "sms_drafts", "sms_templates",
        "sms_group_members", "sms_groups", "sms_contacts",
    ):  # fmt: skip
        op.drop_table(table)
