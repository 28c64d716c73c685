"""Lines: add, import, list, change."""

from __future__ import annotations

import difflib
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from sqlalchemy.exc import IntegrityError

from billing.facts.account import (
    ACTIVE,
    DISCONNECTED,
    REGISTERED,
    SUSPENDED,
    Account,
    Change,
    Status,
)
from billing.facts.calendar import day_start
from billing.facts.cdr import show_stamp
from billing.facts.due import DueWork
from billing.facts.sales import ScheduleWork, SetAutoRenew
from billing.stores import rental_store, sales_store
from billing.stores.paging import Page
from ivr_prompts.languages import LANGUAGES
from sip.digest import Algorithm, ha1
from softswitch.conference.rooms import forget_rooms
from softswitch.control.errors import OperationError
from softswitch.control.values import Row, Value
from softswitch.operations.accounts.standing import reason_given, today, who
from softswitch.operations.context import Context
from softswitch.operations.numbers.free_numbers import check_free
from softswitch.operations.pages import MAX_ROWS, cut, page_asked
from softswitch.provisioning.devices import DeviceStore, forget_line
from softswitch.scheduled.due import LEASE_KIND
from softswitch.subscribers import pins, profile
from softswitch.subscribers.directory import Line, Waiting
from softswitch.subscribers.notice_ways import forget_ways
from softswitch.subscribers.policies import KEY_POLICIES, SRTP_POLICIES, WEB_POLICIES
from softswitch.voicemail.shelf import voicemail_shelf
from softswitch.voicemail.store import VoicemailStore, forget_mailbox

Choice = TypeVar("Choice", bound=str)

GENERATED_PASSWORD_LENGTH = 20
ACCOUNTS_ONE_BY_ONE = 500
"""Owners of listed lines that are read one by one; beyond, all accounts at once cost less."""
MIN_NUMBER_DIGITS = 7
"""The form of a login that reads as a telephone number."""
_TYPEABLE = "abcdefghjkmnpqrstuvwxyz23456789"
"""Characters of a password that is read from paper and typed into a phone: 5 bits each."""

APPLICANT = Account(0, "", "person", "", 0, 0, 0, REGISTERED, "", 0, 0)
"""Stands for the account of a registration until it has an id."""

_LOGIN = re.compile(r"[A-Za-z0-9_.!~*'()&=+$,;?/-]{1,64}")
"""RFC 3261 section 25.1: what a user part may hold without escapes."""


def line_add(
    context: Context,
    number: str,
    account: str,
    password: str | None = None,
    login: str | None = None,
    lease_ends_on: str | None = None,
) -> Row:
    """A new line; without a password a random one is made and returned. A user who isn't the owner
    gives the end of the lease."""
    check_free(context, context.number(number), context.account(account).id)
    return add_ported(context, number, account, password, login, lease_ends_on)


def add_ported(
    context: Context,
    number: str,
    account: str,
    password: str | None = None,
    login: str | None = None,
    lease_ends_on: str | None = None,
) -> Row:
    """A line for a number that may have been another operator's until now."""
    made = password is None
    secret = generate_password() if password is None else password
    owner = context.account(account)
    line = new_line(context, number, login, secret, owner)
    if lease_ends_on is not None:
        line = replace(line, lease_ends_on=_lease(context, owner, lease_ends_on))
    try:
        (line_id,) = context.directory.add_lines([line])
    except IntegrityError:
        raise _taken(context, line) from None
    context.changes.lines.add(line_id)
    line = replace(line, id=line_id)
    _watch_lease(context, line)
    row = _row(line, owner.name)
    return row | {"password": secret} if made else row


def line_of_applicant(context: Context, number: str, lease_ends_on: str | None) -> tuple[Line, str]:
    """A line for an account that isn't opened yet, with its password. Raises OperationError."""
    secret = generate_password()
    line = new_line(context, number, None, secret, APPLICANT)
    check_free(context, line.number, line.account_id)
    if context.directory.line_by_number(line.number) is not None:
        raise _taken(context, line)
    if lease_ends_on is not None:
        line = replace(line, lease_ends_on=_lease(context, APPLICANT, lease_ends_on))
    return line, secret


def line_added(context: Context, line: Line, owner: Account) -> Row:
    """A line that was stored: its lease is watched, and the switch told."""
    context.changes.lines.add(line.id)
    _watch_lease(context, line)
    return _row(line, owner.name)


