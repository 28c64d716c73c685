"""Types of values in the configuration, with their notation and their checks."""

from __future__ import annotations

import ipaddress
import re
import zoneinfo
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
)

Transport = Literal["udp", "tcp", "tls", "ws", "wss"]
_TRANSPORTS: dict[str, Transport] = {
    "udp": "udp", "tcp": "tcp", "tls": "tls", "ws": "ws", "wss": "wss",
}  # fmt: skip

AlgorithmName = Literal["MD5", "SHA-256", "SHA-512-256"]
"""Digest algorithms by their names on the wire (RFC 8760)."""


@dataclass(frozen=True, slots=True)
class Listen:
    """One socket to open: `udp:127.0.0.1:5060`, `tls:[::1]:5061`."""

    transport: Transport
    host: str
    """Numeric; IPv6 without brackets."""
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}:{host}:{self.port}"


class Advertised(NamedTuple):
    """The address in our Via and Contact, when it isn't the socket's own."""

    host: str
    port: int | None
    """The port in place of the one of a UDP or TCP socket; None: that one."""

    def stands_for(self, host: str) -> bool:
        """True if phones on this socket's IP version may use it; a name may have both versions."""
        return not _is_numeric(self.host) or (":" in self.host) == (":" in host)


class Collector(NamedTuple):
    """The address of a HEP collector."""

    host: str
    """A name or a numeric address."""
    port: int


class HttpListen(NamedTuple):
    """A socket for HTTP."""

    host: str
    """Numeric; IPv6 without brackets."""
    port: int


class PortRange(NamedTuple):
    """UDP ports for media, both ends included."""

    first: int
    last: int


_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::([0-9]{1,5}))?")


def split_address(text: str) -> tuple[str, int | None]:
    """ "host", "host:port", "[v6]" or "[v6]:port"; raises ValueError."""
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an address like 192.0.2.1:5060 or [2001:db8::1]:5060")
    port = int(match[2]) if match[2] else None
    if port is not None and port > 65535:
        raise ValueError(f"port {port} is above 65535")
    return match[1].strip("[]").lower(), port


def _listen(text: object) -> object:
    if not isinstance(text, str):
        return text
    transport, colon, address = text.partition(":")
    if not colon or transport not in _TRANSPORTS:
        raise ValueError(
            f"{text!r} must look like udp:127.0.0.1:5060 or tls:[::1]:5061; "
            f"transports are {', '.join(_TRANSPORTS)}"
        )
    host, port = split_address(address)
    if port is None:
        raise ValueError(f"{text!r} needs a port, such as udp:{address}:5060")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ValueError(f"{host!r} in {text!r} must be a numeric IP address") from None
    return Listen(_TRANSPORTS[transport], host, port)


def listeners(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_listen(item) for item in value]
    return value


def advertised_addresses(value: object) -> object:
    if not isinstance(value, list | tuple):
        return value
    return [Advertised(*split_address(item)) if isinstance(item, str) else item for item in value]


def collector_address(value: object) -> object:
    if not isinstance(value, str):
        return value
    transport, _, address = value.partition(":")
    host, port = split_address(address) if transport == "udp" else ("", None)
    if port is None:
        raise ValueError(f"{value!r} must look like udp:192.0.2.9:9060")
    return Collector(host, port)


def http_listen(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not value:
        return None
    host, port = split_address(value)
    if port is None:
        raise ValueError(f"{value!r} needs a port, such as 127.0.0.1:9464")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ValueError(f"{host!r} in {value!r} must be a numeric IP address") from None
    return HttpListen(host, port)


def port_range(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*([0-9]{1,5})\s*-\s*([0-9]{1,5})\s*", value)
    if match is None:
        raise ValueError(f'{value!r} must look like "20000-29999"')
    first, last = int(match[1]), int(match[2])
    if not 1024 <= first <= last <= 65535:
        raise ValueError(f"{value!r} must lie between 1024 and 65535, the lower port first")
    if last - first < 3:
        raise ValueError(f"{value!r} is too small: one call needs four ports")
    return PortRange(first, last)


_HOST = re.compile(r"\[?[0-9A-Fa-f:.]+\]?|[0-9A-Za-z_.\-]{1,253}")


def other_name(value: str) -> str:
    """A name or numeric address of ours."""
    if _HOST.fullmatch(value) is None:
        raise ValueError(f"{value!r} must be a host like sip.example.com, without sip: and port")
    return value


def comma_list(value: object) -> object:
    """A list from a text with commas, as it is written in the environment."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


def _is_numeric(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def numeric_address(value: str) -> str:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        raise ValueError(f"{value!r} must be a numeric IP address") from None
    if address.is_unspecified:
        raise ValueError(f"{value!r} is no address that a phone could send to")
    return str(address)


def known_time_zone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"{value!r} is no time zone; write it like Asia/Tbilisi or UTC") from None
    return value


def _folder(info: ValidationInfo) -> Path:
    return Path((info.context or {}).get("folder", Path.cwd()))


def below_config(value: Path, info: ValidationInfo) -> Path:
    """A path, resolved from the folder that holds the configuration file."""
    return (_folder(info) / value.expanduser()).absolute()


_POSTGRESQL = re.compile(r"postgresql://[^\s/]*/[^\s/?]+(\?\S*)?$")
_PASSWORD = re.compile(r"(://[^\s:/@]*):[^\s@]*@")


def without_password(url: str) -> str:
    """A database URL without its password, for printing."""
    return _PASSWORD.sub(r"\1@", url)


def is_postgresql(url: str) -> bool:
    """True for the URL of a database on a PostgreSQL server."""
    return _POSTGRESQL.match(url) is not None


def database_url(value: str, info: ValidationInfo) -> str:
    if is_postgresql(value):
        return value
    name = value.removeprefix("sqlite:///")
    if name == value or not name:
        raise ValueError(
            f"{without_password(value)!r} must look like sqlite:///var/softswitch.db "
            "or postgresql://user:password@host/database"
        )
    return f"sqlite:///{below_config(Path(name), info)}"


def unrepeated(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values or len(set(values)) != len(values):
        raise ValueError("needs at least one entry, and none twice")
    return values


Algorithms = Annotated[
    tuple[AlgorithmName, ...], BeforeValidator(comma_list), AfterValidator(unrepeated)
]
Alias = Annotated[str, AfterValidator(other_name)]
Dialable = Annotated[str, Field(pattern=r"^[0-9*#]{1,10}$")]
Seconds = Annotated[int, Field(ge=1, le=86_400)]


class Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, arbitrary_types_allowed=True
    )
