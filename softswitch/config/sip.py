"""The sections of the configuration about SIP itself: [sip] and [events]."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from softswitch.config.network import Networks
from softswitch.config.values import (
    Advertised,
    Algorithms,
    Alias,
    Listen,
    Seconds,
    Section,
    advertised_addresses,
    comma_list,
    listeners,
)


class SipSection(Section):
    """[sip]: sockets, digest and registration."""

    listen: Annotated[
        tuple[Listen, ...],
        BeforeValidator(listeners),
        BeforeValidator(comma_list),
        Field(min_length=1),
    ] = (Listen("udp", "127.0.0.1", 5060), Listen("tcp", "127.0.0.1", 5060))
    """Sockets: TRANSPORT:ADDRESS:PORT, with udp, tcp, tls, ws or wss."""
    advertise: Annotated[
        tuple[Advertised, ...], BeforeValidator(advertised_addresses), BeforeValidator(comma_list)
    ] = ()
    """The addresses at which phones reach us, when they aren't the sockets' own: one for each IP
    version, or one."""
    aliases: Annotated[tuple[Alias, ...], BeforeValidator(comma_list)] = ()
    """Further names and addresses by which phones and proxies address us."""
    edges: Networks = ()
    """Addresses or networks of trusted proxies in front of the switch, such as Kamailio. The
    address of a phone behind them is taken from the Via below their own and from Path. List no
    address that a stranger can send from: the statements of an edge are believed."""
    large_requests: Literal["tcp", "udp"] = "tcp"
    """How requests over 1,300 octets go to trunks on UDP: by TCP where they take it (RFC 3261
    section 18.1.1), or by UDP like all others."""
    websocket_origins: Annotated[tuple[str, ...], BeforeValidator(comma_list)] | None = None
    """Origins of web pages that may open a WebSocket ("https://phone.example.org"). None: all."""
    realm: str = ""
    """Digest realm. Empty: the domain. Changing it voids every password."""
    algorithms: Algorithms = ("SHA-256", "MD5")
    """Digest algorithms, offered in this order (RFC 8760 section 2.3: the preferred one first)."""
    invite_challenge: Literal[401, 407] = 401
    """The status by which a call is challenged: 401, or 407 for phones that expect a proxy."""
    nonce_lifetime_seconds: Seconds = 60
    """How long a phone may use a nonce."""
    min_expires_seconds: Seconds = 60
    """A shorter registration is refused with 423."""
    default_expires_seconds: Seconds = 3600
    """The term of a registration that asks for none."""
    max_expires_seconds: Seconds = 7200
    """A longer registration gets this term."""
    max_contacts: Annotated[int, Field(ge=1, le=100)] = 10
    """Phones that one line may register."""
    no_answer_seconds: Annotated[int, Field(ge=1, le=600)] = 60
    """How long phones ring before a call counts as unanswered."""
    session_expires_seconds: Annotated[int, Field(ge=90, le=86_400)] | Literal[0] = 1800
    """Each leg is refreshed within this time (RFC 4028); 0: session timers are off."""
    min_session_expires_seconds: Annotated[int, Field(ge=90, le=86_400)] = 90
    """Shorter intervals are refused with 422."""

    def advertised_for(self, transport: str, host: str) -> Advertised | None:
        """What stands in Via and Contact for a socket; None: its own address."""
        for found in self.advertise:
            if found.stands_for(host):
                return found if transport in ("udp", "tcp") else found._replace(port=None)
        return None

    @model_validator(mode="after")
    def _expires_in_order(self) -> Self:
        if not (
            self.min_expires_seconds <= self.default_expires_seconds <= self.max_expires_seconds
        ):
            raise ValueError(
                "min_expires_seconds, default_expires_seconds and max_expires_seconds "
                "must stand in rising order"
            )
        return self


class EventsSection(Section):
    """[events]: subscriptions of phones."""

    watch_lines: Literal["account", "all", "nobody"] = "account"
    """The lines that may watch a line's calls: those of its account, all, or none. The other party
    of a call is shown to lines of its account alone."""
