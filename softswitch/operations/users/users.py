"""Users: add, list, show, change, grant and revoke roles, issue passwords."""

from __future__ import annotations

import re
from datetime import date

from sqlalchemy.exc import IntegrityError

from billing.facts.cdr import show_stamp
from softswitch.control.actor import ROLES, STAFF_ROLES, Role
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.errors.texts import LANGUAGES
from softswitch.identity.passkeys import PasskeyStore
from softswitch.identity.sessions import SessionStore
from softswitch.identity.users import Membership, User
from softswitch.operations.context import Context
from softswitch.operations.lines.lines import generate_password
from softswitch.operations.pages import page_asked
from softswitch.subscribers.mail_address import is_address
from softswitch.subscribers.passwords import hashed

_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
MAX_LINES = 100
"""Of one line user."""


def user_add(
    context: Context,
    login: str,
    role: str,
    account: str | None = None,
    lines: list[str] | None = None,
    email: str = "",
    language: str = "",
    ends_on: str = "",
) -> Row:
    """Add a user with one role; the password is shown once and must be changed at the first
    sign-in.

    Args:
        account: of a subscriber's role.
        lines: the numbers that a line_user may use.
        ends_on: ISO date of the last day of the role, a tenant's.
    """
    if _LOGIN.fullmatch(login) is None:
        raise OperationError("login_malformed", login=login)
    membership = _membership(context, role, account, lines or [], ends_on)
    password = generate_password()
    try:
        user = context.users.add(
            login, hashed(password), membership, context.now_ms(), _language(language),
            _email(email),
        )  # fmt: skip
    except IntegrityError:
        raise OperationError("login_taken", login=login) from None
    return user_row(context, user) | {"password": password}


def user_list(
    context: Context,
    account: str | None = None,
    limit: int | None = None,
    before: int | None = None,
    search: str | None = None,
) -> list[Row]:
    """Users, the newest first; of one account all of its people, the oldest first.

    Args:
        before: those before this id: the last of the page before.
        search: a part of the login.
    """
    owned = context.own_account(account)
    if owned is not None:
        return [
            _user_columns(user) | _role_columns(context, membership)
            for user, membership in context.users.of_account(owned)
        ]
    page = page_asked(50 if limit is None else limit, before)
    assert page is not None  # a limit was given
    return [user_row(context, user) for user in context.users.users(page, search)]


def user_show(context: Context, login: str) -> Row:
    """A user with every role."""
    user, memberships = reached(context, login)
    return _user_columns(user) | {
        "roles": [_role_columns(context, one) for one in memberships],
        "passkeys": len(PasskeyStore(context.billing.engine).of_user(user.id)),
        "sessions": len(SessionStore(context.billing.engine).of_user(user.id)),
    }


def user_set(context: Context, login: str, key: str, value: str) -> Row:
    """Change a user's `email`, `language` or `disabled` (yes or no). A disabled user's sessions
    end."""
    user, _ = reached(context, login)
    match key:
        case "email":
            context.users.set_email(user.id, _email(value))
        case "language":
            context.users.set_language(user.id, _language(value))
        case "disabled":
            if value not in ("yes", "no"):
                raise OperationError(
                    "not_one_of", field="disabled", choices=("yes", "no"), value=value
                )
            context.users.set_disabled(user.id, disabled=value == "yes")
            if value == "yes":
                SessionStore(context.billing.engine).end_of_user(user.id)
        case _:
            known = ("email", "language", "disabled")
            raise OperationError("not_one_of", field="key", choices=known, value=key)
    return user_show(context, login)


def user_grant(
    context: Context,
    login: str,
    role: str,
    account: str | None = None,
    lines: list[str] | None = None,
    ends_on: str = "",
) -> Row:
    """Give a user a role, in the place of the one in the same account. Sessions end: the new right
    begins at the next sign-in."""
    user, _ = reached(context, login)
    context.users.grant(user.id, _membership(context, role, account, lines or [], ends_on))
    SessionStore(context.billing.engine).end_of_user(user.id)
    return user_show(context, login)


def user_revoke(context: Context, login: str, account: str | None = None) -> Row:
    """Take a user's role in an account away, or without one the role among the staff. Sessions
    end."""
    user, memberships = reached(context, login)
    owned = context.own_account(account)
    for membership in memberships:
        if membership.account_id == owned:
            context.users.revoke(membership.id)
            SessionStore(context.billing.engine).end_of_user(user.id)
            return {"login": login, "role": membership.role, "result": "revoked"}
    raise OperationError("role_not_found", login=login)


