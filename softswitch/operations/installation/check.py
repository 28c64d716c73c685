"""softswitch check: whether everything that the switch needs is there."""

from __future__ import annotations

import contextlib
import datetime
import importlib.util
import os
import resource
import shutil
import socket
import zoneinfo
from collections.abc import Iterator

import msgspec

from ivr_prompts.languages import LANGUAGES
from rtp import dtls
from rtp.samples import CLOCK_RATE
from rtp.sound_file import load
from rtp.wav import WavError
from sip.edges import Edges
from sip.transport.settings import KeyPair
from sip.transport.tls import Tls, TlsError, read_certificate
from softswitch.admission.settings import number_plan
from softswitch.call.media.codecs import OWN_NAMES
from softswitch.config.config import Config, ConfigError
from softswitch.config.values import Listen
from softswitch.control import client as control_client
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.accounts.document_keys import read_keys
from softswitch.operations.installation.check_cluster import cluster
from softswitch.operations.installation.check_media import (
    Workers,
    browsers,
    codecs,
    fast_path,
    held_ports,
    ready_workers,
    shared_ports_note,
    sound_priority,
    sound_ticks,
)
from softswitch.operations.installation.check_portal import portal
from softswitch.operations.installation.check_rules import rules_off
from softswitch.operations.installation.check_sound import stored_sound
from softswitch.operations.installation.setup import nonce_secret, opened
from softswitch.operations.network.prompts import prompt_summary
from softswitch.papers.pdf import MISSING
from softswitch.prompts.library import scan
from softswitch.subscribers.document_seal import key_id

LEAST_FREE_BYTES = 200 * 1024 * 1024
"""Below it a day's CDRs and log may not fit."""
FILES_PER_CALL = 4
FILES_BESIDE_CALLS = 100
CERTIFICATE_DAYS = 14
"""So long before its end a certificate should have been renewed."""
EARLIEST_YEAR = 2025
"""A clock before the program was written is wrong."""


def check(config: Config) -> list[Row]:
    """One row a check: what, whether it is ok (None: doesn't apply), and why not."""
    running = control_client.is_running(config.control_socket)
    workers = ready_workers(config, running)
    rows = [
        _row("configuration", True, f"{config.path}"),
        _running(config, running),
        _database(config),
        _data_folder(config),
        _secrets(config),
        _documents_key(config),
    ]
    rows += [_listen(listen, running) for listen in config.sip.listen]
    rows += [*_certificates(config), _guard(config, running), _edges(config), *cluster(config)]
    rows += [_media_ports(config, workers), _open_files(config), _numbers(config), _clock(config)]
    rows += [
        fast_path(config, workers),
        sound_ticks(workers),
        sound_priority(config, workers),
        browsers(config, dtls.AVAILABLE),
        codecs(config.media.transcode, OWN_NAMES),
        _prompts(config),
        *_hold_music(config),
        _messages(config),
        _row("stored sound", *stored_sound(config)),
        _mail(config),
        portal(config),
        _papers(),
        *rules_off(config),
    ]
    return rows


def _messages(config: Config) -> Row:
    """Mailboxes: ok if they take messages now."""
    least = config.voicemail.min_free_megabytes
    folder = config.voicemail_dir
    there = folder if folder.exists() else config.data_dir
    try:
        free = shutil.disk_usage(there).free >> 20
    except OSError as error:
        return _row("voicemail", False, f"{there}: {error.strerror}")
    if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
        return _row("voicemail", False, f"{folder} can't be written to")
    if free < least:
        why = f"{free} MB are free, messages are taken with {least} or more"
        return _row("voicemail", False, f"{why}; [voicemail] min_free_megabytes chooses")
    return _row("voicemail", True, f"{folder}, {free} MB free")


def _mail(config: Config) -> Row:
    """Mail: ok if the SMTP server can be reached."""
    server = config.mail.server
    if server is None:
        return _row("mail", None, "[mail] server isn't set: mails wait, at most for days")
    try:
        socket.create_connection(server, timeout=3.0).close()
    except OSError as error:
        why = error.strerror or str(error)
        return _row("mail", False, f"{server.host}:{server.port}: {why}")
    return _row("mail", True, f"{server.host}:{server.port} accepts connections")


def _papers() -> Row:
    """PDF: ok if the command line can write it; the switch itself never does."""
    if importlib.util.find_spec("weasyprint") is None:
        return _row("papers", None, MISSING)
    return _row("papers", True, "bills, invoices, acts and contracts as PDF")


