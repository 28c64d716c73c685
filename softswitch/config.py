"""softswitch.toml: what it may say, and how it is read.

Every key has a default except the ones that say whose switch this is (domain, country, currency).
An unknown key is an error with file, line and a suggestion. `SOFTSWITCH_SECTION__KEY` in the
environment stands above the file; lists are written there with commas.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import tomllib
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from sip.session_timer import SessionInterval
    from softswitch.admission.numbering import NumberPlan

DEFAULT_PATH = Path("softswitch.toml")
ENVIRONMENT_PREFIX = "SOFTSWITCH_"

Transport = Literal["udp", "tcp"]
_TRANSPORTS: dict[str, Transport] = {"udp": "udp", "tcp": "tcp"}

AlgorithmName = Literal["MD5", "SHA-256", "SHA-512-256"]
"""Digest algorithms by their names on the wire (RFC 8760)."""


class ConfigError(Exception):
    """The configuration can't be used. The message is one line that names file, line and key."""


@dataclass(frozen=True, slots=True)
class Listen:
    """One socket to open: `udp:127.0.0.1:5060`, `tcp:[::1]:5060`."""

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
    """None: the port of the socket."""


class Collector(NamedTuple):
    """Where HEP goes."""

    host: str
    """A name or a numeric address."""
    port: int


class PortRange(NamedTuple):
    """UDP ports for media, both ends included."""

    first: int
    last: int


_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::([0-9]{1,5}))?")


def _split_address(text: str) -> tuple[str, int | None]:
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
    if transport in ("tls", "ws", "wss"):
        raise ValueError(f"this version serves udp and tcp, not {transport} ({text!r})")
    if not colon or transport not in _TRANSPORTS:
        raise ValueError(f"{text!r} must look like udp:127.0.0.1:5060 or tcp:[::1]:5060")
    host, port = _split_address(address)
    if port is None:
        raise ValueError(f"{text!r} needs a port, such as udp:{address}:5060")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ValueError(f"{host!r} in {text!r} must be a numeric IP address") from None
    return Listen(_TRANSPORTS[transport], host, port)


def _listeners(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_listen(item) for item in value]
    return value


def _advertised(value: object) -> object:
    return Advertised(*_split_address(value)) if isinstance(value, str) else value


def _collector(value: object) -> object:
    if not isinstance(value, str):
        return value
    transport, _, address = value.partition(":")
    host, port = _split_address(address) if transport == "udp" else ("", None)
    if port is None:
        raise ValueError(f"{value!r} must look like udp:192.0.2.9:9060")
    return Collector(host, port)


def _port_range(value: object) -> object:
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


def _comma_list(value: object) -> object:
    """A list is written with commas in the environment."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


def _numeric_address(value: str) -> str:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        raise ValueError(f"{value!r} must be a numeric IP address") from None
    if address.is_unspecified:
        raise ValueError(f"{value!r} is no address that a phone could send to")
    return str(address)


def _time_zone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"{value!r} is no time zone; write it like Asia/Tbilisi or UTC") from None
    return value


def _folder(info: ValidationInfo) -> Path:
    return Path((info.context or {}).get("folder", Path.cwd()))


def _below_config(value: Path, info: ValidationInfo) -> Path:
    """Relative paths are meant from the folder that holds the configuration file."""
    return (_folder(info) / value.expanduser()).absolute()


_POSTGRESQL = re.compile(r"postgresql://[^\s/]*/[^\s/?]+(\?\S*)?$")
_PASSWORD = re.compile(r"(://[^\s:/@]*):[^\s@]*@")


def without_password(url: str) -> str:
    """A database URL as it may be printed."""
    return _PASSWORD.sub(r"\1@", url)


def _database_url(value: str, info: ValidationInfo) -> str:
    if _POSTGRESQL.match(value):
        return value
    name = value.removeprefix("sqlite:///")
    if name == value or not name:
        raise ValueError(
            f"{without_password(value)!r} must look like sqlite:///var/softswitch.db "
            "or postgresql://user:password@host/database"
        )
    return f"sqlite:///{_below_config(Path(name), info)}"


def _unrepeated(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values or len(set(values)) != len(values):
        raise ValueError("needs at least one entry, and none twice")
    return values


Algorithms = Annotated[
    tuple[AlgorithmName, ...], BeforeValidator(_comma_list), AfterValidator(_unrepeated)
]
Dialable = Annotated[str, Field(pattern=r"^[0-9*#]{1,10}$")]
Seconds = Annotated[int, Field(ge=1, le=86_400)]


class _Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, arbitrary_types_allowed=True
    )


class SwitchSection(_Section):
    """[switch]: whose switch this is."""

    domain: Annotated[str, Field(pattern=r"^[0-9A-Za-z.:\-]{1,253}$")]
    """The domain of our phones' addresses; a numeric address is allowed."""
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    """ISO 3166 alpha-2: how numbers without a country code are read."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    """ISO 4217, for accounts and tariffs that don't say their own."""
    time_zone: Annotated[str, AfterValidator(_time_zone)] = "UTC"
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")] = "en"
    data_dir: Annotated[Path, AfterValidator(_below_config)] = Path("var")
    """Holds the control socket, secrets, CDR journal and log. Absolute once read."""


