"""The guard before every route: sizes, origins, and headers of every answer."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from softswitch.portal.routes import FORM_BYTES

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
POLICY = (
    "default-src 'self'; img-src 'self' data:; media-src 'self' blob:; connect-src 'self' wss:;"
    " frame-ancestors 'none'; form-action 'self'; base-uri 'none'; object-src 'none'"
)
HEADERS: Mapping[str, str] = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "geolocation=(), camera=(), payment=(), usb=()",
}
"""Headers of every answer that doesn't set them itself."""
YEAR_SECONDS = 31_536_000


class Guard:
    """Refuses requests that are too large or come from another site's page, before anything reads
    them, and puts the headers of safety on every answer.

    Args:
        most_bytes: of a request's body, by the beginning of its path; else FORM_BYTES.
        is_secure: True if browsers reach us by https.
        without_origin: paths at which programs call, not browsers: they prove who they are by a
            header that no other site can make a browser send.
    """

    def __init__(
        self,
        app: ASGIApp,
        most_bytes: Mapping[str, int],
        is_secure: bool,
        without_origin: tuple[str, ...],
    ) -> None:
        self._app = app
        self._most_bytes = most_bytes
        self._is_secure = is_secure
        self._without_origin = without_origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._dress(MutableHeaders(scope=message), request_id, scope["path"])
            await send(message)

        if scope["method"] not in SAFE and not self._is_from_us(scope["path"], headers):
            await _problem(403, "csrf_failed", request_id)(scope, receive, sending)
            return
        most = self._most(scope["path"])
        declared = headers.get("content-length", "0")
        if not declared.isdecimal() or int(declared) > most:
            await _problem(413, "request_too_large", request_id)(scope, receive, sending)
            return
        await self._app(scope, _limited(receive, most), sending)

    def _is_from_us(self, path: str, headers: Headers) -> bool:
        """True if no page of another site made the browser send this."""
        if path.startswith(self._without_origin):
            return True
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site in ("same-origin", "none")
        origin = headers.get("origin")
        return origin is not None and urlsplit(origin).netloc == headers.get("host")

    def _most(self, path: str) -> int:
        found = [size for prefix, size in self._most_bytes.items() if path.startswith(prefix)]
        return max(found, default=FORM_BYTES)

    def _dress(self, headers: MutableHeaders, request_id: str, path: str) -> None:
        for name, value in HEADERS.items():
            headers.setdefault(name, value)
        headers.setdefault(
            "cache-control",
            # A file's address changes with the file: see `templates.static_path`.
            f"public, max-age={YEAR_SECONDS}, immutable"
            if path.startswith("/static/")
            else "no-store",
        )
        headers["x-request-id"] = request_id
        if self._is_secure:
            headers["strict-transport-security"] = f"max-age={YEAR_SECONDS}"


def _limited(receive: Receive, most: int) -> Receive:
    """The body, broken off where it is longer than it said."""
    seen = 0

    async def limited() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            return {"type": "http.disconnect"}
        return message

    return limited


def _problem(status: int, code: str, request_id: str) -> JSONResponse:
    body = {"code": code, "status": status, "request_id": request_id}
    return JSONResponse(body, status, media_type="application/problem+json")
