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
    """PEM files, "CERTIFICATE:KEY" or "FILE" with both. The client's wish for a name chooses among
    them (SNI); the first one serves everybody else. Changed files are taken up by themselves."""
    client_ca: AuthorityFile = None
    """Authorities whose certificates trunks may prove themselves with. None: nobody is asked."""
    trusted_ca: AuthorityFile = None
    """Authorities of the peers that we call. None: those of the system."""
    minimum_version: Literal["1.2", "1.3"] = "1.2"
    """Older versions of TLS are refused."""

    def settings(self) -> TlsSettings | None:
        """None without a certificate."""
        if not self.certificates:
            return None
        return TlsSettings(self.certificates, self.client_ca, self.trusted_ca, self.minimum_version)


class GuardSection(Section):
    """[guard]: what strangers may take of the switch; see sip.guard and sip.transport."""

    exempt: Networks = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
    """Never limited, besides trunks: this machine itself, whose programs are the operator's own."""
    requests_per_second: Rate = _GUARD.requests_per_second
    """Of one address; one where a line has registered may send eight times as many."""
    burst: Count = _GUARD.burst
    """Requests that a source may send at once."""
    block_seconds: Seconds = int(_GUARD.block_seconds)
    """For an address that goes on far beyond."""
    line_requests_per_second: Rate = _GUARD.line_requests_per_second
    """Requests that a line may send, wherever they come from."""
    line_burst: Count = _GUARD.line_burst
    """Requests that a line may send at once."""
    guesses: Count = _GUARD.guesses
    """Wrong passwords for a line from an address, before more of them aren't looked at."""
    guess_window_seconds: Seconds = int(_GUARD.guess_window_seconds)
    """Within which wrong passwords are counted."""
    ban_seconds: Seconds = int(_GUARD.ban_seconds)
    """How long a source that guessed passwords is shut out."""
    scanners: Annotated[tuple[str, ...], BeforeValidator(comma_list)] = _GUARD.scanners
    """Parts of a User-Agent that only scanners have."""
    scanner_ban_seconds: Seconds = int(_GUARD.scanner_ban_seconds)
    """How long a scanner is shut out."""
    connections: Count = _CONNECTIONS.connections
    """TCP, TLS and WebSocket connections of peers."""
    connections_per_address: Count = _CONNECTIONS.connections_per_address
    """TCP, TLS and WebSocket connections that one address may hold."""
    first_message_seconds: Seconds = int(_CONNECTIONS.first_message_seconds)
    """A connection must bring a whole message within this time."""
    idle_seconds: Seconds = int(_CONNECTIONS.idle_seconds)
    """A connection that no registration and no call needs is closed after so long."""
    busy_ms: Annotated[int, Field(ge=10, le=10_000)] = 400
    """A request that begins something gets 503 when it has waited longer to be read. Less than
    500, after which senders repeat what wasn't answered (RFC 3261 timers A and E)."""
    max_dialogs: Count = 50_000
    """Above it new calls get 503."""

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