class SipSection(_Section):
    """[sip]: sockets, digest and registration."""

    listen: Annotated[
        tuple[Listen, ...],
        BeforeValidator(_listeners),
        BeforeValidator(_comma_list),
        Field(min_length=1),
    ] = (Listen("udp", "127.0.0.1", 5060), Listen("tcp", "127.0.0.1", 5060))
    advertise: Annotated[Advertised | None, BeforeValidator(_advertised)] = None
    realm: str = ""
    """Digest realm. Empty: the domain; see Config.realm. Changing it voids every password."""
    algorithms: Algorithms = ("SHA-256", "MD5")
    """Offered in this order (RFC 8760 section 2.3: the preferred one first)."""
    invite_challenge: Literal[401, 407] = 401
    nonce_lifetime_seconds: Seconds = 60
    min_expires_seconds: Seconds = 60
    default_expires_seconds: Seconds = 3600
    max_expires_seconds: Seconds = 7200
    max_contacts: Annotated[int, Field(ge=1, le=100)] = 10
    no_answer_seconds: Annotated[int, Field(ge=1, le=600)] = 60
    session_expires_seconds: Annotated[int, Field(ge=90, le=86_400)] | Literal[0] = 1800
    """Each leg is refreshed within this time (RFC 4028); 0: session timers are off."""
    min_session_expires_seconds: Annotated[int, Field(ge=90, le=86_400)] = 90
    """Shorter intervals are refused with 422."""

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


class MediaSection(_Section):
    """[media]: the relay."""

    address: Annotated[str, AfterValidator(_numeric_address)] | None = None
    """IP address in our SDP. None: the one of the SIP sockets; see Config.media_address."""
    ports: Annotated[PortRange, BeforeValidator(_port_range)] = PortRange(20000, 29999)
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    fast_path: Literal["auto", "off"] = "auto"
    silence_seconds: Seconds = 60
    """A call without RTP from either side for so long is ended."""
    hold_silence_seconds: Seconds = 300
    latch_seconds: Annotated[int, Field(ge=1, le=30)] = 3
    """How long after an offer or answer a side may be learned from its packets."""
    quarantine_seconds: Annotated[int, Field(ge=0, le=600)] = 1
    """How long a used port rests before the next call gets it."""


class CallsSection(_Section):
    """[calls]: limits of every call."""

    max_duration_seconds: Seconds = 14_400
    reservation_seconds: Annotated[int, Field(ge=6, le=3600)] = 60
    journal_seconds: Annotated[int, Field(ge=1, le=60)] = 5
    trunk_failover_seconds: Annotated[int, Field(ge=1, le=60)] = 5
    """How long a trunk may stay silent before the next one is tried."""
    drain_seconds: Annotated[int, Field(ge=0, le=86_400)] = 300
    """How long calls may go on after SIGTERM."""
    park_seconds: Annotated[int, Field(ge=0, le=30)] = 0
    """How long a call to a line without a registered phone waits for one, as for an app that a
    push message wakes; 0: it is refused at once."""
    serial_ring_seconds: Annotated[int, Field(ge=1, le=120)] = 20
    """How long phones of a higher q ring before those of a lower one."""
    redirects: Literal["follow", "refuse"] = "follow"
    """What a phone's 3xx does: send the call on at its line's expense, or nothing."""


class TrunksSection(_Section):
    """[trunks]: what holds for every trunk that says nothing else."""

    ping_seconds: Annotated[int, Field(ge=0, le=3600)] = 30
    """Between two OPTIONS to a trunk; 0: none."""

    @field_validator("ping_seconds")
    @classmethod
    def _not_too_often(cls, value: int) -> int:
        if 0 < value < 10:
            raise ValueError("must be 0 (none) or at least 10")
        return value


class NumbersSection(_Section):
    """[numbers]: what the country's plan doesn't say."""

    emergency: Annotated[tuple[Dialable, ...], BeforeValidator(_comma_list)] = ("112",)
    """Always routed, never charged."""
    area_code: Annotated[str, Field(pattern=r"^[0-9]{1,6}$")] | None = None
    """The area whose numbers may be dialled without it, and are of the type "local"."""


