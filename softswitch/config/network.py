"""The sections of the configuration that face the network: [tls] and [guard]."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from sip.guard import GuardLimits, Network
from sip.transport.settings import ConnectionLimits, KeyPair, TlsSettings
from softswitch.config.values import Seconds, Section, below_config, comma_list

_GUARD = GuardLimits()
_CONNECTIONS = ConnectionLimits()


def _key_pairs(value: object, info: ValidationInfo) -> object:
    """ "CERTIFICATE:KEY", or "FILE" that holds both."""
    if not isinstance(value, list | tuple):
        return value
    return [_key_pair(item, info) for item in value]


def _key_pair(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str):
        return value
    certificate, colon, key = value.partition(":")
    if not certificate or (colon and not key):
        raise ValueError(f"{value!r} must look like tls/fullchain.pem:tls/privkey.pem")
    paths = [below_config(Path(text), info) for text in (certificate, key or certificate)]
    return KeyPair(*paths)


def _networks(value: object) -> object:
    if not isinstance(value, list | tuple):
        return value
    return [_network(item) for item in value]


def _network(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return ipaddress.ip_network(value)
    except ValueError as error:
        raise ValueError(f"{value!r} is no network like 192.0.2.0/24: {error}") from None


Networks = Annotated[tuple[Network, ...], BeforeValidator(_networks), BeforeValidator(comma_list)]
AuthorityFile = Annotated[Path, AfterValidator(below_config)] | None
Rate = Annotated[float, Field(gt=0, le=1_000_000)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]


class TlsSection(Section):
    """[tls]: certificates for listening on tls and wss, and for calling trunks over TLS."""

    certificates: Annotated[
        tuple[KeyPair, ...], BeforeValidator(_key_pairs), BeforeValidator(comma_list)
    ] = ()
    """PEM files, "CERTIFICATE:KEY" or "FILE" with both. The server name that the client asks for
    chooses among them (SNI); the first one is the default. Changed files are reloaded
    automatically."""
    client_ca: AuthorityFile = None
    """A file with the authorities of trunks' client certificates. None: clients aren't asked for
    one."""
    trusted_ca: AuthorityFile = None
    """A file with the authorities of the peers that we call. None: those of the system."""
    minimum_version: Literal["1.2", "1.3"] = "1.2"
    """Older versions of TLS are refused."""

    def settings(self) -> TlsSettings | None:
        """None without a certificate."""
        if not self.certificates:
            return None
        return TlsSettings(self.certificates, self.client_ca, self.trusted_ca, self.minimum_version)


class GuardSection(Section):
    """[guard]: limits on what strangers may use of the switch; see sip.guard and sip.transport."""

    exempt: Networks = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
    """Networks that are never limited, besides trunks: this machine itself, whose programs are the
    operator's own."""
    requests_per_second: Rate = _GUARD.requests_per_second
    """Requests a second of one address; an address with a registered line may send eight times as
    many."""
    burst: Count = _GUARD.burst
    """Requests that a source may send at once."""
    block_seconds: Seconds = int(_GUARD.block_seconds)
    """How long an address is blocked that goes far beyond its limit."""
    line_requests_per_second: Rate = _GUARD.line_requests_per_second
    """Requests a second of a line, from all its addresses together."""
    line_burst: Count = _GUARD.line_burst
    """Requests that a line may send at once."""
    guesses: Count = _GUARD.guesses
    """Wrong passwords for a line from an address, after which no more passwords are checked."""
    guess_window_seconds: Seconds = int(_GUARD.guess_window_seconds)
    """The time within which wrong passwords are counted."""
    ban_seconds: Seconds = int(_GUARD.ban_seconds)
    """How long a source that guessed passwords is banned."""
    scanners: Annotated[tuple[str, ...], BeforeValidator(comma_list)] = _GUARD.scanners
    """Parts of a User-Agent that identify scanners."""
    scanner_ban_seconds: Seconds = int(_GUARD.scanner_ban_seconds)
    """How long a scanner is banned."""
    connections: Count = _CONNECTIONS.connections
    """TCP, TLS and WebSocket connections of peers."""
    connections_per_address: Count = _CONNECTIONS.connections_per_address
    """TCP, TLS and WebSocket connections that one address may hold."""
    first_message_seconds: Seconds = int(_CONNECTIONS.first_message_seconds)
    """A connection must bring a whole message within this time."""
    idle_seconds: Seconds = int(_CONNECTIONS.idle_seconds)
    """A connection that no registration and no call needs is closed after this idle time."""
    busy_ms: Annotated[int, Field(ge=10, le=10_000)] = 400
    """Overload: a new request gets 503 when it has waited longer than this to be read. Less than
    500, after which senders retransmit (RFC 3261 timers A and E)."""
    max_dialogs: Count = 50_000
    """Dialogs of the switch; above this, new calls get 503."""

    def guard_limits(self) -> GuardLimits:
        return GuardLimits(
            self.requests_per_second,
            self.burst,
            self.block_seconds,
            self.line_requests_per_second,
            self.line_burst,
            self.guesses,
            self.guess_window_seconds,
            self.ban_seconds,
            self.scanner_ban_seconds,
            self.scanners,
        )

    def connection_limits(self) -> ConnectionLimits:
        return ConnectionLimits(
            self.connections,
            self.connections_per_address,
            self.first_message_seconds,
            self.idle_seconds,
        )
