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
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

from sip.flow import SECURE
from softswitch.config_codes import StarCodeKeys, double_code
from softswitch.config_completion import CompletionSection
from softswitch.config_conference import ConferenceSection
from softswitch.config_mail import MailSection
from softswitch.config_network import GuardSection, TlsSection
from softswitch.config_operator import LinesSection, OperatorSection
from softswitch.config_recording import FOLDER as RECORDINGS_FOLDER
from softswitch.config_recording import RecordingSection
from softswitch.config_speech import AnnouncementsSection, PromptsSection, TonesSection
from softswitch.config_values import (
    Advertised,
    Algorithms,
    Alias,
    Collector,
    Dialable,
    Listen,
    PortRange,
    Seconds,
    Section,
    advertised_addresses,
    below_config,
    collector_address,
    comma_list,
    database_url,
    known_time_zone,
    listeners,
    numeric_address,
    port_range,
    without_password,
)
from softswitch.config_voicemail import FOLDER as VOICEMAIL_FOLDER
from softswitch.config_voicemail import VoicemailSection

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from rtp.session import MediaSettings
    from sip.session_timer import SessionInterval
    from softswitch.admission.least_cost import LeastCost
    from softswitch.admission.numbering import NumberPlan

DEFAULT_PATH = Path("softswitch.toml")
ENVIRONMENT_PREFIX = "SOFTSWITCH_"


class ConfigError(Exception):
    """The configuration can't be used. The message is one line that names file, line and key."""


class SwitchSection(Section):
    """[switch]: whose switch this is."""

    domain: Annotated[str, Field(pattern=r"^[0-9A-Za-z.:\-]{1,253}$")]
    """The domain of our phones' addresses; a numeric address is allowed."""
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    """ISO 3166 alpha-2: how numbers without a country code are read."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    """ISO 4217, for accounts and tariffs that don't say their own."""
    time_zone: Annotated[str, AfterValidator(known_time_zone)] = "UTC"
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")] = "en"
    data_dir: Annotated[Path, AfterValidator(below_config)] = Path("var")
    """Holds the control socket, secrets, CDR journal and log. Absolute once read."""
    node: Annotated[str, Field(pattern=r"^[0-9A-Za-z_.\-]{0,64}$")] = ""
    """This switch's name among several that share a PostgreSQL database."""


class SipSection(Section):
    """[sip]: sockets, digest and registration."""

    listen: Annotated[
        tuple[Listen, ...],
        BeforeValidator(listeners),
        BeforeValidator(comma_list),
        Field(min_length=1),
    ] = (Listen("udp", "127.0.0.1", 5060), Listen("tcp", "127.0.0.1", 5060))
    advertise: Annotated[
        tuple[Advertised, ...], BeforeValidator(advertised_addresses), BeforeValidator(comma_list)
    ] = ()
    """What phones reach us by, when it isn't the sockets' own: one for each IP version, or one."""
    aliases: Annotated[tuple[Alias, ...], BeforeValidator(comma_list)] = ()
    """Further names and addresses by which phones and proxies call us; see Config.own_hosts."""
    large_requests: Literal["tcp", "udp"] = "tcp"
    """How requests over 1,300 octets go to trunks on UDP: by TCP where they take it (RFC 3261
    section 18.1.1), or by UDP like all others."""
    websocket_origins: Annotated[tuple[str, ...], BeforeValidator(comma_list)] | None = None
    """Web pages that may open a WebSocket ("https://phone.example.org"). None: all."""
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