def _hold_music(config: Config) -> list[Row]:
    path = config.tones.hold_music
    if path is None:
        return []
    try:
        seconds = len(load(path).samples) // CLOCK_RATE
    except OSError as error:
        return [_row("music on hold", False, f"{path}: {error.strerror}")]
    except WavError as error:
        return [_row("music on hold", False, f"{path}: {error}")]
    return [_row("music on hold", True, f"{path}: {seconds} s")]


def _prompts(config: Config) -> Row:
    """The share of each language that has recordings. A switch without any serves all the same."""
    library = scan(config)
    shares = ", ".join(f"{lang} {share} %" for lang, share in prompt_summary(library).items())
    language = config.switch.language
    if language not in LANGUAGES:
        return _row("prompts", False, f"none in [switch] language {language!r}; {shares}")
    missing = len(library.missing(language))
    if missing:
        return _row(
            "prompts",
            None,
            f"{missing} missing in {language}, tones stand for them: run `softswitch prompt build`"
            f" ({shares})",
        )
    return _row("prompts", True, shares)


def _row(what: str, ok: bool | None, detail: str) -> Row:
    return {"check": what, "ok": ok, "detail": detail}


def _running(config: Config, running: bool) -> Row:
    detail = f"answers on {config.control_socket}" if running else "none runs here"
    return _row("running switch", None if not running else True, detail)


def _database(config: Config) -> Row:
    try:
        with opened(config) as context:
            lines = context.directory.line_count()
            detail = f"{config.database_name}: {lines} lines"
        return _row("database", True, detail)
    except OperationError as error:
        return _row("database", False, error.message)


def _edges(config: Config) -> Row:
    """True if every proxy that registrations came by is listed as an edge."""
    edges = Edges(config.sip.edges)
    try:
        with opened(config) as context:
            bindings = context.directory.bindings(context.now_ms() / 1000)
    except OperationError as error:
        return _row("edges", False, error.message)
    proxies = {binding.flow.remote[0] for binding in bindings if binding.path}
    unlisted = sorted(host for host in proxies if not edges.trusts(host))
    if unlisted:
        return _row(
            "edges",
            False,
            f"registrations come by the proxies {', '.join(unlisted)}: list them in [sip] edges if "
            "they are yours; else phones behind them have no sound, and are banned together",
        )
    listed = ", ".join(map(str, config.sip.edges))
    return _row("edges", True if listed else None, listed or "no proxy in front of the switch")


def _data_folder(config: Config) -> Row:
    folder = config.data_dir
    if not folder.is_dir():
        return _row("data folder", False, f"{folder} isn't there: run `softswitch init`")
    if not os.access(folder, os.W_OK | os.X_OK):
        return _row("data folder", False, f"{folder} isn't writable for this user")
    free = shutil.disk_usage(folder).free
    detail = f"{folder}: {free // 1024**2} MB free"
    if free < LEAST_FREE_BYTES:
        return _row("data folder", False, f"{detail}; make at least {LEAST_FREE_BYTES >> 20} MB")
    return _row("data folder", True, detail)


def _secrets(config: Config) -> Row:
    path = config.nonce_secret_file
    try:
        nonce_secret(config)
    except OperationError as error:
        return _row("nonce secret", False, error.message)
    if path.stat().st_mode & 0o077:
        return _row("nonce secret", False, f"{path} is readable for others: chmod 600 it")
    return _row("nonce secret", True, str(path))


def _documents_key(config: Config) -> Row:
    """Documents at rest: ok if all are encrypted by keys that are here."""
    path = config.documents_key_file
    with contextlib.suppress(OperationError), opened(config) as context:
        counts = context.subscribers.count_documents_by_key()
        if not path.exists():
            if not counts:
                return _row("documents", None, f"none; the first one makes the key in {path}")
            why = f"{path} is missing: `softswitch document encrypt` makes it"
            if any(counts):
                why = f"{path} is missing and documents need it: bring it back from a backup"
            return _row("documents", False, why)
        try:
            known = {key_id(key) for key in read_keys(path)}
        except OperationError as error:
            return _row("documents", False, error.message)
        if path.stat().st_mode & 0o077:
            return _row("documents", False, f"{path} is readable for others: chmod 600 it")
        lost = sum(count for key, count in counts.items() if key and key not in known)
        if lost:
            return _row("documents", False, f"{path} lacks the key of {lost} documents")
        if counts.get(b""):
            why = f"{counts[b'']} aren't encrypted: run `softswitch document encrypt`"
            return _row("documents", False, why)
        return _row("documents", True, f"{sum(counts.values())} encrypted by {path}")
    return _row("documents", None, "the database can't be read")


