"""Errors of requests that their actor has no right to make."""

from __future__ import annotations

from softswitch.errors.entry import Entry

RIGHTS = {
    "actor_missing": Entry(
        "a request on the portal's socket names who makes it (`as`)", "refused", "as"
    ),
    "actor_unusable": Entry("a request can't be made as {user!r}: {reason}", "invalid", "as"),
    "argument_for_operator": Entry("{field} of {operation} is for the operator to say", "refused"),
    "csrf_failed": Entry(
        "the request didn't come from a page of ours: load the page again", "refused"
    ),
    "delivery_not_found": Entry("the webhook has no delivery {delivery}", "not_found", "delivery"),
    "guesses_too_many": Entry("too many wrong tries; wait {seconds} s", "refused"),
    "idempotency_key_missing": Entry(
        "this request needs a header Idempotency-Key, any text that names it", "invalid"
    ),
    "key_for_others": Entry("a {role} sets {known} by {operation}, not {key!r}", "refused", "key"),
    "login_malformed": Entry(
        "a login has 1 to 64 letters, digits and . _ @ + -, not {login!r}", "invalid", "login"
    ),
    "looking_closed": Entry("{operation} is closed to staff in a customer's place", "refused"),
    "looking_only": Entry("you look as the customer, and change nothing here", "refused"),
    "page_not_found": Entry("there is nothing at {path}", "not_found"),
    "passkey_wrong": Entry("the passkey isn't known here, or its answer is wrong", "refused"),
    "passkeys_many": Entry("a user has {most} passkeys at most: remove one first", "conflict"),
    "passkeys_need_name": Entry(
        "passkeys need an address with a name: set [portal] public_url or console_url", "conflict"
    ),
    "password_repeated": Entry("the new password must differ from the old one", "invalid", "new"),
    "password_weak": Entry(
        "a password has {least} to {most} characters and isn't the login", "invalid", "new"
    ),
    "passwords_differ": Entry("the two passwords differ", "invalid", "again"),
    "request_too_large": Entry("a request has at most {most} octets here", "invalid"),
    "requests_too_many": Entry("too many requests; wait {seconds} s", "refused"),
    "reset_link_void": Entry("the link is used, or older than half an hour", "conflict"),
    "role_for_admin": Entry("only an administrator gives the role {role}", "refused", "role"),
    "role_needs_account": Entry("the role {role} needs an account", "invalid", "account"),
    "role_needs_lines": Entry(
        "a line_user, and only that, needs its lines, {most} at most", "invalid", "lines"
    ),
    "role_not_found": Entry("{login} has no such role", "not_found", "account"),
    "role_without_account": Entry(
        "the role {role} has neither account nor lines", "invalid", "account"
    ),
    "operation_of_host": Entry(
        "{operation} is done at the switch itself, by `softswitch`", "refused"
    ),
    "right_missing": Entry("{user} ({role}) has no right to {operation}", "refused"),
    "scope_malformed": Entry(
        "{scope!r} is no scope such as calls:read, messages:write or *:read", "invalid", "scopes"
    ),
    "scope_missing": Entry("the token lacks the scope {scope}", "refused"),
    "switch_away": Entry("the switch is away: nothing can be changed for a moment", "unavailable"),
    "token_missing": Entry(
        "the request shows no token: send Authorization: Bearer TOKEN", "refused"
    ),
    "token_not_found": Entry("there is no token {token}", "not_found", "token"),
    "token_wrong": Entry("the token isn't good, or not from this address", "refused"),
    "totp_wrong": Entry("the code is wrong, or was used already", "refused", "code"),
    "user_disabled": Entry("the login {login} is disabled", "refused"),
    "user_not_found": Entry(
        "there is no user {login!r}; `softswitch user list` shows them", "not_found", "login"
    ),
    "webhook_event_malformed": Entry(
        "{event!r} is no event such as call.ended, payment.* or *", "invalid", "events"
    ),
    "webhook_not_found": Entry("there is no webhook {webhook}", "not_found", "webhook"),
    "webhook_url_malformed": Entry(
        "{url!r} is no address such as https://example.org/hook", "invalid", "url"
    ),
}
