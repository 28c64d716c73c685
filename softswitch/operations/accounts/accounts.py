"""Accounts: open, top up, show, change."""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Callable, Mapping
from typing import get_args

from sqlalchemy.exc import IntegrityError

from billing.facts.account import ACTIVE, REGISTERED, Account, Change, Status
from billing.facts.authorization import AddAccount, SetAccount, TopUp
from billing.facts.cdr import show_stamp
from billing.facts.ledger import METHODS
from billing.facts.money import MAX_MICROS, MoneyError, format_amount, parse_amount
from billing.stores import tariff_store
from billing.stores.paging import Page
from softswitch.control.errors import OperationError, one_of
from softswitch.control.values import Row
from softswitch.operations.accounts.standing import change_status, today, who
from softswitch.operations.context import Context
from softswitch.operations.lines.lines import generate_password
from softswitch.operations.money.bills import schedule_bills
from softswitch.operations.pages import DEFAULT_ROWS, page_asked
from softswitch.subscribers import profile
from softswitch.subscribers.passwords import NOBODYS, hashed, matches

DEFAULT_TARIFF = "default"
_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,128}")
_PAYMENT_ID = re.compile(r"[\x21-\x7e]{1,128}")
_TARIFF = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_CURRENCY = re.compile(r"[A-Z]{3}")


def account_add(
    context: Context,
    name: str,
    kind: str = "person",
    currency: str | None = None,
    credit_limit: str | None = None,
    postpaid: bool = False,
    tariff: str = DEFAULT_TARIFF,
    registered: bool = False,
) -> Row:
    """Open an account. Prepaid, its balance may fall to minus the credit limit (default 0); a
    postpaid one owes without bound unless a limit is given. One that is only `registered` waits to
    be approved and activated."""
    account = context.do(
        opening(context, name, kind, currency, credit_limit, postpaid, tariff, registered)
    )
    schedule_bills(context)
    context.changes.accounts.add(account.id)
    return account_row(account)


def opening(
    context: Context,
    name: str,
    kind: str = "person",
    currency: str | None = None,
    credit_limit: str | None = None,
    postpaid: bool = False,
    tariff: str = DEFAULT_TARIFF,
    registered: bool = False,
) -> AddAccount:
    """The command that opens an account. Raises OperationError for what no account can have."""
    if kind not in profile.KINDS:
        raise OperationError("account_kind_unknown", known=tuple(profile.KINDS), value=kind)
    limit = "" if postpaid and credit_limit is None else credit_limit or "0"
    unit = read_currency(currency or context.config.switch.currency)
    _check_tariff(context, tariff_name(tariff), unit)
    return AddAccount(
        name=_name(name),
        kind=kind,
        currency=unit,
        credit_limit_micros=_credit_limit(limit),
        tariff=tariff,
        at=context.now_ms(),
        status=REGISTERED if registered else ACTIVE,
    )


def account_topup(
    context: Context, account: str, amount: str, payment_id: str, method: str = ""
) -> Row:
    """Add a payment to the balance; the same payment id again changes nothing, and says so.

    The balance with the payment and what it renewed are told apart from the balance that is left.

    Args:
        method: cash, card, bank, terminal or online; "" if it isn't known.
    """
    micros = read_amount(amount)
    if micros <= 0:
        raise OperationError("amount_not_positive", what="a payment", amount=amount)
    if _PAYMENT_ID.fullmatch(payment_id) is None:
        raise OperationError("key_malformed", what="a payment id", longest="128")
    if method:
        one_of("method", METHODS, method)
    owner = context.account(account)
    paid = context.do(TopUp(owner.id, micros, payment_id, context.now_ms(), method))
    context.changes.accounts.add(owner.id)  # it may have renewed a package
    row = account_row(paid.account) | {
        "counted": "counted before" if paid.counted_before else "counted now"
    }
    if paid.counted_before:
        return row
    return row | {
        "balance_after_payment": format_amount(paid.balance_micros),
        "renewed": ", ".join(
            f"{renewal.product} for {format_amount(renewal.price_micros)}"
            for renewal in paid.renewed
        ),
        "reopened": paid.reopened,
    }