def line_list(
    context: Context,
    limit: int | None = None,
    before: str | None = None,
    search: str | None = None,
    account: str | None = None,
    status: str | None = None,
    resting: bool = False,
) -> list[Row]:
    """Lines by number.

    Args:
        status: active, suspended, disconnected or closed.
        resting: only those that were cancelled as unused and can still be restored.
        limit: the newest so many, the newest first.
        before: likewise, those before this line: the last of the page before.
        search: how the number or the login begins, or a part of the display name.
    """
    owner = context.own_account(account)
    page = page_asked(limit, None if before is None else context.line(before).id)
    if page is None and search is None and status is None and not resting:
        found = context.directory.lines() if owner is None else context.directory.lines_of([owner])
    else:
        everything = Page(MAX_ROWS) if page is None or context.actor.is_line_user else page
        found = context.directory.line_page(everything, owner, search, status, resting)
        if page is None:
            found.sort(key=lambda line: line.number)
    own = [line for line in found if context.owns_line(line)]
    if page is not None and context.actor.is_line_user:
        own = cut(page, own, lambda line: (line.id,))
    owners = {line.account_id for line in own}
    if len(owners) > ACCOUNTS_ONE_BY_ONE:
        accounts = context.billing.accounts()
    else:
        of_lines = map(context.billing.account, owners)
        accounts = [account for account in of_lines if account is not None]
    names = {account.id: account.name for account in accounts}
    return [_row(line, names.get(line.account_id, "")) for line in own]


def line_show(context: Context, number: str) -> Row:
    line = context.line(number)
    settings: Row = {key: _setting(line, key) for key in _SETTINGS_SHOWN}
    name = context.account(line.account_id).name
    return _row(line, name) | settings | {"pin": "set" if line.pin else None}


def line_suspend(context: Context, number: str, reason: str = "", by: str = "operator") -> Row:
    return _change_status(context, number, SUSPENDED, (ACTIVE, SUSPENDED), reason, by)


def line_resume(context: Context, number: str, reason: str = "", by: str = "operator") -> Row:
    """Let a suspended line call again, unless its user's lease is over."""
    line = context.line(number)
    if line.lease_ends_on is not None and line.lease_ends_on < today(context).isoformat():
        raise OperationError("lease_ended", line=line.number, date=line.lease_ends_on)
    return _change_status(context, number, ACTIVE, (ACTIVE, SUSPENDED), reason, by)


def line_disconnect(context: Context, number: str, reason: str = "", by: str = "operator") -> Row:
    """Shut a line at the subscriber's own wish."""
    return _change_status(context, number, DISCONNECTED, (ACTIVE, DISCONNECTED), reason, by)


def line_reconnect(context: Context, number: str, reason: str = "", by: str = "operator") -> Row:
    """Open a line that was disconnected; a debt isn't touched by it."""
    return _change_status(context, number, ACTIVE, (ACTIVE, DISCONNECTED), reason, by)


def _change_status(
    context: Context, number: str, status: Status, allowed: tuple[str, ...], reason: str, by: str
) -> Row:
    """Give a line another status if it has one of the allowed, and write down who did it."""
    line = context.line(number)
    if line.status not in allowed:
        raise OperationError("line_state_final", line=line.number, state=line.status)
    if line.status == status:
        return _row(line, context.account(line.account_id).name)
    what = f"line {line.number}"
    change = Change(
        line.account_id, context.now_ms(), who(by), what, line.status, status, reason_given(reason)
    )
    row = _save(context, line, replace(line, status=status))
    context.subscribers.note([change])
    return row


def line_set(context: Context, number: str, key: str, value: str) -> Row:
    """Change one setting; "" returns an optional one to the switch's own."""
    line = context.line(number)
    change = _KEYS.get(key)
    if change is None:
        near = difflib.get_close_matches(key, _KEYS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(_KEYS))}"
        raise OperationError(
            "setting_unknown", what="a line", noun="setting", setting=key, hint=hint
        )
    changed = change(context, line, value)
    _save(context, line, changed)
    if changed.lease_ends_on != line.lease_ends_on:
        _watch_lease(context, changed)
    return line_show(context, line.number)


def line_remove(context: Context, number: str) -> Row:
    line = context.line(number)
    _check_nothing_rings(context, line)
    _renew_no_more(context, line)
    sounds = VoicemailStore(context.billing.engine).sounds(line.id)
    context.directory.remove_line(line, (forget_mailbox, forget_rooms, forget_ways, forget_line))
    for sound in sounds:
        voicemail_shelf(context.config).remove(sound)
    context.changes.lines.add(line.id)
    _watch_lease(context, replace(line, lease_ends_on=None))
    return {"number": line.number, "removed": True}


def _check_nothing_rings(context: Context, line: Line) -> None:
    """A rented number whose line is gone would be paid for, and ring nowhere."""
    with context.billing.reading() as connection:
        ringing = rental_store.ringing(connection, [line.account_id])
    here = sorted(number for number, _, at, *_ in ringing if at == line.number)
    if here:
        raise OperationError("line_has_rental", number=here[0], line=line.number)


