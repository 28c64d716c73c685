"""The section [smpp] of the configuration: SMPP binds of businesses."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from pydantic import BeforeValidator, Field

from softswitch.config.values import Section, comma_list, split_address

PORT, TLS_PORT = 2775, 3550


class SmppListen(NamedTuple):
    """One socket for businesses' connections."""

    host: str
    port: int
    tls: bool


def _listens(value: object) -> object:
    if not isinstance(value, list | tuple):
        return value
    return [_listen(item) if isinstance(item, str) else item for item in value]


def _listen(text: str) -> SmppListen:
    """ "127.0.0.1:2775", or "tls:127.0.0.1:3550"; the port may be left out."""
    tls = text.startswith("tls:")
    host, port = split_address(text.removeprefix("tls:"))
    return SmppListen(host, port or (TLS_PORT if tls else PORT), tls)


class SmppSection(Section):
    """[smpp]: businesses' connections, see `softswitch sms client`."""

    listen: Annotated[
        tuple[SmppListen, ...], BeforeValidator(_listens), BeforeValidator(comma_list)
    ] = ()
    """Addresses for SMPP 3.4, such as "127.0.0.1:2775" or "tls:192.0.2.1:3550"; none: closed."""
    window: Annotated[int, Field(ge=1, le=1000)] = 50
    """Receipts that wait for a business's answers at once, on each connection."""