def account_check(context: Context, reference: str) -> Row:
    """The account that a payer names at a terminal, by its id, a number of one of its lines, or a
    login; its name is masked, so that the payer knows it and nobody else learns it."""
    text = reference.strip()
    found = None
    with contextlib.suppress(OperationError):
        found = context.account(text) if text.isdigit() else None
    if found is None:
        with contextlib.suppress(OperationError):
            found = context.account(context.line(text).account_id)
    if found is None:
        user = context.users.by_login(text)
        held = [] if user is None else context.users.memberships(user.id)
        owned = next((one.account_id for one in held if one.account_id is not None), None)
        found = None if owned is None else context.account(owned)
    if found is None:
        raise OperationError("account_not_found", account=text[:32])
    return {"account": found.id, "name": _masked(found.name), "currency": found.currency}


def _masked(name: str) -> str:
    """
    >>> _masked("Ana Beridze")
    'A** B******'
    """
    return " ".join(word[0] + "*" * (len(word) - 1) for word in name.split())


def account_show(context: Context, account: str) -> Row:
    owner = context.account(account)
    return account_row(owner) | _profile_row(context, owner)


def account_list(
    context: Context,
    limit: int | None = None,
    before: int | None = None,
    search: str | None = None,
    status: str | None = None,
    after: int | None = None,
) -> list[Row]:
    """Accounts by id.

    Args:
        status: only those that are registered, approved, active, suspended, disconnected or
            closed.
        after: those after this id, the oldest first, as a queue is worked off.
        limit: the newest so many, the newest first.
        before: likewise, those before this id: the last of the page before.
        search: a part of the name, or the id.
    """
    one_of("status", get_args(Status), status)
    if after is not None and before is not None:
        raise OperationError("cursors_two")
    page = page_asked(limit, before)
    if after is not None and page is None:
        page = Page(DEFAULT_ROWS)
    found = context.billing.accounts(page, search, status, after)
    return [account_row(account) for account in found]


def account_set(context: Context, account: str, key: str, value: str, by: str = "operator") -> Row:
    """Change one property; "" takes a field away."""
    owner = context.account(account)
    if key == "status":
        return account_row(change_status(context, owner, value, by=by))
    if key in profile.FIELDS:
        return _set_field(context, owner, key, value, by)
    read = _KEYS.get(key)
    if read is None:
        known = [*_KEYS, "status", *profile.FIELDS]
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
        raise OperationError(
            "setting_unknown", what="an account", noun="property", setting=key, hint=hint
        )
    column, parse = read
    if key == "tariff":
        _check_tariff(context, tariff_name(value), owner.currency)
    changed = context.do(SetAccount(owner.id, {column: parse(value)}))
    context.changes.accounts.add(owner.id)
    return account_row(changed)


def account_login(context: Context, account: str, by: str = "operator") -> Row:
    """Issue the login to the cabinet with a new password, which is shown once (C19)."""
    owner = context.account(account)
    login = profile.login_of(owner.kind, owner.id, context.subscribers.fields(owner.id))
    if login is None:
        raise OperationError("login_needs_national_code", account=owner.id)
    password = generate_password()
    now = context.now_ms()
    before = context.users.owner_login(owner.id) or ""
    change = Change(owner.id, now, who(by), "login", before, login, "a new password was issued")
    try:
        context.users.issue_owner(owner.id, login, hashed(password), now, [change])
    except IntegrityError:
        raise OperationError("login_taken", login=login) from None
    return {"account": owner.id, "login": login, "password": password}


def account_authenticate(context: Context, login: str, password: str) -> Row:
    """The account of a login, if the password is right."""
    user = context.users.by_login(login)
    # An unknown login costs as much time as a wrong password.
    right = matches(password, NOBODYS if user is None else user.secret)
    if user is None or user.disabled or not right:
        raise OperationError("credentials_wrong")
    for membership in context.users.memberships(user.id):
        if membership.account_id is not None:
            return account_show(context, str(membership.account_id))
    raise OperationError("credentials_wrong")


