"""A page's way from the request to the answer: who may see it, its forms, and its refusals."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import quote

import structlog
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import Response

from softswitch.control.actor import STAFF_ROLES
from softswitch.control.errors import OperationError
from softswitch.control.values import Value
from softswitch.portal.forms import arguments_of
from softswitch.portal.portal import Portal
from softswitch.portal.routes import Action, Page
from softswitch.portal.visit import SESSION_COOKIE, STAFF_COOKIE, Visit

LEAVING = frozenset({"/logout", "/language", "/announcements"})
"""Pages whose forms everybody sends."""
WITHOUT_NEWS = (".csv", ".xlsx", ".pdf", "/sound", "/live")
"""Ends of paths whose answers aren't pages."""
MAX_FIELDS = 200
MAX_FILES = 1
_KEY = re.compile(r"[A-Za-z0-9_-]{16,64}")
_log = structlog.get_logger()


class PageEndpoint:
    """Answers the requests for one page."""

    def __init__(self, portal: Portal, page: Page) -> None:
        self._portal = portal
        self._page = page

    async def respond(self, request: Request) -> Response:
        """The answer to a request, whatever happens while it is made."""
        visit = await visit_of(self._portal, request)
        try:
            response = await self._answer(visit)
        except OperationError as error:
            response = failed(visit, error)
        except HTTPException:
            raise
        except Exception:
            _log.exception("portal_failed", path=request.url.path, request=visit.request_id)
            response = failed(visit, None)
        return visit.finished(response)

    async def _answer(self, visit: Visit) -> Response:
        elsewhere = self._missing_step(visit)
        if elsewhere:
            return visit.go(elsewhere)
        self._check_role(visit)
        self._check_looking(visit)
        if self._page.stage == "role" and not self._page.path.endswith(WITHOUT_NEWS):
            await visit.look_for_news()
        if visit.request.method == "POST":
            return await self._submit(visit)
        done = visit.asked("done")
        visit.done = done if any(one.do == done for one in self._page.actions) else ""
        return await self._page.show(visit)

    def _missing_step(self, visit: Visit) -> str:
        """Where a visitor has to go first; "" if nowhere."""
        page, visitor = self._page, visit.visitor
        if page.stage == "open":
            return ""
        here = quote(visit.request.url.path)
        if visitor is None:
            return f"/login?next={here}"
        if not visitor.session.passed_totp:
            return "" if page.path in ("/login/code", "/logout") else "/login/code"
        if page.stage == "role":
            if visitor.membership is None:
                return "/roles"
            if visitor.user.must_change and not visitor.session.impersonator:
                return "/password"
            wants_second = visitor.is_staff and self._portal.config.portal.staff_totp
            if wants_second and not visitor.user.totp_secret and not visitor.has_passkey:
                return "/totp"
        if page.path == "/" and visitor.is_staff:
            return "/op"
        if page.confirmed and not visitor.session.is_confirmed(self._portal.identity.now_ms()):
            return f"/confirm?next={here}"
        return ""

    def _check_role(self, visit: Visit) -> None:
        """Raises OperationError for a page of another role: subscribers find nothing there."""
        if self._page.stage != "role":
            return
        actor = visit.actor
        if actor.role in STAFF_ROLES and not self._is_for_staff(visit):
            raise OperationError("page_not_found", path=visit.request.url.path)
        if actor.role not in self._page.roles:
            if actor.is_subscriber:
                raise OperationError("page_not_found", path=visit.request.url.path)
            raise OperationError(
                "right_missing", user=actor.user, role=actor.role, operation=self._page.path
            )

    def _check_looking(self, visit: Visit) -> None:
        """Raises OperationError for staff in a customer's place, where the page is the customer's
        own, or a form is sent by one who only looks."""
        visitor, path = visit.visitor, self._page.path
        if visitor is None or not visitor.session.impersonator or path in LEAVING:
            return
        if self._page.stage == "session":
            raise OperationError("looking_closed", operation=path)
        if visitor.looks_only and visit.request.method == "POST":
            raise OperationError("looking_only")

    def _is_for_staff(self, visit: Visit) -> bool:
        """True where staff may come: by the console's own listener, from its networks."""
        settings = self._portal.config.portal
        if settings.console is not None:
            server = visit.request.scope.get("server")
            if server is None or server[1] != settings.console.port:
                return False
        if not settings.console_networks:
            return True
        try:
            address = ipaddress.ip_address(visit.address)
        except ValueError:
            return False
        return any(address in network for network in settings.console_networks)

    async def _submit(self, visit: Visit) -> Response:
        form = await _form_of(visit.request, self._page.most_bytes)
        visit.form = {key: value for key, value in form.items() if isinstance(value, str)}
        signed_in = self._page.stage != "open"
        if not visit.is_of_this_browser(visit.form.get("csrf", ""), signed_in=signed_in):
            raise OperationError("csrf_failed")
        action = self._page.action(visit.form.get("do", ""))
        try:
            if action is not None:
                return await self._perform(visit, action, form)
            if self._page.submit is not None:
                return await self._page.submit(visit)
        except OperationError as error:
            visit.refuse(error, visit.form.get("do", ""), action)
            return await self._page.show(visit)
        raise OperationError("page_not_found", path=visit.request.url.path)

    async def _perform(self, visit: Visit, action: Action, form: FormData) -> Response:
        arguments = await arguments_of(action, form, visit.path)
        key = visit.form.get("key", "")
        if _KEY.fullmatch(key) is None:
            raise OperationError("idempotency_key_missing")
        answer = await self._portal.gateway.perform(
            visit.actor, action.operation, arguments, f"form-{key}"
        )
        if action.operation.startswith("user_"):
            self._portal.feed.look_again()
        if action.shows:
            return visit.page(action.shows, answer=answer)
        return visit.go(_next(visit, action, answer))


async def visit_of(portal: Portal, request: Request) -> Visit:
    """The visit of a request, with the visitor whose session its cookie names."""
    token = request.cookies.get(SESSION_COOKIE, "")
    visitor = await portal.identity.visitor(token) if token else None
    visit = Visit(portal, request, visitor, str(request.state.request_id))
    if token and visitor is None:
        await _give_back(visit)
    return visit


async def _give_back(visit: Visit) -> None:
    """End a session that is over; staff whose time in a customer's place ended get theirs back."""
    own = visit.request.cookies.get(STAFF_COOKIE, "")
    if own:
        visit.cookies[STAFF_COOKIE] = ""
        visit.visitor = await visit.portal.identity.visitor(own)
    if visit.visitor is None:
        visit.end_session()
    else:
        visit.set_session(own)


def failed(visit: Visit, error: OperationError | None) -> Response:
    """The page of a refusal; None: of a fault of ours."""
    if error is None:
        return visit.page("error.html", status=500, text=visit.text("common.failed"))
    visit.refuse(error)
    assert visit.fault is not None
    return visit.page("error.html", text=visit.fault.text)


def _next(visit: Visit, action: Action, answer: Value) -> str:
    facts: dict[str, object] = dict(answer) if isinstance(answer, Mapping) else {}
    quoted = {key: quote(str(value), safe="") for key, value in (facts | {**visit.path}).items()}
    path = action.then.format_map(quoted) if action.then else quote(visit.request.url.path)
    return f"{path}{'&' if '?' in path else '?'}done={action.do}"


async def _form_of(request: Request, most_bytes: int) -> FormData:
    try:
        return await request.form(
            max_files=MAX_FILES, max_fields=MAX_FIELDS, max_part_size=most_bytes
        )
    except (MultiPartException, HTTPException):
        raise OperationError("request_too_large", most=most_bytes) from None
