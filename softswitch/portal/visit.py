"""One request for a page: who asks, in which language, and what the page may use."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from softswitch.control.actor import Actor
from softswitch.control.errors import OperationError
from softswitch.control.values import Row, Value, as_row, as_rows
from softswitch.errors.coded import CodedError
from softswitch.errors.entry import HTTP_STATUS
from softswitch.errors.texts import LANGUAGES, text_for_subscriber
from softswitch.portal import gateway, words
from softswitch.portal.identity import Visitor

if TYPE_CHECKING:
    from softswitch.portal.portal import Portal
    from softswitch.portal.routes import Action

SESSION_COOKIE = "__Host-sid"
FORM_COOKIE = "__Host-form"
"""Begins the names of cookies that bind forms to a browser that hasn't signed in. Each one has a
name of its own: of two first pages that load at once, neither takes away the other's."""
LANGUAGE_COOKIE = "lang"
STAFF_COOKIE = "__Host-staff"
"""The session of a member of staff, while the browser has a customer's place."""
DISMISSED_COOKIE = "__Host-dismissed"
"""The announcements that were read in this browser, by their ids: "7.12"."""
MOST_DISMISSED = 50
REMEMBERED_SECONDS = 30 * 86_400


@dataclass(frozen=True)
class Fault:
    """A refusal as a page shows it.

    Args:
        field: the form's field that has to change; "" if none has to.
        do: the form that was refused.
    """

    code: str
    text: str
    field: str
    do: str = ""
    lines: tuple[str, ...] = ()


