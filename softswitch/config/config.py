"""softswitch.toml: its sections, and how it is read.

Every key has a default except the ones that identify the switch (domain, country, currency). An
unknown key is an error with file, line and a suggestion. `SOFTSWITCH_SECTION__KEY` in the
environment overrides the file; lists are written there with commas.
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from sip.flow import SECURE
from softswitch.config.calls import CallsSection, MediaSection, NumbersSection, TrunksSection
from softswitch.config.cluster import ClusterSection
from softswitch.config.codes import CodesSection
from softswitch.config.completion import CompletionSection
from softswitch.config.conference import ConferenceSection
from softswitch.config.faults import explain
from softswitch.config.mail import MailSection
from softswitch.config.network import GuardSection, TlsSection
from softswitch.config.operator import (
    DebtSection,
    LinesSection,
    OperatorSection,
    OrdersSection,
    WarningsSection,
)
from softswitch.config.payments import PaymentsSection
from softswitch.config.portal import PortalSection
from softswitch.config.provisioning import ProvisioningSection
from softswitch.config.recording import FOLDER as RECORDINGS_FOLDER
from softswitch.config.recording import RecordingSection
from softswitch.config.sip import EventsSection, SipSection
from softswitch.config.smpp import SmppSection
from softswitch.config.sms import SmsSection
from softswitch.config.sound import SoundSection
from softswitch.config.speech import AnnouncementsSection, FilePath, PromptsSection, TonesSection
from softswitch.config.stir import StirSection
from softswitch.config.values import (
    Collector,
    HttpListen,
    Section,
    below_config,
    collector_address,
    database_url,
    http_listen,
    known_time_zone,
    without_password,
)
from softswitch.config.voicemail import FOLDER as VOICEMAIL_FOLDER
from softswitch.config.voicemail import VoicemailSection
from softswitch.config.webrtc import WebrtcSection

DEFAULT_PATH = Path("softswitch.toml")
ENVIRONMENT_PREFIX = "SOFTSWITCH_"


class ConfigError(Exception):
    """The configuration can't be used. The message is one line that names file, line and key."""


class SwitchSection(Section):
    """[switch]: the identity of this switch."""

    domain: Annotated[str, Field(pattern=r"^[0-9A-Za-z.:\-]{1,253}$")]
    """The domain of our phones' addresses; a numeric address is allowed."""
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    """ISO 3166 alpha-2: how numbers without a country code are read."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    """ISO 4217, for accounts and tariffs without a currency of their own."""
    time_zone: Annotated[str, AfterValidator(known_time_zone)] = "UTC"
    """The time zone in which days begin, for bills, rents and night rates."""
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")] = "en"
    """The language of announcements to callers whose line has none of its own; ISO 639."""
    data_dir: Annotated[Path, AfterValidator(below_config)] = Path("var")
    """The folder of the control socket, secrets, CDR journal and log. Absolute once read."""
    documents_key: FilePath | None = None
    """The file of the keys that encrypt subscribers' documents in the database; several switches on
    one database need the same. None: "documents.key" in `data_dir`, which backups contain."""
    node: Annotated[str, Field(pattern=r"^[0-9A-Za-z_.\-]{0,64}$")] = ""
    """The name of this switch among several that share a PostgreSQL database."""


class DatabaseSection(Section):
    """[database]: lines, accounts, ledger and CDRs; SQLite or PostgreSQL."""

    url: Annotated[str, AfterValidator(database_url)] = "sqlite:///var/softswitch.db"
    """The database's URL. Absolute once read."""


class MetricsSection(Section):
    """[metrics]: figures of the running switch for Prometheus, at http://ADDRESS:PORT/metrics."""

    listen: Annotated[HttpListen | None, BeforeValidator(http_listen)] = None
    """Address and port, such as "127.0.0.1:9464"; none: closed. The page has no password: list no
    address that strangers reach."""


class TraceSection(Section):
    """[trace]: SIP messages of calls, kept for `call trace` and sent to a collector."""

    megabytes: Annotated[int, Field(ge=0, le=4096)] = 16
    """Memory for the messages of live and recent calls; 0: none are kept."""
    hep: Annotated[Collector | None, BeforeValidator(collector_address)] = None
    """The collector to which each message is sent as HEP version 3: "udp:HOST:PORT"."""
    hep_agent_id: Annotated[int, Field(ge=1, le=2**32 - 1)] = 2001
    """The number of this switch at the collector."""


class LogSection(Section):
    """[log]: see softswitch.process.log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least level of an event that is logged."""
    format: Literal["json", "text"] = "text"
    """The form of an event: one JSON object a line, or text."""
    file: str = "softswitch.log"
    """The log file, relative to the data folder. Empty: standard error."""


