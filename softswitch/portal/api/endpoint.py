"""The way of a request to the API: its token, its arguments, its operation, its answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from softswitch.control.actor import Actor
from softswitch.control.errors import OperationError
from softswitch.errors.entry import HTTP_STATUS
from softswitch.errors.texts import text_for_subscriber
from softswitch.identity.tokens import Token, TokenStore
from softswitch.operations.arguments import parameters
from softswitch.operations.registry import OPERATIONS
from softswitch.portal.api.rates import Rates
from softswitch.portal.forms import converted, is_list
from softswitch.portal.portal import Portal
from softswitch.portal.routes import Call

ROOT = "/api/v1"
MOST_BYTES = 32 * 1024 * 1024
"""Of a request: a price list or a table of contacts."""
_KEY = re.compile(r"[\x21-\x7e]{1,128}")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Caller:
    """The program behind a request."""

    token: Token
    actor: Actor


class ApiEndpoint:
    """Answers the requests of one row of the table."""

    def __init__(self, portal: Portal, call: Call, rates: Rates) -> None:
        self._portal = portal
        self._call = call
        self._rates = rates

    async def respond(self, request: Request) -> Response:
        """The answer to a request, whatever happens while it is made."""
        headers: dict[str, str] = {}
        try:
            caller = await caller_of(self._portal, request)
            headers = self._rates.take(caller.token.id, self._portal.identity.now_ms())
            write = self._call.method != "GET"
            if not caller.token.allows(self._call.path.split("/")[1], write=write):
                raise OperationError("scope_missing", scope=_scope(self._call, write=write))
            key = self._key(request)
            arguments = await self._arguments(request)
            result = await self._portal.gateway.perform(
                caller.actor, self._call.operation, arguments, key
            )
        except OperationError as error:
            return problem(request, error, headers)
        except (HTTPException, ClientDisconnect):
            raise
        except Exception:
            _log.exception("api_failed", path=request.url.path, request=request.state.request_id)
            return problem(request, None, headers)
        return Response(msgspec.json.encode(result), 200, headers, "application/json")

    def _key(self, request: Request) -> str | None:
        key = request.headers.get("idempotency-key")
        if key is None and self._call.needs_key:
            raise OperationError("idempotency_key_missing")
        if key is not None and _KEY.fullmatch(key) is None:
            raise OperationError("key_malformed", what="Idempotency-Key", longest="128")
        return key

    async def _arguments(self, request: Request) -> dict[str, object]:
        call = self._call
        given: dict[str, object] = {}
        for name in request.query_params:
            values = request.query_params.getlist(name)
            given[name] = values if self._takes_list(name) else values[-1]
        if call.method != "GET":
            given |= await _body(request)
        for name in call.fixed:
            if name in given:
                raise OperationError(
                    "argument_unknown", operation=call.operation, field=name, known=()
                )
        given |= {name: str(value) for name, value in request.path_params.items()}
        given |= call.fixed
        return converted(call.operation, given)

    def _known(self) -> Mapping[str, tuple[object, object]]:
        found = OPERATIONS.get(self._call.operation)
        return {} if found is None else parameters(found.function)

    def _takes_list(self, name: str) -> bool:
        return name in self._known() and is_list(self._known()[name][0])


async def caller_of(portal: Portal, request: Request) -> Caller:
    """The program whose token a request shows.

    Raises:
        OperationError: it shows none, one that isn't good, or too many wrong ones came from there.
    """
    address = "" if request.client is None else request.client.host
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text:
        raise OperationError("token_missing")
    identity = portal.identity
    found = await asyncio.to_thread(_find, portal, text.strip(), address)
    if found is None:
        await identity.check_throttle("token", "", address)
        await identity.guessed("token", "", address)
        raise OperationError("token_wrong")
    token, actor = found
    return Caller(token, msgspec.structs.replace(
        actor, via="api", address=address[:64], session=f"token:{token.id}",
        request=str(request.state.request_id),
    ))  # fmt: skip


def _find(portal: Portal, text: str, address: str) -> tuple[Token, Actor] | None:
    """A good token and the actor that it is, for the time being."""
    store, identity = TokenStore(portal.store.engine), portal.identity
    token, today = store.find(text), portal.identity.today()
    if token is None or not token.is_good(today, address):
        return None
    user = identity.users.by_id(token.user_id)
    if user is None or user.disabled:
        return None
    for membership in identity.users.memberships(user.id):
        if membership.id == token.membership_id and not membership.has_ended(today):
            store.touch(token, identity.now_ms())
            return token, membership.actor(user.login)
    return None


def problem(request: Request, error: OperationError | None, headers: Mapping[str, str]) -> Response:
    """A refusal as problem details (RFC 9457); None: a fault of ours."""
    code = "failed" if error is None else error.code
    status = 500 if error is None else _STATUS.get(code, HTTP_STATUS[error.kind])
    body: dict[str, object] = {
        "type": f"{ROOT}/errors#{code}",
        "title": code,
        "status": status,
        "code": code,
        "request_id": str(request.state.request_id),
    }
    if error is not None:
        body["detail"] = text_for_subscriber(error, "en")
        if error.field:
            body["param"] = error.field
        if error.lines:
            body["lines"] = list(error.lines)
    more = dict(headers)
    if code in ("requests_too_many", "guesses_too_many", "switch_away", "request_in_progress"):
        seconds = "1" if error is None else str(error.facts.get("seconds", 1))
        more["retry-after"] = seconds
    if status == 401:
        more["www-authenticate"] = 'Bearer realm="api"'
    return Response(msgspec.json.encode(body), status, more, "application/problem+json")


_STATUS: Mapping[str, int] = {
    "guesses_too_many": 429,
    "requests_too_many": 429,
    "request_too_large": 413,
    "token_missing": 401,
    "token_wrong": 401,
}
"""Statuses of codes that mean more to HTTP than their class says."""


def _scope(call: Call, *, write: bool) -> str:
    return f"{call.path.split('/')[1]}:{'write' if write else 'read'}"


async def _body(request: Request) -> dict[str, object]:
    content = await request.body()
    if not content.strip():
        return {}
    try:
        found = msgspec.json.decode(content)
    except msgspec.DecodeError as error:
        raise OperationError("request_malformed", reason=error) from None
    if not isinstance(found, dict):
        raise OperationError("request_malformed", reason="the body is no JSON object")
    return found
