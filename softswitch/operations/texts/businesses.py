"""Businesses that send texts: the right to, sender names, and SMPP logins (B1-B3)."""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Sequence

from msgspec import structs
from sqlalchemy.exc import IntegrityError

from billing.facts.cdr import show_stamp
from billing.facts.wallet import MONEY, SMS
from smpp import gsm
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.subscribers import passwords
from softswitch.texting import client_store
from softswitch.texting.client_store import Client, SenderName

MAX_BINDS = 50
MAX_RATE = 10_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SYSTEM_ID = re.compile(r"[\x21-\x7e]{1,15}")


def sms_grant(context: Context, account: str, on: bool) -> Row:
    """Let an account send texts as a business, or no more."""
    owner = context.account(account)
    with context.billing.engine.begin() as connection:
        client_store.grant(connection, owner.id, context.now_ms() if on else None)
    context.changes.texts = True
    return {"account": owner.id, "granted": on}


def sms_sender_add(context: Context, account: str, name: str) -> Row:
    """Ask for a sender name; an operator approves it before it can be used."""
    owner = context.account(account)
    if not 3 <= len(name) <= 11 or not gsm.fits(name) or not re.search("[A-Za-z]", name):
        raise OperationError("sms_sender_malformed", value=name)
    with context.billing.engine.begin() as connection:
        known = {one.name: one for one in client_store.senders(connection, owner.id)}
        if name not in known:
            asked = SenderName(owner.id, name, "waiting", "", context.now_ms())
            client_store.put_sender(connection, asked)
            return sender_row(asked)
    return sender_row(known[name])


def sms_sender_approve(context: Context, account: str, name: str) -> Row:
    """Let an account send under a name that it asked for."""
    return _decide(context, account, name, "approved", "")


def sms_sender_refuse(context: Context, account: str, name: str, reason: str) -> Row:
    """Refuse a sender name, with a reason that the account reads."""
    if not 1 <= len(reason) <= 200 or not reason.isprintable():
        raise OperationError("text_too_long", field="reason", longest=200, value=reason)
    return _decide(context, account, name, "refused", reason)


def sms_sender_list(context: Context, account: str | None = None) -> list[Row]:
    """Sender names, those that wait longest first."""
    owner = context.own_account(account)
    with context.billing.reading() as connection:
        return [sender_row(sender) for sender in client_store.senders(connection, owner)]


def sms_client_add(
    context: Context,
    name: str,
    account: str,
    system_id: str,
    password: str | None = None,
    networks: Sequence[str] = (),
    wallet: str = SMS,
    max_binds: int = 2,
    rate: int = 100,
) -> Row:
    """Make an SMPP login for an account. Without a password one is made, and shown this once.

    Args:
        networks: addresses from which it may bind; none: all.
        wallet: "sms" for prepaid messages, or "money".
    """
    owner = context.account(account)
    if _NAME.fullmatch(name) is None:
        raise OperationError("name_malformed", what="client name", longest="64", value=name)
    if _SYSTEM_ID.fullmatch(system_id) is None:
        raise OperationError("sms_field_malformed", what="system id", longest=15)
    if wallet not in (SMS, MONEY):
        raise OperationError("not_one_of", field="wallet", choices=(SMS, MONEY), value=wallet)
    chosen = password or secrets.token_urlsafe(6)
    if not 6 <= len(chosen) <= 8 or not chosen.isascii():
        raise OperationError("sms_password_malformed")
    made = Client(
        id=0,
        name=name,
        account_id=owner.id,
        system_id=system_id,
        password=passwords.hashed(chosen),
        networks=tuple(map(_network, networks)),
        wallet=wallet,
        max_binds=_within("max_binds", max_binds, MAX_BINDS),
        rate=_within("rate", rate, MAX_RATE),
    )
    try:
        with context.billing.engine.begin() as connection:
            client_store.put_client(connection, made)
    except IntegrityError:
        raise OperationError("sms_client_exists", client=name, system_id=system_id) from None
    context.changes.texts = True
    return client_row(_named(context, name)) | {"password": None if password else chosen}


def sms_client_list(context: Context, account: str | None = None) -> list[Row]:
    """SMPP logins, by name; passwords aren't shown."""
    owner = context.own_account(account)
    with context.billing.reading() as connection:
        return [client_row(client) for client in client_store.clients(connection, owner)]


def sms_client_suspend(context: Context, name: str, on: bool = True) -> Row:
    """End the connections of a login and take no new ones; or let it bind again."""
    client = _named(context, name)
    with context.billing.engine.begin() as connection:
        client_store.put_client(connection, structs.replace(client, suspended=on))
    context.changes.texts = True
    return client_row(_named(context, name))


def sms_client_remove(context: Context, name: str) -> Row:
    """Remove a login. Receipts that it hasn't taken are lost with it."""
    client = _named(context, name)
    with context.billing.engine.begin() as connection:
        client_store.remove_client(connection, client)
    context.changes.texts = True
    return client_row(client)


def sender_row(sender: SenderName) -> Row:
    """A sender name as it is shown."""
    return {
        "account": sender.account_id,
        "name": sender.name,
        "state": sender.state,
        "reason": sender.reason or None,
        "asked_at": show_stamp(sender.asked_at),
    }


def client_row(client: Client) -> Row:
    """A login as it is shown."""
    return {
        "name": client.name,
        "account": client.account_id,
        "system_id": client.system_id,
        "networks": " ".join(client.networks),
        "wallet": client.wallet,
        "max_binds": client.max_binds,
        "rate": client.rate,
        "suspended": client.suspended,
    }


def _decide(
    context: Context, account: str, name: str, state: client_store.SenderState, reason: str
) -> Row:
    owner = context.account(account)
    with context.billing.engine.begin() as connection:
        known = {one.name: one for one in client_store.senders(connection, owner.id)}
        if name not in known:
            raise OperationError("sms_sender_not_found", account=owner.id, name=name)
        decided = SenderName(owner.id, name, state, reason, known[name].asked_at)
        client_store.put_sender(connection, decided)
    context.changes.texts = True
    return sender_row(decided)


def _named(context: Context, name: str) -> Client:
    with context.billing.reading() as connection:
        found = next((one for one in client_store.clients(connection) if one.name == name), None)
    if found is None:
        raise OperationError("sms_client_not_found", client=name)
    return found


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise OperationError("source_malformed", value=text) from None


def _within(field: str, value: int, most: int) -> int:
    if not 1 <= value <= most:
        raise OperationError("whole_number_range", field=field, least=1, most=most, value=value)
    return value
