"""Changes of many accounts at once, in the database: jobs, and what each does to an account.

Shares the database with billing, whose metadata these tables extend.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    func,
    insert,
    select,
    update,
)

from billing.stores.paging import Page, newest_first
from billing.stores.schema import metadata

JobState = Literal["previewed", "running", "done", "undoing", "undone"]
ItemState = Literal["pending", "faulty", "done", "undone"]

jobs_table = Table(
    "bulk_jobs",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("value", String(500), nullable=False),
    Column("reason", String(256), nullable=False),
    Column("state", String(16), nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("made_by", String(64), nullable=False),
    Column("run_at", BigInteger),
    Index("bulk_jobs_by_time", "made_at"),
)

items_table = Table(
    "bulk_items",
    metadata,
    Column("job_id", String(16), ForeignKey("bulk_jobs.id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("account_id", Integer, nullable=False),
    Column("before", String(64), nullable=False),
    Column("after", String(64), nullable=False),
    Column("state", String(8), nullable=False),
    Column("fault", String(64), nullable=False),
    Index("bulk_items_by_state", "job_id", "state", "position"),
)


@dataclass(frozen=True, slots=True)
class Job:
    """A change of many accounts.

    Args:
        value: what all accounts get; "" where each has its own.
        run_at: when it was begun; None: not yet. Epoch milliseconds.
    """

    id: str
    kind: str
    value: str
    reason: str
    state: JobState
    made_at: int
    made_by: str
    run_at: int | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """The part of a job that concerns one account.

    Args:
        before: a status, or a tariff; "" where nothing is replaced.
        after: likewise; of a payment its amount.
        fault: the code of the error for which it can't be done, or wasn't undone.
    """

    job_id: str
    position: int
    account_id: int
    before: str
    after: str
    state: ItemState = "pending"
    fault: str = ""


class BulkStore:
    """Jobs in the database. Errors come through as SQLAlchemy raises them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(reading=True)

    def add(self, job: Job, items: Sequence[Item]) -> None:
        """Add a job with all its items."""
        with self._engine.begin() as connection:
            connection.execute(insert(jobs_table), asdict(job))
            if items:
                connection.execute(insert(items_table), [asdict(item) for item in items])

    def job(self, job_id: str) -> Job | None:
        """The job of an id; None: there is none."""
        query = select(jobs_table).where(jobs_table.c.id == job_id)
        with self._reader.connect() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else Job(*row)

    def jobs(self, page: Page) -> list[Job]:
        """The newest jobs first."""
        columns = jobs_table.c
        query = newest_first(select(jobs_table), page, columns.made_at, columns.id)
        with self._reader.connect() as connection:
            return [Job(*row) for row in connection.execute(query)]

    def set_state(self, job_id: str, state: JobState, run_at: int | None) -> None:
        """Move a job on."""
        statement = update(jobs_table).where(jobs_table.c.id == job_id)
        with self._engine.begin() as connection:
            connection.execute(statement.values(state=state, run_at=run_at))

    def items(
        self, job_id: str, state: ItemState | None, limit: int, after: int = -1
    ) -> list[Item]:
        """Items of a job in their order, those in a state or all, after a position."""
        columns = items_table.c
        query = select(items_table).where(columns.job_id == job_id, columns.position > after)
        if state is not None:
            query = query.where(columns.state == state)
        with self._reader.connect() as connection:
            found = connection.execute(query.order_by(columns.position).limit(limit))
            return [Item(*row) for row in found]

    def save(self, item: Item) -> None:
        """Store the outcome of an item."""
        columns = items_table.c
        mine = (columns.job_id == item.job_id) & (columns.position == item.position)
        values = {"before": item.before, "state": item.state, "fault": item.fault}
        with self._engine.begin() as connection:
            connection.execute(update(items_table).where(mine).values(values))

    def counts(self, job_id: str) -> dict[str, int]:
        """How many items of a job are in each state."""
        columns = items_table.c
        query = select(columns.state, func.count()).where(columns.job_id == job_id)
        with self._reader.connect() as connection:
            rows = connection.execute(query.group_by(columns.state)).all()
        return {state: int(count) for state, count in rows}
