"""Tokens of the API: add, list, revoke."""

from __future__ import annotations

import ipaddress
import re

from billing.facts.cdr import show_stamp
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.identity.tokens import Token, TokenStore, new_token
from softswitch.operations.context import Context
from softswitch.operations.users.users import reached, read_date

_SCOPE = re.compile(r"(?:\*|[a-z][a-z-]{1,31}):(?:read|write)")
_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,64}")
MAX_SCOPES = 40
MAX_NETWORKS = 20


def token_add(
    context: Context,
    login: str,
    name: str,
    scopes: list[str],
    account: str | None = None,
    networks: list[str] | None = None,
    expires_on: str = "",
) -> Row:
    """Make a token with which programs act for a user; it is shown once.

    Args:
        name: of the program.
        scopes: such as calls:read, messages:write or *:read: what it may do of what the user may.
        account: of the role that it has; None: the role among the staff, or a subscriber's own.
        networks: from where it may be used, such as 192.0.2.0/24; none: from everywhere.
        expires_on: ISO date of its last day.
    """
    user, memberships = reached(context, login)
    owned = context.own_account(account)
    membership = next((one for one in memberships if one.account_id == owned), None)
    if membership is None:
        raise OperationError("role_not_found", login=login)
    if _NAME.fullmatch(name) is None:
        raise OperationError("name_malformed", what="token's name", longest="64", value=name)
    text = new_token()
    token = Token(
        0, "", membership.id, user.id, name, _scopes(scopes), _networks(networks or []),
        context.now_ms(), read_date(expires_on),
    )  # fmt: skip
    token_id = TokenStore(context.billing.engine).add(text, token)
    return {"id": token_id, "name": name, "scopes": list(token.scopes), "token": text}


def token_list(context: Context, login: str | None = None, account: str | None = None) -> list[Row]:
    """Tokens of a user, of all people of an account, or of one of these, the newest first."""
    owned = context.own_account(account)
    if owned is not None:
        users = [user for user, _ in context.users.of_account(owned)]
    elif login is not None:
        users = [reached(context, login)[0]]
    else:
        raise OperationError("argument_missing", operation="token_list", field="login")
    logins = {user.id: user.login for user in users if login in (None, user.login)}
    if login is not None and not logins:
        raise OperationError("user_not_found", login=login)
    return [
        {
            "id": token.id,
            "login": logins[token.user_id],
            "name": token.name,
            "beginning": token.beginning,
            "scopes": list(token.scopes),
            "networks": list(token.networks),
            "created_at": show_stamp(token.created_at),
            "expires_on": token.expires_on or None,
            "used_at": show_stamp(token.used_at) if token.used_at else None,
            "revoked_at": show_stamp(token.revoked_at) if token.revoked_at else None,
        }
        for token in TokenStore(context.billing.engine).of_users(list(logins))
    ]


def token_revoke(context: Context, login: str, token: int) -> Row:
    """Make a token of a user worth nothing, at once."""
    user, _ = reached(context, login)
    store = TokenStore(context.billing.engine)
    if all(one.id != token for one in store.of_users([user.id])):
        raise OperationError("token_not_found", token=token)
    store.revoke(token, context.now_ms())
    return {"id": token, "result": "revoked"}


def _scopes(texts: list[str]) -> tuple[str, ...]:
    if not 1 <= len(texts) <= MAX_SCOPES:
        raise OperationError("scope_malformed", scope=" ".join(texts)[:80])
    for text in texts:
        if _SCOPE.fullmatch(text) is None:
            raise OperationError("scope_malformed", scope=text)
    return tuple(dict.fromkeys(texts))


def _networks(texts: list[str]) -> tuple[str, ...]:
    if len(texts) > MAX_NETWORKS:
        raise OperationError("entries_too_many", most=MAX_NETWORKS, what="networks")
    found = []
    for text in texts:
        try:
            found.append(str(ipaddress.ip_network(text)))
        except ValueError as error:
            raise OperationError("network_malformed", network=text, reason=error) from None
    return tuple(found)
