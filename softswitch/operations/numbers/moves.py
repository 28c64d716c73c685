"""Numbers that come from another operator, go to one, change, or are restored (A11, A19, C7)."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.exc import IntegrityError

from billing.facts.account import CLOSED, Change
from billing.facts.calendar import Term
from billing.facts.cdr import show_stamp
from billing.facts.due import DueWork
from billing.facts.sales import Notice, ScheduleWork, Tell
from softswitch.control.errors import OperationError, one_of
from softswitch.control.values import Row
from softswitch.operations.accounts.standing import coming_day, reason_given, who
from softswitch.operations.context import Context
from softswitch.operations.lines import lines
from softswitch.operations.numbers.free_numbers import check_free
from softswitch.operations.pages import cut, page_asked
from softswitch.scheduled.due import NUMBER_CHANGE_KIND
from softswitch.scheduled.number_moves import (
    ACCEPTED,
    COMPLETED,
    IN,
    NUMBER_OF_LINE,
    OUT,
    PORT_TRANSITIONS,
    REQUESTED,
    WITHDRAWN,
    NumberChange,
    NumberMoves,
    PortOrder,
)

MAX_OPERATOR = 64


def port_in(
    context: Context, number: str, account: str, operator: str, by: str = "operator"
) -> Row:
    """Begin to port a number from another operator to an account."""
    owner, key = context.account(account), context.number(number)
    if context.directory.line_by_number(key) is not None:
        raise OperationError("number_has_line", number=key)
    return _open(context, IN, key, owner.id, operator, by)


def port_out(context: Context, number: str, operator: str, by: str = "operator") -> Row:
    """Another operator wants the number of one of our lines."""
    line = context.line(number)
    return _open(context, OUT, line.number, line.account_id, operator, by)


def port_list(
    context: Context,
    closed: bool = False,
    account: str | None = None,
    limit: int | None = None,
    before: int | None = None,
    state: str | None = None,
) -> list[Row]:
    """Open porting orders, or all of them, by id.

    Args:
        limit: the newest so many, the newest first.
        before: likewise, those before this id: the last of the page before.
        state: only those in this state, open or closed.
    """
    owner, page = context.own_account(account), page_asked(limit, before)
    one_of("state", tuple(PORT_TRANSITIONS), state)
    found = _moves(context).orders(closed=closed or state is not None)
    own = [
        order
        for order in found
        if owner in (None, order.account_id) and state in (None, order.state)
    ]
    if page is not None:
        own = cut(page, own, lambda order: (order.id,))
    return [_order_row(order) for order in own]


def port_cancel(context: Context, order: int, note: str = "", by: str = "operator") -> Row:
    """Withdraw a request to bring a number here, while it isn't completed."""
    moves = _moves(context)
    before = moves.order(order)
    if before is None or not context.owns(before.account_id):
        raise OperationError("port_order_not_found", order=order)
    if context.actor.is_subscriber and before.direction == OUT:
        raise OperationError("port_order_outgoing", order=order)
    if WITHDRAWN not in PORT_TRANSITIONS[before.state]:
        raise OperationError("state_final", what="port order", id=order, state=before.state)
    after = replace(
        before,
        state=WITHDRAWN,
        changed_at=context.now_ms(),
        note=reason_given(note) or before.note,
    )
    _advance(context, moves, before, after, by)
    return _order_row(after)


def port_advance(
    context: Context,
    order: int,
    state: str,
    on: str | None = None,
    note: str = "",
    by: str = "operator",
) -> Row:
    """Bring an order a step on. Completed, a number that comes gets its line (whose password is
    shown once), and one that goes leaves us."""
    moves = _moves(context)
    before = moves.order(order)
    if before is None:
        raise OperationError("port_order_not_found", order=order)
    following = PORT_TRANSITIONS[before.state]
    if state not in following:
        may = ", ".join(sorted(following)) or "nothing"
        raise OperationError("port_order_step", order=order, state=before.state, following=may)
    if state == ACCEPTED and on is None and before.planned_on is None:
        raise OperationError("port_day_needed")
    after = replace(
        before,
        state=state,
        planned_on=before.planned_on if on is None else coming_day(context, on),
        changed_at=context.now_ms(),
        note=reason_given(note) or before.note,
    )
    if state == COMPLETED:
        return _complete(context, moves, before, after, by)
    _advance(context, moves, before, after, by)
    return _order_row(after)


