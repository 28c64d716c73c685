"""The web application: the table of routes as Starlette serves it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from softswitch.control.errors import OperationError
from softswitch.operations.money.payment_intents import CALLBACK_PATH
from softswitch.portal import entrance, online_payments, rates, registration
from softswitch.portal.api import pages as api
from softswitch.portal.api.endpoint import MOST_BYTES
from softswitch.portal.cabinet import PAGES as CABINET
from softswitch.portal.console import PAGES as CONSOLE
from softswitch.portal.guard import Guard
from softswitch.portal.online_payments import CallbackEndpoint
from softswitch.portal.pages import PageEndpoint, failed, visit_of
from softswitch.portal.phone_listener import phone_routes
from softswitch.portal.portal import Portal
from softswitch.portal.routes import FORM_BYTES, Page

PAGES: tuple[Page, ...] = (
    *entrance.PAGES,
    *registration.PAGES,
    *online_payments.PAGES,
    *rates.PAGES,
    *CABINET,
    *CONSOLE,
)
"""Every page, from which everything else is made."""


def application(portal: Portal) -> Starlette:
    """The portal's application; it closes the portal when it ends."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        portal.deliveries.start()
        yield
        await portal.close()

    async def not_found(request: Request, raised: Exception) -> Response:
        visit = await visit_of(portal, request)
        status = raised.status_code if isinstance(raised, HTTPException) else 404
        if status == 404:
            error = OperationError("page_not_found", path=request.url.path)
            return visit.finished(failed(visit, error))
        return PlainTextResponse("", status)

    most_bytes = {
        page.path.split("{")[0]: page.most_bytes for page in PAGES if page.most_bytes > FORM_BYTES
    }
    most_bytes["/api/"] = MOST_BYTES
    guard = Middleware(
        Guard,
        most_bytes=most_bytes,
        is_secure=portal.config.portal.url.startswith("https:"),
        without_origin=("/api/", "/app/", "/d/", CALLBACK_PATH),
    )
    return Starlette(
        routes=[*_routes(portal)],
        middleware=[guard],
        exception_handlers={404: not_found, 405: not_found},
        lifespan=lifespan,
    )


def _routes(portal: Portal) -> list[BaseRoute]:
    routes: list[BaseRoute] = [
        # Pages stay as they are: their forms have secrets, which compressed lengths can betray.
        Mount("/static", GZipMiddleware(StaticFiles(packages=[("softswitch.portal", "static")]))),
        Route("/health", _health),
        Route(CALLBACK_PATH, CallbackEndpoint(portal).respond, methods=["POST"]),
        *phone_routes(portal.phones),
    ]
    routes += api.routes(portal)
    for page in PAGES:
        methods = ["GET", "POST"] if page.actions or page.submit else ["GET"]
        routes.append(Route(page.path, PageEndpoint(portal, page).respond, methods=methods))
    return routes


async def _health(_: Request) -> Response:
    return PlainTextResponse("ok\n")