def _listen(listen: Listen, running: bool) -> Row:
    what = f"socket {listen}"
    if running:
        return _row(what, True, "held by the running switch")
    kind = socket.SOCK_DGRAM if listen.transport == "udp" else socket.SOCK_STREAM
    try:
        with _bound(listen.host, listen.port, kind):
            return _row(what, True, "free")
    except OSError as error:
        return _row(
            what, False, f"{error.strerror}: stop the other program, or change [sip] listen"
        )


def _certificates(config: Config) -> list[Row]:
    """One row a certificate; a single one if they can't be used at all."""
    settings = config.tls.settings()
    if settings is None:
        return [_row("certificates", None, "none: [sip] listen has neither tls nor wss")]
    try:
        Tls(settings)
    except TlsError as error:
        return [_row("certificates", False, str(error))]
    return [_certificate(pair) for pair in settings.pairs]


def _certificate(pair: KeyPair) -> Row:
    found = read_certificate(pair.certificate)
    what = f"certificate {pair.certificate.name}"
    expires = found.expires_at.isoformat(timespec="minutes")
    days = (found.expires_at - datetime.datetime.now(datetime.UTC)).days
    detail = f"{', '.join(sorted(found.names)) or 'no name'}; expires {expires}"
    if days < 0:
        return _row(what, False, f"{detail}: it has expired, renew it")
    if pair.key.stat().st_mode & 0o077:
        return _row(what, False, f"{pair.key} is readable for others: chmod 600 it")
    if days < CERTIFICATE_DAYS:
        return _row(what, False, f"{detail}, in {days} days: renew it")
    return _row(what, True, detail)


def _guard(config: Config, running: bool) -> Row:
    """The guard: bans, and requests that the running switch has turned away."""
    if not running:
        exempt = ", ".join(map(str, config.guard.exempt)) or "nobody"
        return _row("guard", None, f"no switch runs; exempt beside trunks: {exempt}")
    try:
        answer = control_client.call(config.control_socket, "guard_show", {})
        figures = msgspec.convert(answer, dict[str, int])
        bans = control_client.call(config.control_socket, "guard_list", {})
        banned = len(msgspec.convert(bans, list[dict[str, object]]))
    except (control_client.NotRunning, OperationError) as error:
        return _row("guard", False, str(error))
    turned_away = ", ".join(f"{name} {count}" for name, count in figures.items() if count)
    return _row("guard", True, f"{banned} bans; {turned_away or 'nothing turned away'}")


@contextlib.contextmanager
def _bound(host: str, port: int, kind: socket.SocketKind) -> Iterator[None]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        yield


def _media_ports(config: Config, workers: Workers) -> Row:
    first, last = config.media.ports
    what = f"media ports {first}-{last}"
    if workers is not None:
        return held_ports(config, workers)
    host = config.sip.listen[0].host
    taken: list[int] = []
    for port in range(first, last + 1):
        try:
            with _bound(host, port, socket.SOCK_DGRAM):
                pass
        except OSError as error:
            if port == first and error.errno not in (98, 13):
                return _row(what, False, f"{host}: {error.strerror}")
            taken.append(port)
    calls = (last - first + 1 - len(taken)) // 4
    if calls < 1:
        return _row(what, False, "no free ports: change [media] ports")
    note = f", {len(taken)} in use by others (such as {taken[0]})" if taken else ""
    return _row(what, True, f"enough for {calls} calls{note}{shared_ports_note(first, last)}")


def _open_files(config: Config) -> Row:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    first, last = config.media.ports
    calls = max(0, hard - FILES_BESIDE_CALLS) // FILES_PER_CALL
    wanted = (last - first + 1) // FILES_PER_CALL
    detail = f"limit {soft} (at most {hard}): {calls} calls for each media worker"
    if calls * config.media.workers < min(wanted, 10):
        return _row("open files", False, f"{detail}; raise it with ulimit -n")
    return _row("open files", True, detail)


def _numbers(config: Config) -> Row:
    try:
        plan = number_plan(config)
    except ConfigError as error:
        return _row("numbering", False, str(error))
    return _row("numbering", True, f"{plan.country}, country code {plan.country_code}")


def _clock(config: Config) -> Row:
    now = datetime.datetime.now(zoneinfo.ZoneInfo(config.switch.time_zone))
    detail = f"{now.isoformat(timespec='seconds')} {config.switch.time_zone}"
    if now.year < EARLIEST_YEAR:
        return _row("clock", False, f"{detail} can't be right: set the clock")
    return _row("clock", True, detail)
