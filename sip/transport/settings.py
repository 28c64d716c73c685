"""Settings of transports: limits and files. The module loads fast, since every command reads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits of what strangers may occupy.

    Args:
        connections: of peers, in all.
        connections_per_address: an office behind one address has a phone on every desk.
        first_message_seconds: until the first message must have come, and any other that has begun:
            a peer that sends an octet a second holds a connection no longer.
        idle_seconds: without a message, if neither a registration nor a dialog needs it.
        sweep_seconds: interval at which all this is looked at.
    """

    connections: int = 10_000
    connections_per_address: int = 500
    first_message_seconds: float = 30.0
    idle_seconds: float = 120.0
    sweep_seconds: float = 2.0


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate with its chain, and its key, which may stand in the same file."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Certificates, keys and authorities of TLS.

    Args:
        pairs: at least one; the first one serves clients without a known name, and is shown to
            peers that we call and that want a certificate of ours.
        client_ca: authorities (PEM) for certificates of clients; None: they aren't asked for any.
        trusted_ca: authorities (PEM) for the peers that we call; None: those of the system.
        minimum_version: "1.2" or "1.3".
    """

    pairs: tuple[KeyPair, ...]
    client_ca: Path | None = None
    trusted_ca: Path | None = None
    minimum_version: str = "1.2"

    @property
    def files(self) -> list[Path]:
        """All files that are read; a change of one means to load all again."""
        found = [path for pair in self.pairs for path in (pair.certificate, pair.key)]
        return [*found, *filter(None, (self.client_ca, self.trusted_ca))]