class MediaSection(Section):
    """[media]: the relay."""

    address: Annotated[str, AfterValidator(numeric_address)] | None = None
    """IP address in our SDP. None: the one of the SIP sockets; see Config.media_address."""
    ports: Annotated[PortRange, BeforeValidator(port_range)] = PortRange(20000, 29999)
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    fast_path: Literal["auto", "off"] = "auto"
    """Whether the kernel passes on what nobody has to listen to, where it can."""
    silence_seconds: Seconds = 60
    """A call without RTP from either side for so long is ended."""
    hold_silence_seconds: Seconds = 300
    latch_seconds: Annotated[int, Field(ge=1, le=30)] = 3
    """How long after an offer or answer a side may be learned from its packets."""
    quarantine_seconds: Annotated[int, Field(ge=0, le=600)] = 1
    """How long a used port rests before the next call gets it."""
    hung_seconds: Annotated[int, Field(ge=2, le=120)] = 20
    """A media worker that hasn't answered for so long is replaced, and its calls end."""
    srtp: Literal["off", "optional", "required"] = "optional"
    """Encrypted sound (SRTP by SDES) of lines and trunks that say nothing else: never; if the peer
    wants it, and offered to it where SIP goes over TLS; or no call without."""
    transcode: bool = True
    """Whether two who share no codec may talk, by way of the sound tier; else the call is refused
    with 488."""

    def session_settings(self) -> MediaSettings:
        from rtp.session import MediaSettings

        return MediaSettings(
            self.latch_seconds,
            self.silence_seconds,
            self.hold_silence_seconds,
            self.quarantine_seconds,
            self.fast_path == "auto",
            self.hung_seconds,
        )


class CallsSection(Section):
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


class TrunksSection(Section):
    """[trunks]: what holds for every trunk that says nothing else."""

    ping_seconds: Annotated[int, Field(ge=0, le=3600)] = 30
    """Between two OPTIONS to a trunk; 0: none."""
    at_a_loss: Literal["last", "refuse", "allow"] = "last"
    """What becomes of trunks that would cost more than the call's price: tried last, refused (never
    used), or allowed (only the cost decides)."""
    compare_seconds: Annotated[int, Field(ge=1, le=86_400)] = 180
    """The length of a call by which what trunks cost is compared."""

    def least_cost(self) -> LeastCost:
        from softswitch.admission.least_cost import LeastCost

        return LeastCost(self.at_a_loss, self.compare_seconds)

    @field_validator("ping_seconds")
    @classmethod
    def _not_too_often(cls, value: int) -> int:
        if 0 < value < 10:
            raise ValueError("must be 0 (none) or at least 10")
        return value


class NumbersSection(Section):
    """[numbers]: what the country's plan doesn't say."""

    emergency: Annotated[tuple[Dialable, ...], BeforeValidator(comma_list)] = ("112",)
    """Always routed, never charged."""
    area_code: Annotated[str, Field(pattern=r"^[0-9]{1,6}$")] | None = None
    """The area whose numbers may be dialled without it, and are of the type "local"."""


class CodesSection(StarCodeKeys):
    """[codes]: service codes as they are dialled."""

    balance: Dialable = "1111"
    package: Dialable = "1112"
    conference_term: Dialable = "1198"
    conference_buy: Dialable = "1199"
    directory: Dialable = "118"
    """Directory enquiries by number."""
    pin: Dialable = "2828"
    """Self-service with a PIN."""
    own_number: Dialable = "*99"
    voicemail: Dialable = "*97"
    echo: Dialable = "*43"
    conference: Dialable = "*88"
    """Dial-in conference rooms."""
    focus: Dialable = "*87"
    """The conference of a line's own calls, which its phone merges there."""
    last_caller: Dialable = "*69"
    """Calls back whoever called last."""
    malicious: Dialable = "*57"
    """Marks the last incoming call, for the operator to trace."""

    def by_code(self) -> dict[str, str]:
        """What is dialled -> the name of the service; without star codes."""
        return {code: name for name, code in self._split()[0].items()}

    def _split(self) -> tuple[dict[str, str], dict[str, str]]:
        """Keys of codes that are dialled as they stand, and of star codes."""
        keys = self.model_dump()
        stars = {name: keys.pop(name) for name in StarCodeKeys.model_fields}
        return keys, stars

    @model_validator(mode="after")
    def _unique(self) -> Self:
        for keys in self._split():
            if (why := double_code(keys)) is not None:
                raise ValueError(why)
        return self


class EventsSection(Section):
    """[events]: what phones may subscribe to."""

    watch_lines: Literal["account", "all", "nobody"] = "account"
    """Who may watch a line's calls: lines of its account, every line, or nobody. Whom the line
    talks to is shown to lines of its account alone."""


