"""Work that is due at an instant: renewals, rents, bonuses.

A row says what is due and when. Doing it is a command that is decided in the books like any
other: it looks whether it was done already, and moves its own row on in the same transaction. So
it may be done twice, by two processes at once, or days late after a downtime: what it posts has
the date at which it was due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from billing.facts.command import Apply, Command, touched_by

MAX_WORKS = 500
"""Rows read at once; more wait for the next round."""
MAX_ROUNDS = 10_000
"""A bound for a row that would never move on; 500 accounts catch up a year in 366 rounds."""


@dataclass(frozen=True, slots=True)
class DueWork:
    """A work that is due at an instant.

    Args:
        kind: which handler does it.
        subject: what it is about, unique within the kind.
        account_id: whose work it is; the works of one account are done in the order of their
            dates.
        due_at: epoch milliseconds.
    """

    kind: str
    subject: str
    account_id: int | None
    due_at: int

    @property
    def key(self) -> str:
        """The primary key: kind and subject."""
        return f"{self.kind}:{self.subject}"


@dataclass(slots=True)
class DueReport:
    """The outcome of a run."""

    done: int = 0
    accounts: set[int] = field(default_factory=set)
    """The accounts whose money or services may have changed."""
    kinds: set[str] = field(default_factory=set)
    """Kinds of the works that were done."""
    failures: list[tuple[DueWork, Exception]] = field(default_factory=list)
    """Works that were refused; they stay due."""


Handler = Callable[[DueWork], Sequence[Command[object]]]
"""A function from a work to the commands that do it; the last one moves the work's row on."""


def run(
    due: Callable[[int, int], Sequence[DueWork]],
    handlers: dict[str, Handler],
    apply: Apply,
    now: int,
) -> DueReport:
    """Do everything that is due, in the order of its dates.

    Args:
        due: the works that are due by an instant, the earliest first, at most so many.
        apply: commands to results, in order, refusals among them as exceptions.
        now: epoch milliseconds.
    """
    report = DueReport()
    refused: set[str] = set()
    for _ in range(MAX_ROUNDS):
        works = due(now, MAX_WORKS + len(refused))
        for work in works:
            if work.kind not in handlers and work.key not in refused:
                refused.add(work.key)
                report.failures.append((work, KeyError(f"nothing does {work.kind} work")))
        works = together(work for work in works if work.key not in refused)
        if not works:
            break
        for work, touched, results in _apply_all(works, handlers, apply):
            failed = next((result for result in results if isinstance(result, Exception)), None)
            if failed is not None:
                refused.add(work.key)
                report.failures.append((work, failed))
                continue
            report.done += 1
            report.kinds.add(work.kind)
            if work.account_id is not None:
                report.accounts.add(work.account_id)
            report.accounts |= touched
    return report


def together(works: Iterable[DueWork]) -> list[DueWork]:
    """The first works, as far as they may be done together.

    What an account's first work leads to may come before its second, so only its first is taken.
    A work without an account may touch every account: it is done alone, after all that is due
    before it.
    """
    seen: set[int] = set()
    first: list[DueWork] = []
    for work in works:
        if work.account_id is None:
            return first or [work]
        if work.account_id not in seen:
            seen.add(work.account_id)
            first.append(work)
    return first


def _apply_all(
    works: Sequence[DueWork], handlers: dict[str, Handler], apply: Apply
) -> list[tuple[DueWork, set[int], Sequence[object]]]:
    """All works' commands in one batch; each work with the accounts that its commands touch."""
    commands = [list(handlers[work.kind](work)) for work in works]
    results = list(apply([command for each in commands for command in each]))
    found: list[tuple[DueWork, set[int], Sequence[object]]] = []
    for work, own in zip(works, commands, strict=True):
        found.append((work, touched_by(own).accounts, results[: len(own)]))
        del results[: len(own)]
    return found