def read_fields(context: Context, owner: Account, values: Mapping[str, str]) -> dict[str, str]:
    """Fields as they are kept. Raises OperationError."""
    read: dict[str, str] = {}
    for key, text in values.items():
        if key not in profile.FIELDS:
            near = difflib.get_close_matches(key, profile.FIELDS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "`account show` lists them"
            raise OperationError(
                "setting_unknown", what="an account", noun="field", setting=key, hint=hint
            )
        try:
            read[key] = profile.read_field(
                owner.kind, key, text, context.config.switch.country, today(context)
            )
        except profile.FieldError as error:
            raise OperationError.of(error) from None
    return read


def _set_field(context: Context, owner: Account, key: str, text: str, by: str) -> Row:
    value = read_fields(context, owner, {key: text})[key] if text else ""
    before = context.subscribers.fields(owner.id).get(key, "")
    change = Change(owner.id, context.now_ms(), who(by), key, before, value, "")
    context.subscribers.set_fields(owner.id, {key: value}, [change])
    return account_show(context, str(owner.id))


def _profile_row(context: Context, owner: Account) -> Row:
    fields = context.subscribers.fields(owner.id)
    own = [key for key, field in profile.FIELDS.items() if owner.kind in field.kinds]
    row: Row = {key: fields.get(key) for key in own}
    return row | {"login": context.users.owner_login(owner.id)}


def account_row(account: Account) -> Row:
    """An account as people and scripts see it; amounts are decimal strings."""
    return {
        "id": account.id,
        "name": account.name,
        "kind": account.kind,
        "currency": account.currency,
        "balance": format_amount(account.balance_micros),
        "reserved": format_amount(account.reserved_micros),
        "credit_limit": _or_unlimited(account.credit_limit_micros),
        "available": _or_unlimited(account.available_micros),
        "status": account.status,
        "tariff": account.tariff,
        "created_at": show_stamp(account.created_at),
    }


def tariff_name(text: str) -> str:
    if _TARIFF.fullmatch(text) is None:
        raise OperationError("name_malformed", what="tariff name", longest="64", value=text)
    return text


def _check_tariff(context: Context, name: str, currency: str) -> None:
    """A name that was mistyped would have every call refused. Only the tariff that accounts have by
    default may come later."""
    if name == DEFAULT_TARIFF:
        return
    with context.billing.reading() as connection:
        found = next(iter(tariff_store.tariffs(connection, name)), None)
    if found is None:
        raise OperationError("tariff_not_found", tariff=name)
    if found.currency != currency:
        raise OperationError(
            "tariff_currency_differs", currency=currency, tariff=name, unit=found.currency
        )


def _or_unlimited(micros: int | None) -> str:
    return "unlimited" if micros is None else format_amount(micros)


def _name(text: str) -> str:
    name = text.strip()
    if _NAME.fullmatch(name) is None:
        raise OperationError("account_name_malformed")
    if name.isdigit():
        raise OperationError("account_name_like_id", name=name)
    return name


def read_currency(text: str) -> str:
    """ISO 4217 as typed. Raises OperationError."""
    if _CURRENCY.fullmatch(text.upper()) is None:
        raise OperationError("currency_malformed", value=text)
    return text.upper()


def read_amount(text: str) -> int:
    """Micros of an amount as typed. Raises OperationError."""
    try:
        micros = parse_amount(text)
    except MoneyError as error:
        raise OperationError("amount_malformed", reason=str(error)) from None
    if abs(micros) > MAX_MICROS:
        raise OperationError("amount_too_large", amount=text)
    return micros


def _credit_limit(text: str) -> int | None:
    """ "" and "unlimited" are postpaid without a bound."""
    if text in ("", "unlimited"):
        return None
    micros = read_amount(text)
    if micros < 0:
        raise OperationError("amount_negative", what="a credit limit", amount=text)
    return micros


_KEYS: Mapping[str, tuple[str, Callable[[str], str | int | None]]] = {
    "name": ("name", _name),
    "tariff": ("tariff", tariff_name),
    "credit_limit": ("credit_limit_micros", _credit_limit),
}
"""Properties that may be set: the column of each, and the reader of its text."""