def _renew_no_more(context: Context, line: Line) -> None:
    """End the renewal of packages that were bought for a line which its account gives up."""
    with context.billing.reading() as connection:
        held = sales_store.subscriptions(connection, [line.account_id])
    for subscription in held:
        if subscription.line == line.number and subscription.auto_renew:
            context.do(
                SetAutoRenew(
                    account_id=line.account_id,
                    at=context.now_ms(),
                    subscription=subscription.id,
                    on=False,
                )
            )
            context.changes.accounts.add(line.account_id)


def generate_password() -> str:
    return "".join(secrets.choice(_TYPEABLE) for _ in range(GENERATED_PASSWORD_LENGTH))


def digest_secrets(login: str, realm: str, password: str) -> Mapping[Algorithm, str]:
    """HA1 of every algorithm, so that a line can change its algorithms without its password."""
    return {algorithm: ha1(algorithm, login, realm, password) for algorithm in Algorithm}


def new_line(
    context: Context, number: str, login: str | None, password: str, account: Account
) -> Line:
    """A line that isn't stored yet. Raises OperationError for what no line can have."""
    e164 = context.number(number)
    user = login or e164[1:]
    if _LOGIN.fullmatch(user) is None:
        raise OperationError("login_malformed", login=user)
    _check_login(context, user, e164)
    _check_password(password)
    return Line(
        id=0,
        number=e164,
        login=user,
        account_id=account.id,
        ha1=digest_secrets(user, context.config.realm, password),
        since=context.now_ms(),
    )


def _check_login(context: Context, login: str, number: str) -> None:
    """A login that reads as another number would take over what is meant for that number's line.
    One of a few digits is an extension such as 1001, although some countries' plans, which have
    numbers of any length, read it as a number: it is refused only if a line has that number."""
    try:
        read = context.number(login)
    except OperationError:
        return
    extension = login.isdigit() and len(login) < MIN_NUMBER_DIGITS
    if read != number and not (extension and context.directory.line_by_number(read) is None):
        raise OperationError("login_is_number", login=login, number=read)


def _check_password(password: str) -> None:
    if not password or len(password) > 128 or not password.isprintable():
        raise OperationError("password_malformed")


def _taken(context: Context, line: Line) -> OperationError:
    if context.directory.line_by_number(line.number) is not None:
        return OperationError("number_has_line_already", number=line.number)
    return OperationError("line_login_taken", login=line.login)


def _save(context: Context, before: Line, after: Line) -> Row:
    context.directory.save_line(before, after)
    context.changes.lines.add(after.id)
    return _row(after, context.account(after.account_id).name)


def _row(line: Line, account_name: str) -> Row:
    return {
        "id": line.id,
        "number": line.number,
        "login": line.login,
        "account": line.account_id,
        "account_name": account_name,
        "status": line.status,
        "role": "owner" if line.lease_ends_on is None else "user",
        "lease_ends_on": line.lease_ends_on,
        "rests_until": None if line.rests_until is None else show_stamp(line.rests_until),
    }


def _lease(context: Context, owner: Account, text: str) -> str:
    """The last day of a lease; it has months left when the line may be used at once (C21)."""
    try:
        ends_on = profile.read_date(text, "the end of the lease")
    except profile.FieldError as error:
        raise OperationError.of(error) from None
    now = today(context)
    if ends_on < now:
        raise OperationError("date_past", what="the end of the lease", date=ends_on)
    if owner.status == ACTIVE and not profile.lease_is_long_enough(ends_on, now):
        raise OperationError("lease_ends_soon", months=profile.MIN_LEASE_MONTHS, date=ends_on)
    return ends_on.isoformat()


def _watch_lease(context: Context, line: Line) -> None:
    """Have the line suspended on the day after the lease's last."""
    key = f"{LEASE_KIND}:{line.id}"
    work = None
    if line.lease_ends_on is not None:
        day = profile.read_date(line.lease_ends_on) + timedelta(days=1)
        at = day_start(day, context.config.switch.time_zone)
        work = DueWork(LEASE_KIND, str(line.id), line.account_id, at)
    context.do(ScheduleWork(key, work))


def _set_lease(context: Context, line: Line, value: str) -> Line:
    if not value:
        return replace(line, lease_ends_on=None)
    return replace(line, lease_ends_on=_lease(context, context.account(line.account_id), value))


_SETTINGS_SHOWN = (
    "display_name", "algorithms", "no_answer_seconds", "max_calls", "waiting", "language", "listed",
    "record", "srtp", "dtmf", "webrtc",
)  # fmt: skip


def _setting(line: Line, key: str) -> Value:
    if key == "algorithms":
        chosen = line.algorithms
        return None if chosen is None else [algorithm.value for algorithm in chosen]
    if key == "waiting":
        return None if line.waiting is None else str(line.waiting)
    value: str | int | None = getattr(line, key)
    return value


