"""Triggers that write an event in the transaction of its cause.

SQLite drops the triggers of a table that a migration copies, so they are made anew after every
migration. A row without a webhook of its account costs one look into an index.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

_SOURCES: Mapping[str, tuple[str, str, str, str, str]] = {
    "cdrs": (
        "account", "NEW.account IS NOT NULL",
        "CASE WHEN NEW.answered_at IS NULL THEN 'call.refused' ELSE 'call.ended' END",
        "NEW.id", "NEW.ended_at",
    ),
    "ledger_entries": (
        "account_id", "NEW.account_id IS NOT NULL AND NEW.kind IN ('topup', 'reversal')",
        "CASE WHEN NEW.kind = 'topup' THEN 'payment.posted' ELSE 'payment.reversed' END",
        "NEW.id", "NEW.at",
    ),
    "notices": (
        "account_id", "NEW.account_id IS NOT NULL", "'notice.' || NEW.what", "NEW.id", "NEW.at",
    ),
    "texts": (
        "account_id", "NEW.account_id IS NOT NULL AND NEW.kind = 'in'", "'message.received'",
        "CAST(NEW.id AS VARCHAR(20))", "NEW.created_at",
    ),
}  # fmt: skip
"""By table: the column of the account, the rows that are events, their kind, the id of the cause,
its time."""


def make(connection: Connection) -> None:
    """Make the triggers that aren't there."""
    for table, source in _SOURCES.items():
        statements = _sqlite if connection.dialect.name == "sqlite" else _postgresql
        for statement in statements(table, *source):
            connection.exec_driver_sql(statement)


def _insert(account: str, kind: str, ref: str, at: str) -> str:
    return (
        "INSERT INTO webhook_events (account_id, kind, ref, at, expanded)"
        f" VALUES (NEW.{account}, {kind}, {ref}, {at}, 0);"
    )


def _watched(account: str) -> str:
    return f"EXISTS (SELECT 1 FROM webhooks WHERE webhooks.account_id = NEW.{account})"


def _sqlite(
    table: str, account: str, condition: str, kind: str, ref: str, at: str
) -> tuple[str, ...]:
    when = f"{condition} AND {_watched(account)}"
    return (
        f"CREATE TRIGGER IF NOT EXISTS webhook_{table} AFTER INSERT ON {table}"
        f" WHEN {when} BEGIN {_insert(account, kind, ref, at)} END",
    )


def _postgresql(
    table: str, account: str, condition: str, kind: str, ref: str, at: str
) -> tuple[str, ...]:
    return (
        f"CREATE OR REPLACE FUNCTION webhook_{table}() RETURNS trigger AS $$ BEGIN"
        f" IF {condition} AND {_watched(account)} THEN {_insert(account, kind, ref, at)} END IF;"
        " RETURN NULL; END; $$ LANGUAGE plpgsql",
        f"CREATE OR REPLACE TRIGGER webhook_{table} AFTER INSERT ON {table}"
        f" FOR EACH ROW EXECUTE FUNCTION webhook_{table}()",
    )
