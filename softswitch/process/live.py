"""Operations on the running switch: calls, registrations and bans as they are now."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from billing.facts.cdr import media_row, show_stamp
from rtp.client import MediaWorkers
from rtp.control import Side
from rtp.session import MediaError
from sip.errors import ParseError
from sip.registrar import Binding
from softswitch.call.call import Call
from softswitch.call.charging.accounting import media_figures
from softswitch.call.media.media import FAX_CODEC
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.access import (
    ADMIN,
    AUDITOR,
    STAFF,
    SUPPORT,
    USER,
    change,
    disclose,
    read,
    table,
)
from softswitch.operations.context import Context
from softswitch.operations.lines import registrations
from softswitch.operations.lines.completions import acceptable, found
from softswitch.operations.lines.registrations import registration_page, registration_rows
from softswitch.operations.network.trunks import no_trunk, trunk_row
from softswitch.operations.registry import OPERATIONS
from softswitch.process.live_conferences import (
    conference_members,
    conference_mute,
    conference_remove,
)
from softswitch.process.live_devices import device_resync, device_rotate, guard_strike
from softswitch.process.media_status import media_rows
from softswitch.process.rows import call_row
from softswitch.process.switch import Switch
from softswitch.reception.protection import ban_rows, figures
from softswitch.subscribers.directory import Trunk
from softswitch.trace.ladder import row
from softswitch.trace.recorder import CallTrace, Message

FIGURES_SECONDS = 2.0
"""The timeout for a worker's figures."""


@dataclass(frozen=True)
class Live:
    """The parts of the running switch that live operations use.

    Args:
        context: of the request.
        workers: how many media workers there should be.
        reload_prompts: see `prompt_reload`.
    """

    context: Context
    switch: Switch
    media: MediaWorkers
    workers: int
    reload_prompts: Callable[[], Awaitable[int]]


def call_list(live: Live) -> list[Row]:
    return [call_row(call) for call in live.switch.calls.values()]


async def call_show(live: Live, call_id: str) -> Row:
    call = _call(live.context, live.switch, call_id)
    return call_row(call) | {"srtp": call.suites, "media": await _media(call)}


def call_hangup(live: Live, call_id: str) -> Row:
    call = _call(live.context, live.switch, call_id)
    live.switch.hang_up(call.id)
    return {"id": call.id, "result": "hung up"}