class DatabaseSection(Section):
    """[database]: lines, accounts, ledger and CDRs; SQLite or PostgreSQL."""

    url: Annotated[str, AfterValidator(database_url)] = "sqlite:///var/softswitch.db"
    """Absolute once read."""


class PortalSection(Section):
    """[portal]: kept for the web portal, which this version doesn't have."""

    listen: str = "127.0.0.1:8080"


class TraceSection(Section):
    """[trace]: messages of calls, kept for `call trace` and sent to a collector."""

    megabytes: Annotated[int, Field(ge=0, le=4096)] = 16
    """For the messages of live and recent calls; 0: none are kept."""
    hep: Annotated[Collector | None, BeforeValidator(collector_address)] = None
    """Where each message is sent to as HEP version 3: "udp:HOST:PORT"."""
    hep_agent_id: Annotated[int, Field(ge=1, le=2**32 - 1)] = 2001
    """By which the collector tells its sources apart."""


class LogSection(Section):
    """[log]: see softswitch.log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "text"] = "text"
    file: str = "softswitch.log"
    """Relative to the data folder. Empty: standard error."""


class Config(Section):
    """The whole configuration, checked."""

    switch: SwitchSection
    sip: SipSection = SipSection()
    tls: TlsSection = TlsSection()
    guard: GuardSection = GuardSection()
    media: MediaSection = MediaSection()
    calls: CallsSection = CallsSection()
    trunks: TrunksSection = TrunksSection()
    numbers: NumbersSection = NumbersSection()
    codes: CodesSection = CodesSection()
    prompts: PromptsSection = PromptsSection()
    announcements: AnnouncementsSection = AnnouncementsSection()
    tones: TonesSection = TonesSection()
    events: EventsSection = EventsSection()
    database: DatabaseSection = Field(default_factory=dict, validate_default=True)
    mail: MailSection = MailSection()
    operator: OperatorSection = OperatorSection()
    lines: LinesSection = LinesSection()
    voicemail: VoicemailSection = VoicemailSection()
    recording: RecordingSection = RecordingSection()
    conference: ConferenceSection = ConferenceSection()
    completion: CompletionSection = CompletionSection()
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
    def voicemail_dir(self) -> Path:
        """Where messages and greetings are."""
        return self.data_dir / VOICEMAIL_FOLDER

    @property
    def recordings_dir(self) -> Path:
        """Where recorded calls are."""
        return self.data_dir / RECORDINGS_FOLDER

    @property
    def prompts_dir(self) -> Path:
        """What `prompt build` made."""
        return self.data_dir / "prompts"

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
        if self.sip.advertise:
            return self.sip.advertise[0].host
        return self.sip.listen[0].host

    @property
    def media_bind_address(self) -> str:
        """The numeric address of our own that media ports are bound on: behind a NAT it isn't the
        one in our SDP."""
        if self.sip.advertise:
            return self.sip.listen[0].host
        return self.media_address

    def own_hosts(self) -> frozenset[str]:
        """Whose requests are for us: the domain and its aliases, the sockets' addresses, and what
        we advertise."""
        hosts = {self.switch.domain, *self.sip.aliases}
        hosts.update(advertised.host for advertised in self.sip.advertise)
        for listen in self.sip.listen:
            address = ipaddress.ip_address(listen.host)
            if not address.is_unspecified:
                hosts.add(listen.host)
            if address.is_loopback or address.is_unspecified:
                hosts.add("localhost")
        return frozenset(hosts)

    def listens_everywhere(self) -> bool:
        """Whether a socket has all of this machine's addresses."""
        return any(ipaddress.ip_address(listen.host).is_unspecified for listen in self.sip.listen)

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
            listen
            for listen in self.sip.listen
            if ipaddress.ip_address(listen.host).is_unspecified
            and self.sip.advertised_for(listen.transport, listen.host) is None
        ]
        if everywhere:
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
    def _has_certificates(self) -> Self:
        for listen in self.sip.listen:
            if listen.transport in SECURE and not self.tls.certificates:
                raise ValueError(f"[sip] listen {listen} needs [tls] certificates")
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