class CodesSection(_Section):
    """[codes]: service codes as they are dialled."""

    balance: Dialable = "1111"
    package: Dialable = "1112"
    conference_term: Dialable = "1198"
    conference_buy: Dialable = "1199"
    voicemail: Dialable = "*97"
    echo: Dialable = "*43"

    def by_code(self) -> dict[str, str]:
        """What is dialled -> the name of the service."""
        return {code: name for name, code in self.model_dump().items()}

    @model_validator(mode="after")
    def _unique(self) -> Self:
        seen: dict[str, str] = {}
        for name, code in self.model_dump().items():
            if code in seen:
                raise ValueError(f"{seen[code]} and {name} have the same code {code!r}")
            seen[code] = name
        return self


class EventsSection(_Section):
    """[events]: what phones may subscribe to."""

    watch_lines: Literal["account", "all", "nobody"] = "account"
    """Who may watch a line's calls: lines of its account, every line, or nobody. Whom the line
    talks to is shown to lines of its account alone."""


class DatabaseSection(_Section):
    """[database]: lines, accounts, ledger and CDRs; SQLite or PostgreSQL."""

    url: Annotated[str, AfterValidator(_database_url)] = "sqlite:///var/softswitch.db"
    """Absolute once read."""


class PortalSection(_Section):
    """[portal]: kept for the web portal, which this version doesn't have."""

    listen: str = "127.0.0.1:8080"


class TraceSection(_Section):
    """[trace]: messages of calls, kept for `call trace` and sent to a collector."""

    megabytes: Annotated[int, Field(ge=0, le=4096)] = 16
    """For the messages of live and recent calls; 0: none are kept."""
    hep: Annotated[Collector | None, BeforeValidator(_collector)] = None
    """Where each message is sent to as HEP version 3: "udp:HOST:PORT"."""
    hep_agent_id: Annotated[int, Field(ge=1, le=2**32 - 1)] = 2001
    """By which the collector tells its sources apart."""


class LogSection(_Section):
    """[log]: see softswitch.log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "text"] = "text"
    file: str = "softswitch.log"
    """Relative to the data folder. Empty: standard error."""


class Config(_Section):
    """The whole configuration, checked."""

    switch: SwitchSection
    sip: SipSection = SipSection()
    media: MediaSection = MediaSection()
    calls: CallsSection = CallsSection()
    trunks: TrunksSection = TrunksSection()
    numbers: NumbersSection = NumbersSection()
    codes: CodesSection = CodesSection()
    events: EventsSection = EventsSection()
    database: DatabaseSection = Field(default_factory=dict, validate_default=True)
    portal: PortalSection = PortalSection()
    trace: TraceSection = TraceSection()
    log: LogSection = LogSection()
    _path: Path = PrivateAttr(default=DEFAULT_PATH)

    @property
    def path(self) -> Path:
        """The file that was read."""
        return self._path

    @property
    def data_dir(self) -> Path:
        return self.switch.data_dir

    @property
    def control_socket(self) -> Path:
        return self.data_dir / "control.sock"

    @property
    def nonce_secret_file(self) -> Path:
        return self.data_dir / "nonce.secret"

    @property
    def database_file(self) -> Path | None:
        """Of SQLite; None: the database is a server's."""
        path = self.database.url.removeprefix("sqlite:///")
        return None if path == self.database.url else Path(path)

    @property
    def database_name(self) -> str:
        """The database, for people: its file, or its URL without the password."""
        return str(self.database_file or without_password(self.database.url))

    @property
    def journal_dir(self) -> Path:
        """Where the CDR journal's daily files are."""
        return self.data_dir / "cdr"

    @property
    def log_file(self) -> Path | None:
        """None: standard error."""
        return self.data_dir / self.log.file if self.log.file else None

    @property
    def realm(self) -> str:
        return self.sip.realm or self.switch.domain

    @property
    def media_address(self) -> str:
        """The numeric address in our SDP."""
        if self.media.address is not None:
            return self.media.address
        if self.sip.advertise is not None:
            return self.sip.advertise.host
        return self.sip.listen[0].host

    @property
    def media_bind_address(self) -> str:
        """The numeric address of our own that media ports are bound on: behind a NAT it isn't the
        one in our SDP."""
        if self.sip.advertise is not None:
            return self.sip.listen[0].host
        return self.media_address

    def session_interval(self) -> SessionInterval | None:
        """Of the session timers; None when they are off."""
        from sip.session_timer import SessionInterval

        if self.sip.session_expires_seconds == 0:
            return None
        return SessionInterval(
            self.sip.session_expires_seconds, self.sip.min_session_expires_seconds
        )

    def number_plan(self) -> NumberPlan:
        """How numbers are read in this switch's country. Raises ConfigError."""
        from softswitch.admission.numbering import NumberPlan

        try:
            return NumberPlan(
                self.switch.country,
                area_code=self.numbers.area_code,
                emergency=self.numbers.emergency,
                codes=self.codes.by_code(),
            )
        except ValueError as error:
            raise ConfigError(f"{self.path}: [switch] country: {error}") from None

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        """A socket bound to every address doesn't say where phones should answer to."""
        everywhere = [
            listen for listen in self.sip.listen if ipaddress.ip_address(listen.host).is_unspecified
        ]
        if everywhere and self.sip.advertise is None:
            raise ValueError(
                f"[sip] listen {everywhere[0]} needs [sip] advertise: the address that phones reach"
            )
        if self.media.address is None:
            try:
                ipaddress.ip_address(self.media_address)
            except ValueError:
                raise ValueError(
                    "[media] address is needed (an IP address), since [sip] advertise is a name"
                ) from None
        return self

    @model_validator(mode="after")
    def _codes_leave_emergency_alone(self) -> Self:
        for code, name in self.codes.by_code().items():
            if code in self.numbers.emergency:
                raise ValueError(f"[codes] {name} = {code!r} is an emergency number")
        return self


