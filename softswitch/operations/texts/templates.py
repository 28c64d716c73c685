"""Templates with {fields}, and drafts of batches (B8)."""

from __future__ import annotations

from collections.abc import Sequence

from billing.facts.account import Account
from billing.facts.cdr import show_stamp
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.texting import templates
from softswitch.texting.templates import Draft, Template, fields_of

MAX_NAME = 64
MAX_TEXT = 2_000
MAX_KEPT = 1_000
"""Templates, or drafts, of one account."""


def sms_template_add(context: Context, account: str, name: str, text: str) -> Row:
    """Add a template, or replace the one of this name.

    Args:
        text: may ask for {name}, {phone}, and fields of contacts.
    """
    owner = context.account(account)
    made = Template(owner.id, checked_name(name), checked_text(text), context.now_ms())
    with context.billing.engine.begin() as connection:
        known = [one.name for one in templates.templates(connection, owner.id)]
        if made.name not in known and len(known) >= MAX_KEPT:
            raise OperationError("sms_kept_too_many", most=MAX_KEPT)
        templates.put_template(connection, made)
    return template_row(made)


def sms_template_list(context: Context, account: str | None = None) -> list[Row]:
    """Templates by name."""
    owner = context.own_account(account)
    with context.billing.reading() as connection:
        return [template_row(one) for one in templates.templates(connection, owner)]


def sms_template_remove(context: Context, account: str, name: str) -> Row:
    """Remove a template."""
    owner = context.account(account)
    with context.billing.engine.begin() as connection:
        if not templates.remove_template(connection, owner.id, name):
            raise OperationError("sms_template_not_found", name=name)
    return {"account": owner.id, "name": name, "removed": True}


def sms_draft_add(
    context: Context,
    account: str,
    name: str,
    text: str = "",
    sender: str = "",
    groups: Sequence[str] = (),
) -> Row:
    """Keep a batch to send later, or replace the draft of this name; any part may be missing.

    Args:
        sender, groups: as the batch will have them; they are checked when it is sent.
    """
    owner = context.account(account)
    if len(text) > MAX_TEXT or len(groups) > MAX_KEPT:
        raise OperationError("text_length", longest=MAX_TEXT)
    if len(sender) > 32 or any(len(group) > MAX_NAME for group in groups):
        raise OperationError("text_too_long", field="sender", longest=32, value=sender)
    made = Draft(owner.id, checked_name(name), sender, text, tuple(groups), context.now_ms())
    with context.billing.engine.begin() as connection:
        known = [one.name for one in templates.drafts(connection, owner.id)]
        if made.name not in known and len(known) >= MAX_KEPT:
            raise OperationError("sms_kept_too_many", most=MAX_KEPT)
        templates.put_draft(connection, made)
    return draft_row(made)


def sms_draft_list(context: Context, account: str | None = None) -> list[Row]:
    """Drafts by name."""
    owner = context.own_account(account)
    with context.billing.reading() as connection:
        return [draft_row(one) for one in templates.drafts(connection, owner)]


def sms_draft_remove(context: Context, account: str, name: str) -> Row:
    """Remove a draft."""
    owner = context.account(account)
    with context.billing.engine.begin() as connection:
        if not templates.remove_draft(connection, owner.id, name):
            raise OperationError("sms_draft_not_found", name=name)
    return {"account": owner.id, "name": name, "removed": True}


def template_row(template: Template) -> Row:
    """A template as it is shown, with the fields that it asks for."""
    return {
        "account": template.account_id,
        "name": template.name,
        "text": template.text,
        "fields": list(fields_of(template.text)),
        "changed_at": show_stamp(template.changed_at),
    }


def draft_row(draft: Draft) -> Row:
    """A draft as it is shown."""
    return {
        "account": draft.account_id,
        "name": draft.name,
        "sender": draft.sender,
        "text": draft.text,
        "groups": list(draft.groups),
        "changed_at": show_stamp(draft.changed_at),
    }


def template_text(context: Context, owner: Account, name: str) -> str:
    """The text of an account's template. Raises OperationError."""
    with context.billing.reading() as connection:
        found = templates.template(connection, owner.id, name)
    if found is None:
        raise OperationError("sms_template_not_found", name=name)
    return found.text


def draft_named(context: Context, owner: Account, name: str) -> Draft:
    """An account's draft. Raises OperationError."""
    with context.billing.reading() as connection:
        found = templates.drafts(connection, owner.id, [name])
    if not found:
        raise OperationError("sms_draft_not_found", name=name)
    return found[0]


def checked_text(text: str) -> str:
    """A text of a batch or a template. Raises OperationError."""
    if not text.strip() or len(text) > MAX_TEXT:
        raise OperationError("text_length", longest=MAX_TEXT)
    return text


def checked_name(name: str) -> str:
    """The name of a template or a draft. Raises OperationError."""
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable() or name != name.strip():
        raise OperationError("text_too_long", field="name", longest=MAX_NAME, value=name)
    return name