def _set_account(context: Context, line: Line, value: str) -> Line:
    account = context.account(value)
    if account.id == line.account_id:
        return line
    _check_nothing_rings(context, line)
    _renew_no_more(context, line)
    # Phones of the subscriber who gives the line up are shut.
    DeviceStore(context.billing.engine).leave(line.id)
    return replace(line, account_id=account.id, since=context.now_ms())


def _set_password(context: Context, line: Line, value: str) -> Line:
    _check_password(value)
    return replace(line, ha1=digest_secrets(line.login, context.config.realm, value))


def _set_display_name(_context: Context, line: Line, value: str) -> Line:
    if len(value) > 64 or not (value.isprintable() or not value):
        raise OperationError("display_name_malformed")
    return replace(line, display_name=value)


def _set_algorithms(_context: Context, line: Line, value: str) -> Line:
    if not value:
        return replace(line, algorithms=None)
    known = {algorithm.value.upper(): algorithm for algorithm in Algorithm}
    names = [name for name in re.split(r"[\s,]+", value.upper()) if name]
    if unknown := [name for name in names if name not in known]:
        raise OperationError("algorithm_unknown", value=unknown[0], known=tuple(known))
    return replace(line, algorithms=tuple(dict.fromkeys(known[name] for name in names)))


def _set_no_answer(_context: Context, line: Line, value: str) -> Line:
    return replace(line, no_answer_seconds=optional_integer("no_answer_seconds", value, 1, 600))


def _set_max_calls(_context: Context, line: Line, value: str) -> Line:
    return replace(line, max_calls=optional_integer("max_calls", value, 0, 10_000))


def _set_waiting(_context: Context, line: Line, value: str) -> Line:
    if line.mailbox is not None:
        raise OperationError("waiting_has_mailbox", line=line.number)
    if not value:
        return replace(line, waiting=None)
    match = re.fullmatch(r"([0-9]{1,5})(?:/([0-9]{1,5}))?", value)
    if match is None:
        raise OperationError("waiting_malformed", value=value)
    return replace(line, waiting=Waiting(int(match[1]), int(match[2] or 0)))


def _set_language(_context: Context, line: Line, value: str) -> Line:
    if value and value not in LANGUAGES:
        raise OperationError("language_unknown", value=value, known=tuple(LANGUAGES))
    return replace(line, language=value or None)


def _set_record(_context: Context, line: Line, value: str) -> Line:
    if value not in ("yes", "no", ""):
        raise OperationError("yes_or_no", field="record", value=value)
    return replace(line, record=value == "yes")


def _set_listed(_context: Context, line: Line, value: str) -> Line:
    if value not in ("yes", "no", ""):
        raise OperationError("yes_or_no", field="listed", value=value)
    return replace(line, listed=value == "yes")


def _set_pin(_context: Context, line: Line, value: str) -> Line:
    if not value:
        return replace(line, pin=None)
    try:
        pins.check_strength(value, line.number)
    except pins.WeakPin as error:
        raise OperationError.of(error) from None
    return replace(line, pin=pins.hashed(value, secrets.token_bytes(pins.SALT_BYTES)))


def _set_srtp(_context: Context, line: Line, value: str) -> Line:
    return replace(line, srtp=optional_choice("srtp", value, SRTP_POLICIES))


def _set_dtmf(_context: Context, line: Line, value: str) -> Line:
    return replace(line, dtmf=optional_choice("dtmf", value, KEY_POLICIES))


def _set_webrtc(_context: Context, line: Line, value: str) -> Line:
    return replace(line, webrtc=optional_choice("webrtc", value, WEB_POLICIES))


def optional_choice(key: str, value: str, choices: tuple[Choice, ...]) -> Choice | None:
    """A setting that has a few values; "" for the switch's own."""
    if not value:
        return None
    for choice in choices:
        if value == choice:
            return choice
    raise OperationError("not_one_of", field=key, choices=tuple(choices), value=value)


def optional_integer(key: str, value: str, low: int, high: int) -> int | None:
    if not value:
        return None
    if re.fullmatch(r"[0-9]{1,9}", value) is None or not low <= int(value) <= high:
        raise OperationError("whole_number_range", field=key, least=low, most=high, value=value)
    return int(value)


_KEYS: Mapping[str, Callable[[Context, Line, str], Line]] = {
    "account": _set_account,
    "algorithms": _set_algorithms,
    "display_name": _set_display_name,
    "lease_ends_on": _set_lease,
    "language": _set_language,
    "listed": _set_listed,
    "max_calls": _set_max_calls,
    "no_answer_seconds": _set_no_answer,
    "password": _set_password,
    "pin": _set_pin,
    "record": _set_record,
    "srtp": _set_srtp,
    "dtmf": _set_dtmf,
    "waiting": _set_waiting,
    "webrtc": _set_webrtc,
}
