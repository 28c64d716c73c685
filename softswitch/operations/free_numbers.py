"""Which numbers may be given to a line."""

from __future__ import annotations

from billing.cdr import show_stamp
from softswitch.number_moves import COMPLETED, OUT, NumberMoves
from softswitch.operations.context import Context
from softswitch.operations.errors import OperationError


def check_free(context: Context, number: str) -> None:
    """Whether a number may be given to a line. Raises OperationError for one whose old callers are
    still told of a change, and for one that went to another operator."""
    moves = NumberMoves(context.billing.engine)
    for moved in moves.changes():
        if moved.old == number:
            raise OperationError(
                f"{number} was changed to {moved.new}; its callers are told until "
                f"{show_stamp(moved.until)}"
            )
    done = [order for order in moves.orders(number) if order.state == COMPLETED]
    if done and done[-1].direction == OUT:
        raise OperationError(
            f"{number} belongs to {done[-1].operator} since "
            f"{show_stamp(done[-1].changed_at)}; `softswitch port in` brings it back"
        )
