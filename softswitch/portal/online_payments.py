"""Paying on a provider's page: what comes back by the payer's browser and by the callback."""

from __future__ import annotations

import json

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from softswitch.control.actor import Actor
from softswitch.control.errors import OperationError
from softswitch.errors.entry import HTTP_STATUS
from softswitch.operations.access import OWNER, PAYER
from softswitch.portal.portal import Portal
from softswitch.portal.routes import Action, Page
from softswitch.portal.visit import Visit
from softswitch.subscribers.hosted_payment import MAX_BODY_BYTES, CallbackRefused, outcome_of

PROVIDER = Actor("payment provider", "accountant")
"""Confirms payments by a signed callback; the audit names it."""
_log = structlog.get_logger()


class CallbackEndpoint:
    """Takes the callbacks of the payment provider, which may tell the same again and again."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    async def respond(self, request: Request) -> Response:
        """204 once the outcome is kept; the provider tries again after any other answer."""
        settings = self._portal.config.payments
        now = self._portal.identity.now_ms() // 1000
        try:
            body = await request.body()
            if len(body) > MAX_BODY_BYTES:
                raise CallbackRefused("it is too long")
            signature = request.headers.get("x-signature", "")
            told = outcome_of(settings.secret, signature, body, now)
        except (CallbackRefused, ClientDisconnect) as error:
            _log.warning("payment_callback_refused", reason=str(error))
            return _problem(403, "callback_refused", str(error))
        arguments = {
            "intent": told.order, "status": told.status, "amount": told.amount,
            "currency": told.currency, "reference": told.reference,
        }  # fmt: skip
        try:
            await self._portal.gateway.perform(PROVIDER, "payment_intent_confirm", arguments)
        except OperationError as error:
            _log.warning("payment_callback_failed", order=told.order[:64], code=error.code)
            return _problem(HTTP_STATUS[self._portal.kind_of(error.code)], error.code, str(error))
        return Response(status_code=204)


def _problem(status: int, code: str, detail: str) -> Response:
    body = json.dumps({"code": code, "status": status, "detail": detail})
    return Response(body, status, media_type="application/problem+json")


async def show_top_up(visit: Visit) -> Response:
    """The form that begins a payment; there is none where no provider is."""
    settings = visit.portal.config.payments
    if not settings.page_url:
        raise OperationError("page_not_found", path=visit.request.url.path)
    account = await visit.row("account_show")
    return visit.page("cabinet/top_up.html", account=account, settings=settings)


async def show_paid(visit: Visit) -> Response:
    """What became of a payment; it may take some seconds until the provider has told."""
    intent = await visit.row("payment_intent_show", intent=visit.path["intent"])
    return visit.page("cabinet/paid.html", intent=intent)


PAGES = (
    Page(
        "/money/top-up",
        show_top_up,
        OWNER,
        (Action("payment_intent_add", ("amount", "language"), shows="cabinet/to_provider.html"),),
    ),
    Page("/money/paid/{intent}", show_paid, PAYER),
)
