"""Which numbers may be given to a line."""

from __future__ import annotations

from billing.facts.cdr import show_stamp
from billing.facts.rental import RENTED, TRIAL
from billing.stores import rental_store
from softswitch.control.errors import OperationError
from softswitch.operations.context import Context
from softswitch.scheduled.number_moves import COMPLETED, OUT, NumberMoves


def check_free(context: Context, number: str, account_id: int, before: str | None = None) -> None:
    """Check that a number may be given to a line of an account.

    Raises OperationError for one whose old callers are still told of a change, unless the line goes
    back to it; for one that went to another operator; and for one that is for rent, unless the
    account rents it.

    Args:
        before: the number that the line has now; None for a new line.
    """
    _check_inventory(context, number, account_id)
    moves = NumberMoves(context.billing.engine)
    for moved in moves.changes():
        if moved.old == number and moved.new != before:
            raise OperationError(
                "number_changed", number=number, new=moved.new, until=show_stamp(moved.until)
            )
    done = [order for order in moves.orders(number) if order.state == COMPLETED]
    if done and done[-1].direction == OUT:
        raise OperationError(
            "number_ported_out",
            number=number,
            operator=done[-1].operator,
            since=show_stamp(done[-1].changed_at),
        )


def contested(context: Context) -> set[str]:
    """Numbers of which :func:`check_free` may have something to say: a look for many at once."""
    moves = NumberMoves(context.billing.engine)
    with context.billing.reading() as connection:
        found = rental_store.every_number(connection)
    found.update(moved.old for moved in moves.changes())
    found.update(order.number for order in moves.orders() if order.direction == OUT)
    return found


def _check_inventory(context: Context, number: str, account_id: int) -> None:
    with context.billing.reading() as connection:
        kept = rental_store.number(connection, number)
    if kept is not None and (kept.state not in (RENTED, TRIAL) or kept.account_id != account_id):
        raise OperationError("number_in_inventory", number=number, state=kept.state)
