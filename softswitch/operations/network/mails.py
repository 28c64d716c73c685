"""Mails: what waits, what was sent, what failed, and trying again."""

from __future__ import annotations

from billing.facts.cdr import show_stamp
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.mail.letter import Mail
from softswitch.mail.outbox import Outbox, Queued, State
from softswitch.operations.context import Context
from softswitch.operations.pages import rows_asked
from softswitch.subscribers.mail_address import is_address


def mail_list(
    context: Context,
    state: State | None = None,
    limit: int = 100,
    before: int | None = None,
    search: str | None = None,
) -> list[Row]:
    """The newest first."""
    rows = rows_asked(limit)
    return [_row(queued) for queued in _outbox(context).list(state, rows, before, search)]


def mail_retry(context: Context, mail: int) -> Row:
    """Try one again now, whatever became of it; one that was sent goes out a second time."""
    outbox = _outbox(context)
    queued = outbox.find(mail)
    if queued is None:
        raise OperationError("mail_not_found", mail=mail)
    outbox.again(queued, context.now_ms())
    found = outbox.find(mail)
    assert found is not None
    return _row(found)


def mail_test(context: Context, to: str) -> Row:
    """Queue a mail that says nothing but that mails arrive."""
    server = context.config.mail.server
    if server is None:
        raise OperationError("mail_server_unset", path=context.config.path)
    if not is_address(to):
        raise OperationError("email_malformed", value=to)
    now = context.now_ms()
    domain = context.config.switch.domain
    text = f"This is a test of the switch {domain}. Mails from it arrive.\n"
    _outbox(context).put(Mail(f"test:{to}:{now}"[:160], to, f"Test from {domain}", text), now)
    return _row(_outbox(context).list(limit=1)[0])


def _outbox(context: Context) -> Outbox:
    return Outbox(context.billing.engine)


def _row(queued: Queued) -> Row:
    return {
        "id": queued.id,
        "state": queued.state,
        "to": queued.mail.to,
        "subject": queued.mail.subject,
        "queued_at": show_stamp(queued.queued_at),
        "attempts": queued.attempts,
        "next_try_at": show_stamp(queued.next_try_at) if queued.state == "waiting" else None,
        "error": queued.error,
    }