def number_change(
    context: Context, number: str, new: str, announce: str = "30 days", by: str = "operator"
) -> Row:
    """Give a line another number. Who dials the old one is told, for so long."""
    line, key = context.line(number), context.number(new)
    if key == line.number:
        raise OperationError("number_is_own", number=key)
    check_free(context, key, line.account_id, line.number)
    try:
        term = Term.parse(announce)
    except ValueError as error:
        raise OperationError("term_malformed", reason=error) from None
    now = context.now_ms()
    until = term.boundary(now, 1, context.config.switch.time_zone)
    moved = NumberChange(line.number, key, line.account_id, now, until)
    what = f"{NUMBER_OF_LINE} {line.id}"
    change = Change(line.account_id, now, who(by), what, line.number, key, "")
    try:
        _moves(context).change_number(line.id, moved, change)
    except IntegrityError:
        raise OperationError("number_has_line_already", number=key) from None
    work = DueWork(NUMBER_CHANGE_KIND, line.number, line.account_id, until)
    context.do(ScheduleWork(work.key, work))
    context.do(
        Tell(Notice(f"number_changed:{line.id}:{now}", line.account_id, "number_changed", key, now))
    )
    context.changes.lines.add(line.id)
    context.changes.accounts.add(line.account_id)
    context.changes.moves = True
    return _change_row(moved)


def number_changes(context: Context) -> list[Row]:
    """Old numbers whose callers are told the new one."""
    return [_change_row(moved) for moved in _moves(context).changes()]


def line_restore(context: Context, number: str, reason: str = "", by: str = "operator") -> Row:
    """Restore a line that was cancelled as unused."""
    line = context.line(number)
    now = context.now_ms()
    what = f"line {line.number}"
    change = Change(line.account_id, now, who(by), what, CLOSED, "active", reason_given(reason))
    if not _moves(context).restore(line.id, now, change):
        raise OperationError("line_not_in_quarantine", line=line.number, state=line.status)
    key = f"line_restored:{line.id}:{now}"
    context.do(Tell(Notice(key, line.account_id, "number_restored", line.number, now)))
    context.changes.lines.add(line.id)
    return lines.line_show(context, line.number)


def _open(
    context: Context, direction: str, number: str, account_id: int, operator: str, by: str
) -> Row:
    name = operator.strip()
    if not 0 < len(name) <= MAX_OPERATOR or not name.isprintable():
        raise OperationError("operator_malformed", longest=MAX_OPERATOR)
    moves = _moves(context)
    going_on = moves.orders(number, closed=False)
    if going_on:
        raise OperationError(
            "port_order_open", order=going_on[0].id, number=number, state=going_on[0].state
        )
    now = context.now_ms()
    order = PortOrder(0, direction, number, account_id, name, REQUESTED, None, now, now, "")
    order = replace(order, id=moves.add_order(order))
    what = f"port order {order.id}"
    context.subscribers.note([Change(account_id, now, who(by), what, "", REQUESTED, number)])
    return _order_row(order)


def _complete(
    context: Context, moves: NumberMoves, before: PortOrder, after: PortOrder, by: str
) -> Row:
    """The line first: an order that is completed twice finds it there."""
    row = _order_row(after)
    line = context.directory.line_by_number(before.number)
    if before.direction == IN:
        if line is None:
            made = lines.add_ported(context, before.number, str(before.account_id))
            row |= {"login": made["login"], "password": made["password"]}
    elif line is not None:
        lines.line_remove(context, line.number)
    _advance(context, moves, before, after, by)
    key = f"port_completed:{before.id}"
    context.do(
        Tell(Notice(key, before.account_id, "port_completed", before.number, after.changed_at))
    )
    return row


def _advance(
    context: Context, moves: NumberMoves, before: PortOrder, after: PortOrder, by: str
) -> None:
    what = f"port order {before.id}"
    change = Change(
        before.account_id, after.changed_at, who(by), what, before.state, after.state, after.note
    )
    if not moves.advance(before, after, change):
        raise OperationError("port_order_raced", order=before.id)


def _moves(context: Context) -> NumberMoves:
    return NumberMoves(context.billing.engine)


def _order_row(order: PortOrder) -> Row:
    return {
        "id": order.id,
        "direction": order.direction,
        "number": order.number,
        "account": order.account_id,
        "operator": order.operator,
        "state": order.state,
        "planned_on": order.planned_on,
        "opened_at": show_stamp(order.opened_at),
        "changed_at": show_stamp(order.changed_at),
        "note": order.note,
    }


def _change_row(moved: NumberChange) -> Row:
    return {
        "old": moved.old,
        "new": moved.new,
        "account": moved.account_id,
        "changed_at": show_stamp(moved.changed_at),
        "until": show_stamp(moved.until),
    }
