"""Fetching the certificates of those who sign caller ids.

The address comes from a stranger's message: it leads to public hosts alone, by https and without
redirections, and whatever is there is read with limits.
"""

from __future__ import annotations

import asyncio
import http.client
import ipaddress
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

MAX_OCTETS = 65_536
SECONDS = 3.0
"""For name, connection and answer together."""
THREADS = 4
HTTPS = 443


class CertificateFetch:
    """Fetches in threads of its own: slow hosts keep each other waiting, and nobody else.

    Args:
        context: verifies the hosts.
        only_public: False for tests, whose hosts are this machine.
    """

    def __init__(self, context: ssl.SSLContext | None = None, *, only_public: bool = True) -> None:
        self._context = context or ssl.create_default_context()
        self._only_public = only_public
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="certificates")

    async def __call__(self, url: str) -> bytes:
        """The octets at an address. Raises OSError or ValueError with the reason."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._get, url)

    def close(self) -> None:
        """Let no fetch begin any more."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _get(self, url: str) -> bytes:
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or parts.username is not None:
            raise ValueError("its address isn't https://HOST/PATH")
        host, port = parts.hostname, parts.port or HTTPS
        end = time.monotonic() + SECONDS
        address = self._resolved(host, port)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection = _PinnedConnection(host, port, address, self._context)
        try:
            connection.request("GET", path, headers={"Accept": "application/pem-certificate-chain"})
            response = connection.getresponse()
            if response.status != 200:
                raise ValueError(f"its host answers {response.status}")
            found = b""
            while data := response.read1(4096):
                found += data
                if len(found) > MAX_OCTETS:
                    raise ValueError(f"it is longer than {MAX_OCTETS} octets")
                if time.monotonic() > end:
                    raise ValueError("its host is too slow")
            return found
        except http.client.HTTPException as error:
            raise ValueError(f"its host doesn't speak HTTP: {error!r}") from None
        finally:
            connection.close()

    def _resolved(self, host: str, port: int) -> str:
        """The address of a host; all of a host's must be public."""
        found = [
            str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        ]
        for address in found:
            if self._only_public and not ipaddress.ip_address(address.split("%")[0]).is_global:
                raise ValueError(f"its host {host} isn't a public one")
        return found[0]


class _PinnedConnection(http.client.HTTPSConnection):
    """A connection to the address that was checked, whatever the name says a moment later."""

    def __init__(self, host: str, port: int, address: str, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=SECONDS, context=context)
        self._address = address
        self._verifies = context

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), SECONDS)
        self.sock = self._verifies.wrap_socket(plain, server_hostname=self.host)
