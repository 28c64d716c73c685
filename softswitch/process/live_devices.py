"""Operations on devices that only a running switch performs: it asks phones to fetch their
configuration, and counts guesses of provisioning URLs."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sip.events import Replied
from sip.registrar import Binding
from sip.standalone import StandaloneRequest
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.devices import devices
from softswitch.process.switch import Switch
from softswitch.provisioning.device import Device

if TYPE_CHECKING:
    from softswitch.process.live import Live

CHECK_SYNC = b"check-sync;reboot=false"
"""The event of which phones say that they fetch their configuration again; most restart only if
they must."""
MAX_SOURCES = 1_000
GUESSED = "provisioning"
"""Stands for a login in the guard's list of bans."""


async def device_resync(live: Live, device: str) -> Row:
    """Have a device fetch its configuration at once."""
    found = devices.own_device(live.context, device)
    asked = await _ask(live, found)
    if not asked:
        raise OperationError("device_not_registered", device=found.id)
    return {"id": found.id, "asked": asked}


async def device_rotate(live: Live, device: str) -> Row:
    """Give a device another URL and other passwords, and have it fetch them at once if it is
    registered."""
    row = devices.device_rotate(live.context, device)
    if row.get("state") != "rotating":
        return row
    return row | {"asked": await _ask(live, devices.own_device(live.context, device))}


def guard_strike(live: Live, sources: Sequence[str]) -> Row:
    """Count guesses of provisioning URLs, one for each address, as wrong passwords are counted."""
    counted = 0
    for source in sources[:MAX_SOURCES]:
        with contextlib.suppress(ValueError):  # no address: of a socket in the file system
            live.switch.guard.fail(source, GUESSED, live.switch.now())
            counted += 1
    return {"sources": counted}


async def _ask(live: Live, device: Device) -> list[str]:
    """Send NOTIFY check-sync to each registration of a device; returns their Contacts."""
    usernames = {each.username for each in device.lines}
    asked: list[str] = []
    switch = live.switch
    for each in device.lines:
        line = switch.directory.line(each.line_id)
        if line is None:
            continue
        await switch.registrations.fetch(line)
        for binding in switch.registrar.lookup(line.login, switch.wall_seconds()):
            if binding.username in usernames:
                _notify(switch, f"{line.login}@{live.context.config.switch.domain}", binding)
                asked.append(binding.contact.decode(errors="replace"))
    switch.endpoint.drain()
    return asked


def _notify(switch: Switch, aor: str, binding: Binding) -> None:
    address = f"<sip:{aor}>".encode()
    fields = (
        (b"Event", CHECK_SYNC),
        (b"Subscription-State", b"terminated"),
        (b"Contact", switch.agent.stack.contact(binding.flow)),
    )
    notify = StandaloneRequest(
        "NOTIFY", binding.flow, binding.contact, address, address, extra=(*binding.routes, *fields)
    )
    switch.agent.send_standalone(notify, _ignore_reply, switch.now())


def _ignore_reply(reply: Replied) -> None:
    """Ignore the answer: what counts is that the phone comes."""
