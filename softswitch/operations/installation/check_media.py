"""Checks of the media plane: fast path, sound in time, codecs, ports."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from rtp.kernel.probe import try_machine
from rtp.kernel.tier import KernelUnavailable
from rtp.shared_ports import shared_ports
from softswitch.config.config import Config
from softswitch.control import client as control_client
from softswitch.control.errors import OperationError
from softswitch.control.values import Row

LATE_MS = 20.0
"""A tick's own length: what jitter buffers of phones bear for sure."""
RELAYED = "calls are relayed in user space"


class _Worker(msgspec.Struct):
    """A row of `media_show`; one that is being replaced has no figures."""

    worker: int | None
    state: str
    fast_path: str = "none"
    why_not: str = ""
    kernel_lanes: int = 0
    relay_lanes: int = 0
    ports_shared: int = 0
    ports_held: int = 0
    ticks: int = 0
    late_p99_ms: float = 0.0
    late_p999_ms: float = 0.0
    niceness: int = 0


Workers = list[_Worker] | str | None
"""The running switch's ready media workers, or why it doesn't tell them; None if no switch runs."""


def ready_workers(config: Config, running: bool) -> Workers:
    """The media workers as the running switch tells them, asked once for all rows below."""
    if not running:
        return None
    try:
        rows = control_client.call(config.control_socket, "media_show", {})
    except (control_client.NotRunning, OperationError) as error:
        return str(error)
    return [worker for worker in msgspec.convert(rows, list[_Worker]) if worker.state == "ready"]


def fast_path(config: Config, workers: Workers) -> Row:
    """The kernel fast path: ok if the kernel passes media on, by the running switch's word or a
    trial here."""
    if config.media.fast_path == "off":
        return _row(None, f'off by [media] fast_path = "off": {RELAYED}')
    if workers is not None:
        return _of_switch(workers)
    try:
        method = try_machine(config.media.ports)
    except KernelUnavailable as why:
        return _row(None, f"{why}: {RELAYED}")
    return _row(True, f"works here, by {method}; firewall rules don't see what it passes on")


def browsers(config: Config, available: bool) -> Row:
    """WebRTC: ok if browsers can call, where a socket for them listens.

    Args:
        available: pyOpenSSL is installed.
    """
    name = "browsers"
    if not any(listen.transport in ("ws", "wss") for listen in config.sip.listen):
        return _row(None, "none: [sip] listen has no ws or wss", name)
    if config.media.webrtc == "off":
        return _row(None, 'off by [media] webrtc = "off"', name)
    if not available:
        return _row(False, "calls with browsers fail: pip install 'softswitch[webrtc]'", name)
    port = config.media.ice_tcp_port
    by_tcp = "UDP alone" if port is None else f"UDP, and TCP from port {port} on"
    return _row(True, f"WebRTC by {by_tcp}", name)


def _of_switch(workers: list[_Worker] | str) -> Row:
    if isinstance(workers, str):
        return _row(False, workers)
    without = [worker.why_not for worker in workers if worker.fast_path == "none"]
    if without:
        return _row(None, f"{without[0]}: {RELAYED}")
    kernel = sum(worker.kernel_lanes for worker in workers)
    relay = sum(worker.relay_lanes for worker in workers)
    return _row(True, f"{kernel} directions of calls by the kernel, {relay} by user space")


def sound_ticks(workers: Workers) -> Row:
    """Sound that the switch itself says and mixes: ok if it goes out in time."""
    check = "sound ticks"
    if workers is None:
        return _row(None, "measured while the switch runs", check)
    if isinstance(workers, str):
        return _row(False, workers, check)
    sounding = [worker for worker in workers if worker.ticks]
    if not sounding:
        return _row(None, "no sound was made or listened to yet", check)
    worst = max(sounding, key=lambda worker: worker.late_p999_ms)
    late = f"late by {worst.late_p99_ms} ms at most in 99 %, {worst.late_p999_ms} in 99.9 %"
    if worst.late_p99_ms > LATE_MS:
        return _row(
            None,
            f"{late}: worker {worst.worker} has too much to do; more [media] workers",
            check,
        )
    return _row(True, late, check)


def sound_priority(config: Config, workers: Workers) -> Row:
    """The media workers' nice level: ok if sound goes before the machine's other work."""
    check = "sound priority"
    wanted = config.media.niceness
    if wanted == 0:
        return _row(None, "that of the switch, by [media] niceness = 0", check)
    if workers is None:
        return _row(None, "known while the switch runs", check)
    if isinstance(workers, str):
        return _row(False, workers, check)
    worst = max((worker.niceness for worker in workers), default=wanted)
    if worst > wanted:
        return _row(
            None,
            f"nice {worst}, not {wanted} ([media] niceness): a busy machine delays sound; root,"
            f" CAP_SYS_NICE or systemd's LimitNICE={wanted} allow it",
            check,
        )
    return _row(True, f"nice {worst}: sound goes before the machine's other work", check)


EXTRAS = {"G722": "pip install softswitch[g722]", "OPUS": "pip install softswitch[opus]"}
"""Codecs whose libraries may be missing, and how they are had."""


def codecs(transcodes: bool, known: Collection[str]) -> Row:
    """Codecs: by which phones that share none can talk.

    Args:
        transcodes: `[media] transcode`.
        known: names of what the sound tier speaks.
    """
    check = "codecs"
    if not transcodes:
        return _row(None, "transcoding is off ([media] transcode): all pass as they are", check)
    missing = [f"{name} ({how})" for name, how in EXTRAS.items() if name not in known]
    detail = f"{', '.join(sorted(known))} are transcoded"
    if not missing:
        return _row(True, detail, check)
    return _row(None, f"{detail}; without their libraries pass as they are, between those who"
                f" share them: {', '.join(missing)}", check)  # fmt: skip


def _row(ok: bool | None, detail: str, check: str = "kernel fast path") -> Row:
    return {"check": check, "ok": ok, "detail": detail}


def held_ports(config: Config, workers: list[_Worker] | str) -> Row:
    """Media ports: ok if no other program can get one while the switch runs."""
    first, last = config.media.ports
    check = f"media ports {first}-{last}"
    if isinstance(workers, str):
        return _row(False, workers, check)
    shared = sum(worker.ports_shared for worker in workers)
    held = sum(worker.ports_held for worker in workers)
    if not shared:
        return _row(True, "of the running switch; the system gives none to others", check)
    if held < shared:
        why = f"others have or may get {shared - held} pairs, which calls then pass over"
        return _row(None, f"{why}: {reserve(first, last)}", check)
    return _row(True, f"held by the running switch, all {held} pairs that others might get", check)


def shared_ports_note(first: int, last: int) -> str:
    """A remark for before the switch runs, if the system gives media ports to programs that ask for
    any; else nothing."""
    shared = len(shared_ports(first, last))
    if not shared:
        return ""
    return (
        f"; the system gives {shared} of the ports to any program, until the switch holds them:"
        f" {reserve(first, last)}"
    )


def reserve(first: int, last: int) -> str:
    """The command that keeps other programs off the media ports."""
    return f"reserve them with sysctl net.ipv4.ip_local_reserved_ports={first}-{last}"