def load(path: Path = DEFAULT_PATH, environment: Mapping[str, str] = os.environ) -> Config:
    """Read a file, override from the environment and check. Raises ConfigError."""
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        raise ConfigError(f"{path} isn't there: run `softswitch init` to create it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} can't be read: {error}") from None
    return parse(text, path, environment)


def parse(text: str, path: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """The configuration that `text` would be as the file `path`. Raises ConfigError."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    overridden = _override(data, environment)
    try:
        config = Config.model_validate(data, context={"folder": path.absolute().parent})
    except ValidationError as error:
        raise ConfigError(_explain(error.errors()[0], path, text, overridden)) from None
    config._path = path
    return config


def _override(data: dict[str, Any], environment: Mapping[str, str]) -> dict[tuple[str, ...], str]:
    """Put SOFTSWITCH_SECTION__KEY into the data; returns which variable set which key."""
    overridden: dict[tuple[str, ...], str] = {}
    for variable, value in environment.items():
        section, separator, key = variable.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
        if not variable.startswith(ENVIRONMENT_PREFIX) or not separator:
            continue
        held = data.setdefault(section, {})
        if isinstance(held, dict):
            held[key] = value
            overridden[(section, key)] = variable
    return overridden


def _explain(
    error: ErrorDetails, path: Path, text: str, overridden: Mapping[tuple[str, ...], str]
) -> str:
    """One line: where, which key, what is wrong, what would be right."""
    keys = tuple(str(part) for part in error["loc"] if isinstance(part, str))[:2]
    where = overridden.get(keys) or f"{path}:{_line_of(text, keys)}"
    name = f"[{keys[0]}] " + ".".join(keys[1:]) if keys else ""
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = f"there is no such {'key' if len(keys) > 1 else 'section'}{_suggest(keys)}"
    elif error["type"] == "missing":
        message = "is missing" if len(keys) < 2 else "is missing; add it to the file"
    elif message.startswith(("Input should", "String should")):
        message = f"{message[0].lower()}{message[1:]}, not {error['input']!r}"
    return f"{where}: {name.strip()}: {message}" if name else f"{where}: {message}"


def _suggest(keys: tuple[str, ...]) -> str:
    known = list(Config.model_fields)
    if len(keys) > 1:
        known = list(_section_type(keys[0]).model_fields)
    near = difflib.get_close_matches(keys[-1], known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"


def _section_type(name: str) -> type[BaseModel]:
    annotation = Config.model_fields[name].annotation
    if not isinstance(annotation, type) or not issubclass(annotation, BaseModel):
        raise TypeError(f"[{name}] is no section")
    return annotation


def _line_of(text: str, keys: tuple[str, ...]) -> int:
    """The line (from 1) of a key, else of its section, else the first."""
    section, found = "", 1
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[\s*([\w\-]+)\s*\]", line)
        if header is not None:
            section = header[1]
            if keys and section == keys[0]:
                found = number
        key = re.match(r"""\s*["']?([\w\-.]+?)["']?\s*=""", line)
        if key is None or not keys:
            continue
        if (section, key[1]) == (keys[0], keys[-1]) or key[1] in (".".join(keys), keys[0]):
            return number
    return found
