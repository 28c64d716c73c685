"""TLS for listening and for calling out: certificates by name, and new ones without a restart.

A listening socket keeps one context for ever, which only asks at each handshake which of the
current contexts serves the name that the client wants (RFC 6066 section 3). So new files take
effect with the next handshake, and a connection that stands isn't touched.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from sip.certificate import Certificate
from sip.transport.settings import KeyPair, TlsSettings

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class TlsError(Exception):
    """TLS can't be set up. The message is one line that names the file."""


class Tls:
    """The current contexts."""

    def __init__(self, settings: TlsSettings) -> None:
        """Read everything.

        Raises:
            TlsError: a file is missing or no good.
        """
        self._settings = settings
        self._stamps: list[_Stamp | None] = []
        self._load()
        self.server_context = _server_context(settings, settings.pairs[0])
        self.server_context.sni_callback = self._choose

    @property
    def client_context(self) -> ssl.SSLContext:
        """The context of the next connection that we open."""
        return self._client

    def refresh(self, *, force: bool = False) -> bool:
        """Read the files again if one of them changed; True if they were read.

        Raises:
            TlsError: the new ones can't be used; the old ones stay in use.
        """
        stamps = _stamps(self._settings.files)
        if stamps == self._stamps and not force:
            return False
        self._stamps = stamps  # before reading, so that files that can't be used are reported once
        self._load()
        return True

    def _load(self) -> None:
        settings = self._settings
        stamps = _stamps(settings.files)
        default: ssl.SSLContext | None = None
        by_name: dict[str, ssl.SSLContext] = {}
        for pair in settings.pairs:
            context = _server_context(settings, pair)
            default = default or context
            for name in read_certificate(pair.certificate).names:
                by_name.setdefault(name, context)
        assert default is not None
        self._client = _client_context(settings)
        self._default, self._by_name, self._stamps = default, by_name, stamps

    def _choose(
        self, connection: ssl.SSLObject, name: str | None, _shell: ssl.SSLContext
    ) -> int | None:
        """Serve this handshake by the certificate of the name that the client wants."""
        wanted = (name or "").lower().rstrip(".")
        wildcard = "*." + wanted.partition(".")[2]
        connection.context = (
            self._by_name.get(wanted) or self._by_name.get(wildcard) or self._default
        )
        return None


def read_certificate(path: Path) -> Certificate:
    """The first certificate of a file.

    Raises:
        TlsError: it can't be read.
    """
    try:
        return Certificate.read(path.read_bytes())
    except OSError as error:
        raise TlsError(f"{path} can't be read: {error.strerror}") from None
    except ValueError:
        raise TlsError(f"{path} holds no certificate in PEM form") from None


def _server_context(settings: TlsSettings, pair: KeyPair) -> ssl.SSLContext:
    context = _context(ssl.PROTOCOL_TLS_SERVER, settings)
    _load_pair(context, pair)
    if settings.client_ca is not None:
        # Phones have no certificate and authenticate by digest; a certificate that is shown must be
        # of this authority.
        context.verify_mode = ssl.CERT_OPTIONAL
        _load_authorities(context, settings.client_ca)
    return context


def _client_context(settings: TlsSettings) -> ssl.SSLContext:
    context = _context(ssl.PROTOCOL_TLS_CLIENT, settings)
    # Names are compared by sip.certificate: RFC 5922 knows URIs and no wildcards.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    if settings.trusted_ca is not None:
        _load_authorities(context, settings.trusted_ca)
    else:
        context.load_default_certs()
    _load_pair(context, settings.pairs[0])
    return context


def _context(protocol: int, settings: TlsSettings) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = VERSIONS[settings.minimum_version]
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    return context


def _load_pair(context: ssl.SSLContext, pair: KeyPair) -> None:
    try:
        # Without a password, OpenSSL would ask for one at the terminal.
        context.load_cert_chain(pair.certificate, pair.key, password="")
    except (OSError, ValueError) as error:
        _explain(error, pair.certificate, pair.key, "key and certificate don't go together")


def _load_authorities(context: ssl.SSLContext, path: Path) -> None:
    try:
        context.load_verify_locations(path)
    except (OSError, ValueError) as error:
        _explain(error, path, path, "it holds no certificate in PEM form")


def _explain(error: Exception, certificate: Path, key: Path, otherwise: str) -> None:
    for path in (certificate, key):
        try:
            path.read_bytes()
        except OSError as unreadable:
            raise TlsError(f"{path} can't be read: {unreadable.strerror}") from None
    raise TlsError(f"{certificate} with {key} can't be used: {otherwise} ({error})") from None


_Stamp = tuple[int, int, int]
"""A value that changes when the file is written or another is put in its place."""


def _stamps(paths: list[Path]) -> list[_Stamp | None]:
    found: list[_Stamp | None] = []
    for path in paths:
        try:
            state = path.stat()
            found.append((state.st_mtime_ns, state.st_size, state.st_ino))
        except OSError:
            found.append(None)
    return found
