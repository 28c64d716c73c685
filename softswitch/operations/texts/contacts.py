"""Contacts of a business and their groups (B8): add, list, set, remove."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import structs
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from billing.facts.cdr import show_stamp
from billing.stores.paging import Page
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.operations.pages import DEFAULT_ROWS, page_asked
from softswitch.operations.texts.phones import Phones
from softswitch.texting import contacts
from softswitch.texting.contacts import Contact, Group
from softswitch.texting.templates import FIELD_NAME, MAX_FIELD_NAME

MAX_NAME = 100
MAX_GROUP = 64
MAX_VALUE = 500
MAX_FIELDS = 50
MAX_PHONES = 10_000
"""Phones in one request to put into a group, or to take out."""
RESERVED = frozenset({"phone", "name"})


def sms_contact_add(
    context: Context,
    account: str,
    phone: str,
    name: str = "",
    fields: Mapping[str, str] | None = None,
    groups: Sequence[str] = (),
) -> Row:
    """Add a contact, or replace the one of this phone.

    Args:
        fields: values for {fields} of templates.
        groups: names of groups that it is put into.
    """
    owner = context.account(account)
    made = Contact(
        account_id=owner.id,
        phone=Phones(context).read(phone),
        name=checked_name(name),
        fields=checked_fields(fields or {}),
        created_at=context.now_ms(),
    )
    with context.billing.engine.begin() as connection:
        into = [group_named(connection, owner.id, group) for group in groups]
        contacts.put(connection, [made])
        kept = contacts.by_phone(connection, owner.id, made.phone)
        assert kept is not None
        for group in into:
            contacts.put_into_group(connection, group.id, [kept.id])
    return contact_row(kept)


def sms_contact_list(
    context: Context,
    account: str | None = None,
    search: str | None = None,
    group: str | None = None,
    limit: int | None = None,
    before: int | None = None,
) -> list[Row]:
    """Contacts, the newest first.

    Args:
        search: a part of the name, or the first digits of the phone.
        before: the id of the last one of the page before.
    """
    owner = context.own_account(account)
    page = page_asked(limit, before) or Page(DEFAULT_ROWS)
    with context.billing.reading() as connection:
        group_id = None
        if group is not None:
            if owner is None:
                raise OperationError("sms_group_account_needed")
            group_id = group_named(connection, owner, group).id
        found = contacts.page(connection, owner, page, search, group_id)
    return [contact_row(contact) for contact in found]


def sms_contact_set(context: Context, account: str, phone: str, key: str, value: str) -> Row:
    """Change a contact: its name, its phone, or a field; an empty value removes a field."""
    owner = context.account(account)
    with context.billing.engine.begin() as connection:
        found = _known(context, connection, owner.id, phone)
        if key == "phone":
            try:
                contacts.change_phone(connection, found.id, Phones(context).read(value))
            except IntegrityError:
                raise OperationError("sms_contact_exists", phone=value) from None
            changed = structs.replace(found, phone=Phones(context).read(value))
        else:
            if key == "name":
                changed = structs.replace(found, name=checked_name(value))
            else:
                fields = {name: old for name, old in found.fields.items() if name != key}
                new = fields | ({key: value} if value else {})
                changed = structs.replace(found, fields=checked_fields(new))
            contacts.put(connection, [changed])
    return contact_row(changed)


def sms_contact_remove(context: Context, account: str, phone: str) -> Row:
    """Remove a contact, also from its groups."""
    owner = context.account(account)
    with context.billing.engine.begin() as connection:
        found = _known(context, connection, owner.id, phone)
        contacts.remove(connection, found.id)
    return contact_row(found)


def sms_contact_show(context: Context, account: str, phone: str) -> Row:
    """A contact with the groups that it is in."""
    owner = context.account(account)
    with context.billing.reading() as connection:
        found = _known(context, connection, owner.id, phone)
        groups = contacts.groups_of(connection, found.id)
    return contact_row(found) | {"groups": groups}


def sms_group_rename(context: Context, account: str, group: str, name: str) -> Row:
    """Give a group another name."""
    owner = context.account(account)
    _check_group_name(name)
    try:
        with context.billing.engine.begin() as connection:
            found = group_named(connection, owner.id, group)
            contacts.rename_group(connection, found.id, name)
    except IntegrityError:
        raise OperationError("sms_group_exists", group=name) from None
    return group_row(structs.replace(found, name=name))


def sms_group_add(context: Context, account: str, group: str) -> Row:
    """Make a group of contacts; one of this name is answered as it stands."""
    owner = context.account(account)
    _check_group_name(group)
    with context.billing.engine.begin() as connection:
        return group_row(contacts.add_group(connection, owner.id, group))


def sms_group_list(context: Context, account: str | None = None) -> list[Row]:
    """Groups by name, with the number of their contacts."""
    owner = context.own_account(account)
    with context.billing.reading() as connection:
        return [group_row(group) for group in contacts.groups(connection, owner)]


def sms_group_put(context: Context, account: str, group: str, phones: Sequence[str]) -> Row:
    """Put contacts into a group, all of them or none."""
    return _members(context, account, group, phones, put=True)


def sms_group_take(context: Context, account: str, group: str, phones: Sequence[str]) -> Row:
    """Take contacts out of a group, all of them or none."""
    return _members(context, account, group, phones, put=False)


def sms_group_remove(context: Context, account: str, group: str) -> Row:
    """Remove a group; its contacts stay."""
    owner = context.account(account)
    with context.billing.engine.begin() as connection:
        found = group_named(connection, owner.id, group)
        contacts.remove_group(connection, found.id)
    return group_row(found)


def contact_row(contact: Contact) -> Row:
    """A contact as it is shown."""
    return {
        "id": contact.id,
        "account": contact.account_id,
        "phone": contact.phone,
        "name": contact.name,
        "fields": dict(contact.fields),
        "created_at": show_stamp(contact.created_at),
    }


def group_row(group: Group) -> Row:
    """A group as it is shown."""
    return {"account": group.account_id, "group": group.name, "contacts": group.members}


def group_named(connection: Connection, account_id: int, name: str) -> Group:
    """An account's group. Raises OperationError."""
    found = contacts.group(connection, account_id, name)
    if found is None:
        raise OperationError("sms_group_not_found", group=name)
    return found