async def call_trace(live: Live, call_id: str) -> Row:
    trace, messages = _trace(live.context, live.switch, call_id)
    call = live.switch.calls.get(trace.call_id)
    if call is not None:
        trace.calling, trace.called = call.record.calling, call.record.called
    ahead_us = round((live.switch.wall_seconds() - live.switch.now()) * 1e6)
    # Masking a thousand messages takes longer than a call may wait, so it is done in a thread.
    rows = await asyncio.to_thread(
        lambda: [row(message, round(message.at * 1e6) + ahead_us) for message in messages]
    )
    return {
        "id": trace.call_id,
        "state": "ended" if call is None else call.state,
        "calling": trace.calling,
        "called": trace.called,
        "sip_call_ids": [key.decode("utf-8", "replace") for key in trace.sip_call_ids],
        "dropped": trace.dropped,
        "announcements": [
            {
                "at": show_stamp(round(said.at * 1000) + ahead_us // 1000),
                "side": said.side,
                "language": said.language,
                "tokens": said.tokens,
            }
            for said in trace.said
        ],
        "messages": rows,
    }


async def registration_list(
    live: Live,
    limit: int | None = None,
    before: str | None = None,
    account: str | None = None,
    line: str | None = None,
) -> list[Row]:
    if live.switch.node is not None:  # memory has the lines that were called last
        return await asyncio.to_thread(
            registrations.registration_list, live.context, limit, before, account, line
        )
    now = live.switch.wall_seconds()
    directory, bindings = live.switch.directory, live.switch.registrar.all(now)
    rows = registration_rows(live.context, bindings, directory, now, account, line)
    return registration_page(rows, limit, before)


async def registration_remove(live: Live, line: str, contact: str | None = None) -> Row:
    """Remove the registrations of a line: all of its phones, or the one with this Contact."""
    found = live.context.line(line)
    switch = live.switch
    await switch.registrations.fetch(found)
    uri = None if contact is None else contact.strip("<> ").encode()
    removed: tuple[Binding, ...] = ()
    with contextlib.suppress(ParseError):  # a Contact that can't be read is not registered
        removed = switch.registrations.remove(found, uri, switch.now())
    if not removed and contact is None:
        raise OperationError("registration_not_found", line=found.number)
    if not removed:
        raise OperationError("contact_not_found", line=found.number, contact=contact)
    switch.endpoint.drain()
    return {
        "line": found.number,
        "removed": [binding.contact.decode(errors="replace") for binding in removed],
    }


def trunk_list(live: Live) -> list[Row]:
    return [_trunk_row(live.switch, trunk) for trunk in live.switch.directory.trunks()]


def trunk_show(live: Live, name: str) -> Row:
    for trunk in live.switch.directory.trunks():
        if trunk.name == name:
            return _trunk_row(live.switch, trunk)
    raise no_trunk(name)


def subscription_list(live: Live) -> list[Row]:
    return live.switch.watchers.rows(live.switch.now())


def conference_list(live: Live) -> list[Row]:
    return [
        {
            "conference": conference.id,
            "kind": conference.key[0],
            "number": conference.key[1],
            "owner": conference.line.number,
            "member": member.legs.identity(member.side).asserted or None,
            "owns": member.owner,
            "muted": member.muted,
            "call": member.legs.id,
        }
        for conference in live.switch.hall.conferences
        for member in conference.members
    ]


def switch_figures(live: Live) -> Row:
    """Calls now, attempts, answers and refusals since the start, registrations, and each trunk's
    ASR, ACD and PDD of the last quarter of an hour."""
    return live.switch.figures_row(forget_lag=False)


def guard_list(live: Live) -> list[Row]:
    return ban_rows(live.switch.guard, live.switch.now())


def guard_show(live: Live) -> Row:
    return dict(figures(live.switch.guard, live.switch.endpoint))


def guard_unban(live: Live, source: str, line: str | None = None) -> Row:
    try:
        lifted = live.switch.guard.unban(source, line)
    except ValueError:
        raise OperationError("source_malformed", value=source) from None
    if not lifted:
        raise OperationError("ban_not_found", source=source)
    return {"source": source, "lifted": lifted}


def completion_cancel(live: Live, waiting_id: str) -> Row:
    queue = live.switch.completion.queue
    directory = live.switch.directory
    waiting = found(live.context, list(queue), directory.line, waiting_id)
    queue.remove(waiting)
    return {"id": waiting.id, "result": "cancelled"}


async def completion_accept(live: Live, waiting_id: str) -> Row:
    desk = live.switch.completion
    waiting = found(live.context, list(desk.queue), live.switch.directory.line, waiting_id)
    desk.take(acceptable(live.context, waiting))
    await desk.queue.written()
    return {"id": waiting.id, "result": "accepted"}


async def media_show(live: Live) -> list[Row]:
    """The status of the media workers."""
    return await media_rows(live.media, live.workers)


async def prompt_reload(live: Live) -> int:
    """Reload the recordings of prompts; returns how many there are."""
    return await live.reload_prompts()


LIVE_OPERATIONS = table(
    read(call_list, SUPPORT | AUDITOR),
    read(call_show, SUPPORT | AUDITOR),
    change(call_hangup, SUPPORT),
    disclose(call_trace, SUPPORT | AUDITOR),
    read(conference_list, SUPPORT | AUDITOR),
    read(conference_members, SUPPORT | AUDITOR | USER),
    change(conference_mute, SUPPORT | USER),
    change(conference_remove, SUPPORT | USER),
    read(guard_list, SUPPORT | AUDITOR),
    read(guard_show, SUPPORT | AUDITOR),
    change(guard_strike, ADMIN),
    change(guard_unban, SUPPORT),
    read(media_show, SUPPORT | AUDITOR),
    change(prompt_reload, ADMIN),
    change(registration_remove, SUPPORT),
    read(subscription_list, SUPPORT | AUDITOR),
    read(switch_figures, STAFF),
    *(
        replace(OPERATIONS[function.__name__], function=function)
        for function in (
            completion_accept,
            completion_cancel,
            device_resync,
            device_rotate,
            registration_list,
            trunk_list,
            trunk_show,
        )
    ),
)
"""The operations that only a running switch performs, or performs otherwise than on the database
alone."""


def _trunk_row(switch: Switch, trunk: Trunk) -> Row:
    return trunk_row(trunk) | switch.trunk_monitor.row(trunk)


def _trace(context: Context, switch: Switch, call_id: str) -> tuple[CallTrace, list[Message]]:
    """The trace of a live or recent call, by the beginning of its id."""
    if switch.recorder is None:
        raise OperationError("trace_off")
    found = context.identified(switch.recorder.find(call_id), call_id)
    if len(found) != 1:
        code = "call_record_ambiguous" if found else "call_record_not_found"
        raise OperationError(code, call=call_id)
    kept = switch.recorder.trace(found[0])
    assert kept is not None
    return kept


def _call(context: Context, switch: Switch, call_id: str) -> Call:
    """A call by its id, or by a prefix that no other call has."""
    found = [switch.calls[key] for key in context.identified(switch.calls, call_id)]
    if len(found) != 1:
        code = "call_ambiguous" if found else "call_not_found"
        raise OperationError(code, call=call_id)
    return found[0]


async def _media(call: Call) -> Row | None:
    """The relay's counters so far, in the form of the CDR."""
    session = call.relay.session
    if session is None:
        return None
    try:
        async with asyncio.timeout(FIGURES_SECONDS):
            told = await session.figures()
    except (TimeoutError, MediaError):
        return None
    if told is None:
        return None
    sources = {"sources": _sources(session.latched), "elsewhere": _sources(session.elsewhere)}
    fax = {"fax_packets": {"caller": told.a.fax_packets, "callee": told.b.fax_packets}}
    shown = fax if call.codec == FAX_CODEC else {}
    return media_row(media_figures(told)) | {"tier": session.tier} | sources | shown


def _sources(addresses: Mapping[Side, tuple[str, int]]) -> dict[str, str]:
    """The source addresses of the caller's and the callee's RTP."""
    return {
        "caller" if side == "a" else "callee": f"{host}:{port}"
        for side, (host, port) in addresses.items()
    }