def user_password(context: Context, login: str) -> Row:
    """Issue a new password, which is shown once and must be changed at the first sign-in. Sessions
    end."""
    user, _ = reached(context, login)
    password = generate_password()
    context.users.set_password(user.id, hashed(password), context.now_ms(), must_change=True)
    SessionStore(context.billing.engine).end_of_user(user.id)
    return {"login": login, "password": password}


def user_forget_totp(context: Context, login: str) -> Row:
    """Ask a user for no one-time codes any more, and forget the passkeys: for one who lost the
    phone and the recovery codes. Sessions end."""
    user, _ = reached(context, login)
    context.users.set_totp(user.id, "")
    context.users.set_recovery_codes(user.id, ())
    PasskeyStore(context.billing.engine).remove_of_user(user.id)
    SessionStore(context.billing.engine).end_of_user(user.id)
    return user_show(context, login)


def user_look(context: Context, login: str, account: str, reason: str) -> Row:
    """Take a customer's place, to see what a user of the account sees; the audit keeps why. Answers
    with the ids of which the web makes a session that lasts half an hour."""
    if not reason.strip():
        raise OperationError("reason_needed")
    owner = context.account(account)
    user = context.users.by_login(login)
    held = [] if user is None else context.users.memberships(user.id)
    if user is None or any(one.account_id is None for one in held):
        raise OperationError("user_not_found", login=login)
    if user.disabled:
        raise OperationError("user_disabled", login=login)
    for one in held:
        if one.account_id == owner.id:
            return {"login": login, "user": user.id, "membership": one.id, "account": owner.id}
    raise OperationError("role_not_found", login=login)


def user_row(context: Context, user: User) -> Row:
    """A user with the roles in one column."""
    memberships = context.users.memberships(user.id)
    roles = ", ".join(
        one.role if one.account_id is None else f"{one.role} of {one.account_id}"
        for one in memberships
    )
    return _user_columns(user) | {"roles": roles}


def reached(context: Context, login: str) -> tuple[User, list[Membership]]:
    """A user whom the actor may change, with the roles: an administrator anyone, other staff no
    staff, a subscriber the people of the own account alone. Raises OperationError."""
    user = context.users.by_login(login)
    memberships = [] if user is None else context.users.memberships(user.id)
    actor = context.actor
    if actor.is_subscriber:
        reached = bool(memberships) and all(one.account_id == actor.account for one in memberships)
    else:
        reached = actor.role == "admin" or all(one.account_id is not None for one in memberships)
    if user is None or not reached:
        raise OperationError("user_not_found", login=login)
    for one in memberships:
        if one.account_id is not None:
            context.owns(one.account_id)
    return user, memberships


def _membership(
    context: Context, role: str, account: str | None, lines: list[str], ends_on: str
) -> Membership:
    name = _role(role)
    actor = context.actor
    if name in STAFF_ROLES:
        if actor.role != "admin":
            raise OperationError("role_for_admin", role=role)
        if account is not None or lines:
            raise OperationError("role_without_account", role=role)
        return Membership(0, 0, name, None, (), read_date(ends_on))
    owned = context.own_account(account)
    if owned is None:
        raise OperationError("role_needs_account", role=role)
    if (name == "line_user") != bool(lines) or len(lines) > MAX_LINES:
        raise OperationError("role_needs_lines", most=MAX_LINES)
    found = [context.line(one) for one in lines]
    for line in found:
        if line.account_id != owned:
            raise OperationError("line_of_other_account", line=line.number, account=owned)
    return Membership(0, 0, name, owned, tuple(line.id for line in found), read_date(ends_on))


def _role(text: str) -> Role:
    for known in ROLES:
        if text == known:
            return known
    raise OperationError("not_one_of", field="role", choices=ROLES, value=text)


def _language(text: str) -> str:
    if text not in ("", *LANGUAGES):
        raise OperationError("not_one_of", field="language", choices=LANGUAGES, value=text)
    return text


def _email(text: str) -> str:
    if text and not is_address(text):
        raise OperationError("email_malformed", value=text)
    return text


def read_date(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat() if text else ""
    except ValueError:
        raise OperationError("date_malformed", field="ends_on", value=text) from None


def _user_columns(user: User) -> Row:
    return {
        "id": user.id,
        "login": user.login,
        "email": user.email,
        "language": user.language,
        "must_change": user.must_change,
        "disabled": user.disabled,
        "totp": user.totp_secret != "",
        "created_at": show_stamp(user.created_at),
    }


def _role_columns(context: Context, membership: Membership) -> Row:
    lines = [context.line_of(one) for one in membership.lines]
    return {
        "role": membership.role,
        "account": membership.account_id,
        "lines": [line.number for line in lines if line is not None],
        "ends_on": membership.ends_on or None,
    }