def checked_name(name: str) -> str:
    """A contact's name. Raises OperationError."""
    read = " ".join(name.split())
    if len(read) > MAX_NAME or not read.isprintable():
        raise OperationError("text_too_long", field="name", longest=MAX_NAME, value=name)
    return read


def checked_fields(fields: Mapping[str, str]) -> Mapping[str, str]:
    """A contact's fields. Raises OperationError."""
    if len(fields) > MAX_FIELDS:
        raise OperationError("sms_fields_too_many", most=MAX_FIELDS)
    for key, value in fields.items():
        if FIELD_NAME.fullmatch(key) is None or key in RESERVED:
            raise OperationError("sms_field_name_malformed", value=key, longest=MAX_FIELD_NAME)
        if len(value) > MAX_VALUE:
            raise OperationError("text_too_long", field=key, longest=MAX_VALUE, value=value)
    return fields


def _check_group_name(name: str) -> None:
    if not 1 <= len(name) <= MAX_GROUP or not name.isprintable() or name != name.strip():
        raise OperationError("text_too_long", field="group", longest=MAX_GROUP, value=name)


def _known(context: Context, connection: Connection, account_id: int, phone: str) -> Contact:
    found = contacts.by_phone(connection, account_id, Phones(context).read(phone))
    if found is None:
        raise OperationError("sms_contact_not_found", phone=phone)
    return found


def _members(
    context: Context, account: str, group: str, phones: Sequence[str], *, put: bool
) -> Row:
    owner = context.account(account)
    if len(phones) > MAX_PHONES:
        raise OperationError("sms_phones_too_many", most=MAX_PHONES)
    read = Phones(context)
    wanted = list(dict.fromkeys(read.read(phone) for phone in phones))
    with context.billing.engine.begin() as connection:
        found = group_named(connection, owner.id, group)
        known = contacts.ids_by_phone(connection, owner.id, wanted)
        for phone in wanted:
            if phone not in known:
                raise OperationError("sms_contact_not_found", phone=phone)
        ids = [known[phone] for phone in wanted]
        if put:
            moved = contacts.put_into_group(connection, found.id, ids)
        else:
            moved = contacts.take_out_of_group(connection, found.id, ids)
        after = group_named(connection, owner.id, group)
    return group_row(after) | {"changed": moved}
