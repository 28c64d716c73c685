"""One request to a webhook: to a public address by TLS, without redirects, within ten seconds."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Callable, Collection, Mapping
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 10.0
MAX_ANSWER_BYTES = 64 * 1024

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], list[str]]
"""Addresses of a host and port."""


class PostingError(Exception):
    """The request couldn't be made. The message is one line."""


def resolved(host: str, port: int) -> list[str]:
    """The numeric addresses of a host. Raises PostingError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise PostingError(f"{host} has no address: {error.strerror or error}") from None
    return [str(one[4][0]) for one in found]


def checked_address(
    host: str, port: int, allowed: Collection[Network] = (), resolve: Resolve = resolved
) -> str:
    """The address to connect to. Every address of the name must be public or in a network that the
    operator allows: a webhook is no way into the operator's own network. Raises PostingError."""
    addresses = resolve(host, port)
    if not addresses:
        raise PostingError(f"{host} has no address")
    for text in addresses:
        address = ipaddress.ip_address(text.split("%")[0])
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        is_public = address.is_global and not address.is_multicast
        if not is_public and not any(address in network for network in allowed):
            raise PostingError(f"{host} has an address that isn't public")
    return addresses[0]


def post(
    url: str, headers: Mapping[str, str], body: bytes, allowed: Collection[Network] = ()
) -> int:
    """Send a request and return the status of its answer, whose content doesn't matter.

    Args:
        allowed: networks that aren't public, and may be connected to all the same.

    Raises:
        PostingError: no answer came.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    # The name is resolved once, and the connection goes to what was checked.
    address = checked_address(host, port, allowed)
    connection = _Pinned(host, port, address, ssl.create_default_context())
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", path, body, {"content-type": "application/json", **headers})
        answer = connection.getresponse()
        answer.read(MAX_ANSWER_BYTES)
        return answer.status
    except (OSError, http.client.HTTPException) as error:
        raise PostingError(f"{host}: {error or type(error).__name__}") from None
    finally:
        connection.close()


class _Pinned(http.client.HTTPSConnection):
    """A connection to one address, whose certificate must be the host's."""

    def __init__(self, host: str, port: int, address: str, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=TIMEOUT_SECONDS, context=context)
        self._address = address
        self._tls = context

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), TIMEOUT_SECONDS)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
