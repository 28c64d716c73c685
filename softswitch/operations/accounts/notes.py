"""Notes of the operator's staff on customers; no subscriber sees them."""

from __future__ import annotations

from billing.facts.cdr import show_stamp
from billing.stores.paging import Page
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.accounts.standing import who
from softswitch.operations.context import Context
from softswitch.operations.pages import DEFAULT_ROWS, page_asked
from softswitch.subscribers.notes_store import MAX_TEXT, AccountNote, NotesStore


def note_add(context: Context, account: str, text: str, by: str = "operator") -> Row:
    """Note something on a customer; what is noted stays."""
    owner, words = context.account(account), text.strip()
    if not 0 < len(words) <= MAX_TEXT:
        raise OperationError("text_length", longest=MAX_TEXT)
    note = AccountNote(0, owner.id, context.now_ms(), who(by), words)
    key = NotesStore(context.billing.engine).add_to_account(note)
    return _row(note) | {"id": key}


def note_list(
    context: Context, account: str, limit: int | None = None, before: int | None = None
) -> list[Row]:
    """The notes on a customer, the newest first.

    Args:
        before: those before this id: the last of the page before.
    """
    owner = context.account(account)
    page = page_asked(limit, before) or Page(DEFAULT_ROWS)
    found = NotesStore(context.billing.engine).of_account(owner.id, page)
    return [_row(note) for note in found]


def _row(note: AccountNote) -> Row:
    return {
        "id": note.id,
        "account": note.account_id,
        "at": show_stamp(note.at),
        "who": note.who,
        "text": note.text,
    }
