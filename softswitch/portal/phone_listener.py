"""The listener for phones and apps alone: TLS by the switch's own certificates.

It stands beside the portal's other listeners, since old phones need a weaker TLS than browsers, and
since the certificates of phones' factories are asked for here.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import uvicorn
from cryptography import x509
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from sip.transport.settings import KeyPair
from sip.transport.tls import TlsError, read_certificate
from softswitch.config.config import Config
from softswitch.control.errors import OperationError
from softswitch.portal.phones import NAMES_STATE, PhoneDesk

RELOAD_SECONDS = 60.0
"""The longest delay until a renewed certificate is served."""
GRACE_SECONDS = 2
PLAIN_RSA = ":RSA+AESGCM:RSA+AES"
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:DHE+AES:!aNULL:!eNULL:!aDSS"
METHODS = ["GET", "HEAD", "POST", "PUT"]


def phone_routes(desk: PhoneDesk) -> list[Route]:
    """The routes of phones and apps."""
    return [
        Route("/d/{rest:path}", desk.respond, methods=METHODS),
        Route("/app/{rest:path}", desk.respond, methods=METHODS),
    ]


@contextlib.asynccontextmanager
async def phone_listener(
    config: Config, desk: PhoneDesk, bound: socket.socket
) -> AsyncIterator[None]:
    """Serve phones on a bound socket while the context lasts. Raises OperationError."""
    pair = _pair_for(config)
    context = _tls_context(config, pair)
    routes = [Route("/{rest:path}", desk.respond, methods=METHODS)]
    server = _Server(
        uvicorn.Config(
            Starlette(routes=routes), log_config=None, access_log=False, server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS, proxy_headers=False, lifespan="off",
            http=_Protocol, ssl_context_factory=lambda _config, _default: context,
            h11_max_incomplete_event_size=32 * 1024,
        )
    )  # fmt: skip
    serving = asyncio.create_task(server.serve([bound]))
    reloading = asyncio.create_task(_reload(context, pair))
    try:
        yield
    finally:
        reloading.cancel()
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    """A server that leaves the signals to the portal's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Protocol(H11Protocol):
    """HTTP/1.1 whose requests carry the names in the client's certificate."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        names = _names_of(transport)
        application = self.app

        async def named(scope: Scope, receive: Receive, send: Send) -> None:
            scope[NAMES_STATE] = names
            await application(scope, receive, send)

        self.app = named


def _names_of(transport: asyncio.Transport) -> frozenset[str] | None:
    """The names in the verified certificate of a client; None: it showed none."""
    shown = transport.get_extra_info("ssl_object")
    octets = None if shown is None else shown.getpeercert(binary_form=True)
    if not octets:
        return None
    try:
        found = x509.load_der_x509_certificate(octets)
        alternatives = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = []
    except ValueError:
        return frozenset()
    else:
        names = alternatives.get_values_for_type(x509.DNSName)
    common = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return frozenset([*names, *(str(attribute.value) for attribute in common)])


def _pair_for(config: Config) -> KeyPair:
    """The certificate for the host in [provisioning] url; the first one if none has its name."""
    host = (urlsplit(config.provisioning.url).hostname or "").lower()
    pairs = config.tls.certificates
    for pair in pairs:
        try:
            if host in read_certificate(pair.certificate).names:
                return pair
        except TlsError:
            continue
    return pairs[0]


def _tls_context(config: Config, pair: KeyPair) -> ssl.SSLContext:
    section = config.provisioning
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_ciphers(_CIPHERS + (PLAIN_RSA if section.old_phones else ""))
    try:
        context.load_cert_chain(pair.certificate, pair.key, password="")
        if section.client_ca is not None:
            # Asked for, not demanded: an app has none. Who needs one is decided by its device.
            context.verify_mode = ssl.CERT_OPTIONAL
            context.load_verify_locations(section.client_ca)
    except (OSError, ValueError) as error:
        raise OperationError(
            "phone_listener_tls", file=str(pair.certificate), reason=str(error)
        ) from None
    return context


async def _reload(context: ssl.SSLContext, pair: KeyPair) -> None:
    """Serve a renewed certificate to the next connections, without a restart."""
    files = (pair.certificate, pair.key)
    known = [file.stat().st_mtime_ns for file in files]
    while True:
        await asyncio.sleep(RELOAD_SECONDS)
        with contextlib.suppress(OSError, ValueError):
            found = [file.stat().st_mtime_ns for file in files]
            if found != known:
                context.load_cert_chain(pair.certificate, pair.key, password="")
                known = found