@dataclass
class Visit:
    """A request and everything that answers it.

    Args:
        form: what was typed into the refused form, so that it is shown again.
        done: the form that was just performed; the page says so.
    """

    portal: Portal
    request: Request
    visitor: Visitor | None
    request_id: str
    fault: Fault | None = None
    form: Mapping[str, str] = field(default_factory=dict)
    done: str = ""
    refused_fields: Mapping[str, str] = field(default_factory=dict)
    """What is wrong with the fields of a form that is checked as a whole, by field."""
    cookies: dict[str, str] = field(default_factory=dict)
    """Cookies that the answer sets."""
    unread: int = 0
    """Notices that a subscriber hasn't read."""
    announcements: Mapping[str, str] = field(default_factory=dict)
    """The operator's announcements by their ids, in the visitor's language."""

    # Who asks

    @property
    def address(self) -> str:
        return "" if self.request.client is None else self.request.client.host

    @property
    def actor(self) -> Actor:
        """Raises OperationError for a visitor without a role."""
        if self.visitor is None:
            raise OperationError("credentials_wrong")
        return self.portal.identity.actor(self.visitor, self.address, self.request_id)

    @property
    def known(self) -> Visitor:
        """The visitor of a page that wants one."""
        if self.visitor is None:
            raise OperationError("credentials_wrong")
        return self.visitor

    @property
    def language(self) -> str:
        """The one that the address asks for, the visitor's own, the one that was chosen here, the
        browser's, or the switch's."""
        chosen = "" if self.visitor is None else self.visitor.user.language
        for one in (self._asked_language, chosen, self.request.cookies.get(LANGUAGE_COOKIE, "")):
            if one in LANGUAGES:
                return one
        for part in self.request.headers.get("accept-language", "").split(","):
            one = part.split(";")[0].strip().split("-")[0].lower()
            if one in LANGUAGES:
                return one
        configured = self.portal.config.switch.language
        return configured if configured in LANGUAGES else "en"

    @property
    def _asked_language(self) -> str:
        """Of the query; for a part of a page that is loaded again, of the page's own."""
        shown = self.request.headers.get("hx-current-url", "").partition("#")[0].partition("?")[2]
        of_page = dict(parse_qsl(shown)).get("lang", "")
        return self.request.query_params.get("lang", of_page)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.portal.config.switch.time_zone)

    def may(self, operation: str) -> bool:
        """True if the visitor's role may perform an operation at all."""
        if self.visitor is None or self.visitor.membership is None:
            return False
        if self.visitor.looks_only and gateway.changes(operation):
            return False
        return gateway.may(self.actor, operation)

    @property
    def csrf(self) -> str:
        """The token that the forms of this browser carry."""
        if self.visitor is not None:
            return self.visitor.session.csrf
        if not self._form_tokens:
            made = secrets.token_hex(16)
            self.cookies[f"{FORM_COOKIE}-{made[:8]}"] = made
        return self._form_tokens[0]

    @property
    def _form_tokens(self) -> list[str]:
        """The tokens of this browser's pages from before it signed in."""
        cookies = {**self.request.cookies, **self.cookies}
        return [value for name, value in cookies.items() if name.startswith(FORM_COOKIE) and value]

    def is_of_this_browser(self, token: str, *, signed_in: bool) -> bool:
        """True if a form carries a token of this browser.

        Args:
            signed_in: False for forms of pages that everybody sees: one that was loaded before the
                browser signed in, in another tab, is still good.
        """
        good = [self.csrf] if signed_in else [self.csrf, *self._form_tokens]
        return any(hmac.compare_digest(token.encode(), one.encode()) for one in good)

    # Reading

    @property
    def path(self) -> Mapping[str, str]:
        """The parameters of the page's path."""
        return {key: str(value) for key, value in self.request.path_params.items()}

    def asked(self, name: str, default: str = "") -> str:
        """A parameter of the query; its lines end in LF, as those of a form do."""
        return self.request.query_params.get(name, default).strip().replace("\r\n", "\n")

    async def value(self, operation: str, /, **arguments: object) -> Value:
        """The answer of an operation, as the visitor may see it. Raises OperationError."""
        return await self.portal.gateway.perform(self.actor, operation, arguments)

    async def row(self, operation: str, /, **arguments: object) -> Row:
        """Likewise, one record."""
        return as_row(await self.value(operation, **arguments))

    async def rows(self, operation: str, /, **arguments: object) -> list[Row]:
        """Likewise, a table."""
        return as_rows(await self.value(operation, **arguments))

    async def some(self, operation: str, /, **arguments: object) -> list[Row]:
        """Likewise, for a part of a page that is left out when it can't be read."""
        if not self.may(operation):
            return []
        try:
            return await self.rows(operation, **arguments)
        except OperationError:
            return []

    async def look_for_news(self) -> None:
        """Read what every page of the cabinet shows: announcements, and the number of notices."""
        if self.visitor is None or self.visitor.membership is None or self.visitor.is_staff:
            return
        try:
            news = await self.row("account_news")
        except OperationError:
            return
        self.unread = int(str(news["unread"] or 0))
        order = (self.language, self.portal.config.switch.language, *LANGUAGES)
        dismissed = self.request.cookies.get(DISMISSED_COOKIE, "").split(".")
        self.announcements = {
            str(row["id"]): next(str(texts[one]) for one in order if one in texts)
            for row in as_rows(news["announcements"] or [])
            if isinstance(texts := row["texts"], Mapping) and str(row["id"]) not in dismissed
        }

    def dismiss(self, announcement: str) -> None:
        """Show an announcement no more in this browser."""
        before = self.request.cookies.get(DISMISSED_COOKIE, "").split(".")
        kept = [one for one in (*before, announcement) if one.isdecimal()]
        self.cookies[DISMISSED_COOKIE] = ".".join(kept[-MOST_DISMISSED:])

    # Answering

    def text(self, name: str, /, **facts: object) -> str:
        """A text in the visitor's language."""
        return words.text(self.language, name, **facts)

    def named(self, area: str, value: object) -> str:
        """The word for a value of an operation; a value that no word is known for stands for
        itself."""
        name = f"{area}.{value}"
        return self.text(name) if name in words.words(self.language) else str(value)

    def page(self, template: str, /, *, status: int = 200, **facts: object) -> Response:
        """A page in the visitor's language; after a refusal with its sentence and status."""
        if self.refused_fields and status == 200:
            status = 422
        if self.fault is not None and status == 200:
            status = HTTP_STATUS[self.portal.kind_of(self.fault.code)]
        text = self.portal.templates.render(template, self, facts)
        return HTMLResponse(text, status)

    def go(self, path: str) -> Response:
        """Send the browser to another page of ours."""
        return RedirectResponse(path, 303)

    def refuse(self, error: CodedError, do: str = "", action: Action | None = None) -> None:
        """Have the page say why something was refused.

        Args:
            action: the refused form.
        """
        staff = self.visitor is not None and self.visitor.is_staff
        text = error.message if staff else text_for_subscriber(error, self.language)
        lines = getattr(error, "lines", ())
        field = error.field if action is None else action.field_of(error.code, error.field)
        self.fault = Fault(error.code, text, field, do, tuple(lines))

    def set_session(self, token: str) -> None:
        """Give the browser the token of its session."""
        self.cookies[SESSION_COOKIE] = token

    def end_session(self) -> None:
        self.cookies[SESSION_COOKIE] = ""

    def finished(self, response: Response) -> Response:
        """The response with the cookies that the visit sets; once a request."""
        remembered = self.visitor is not None and self.visitor.session.remembered
        for name, value in self.cookies.items():
            lasts = name == DISMISSED_COOKIE or (remembered and name == SESSION_COOKIE)
            keep = REMEMBERED_SECONDS if lasts else None
            response.set_cookie(
                name, value, max_age=keep if value else 0, secure=True, httponly=True,
                samesite="lax",
            )  # fmt: skip
        return response
