"""The audit of operations, which only grows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

_SQLITE = (
    """CREATE TRIGGER audit_unchanged BEFORE UPDATE ON audit
       BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END""",
    """CREATE TRIGGER audit_kept BEFORE DELETE ON audit
       BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END""",
)
_POSTGRESQL = (
    """CREATE FUNCTION audit_refuses() RETURNS trigger AS $$
       BEGIN RAISE EXCEPTION 'the audit is append-only'; END; $$ LANGUAGE plpgsql""",
    """CREATE TRIGGER audit_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
       FOR EACH STATEMENT EXECUTE FUNCTION audit_refuses()""",
)


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        *(
            sa.Column(name, sa.String(64), nullable=False)
            for name in ("actor", "role", "via", "impersonator", "session", "address", "operation")
        ),
        sa.Column("object", sa.String(160), nullable=False),
        sa.Column("account_id", sa.Integer),
        sa.Column("arguments", sa.String(4096), nullable=False),
        sa.Column("outcome", sa.String(64), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_by_actor", "audit", ["actor", "id"])
    op.create_index("audit_by_object", "audit", ["object", "id"])
    op.create_index("audit_by_account", "audit", ["account_id", "id"])
    op.create_index("audit_by_time", "audit", ["at", "id"])
    server = op.get_bind().dialect.name == "postgresql"
    for statement in _POSTGRESQL if server else _SQLITE:
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("audit")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_refuses()")
