"""The API's own requests: who am I, what is there, and events as they happen."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from softswitch.control.errors import OperationError
from softswitch.control.watch import TOPICS
from softswitch.portal.api.calls import CALLS_OF_THE_API
from softswitch.portal.api.endpoint import ROOT, ApiEndpoint, caller_of, problem
from softswitch.portal.api.openapi import arguments_of, description, path_parameters, summary
from softswitch.portal.api.rates import Rates
from softswitch.portal.feed import Stream, lines_of
from softswitch.portal.pages import visit_of
from softswitch.portal.portal import Portal


def routes(portal: Portal) -> list[BaseRoute]:
    """The routes of the API."""
    own = _Own(portal)
    rates = Rates()
    found: list[BaseRoute] = [
        Route(f"{ROOT}/openapi.json", _openapi),
        Route(f"{ROOT}/me", own.me),
        Route(f"{ROOT}/events", own.events),
        Route("/api/docs", own.docs),
    ]
    for call in CALLS_OF_THE_API:
        respond = ApiEndpoint(portal, call, rates).respond
        found.append(Route(ROOT + call.path, respond, methods=[call.method]))
    return found


async def _openapi(_: Request) -> Response:
    return Response(msgspec.json.encode(description()), media_type="application/json")


class _Own:
    """Requests that perform no operation."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    async def me(self, request: Request) -> Response:
        """The token's user, role and scopes."""
        try:
            caller = await caller_of(self._portal, request)
        except OperationError as error:
            return problem(request, error, {})
        actor, token = caller.actor, caller.token
        body = {
            "user": actor.user,
            "role": actor.role,
            "account": actor.account,
            "lines": actor.lines,
            "token": token.name,
            "scopes": token.scopes,
        }
        return Response(msgspec.json.encode(body), media_type="application/json")

    async def events(self, request: Request) -> Response:
        """Server-sent events: the topics in which something changed."""
        try:
            caller = await caller_of(self._portal, request)
            if not caller.token.allows("events", write=False):
                raise OperationError("scope_missing", scope="events:read")
        except OperationError as error:
            return problem(request, error, {})
        wanted = set(request.query_params.get("topics", ",".join(TOPICS)).split(","))
        topics = frozenset(topic for topic in TOPICS if topic in wanted)
        feed = self._portal.feed
        stream = feed.open(caller.actor.session, topics, caller.actor.account)
        return StreamingResponse(self._lines(request, stream), media_type="text/event-stream")

    async def _lines(self, request: Request, stream: Stream) -> AsyncIterator[str]:
        async def is_open() -> bool:
            try:
                await caller_of(self._portal, request)
            except OperationError:
                return False
            return True

        async for line in lines_of(stream, self._portal.feed, is_open):
            yield line

    async def docs(self, request: Request) -> Response:
        """The API for people: every request with its arguments."""
        visit = await visit_of(self._portal, request)
        rows = [
            {
                "method": call.method,
                "path": ROOT + call.path,
                "summary": summary(call),
                "arguments": [
                    name for name in arguments_of(call) if name not in path_parameters(call)
                ],
                "roles": sorted(call.roles),
            }
            for call in CALLS_OF_THE_API
        ]
        return visit.finished(visit.page("api.html", rows=rows, root=ROOT))
