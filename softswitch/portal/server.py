"""The portal's process: listeners, start and end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator

import structlog
import uvicorn

from softswitch.config.config import Config
from softswitch.config.portal import PortalListen
from softswitch.control.errors import OperationError
from softswitch.portal.app import application
from softswitch.portal.phone_listener import phone_listener
from softswitch.portal.portal import Portal

GRACE_SECONDS = 2
"""For open requests after SIGTERM; open streams are ended at once."""
_log = structlog.get_logger()


def run(config: Config) -> None:
    """Serve until SIGTERM or SIGINT. Raises OperationError if an address can't be used."""
    listeners = [config.portal.listen]
    if config.portal.console is not None:
        listeners.append(config.portal.console)
    with contextlib.ExitStack() as open_sockets:
        sockets = [open_sockets.enter_context(_bound(one)) for one in listeners]
        phones = None
        if config.provisioning.listen is not None:
            phones = open_sockets.enter_context(_bound(config.provisioning.listen))
            listeners.append(config.provisioning.listen)
        _log.info("portal_started", listen=[str(one) for one in listeners])
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve(config, sockets, phones))
    _log.info("portal_ended")


async def serve(
    config: Config, sockets: list[socket.socket], phones: socket.socket | None = None
) -> None:
    """Serve on bound sockets until a signal; on `phones`, phones and apps alone."""
    portal = Portal(config)
    proxies = [str(network) for network in config.portal.trusted_proxies]
    server = _Server(
        uvicorn.Config(
            application(portal), log_config=None, access_log=False, server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS, proxy_headers=bool(proxies),
            forwarded_allow_ips=proxies or None, h11_max_incomplete_event_size=32 * 1024,
        ),
        portal,
    )  # fmt: skip
    async with contextlib.AsyncExitStack() as listeners:
        if phones is not None:
            await listeners.enter_async_context(phone_listener(config, portal.phones, phones))
        await server.serve(sockets)


class _Server(uvicorn.Server):
    """A server that ends its streams first: it would wait for them."""

    def __init__(self, config: uvicorn.Config, portal: Portal) -> None:
        super().__init__(config)
        self._portal = portal

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._portal.feed.close()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def _bound(listen: PortalListen) -> socket.socket:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((listen.host, listen.port))
    except OSError as error:
        bound.close()
        raise OperationError(
            "portal_address", address=str(listen), reason=error.strerror or str(error)
        ) from None
    return bound


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
