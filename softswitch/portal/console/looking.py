"""Looking as a customer: a short session in the customer's place, with a reason, in the audit."""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response

from softswitch.control.errors import OperationError
from softswitch.control.values import as_row
from softswitch.identity.sessions import new_session
from softswitch.portal.visit import SESSION_COOKIE, STAFF_COOKIE, Visit


async def look(visit: Visit) -> Response:
    """Open a session as a user of the customer's account. The browser keeps the own session beside
    it, for the way back."""
    if visit.form.get("do") != "user_look":
        raise OperationError("page_not_found", path=visit.request.url.path)
    actor, identity = visit.actor, visit.portal.identity
    if not visit.known.session.is_confirmed(identity.now_ms()):
        return visit.go(f"/confirm?next={quote(visit.request.url.path)}")
    reason = visit.form.get("reason", "").strip()
    login = visit.form.get("login", "").strip()
    found = as_row(await visit.portal.gateway.perform(
        actor, "user_look", {"login": login, "account": visit.path["account"], "reason": reason}
    ))  # fmt: skip
    session = new_session(
        int(str(found["user"])), identity.now_ms(), membership_id=int(str(found["membership"])),
        address=visit.address, agent=visit.request.headers.get("user-agent", ""),
        impersonator=actor.user, reason=reason,
    )  # fmt: skip
    token = await identity.run(identity.sessions.open, session)
    visit.cookies[STAFF_COOKIE] = visit.request.cookies[SESSION_COOKIE]
    visit.set_session(token)
    return visit.go("/")
