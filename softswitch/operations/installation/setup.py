"""Creating a switch: configuration, data folder, secrets and database, and opening it again."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from billing.facts.calendar import Term
from billing.facts.product import Product
from billing.facts.sales import DefineProduct
from billing.stores.failure import explained
from billing.stores.store import Store, StoreError
from softswitch.config.config import Config, load, parse
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.database import schema
from softswitch.operations.context import Context
from softswitch.services.self_service import CONFERENCE
from softswitch.subscribers.directory_store import DirectoryStore

NONCE_SECRET_BYTES = 32
NONCE_KEY = "nonce key"
"""The name of the cluster's nonce secret among the settings."""

CONFERENCE_PRODUCT = Product(
    CONFERENCE, "GEL", 1_000_000, Term.parse("30 days"), service=CONFERENCE, renewable=False
)
"""The product that 1199 sells (A4) until the operator changes it by `package define`."""

CONFIG_TEMPLATE = """\
# The switch's configuration. Lines, trunks, accounts and tariffs are in the database.
# Unknown keys are errors. SOFTSWITCH_SECTION__KEY in the environment stands above this file.

[switch]
domain = "{domain}"           # of the phones' addresses; a host name or an IP address
country = "{country}"                  # how numbers without a country code are read
time_zone = "{time_zone}"
currency = "{currency}"
language = "{language}"                 # in which callers are spoken to
data_dir = "{data}"                # from this file's folder: control socket, secrets, CDRs, log

[sip]
listen = ["udp:{address}:{port}", "tcp:{address}:{port}"]
# advertise = "198.51.100.7"    # when phones reach the switch by another address
# aliases = ["sip.example.com"] # what else phones call the switch; other hosts' calls get 404
algorithms = ["SHA-256", "MD5"] # digest, the preferred one first; `line set` changes it for a phone

[media]
ports = "20000-29999"           # UDP, four for each call
# address = "198.51.100.7"      # in SDP; default: advertise, or the address of the sockets
# fast_path = "off"             # default "auto": by the kernel where it can be, see `check`
# io_uring = "off"              # default "auto": many relayed calls at once by it, where it is
# niceness = 0                  # default -10: before the machine's other work, see `check`
# workers = 2                   # processes for sound; one does for some hundred calls

[database]
url = "{database}" # or postgresql://user:password@host/database

[trace]
megabytes = 16                  # for `call trace`; 0: none
# hep = "udp:192.0.2.9:9060"    # where every message is copied to, for Homer

[announcements]
mode = "early"                  # how lines hear why a call is refused: early media, "answer", "off"

[trunks]
ping_seconds = 30               # interval of OPTIONS pings; 0: none

# [mail]
# server = "smtp.example.org:587"
# sender = "switch@{domain}"

# [operator]                    # the seller on bills and contracts
# name = "Example Telecom Ltd"
# address = "1 Main Street"
# registration_code = "404123456"
# bank_account = "GE00TB0000000000000000"
# working_days = "mon-fri"      # by which suppliers' working days are counted, without
# holidays = ["01-07"]          # these: every year, or 2027-04-30 for once

# [lines]
# unused_after = "12 months"    # then an unused line is cancelled; default: never
# quarantine = "90 days"        # its number then rests this long, and can be restored

# [debt]
# suspend_after = "14 days"     # a debt then suspends the account until it pays; default: never
# warn_before = "3 days"        # the subscriber is notified this long before

# [orders]
# documents_within = "14 days"  # how long a number is reserved until documents are approved

[numbers]
emergency = ["112"]             # always routed, never charged
"""


def check_kept(config_path: Path, wanted: Mapping[str, str | None]) -> None:
    """Refuse options that an existing configuration doesn't have: `init` would drop them.

    Args:
        wanted: keys of [switch] with the values that were asked for; None: not asked for.

    Raises:
        OperationError: another value is configured.
        ConfigError: the configuration can't be read.
    """
    if not config_path.exists():
        return
    switch = load(config_path).switch
    for key, value in wanted.items():
        kept = getattr(switch, key)
        if value is not None and value != kept:
            raise OperationError("init_differs", path=config_path, key=key, kept=kept, value=value)


def check_listens(config_path: Path, address: str, port: int) -> None:
    """Refuse an address to listen on that an existing configuration hasn't got.

    Raises:
        OperationError: it listens elsewhere.
        ConfigError: the configuration can't be read.
    """
    if not config_path.exists():
        return
    listen = load(config_path).sip.listen
    if all((one.host, one.port) != (address, port) for one in listen):
        kept, value = ", ".join(map(str, listen)), f"{address}:{port}"
        raise OperationError("init_differs", path=config_path, key="listen", kept=kept, value=value)


def init(config_path: Path, text: str, fill: Callable[[Context], None]) -> list[Row]:
    """Create what isn't there yet and keep what is; returns one row a thing.

    `text` is the configuration for a folder that has none, `fill` puts the first data into it.
    The file is written last: a switch that has one is complete. Raises ConfigError or
    OperationError."""
    if config_path.exists():
        rows = prepare(load(config_path))
        return [_created("configuration", config_path, is_new=False), *rows]
    config = parse(text, config_path)
    rows = prepare(config)
    with opened(config) as context:
        fill(context)
    _write(config_path, text, 0o644)
    return [_created("configuration", config_path, is_new=True), *rows]