class Config(Section):
    """The whole configuration, checked."""

    switch: SwitchSection
    sip: SipSection = SipSection()
    tls: TlsSection = TlsSection()
    guard: GuardSection = GuardSection()
    stir: StirSection = StirSection()
    media: MediaSection = MediaSection()
    calls: CallsSection = CallsSection()
    trunks: TrunksSection = TrunksSection()
    numbers: NumbersSection = NumbersSection()
    codes: CodesSection = CodesSection()
    prompts: PromptsSection = PromptsSection()
    announcements: AnnouncementsSection = AnnouncementsSection()
    tones: TonesSection = TonesSection()
    sound: SoundSection = SoundSection()
    events: EventsSection = EventsSection()
    cluster: ClusterSection = ClusterSection()
    database: DatabaseSection = Field(default_factory=dict, validate_default=True)
    mail: MailSection = MailSection()
    operator: OperatorSection = OperatorSection()
    lines: LinesSection = LinesSection()
    debt: DebtSection = DebtSection()
    warnings: WarningsSection = WarningsSection()
    orders: OrdersSection = OrdersSection()
    voicemail: VoicemailSection = VoicemailSection()
    recording: RecordingSection = RecordingSection()
    sms: SmsSection = SmsSection()
    smpp: SmppSection = SmppSection()
    conference: ConferenceSection = ConferenceSection()
    completion: CompletionSection = CompletionSection()
    provisioning: ProvisioningSection = ProvisioningSection()
    portal: PortalSection = PortalSection()
    payments: PaymentsSection = PaymentsSection()
    webrtc: WebrtcSection = WebrtcSection()
    metrics: MetricsSection = MetricsSection()
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
    def portal_socket(self) -> Path:
        """For a portal that runs as another user of the switch's group."""
        return self.data_dir / "portal.sock"

    @property
    def nonce_secret_file(self) -> Path:
        return self.data_dir / "nonce.secret"

    @property
    def documents_key_file(self) -> Path:
        """The file of the keys of subscribers' documents."""
        return self.switch.documents_key or self.data_dir / "documents.key"

    @property
    def database_file(self) -> Path | None:
        """The file of an SQLite database; None: the database is on a server."""
        path = self.database.url.removeprefix("sqlite:///")
        return None if path == self.database.url else Path(path)

    @property
    def database_name(self) -> str:
        """The database, for people: its file, or its URL without the password."""
        return str(self.database_file or without_password(self.database.url))

    @property
    def journal_dir(self) -> Path:
        """The folder of the CDR journal's daily files."""
        return self.data_dir / "cdr"

    @property
    def voicemail_dir(self) -> Path:
        """The folder of messages and greetings."""
        return (self.sound.folder or self.data_dir) / VOICEMAIL_FOLDER

    @property
    def recordings_dir(self) -> Path:
        """The folder of recorded calls."""
        return (self.sound.folder or self.data_dir) / RECORDINGS_FOLDER

    @property
    def prompts_dir(self) -> Path:
        """The folder of prompts made by `prompt build`."""
        return self.data_dir / "prompts"

    @property
    def log_file(self) -> Path | None:
        """The log file; None: standard error."""
        return self.data_dir / self.log.file if self.log.file else None

    @property
    def portal_log_file(self) -> Path | None:
        """The log file of the portal, beside the switch's; None: standard error."""
        return self.data_dir / "portal.log" if self.log.file else None

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
        """The numeric address on which media ports are bound: behind a NAT it isn't the one in our
        SDP."""
        if self.sip.advertise:
            return self.sip.listen[0].host
        return self.media_address

    def own_hosts(self) -> frozenset[str]:
        """The hosts by which requests may address us: the domain and its aliases, the sockets'
        addresses, and the advertised ones."""
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
        """True if a socket is bound to all of this machine's addresses."""
        return any(ipaddress.ip_address(listen.host).is_unspecified for listen in self.sip.listen)

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        """Check that an address for phones is known: a socket bound to every address doesn't name
        one."""
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
    def _phones_listener_can_be_opened(self) -> Self:
        section = self.provisioning
        if section.listen is not None and not self.tls.certificates:
            raise ValueError(f"[provisioning] listen {section.listen} needs [tls] certificates")
        if section.client_certificates == "required":
            if section.listen is None:
                raise ValueError("[provisioning] client_certificates needs [provisioning] listen")
            if section.client_ca is None:
                raise ValueError("[provisioning] client_certificates needs client_ca")
        return self

    @model_validator(mode="after")
    def _is_a_node_of_its_cluster(self) -> Self:
        """Check that a cluster's switch has a name in it, and the database that all share."""
        nodes, node = self.cluster.nodes, self.switch.node
        if not nodes:
            return self
        if node not in nodes:
            named = f"[switch] node = {node!r}" if node else "[switch] node, which isn't set"
            raise ValueError(f"[cluster] nodes {', '.join(nodes)} must have {named}")
        if self.database_file is not None:
            raise ValueError("[cluster] nodes needs [database] url = postgresql://...")
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
    """The configuration with `text` as the content of the file `path`. Raises ConfigError."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    overridden = _override(data, environment)
    try:
        config = Config.model_validate(data, context={"folder": path.absolute().parent})
    except ValidationError as error:
        raise ConfigError(explain(error.errors()[0], Config, path, text, overridden)) from None
    config._path = path
    return config


def _override(
    data: dict[str, object], environment: Mapping[str, str]
) -> dict[tuple[str, ...], str]:
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
