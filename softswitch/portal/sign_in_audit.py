"""Audit entries of what the portal does itself: signing in, second factors and passwords."""

from __future__ import annotations

from typing import Literal

from softswitch.database.audit import DONE, AuditEntry, AuditLog
from softswitch.identity.users import User
from softswitch.portal.visit import Visit

Event = Literal[
    "sign_in", "sign_in_code", "sign_in_passkey", "sign_out", "password_confirm",
    "password_change", "password_reset", "totp_set", "totp_remove",
    "passkey_add", "passkey_remove",
]  # fmt: skip
"""Operations of the audit that are no operations of the switch."""


async def note(visit: Visit, event: Event, user: User | None, outcome: str = DONE) -> None:
    """Append an event to the audit.

    A try that had to wait isn't noted, so that guessing can't fill the log.

    Args:
        user: None: nobody has the login. It isn't kept then: it may be a password that was typed
            into the wrong field.
        outcome: "done", or the code of the refusal.
    """
    if outcome != "guesses_too_many":
        await visit.portal.identity.run(_append, visit, event, user, outcome)


def _append(visit: Visit, event: Event, user: User | None, outcome: str) -> None:
    identity, visitor = visit.portal.identity, visit.visitor
    membership = None if visitor is None else visitor.membership
    if membership is None:  # nobody's login takes as long as somebody's
        held = identity.users.memberships(0 if user is None else user.id)
        membership = held[0] if len(held) == 1 else None
    entry = AuditEntry(
        at=identity.now_ms(),
        actor="" if user is None else user.login,
        role="" if membership is None else membership.role,
        via="portal",
        impersonator="" if visitor is None else visitor.session.impersonator,
        session="" if visitor is None else visitor.session.id,
        address=visit.address,
        operation=event,
        object="" if user is None else f"login {user.login}",
        account_id=None if membership is None else membership.account_id,
        arguments="{}",
        outcome=outcome,
        request_id=visit.request_id,
    )
    AuditLog(visit.portal.store.engine).append(entry)