def configuration_text(
    *,
    domain: str,
    address: str,
    port: int,
    country: str,
    currency: str,
    time_zone: str,
    language: str = "en",
    data: str = "var",
    database: str = "",
) -> str:
    """A configuration file for a new switch; parsing it finds what is wrong with the arguments."""
    return CONFIG_TEMPLATE.format(
        domain=domain,
        address=f"[{address}]" if ":" in address else address,
        port=port,
        country=country,
        currency=currency,
        time_zone=time_zone,
        language=language,
        data=data,
        database=database or f"sqlite:///{data}/softswitch.db",
    )


def prepare(config: Config) -> list[Row]:
    """Data folder, secrets and database of a configuration, as far as they are missing."""
    folder = config.data_dir
    rows = [_created("data folder", folder, not folder.exists())]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        config.journal_dir.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise OperationError("folder_not_created", folder=folder, reason=error.strerror) from None
    secret = config.nonce_secret_file
    rows.append(_created("nonce secret", secret, not secret.exists()))
    if not secret.exists():
        _write(secret, secrets.token_hex(NONCE_SECRET_BYTES) + "\n", 0o600)
    rows.append(_prepare_database(config))
    return rows


def nonce_secret(config: Config) -> bytes:
    """The key of our digest nonces. Raises OperationError."""
    path = config.nonce_secret_file
    try:
        secret = bytes.fromhex(path.read_text("ascii"))
    except (OSError, ValueError) as error:
        raise OperationError("secret_unusable", path=path, reason=error) from None
    if len(secret) < NONCE_SECRET_BYTES:
        raise OperationError("secret_too_short", path=path)
    return secret


def secret_of_all(config: Config, directory: DirectoryStore) -> bytes:
    """The key of our digest nonces; of a cluster the one that all nodes share, so that each knows
    the challenges of the others. The first node's counts, and the others' files become copies.

    Raises:
        OperationError: the file can't be read or written.
    """
    own = nonce_secret(config)
    if not config.cluster.nodes:
        return own
    shared = directory.first_setting(NONCE_KEY, own.hex())
    path = config.nonce_secret_file
    if shared != own.hex():
        try:
            path.write_text(shared + "\n", "ascii")
        except OSError as error:
            raise OperationError("secret_unusable", path=path, reason=error) from None
    return nonce_secret(config)


@contextlib.contextmanager
def opened(config: Config) -> Iterator[Context]:
    """A context that works on the database itself, for when no switch runs. Raises
    OperationError when there is no database, or one of another version."""
    name, file = config.database_name, config.database_file
    if file is not None and not file.exists():
        raise OperationError("database_missing", name=name)
    with naming_database_errors(config), contextlib.closing(Store(config.database.url)) as store:
        found = schema.version(store.engine)
        check_not_newer(name, found)
        if found != schema.CURRENT:
            raise OperationError(
                "database_version_old", name=name, found=found or "none", needed=schema.CURRENT
            )
        directory = DirectoryStore(store.engine)
        check_realm(config, directory)
        yield Context(config, store, directory, store.apply, epoch_ms)


def check_not_newer(name: str, found: str | None) -> None:
    """Refuse a database that a newer program has changed: going back would lose what only that one
    knows. Raises OperationError."""
    if found is not None and found > schema.CURRENT:
        raise OperationError("database_version_new", name=name, found=found, known=schema.CURRENT)


def check_ready(config: Config) -> None:
    """Check that there is a database of this program's version. Raises OperationError."""
    with opened(config):
        pass


def check_realm(config: Config, directory: DirectoryStore) -> None:
    """Passwords are kept as digests over the realm: another realm voids all of them. Raises
    OperationError."""
    kept = directory.setting("realm")
    if kept is not None and kept != config.realm:
        raise OperationError("realm_changed", path=config.path, kept=kept, realm=config.realm)


def epoch_ms() -> int:
    return time.time_ns() // 1_000_000


@contextlib.contextmanager
def naming_database_errors(config: Config) -> Iterator[None]:
    """Turn errors of the database into one line that names it."""
    with naming_errors_of(config.database_name, config.database_file):
        yield


@contextlib.contextmanager
def naming_errors_of(name: str, file: Path | None = None) -> Iterator[None]:
    """Likewise of a database that no configuration names."""
    try:
        yield
    except StoreError as error:
        raise OperationError("database_failed", reason=str(error)) from error
    except OverflowError as error:  # SQLite's driver says so before it asks the database
        raise OperationError("database_number_too_large") from error
    except SQLAlchemyError as error:
        raise OperationError("database_error", name=name, reason=explained(error, file)) from error


def _prepare_database(config: Config) -> Row:
    name, file = config.database_name, config.database_file
    if file is not None and not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Before SQLite creates it readable for everyone: it holds digests of passwords.
        os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))
    with naming_database_errors(config), contextlib.closing(Store(config.database.url)) as store:
        found = schema.version(store.engine)
        row = _created("database", name, found is None)
        check_not_newer(name, found)
        if schema.migrate(store.engine) and found is not None:
            row["result"] = f"brought from version {found} to {schema.CURRENT}"
        directory = DirectoryStore(store.engine)
        check_realm(config, directory)
        if found is None and config.switch.currency == "GEL":
            store.apply([DefineProduct(CONFERENCE_PRODUCT)])
        if directory.setting("realm") is None:
            directory.set_setting("realm", config.realm)
    return row


def _created(what: str, path: Path | str, is_new: bool) -> Row:
    return {"what": what, "path": str(path), "result": "created" if is_new else "kept"}


def _write(path: Path, text: str, mode: int) -> None:
    """A new file; one that is there already is never overwritten."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise OperationError("file_not_written", path=path, reason=error.strerror) from None
