"""Registrations: which phones can be reached."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from sip.flow import show_address
from sip.registrar import Binding
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.subscribers.directory import Directory


def registration_list(context: Context) -> list[Row]:
    """The bindings that the last running switch left and that haven't expired."""
    now = context.now_ms() / 1000
    bindings = context.directory.bindings(now)
    return registration_rows(context, bindings, context.directory.load(), now)


def registration_rows(
    context: Context, bindings: Iterable[Binding], directory: Directory, now: float
) -> list[Row]:
    """Bindings as people read them, of the lines that the actor may see; `now` in epoch seconds."""
    return [
        _row(binding, directory, now)
        for binding in bindings
        if context.owns_line(directory.line_by_login(binding.aor))
    ]


def _row(binding: Binding, directory: Directory, now: float) -> Row:
    line = directory.line_by_login(binding.aor)
    registered = datetime.datetime.fromtimestamp(binding.registered_at, datetime.UTC)
    return {
        "login": binding.aor,
        "number": line.number if line is not None else None,
        "contact": binding.contact.decode(errors="replace"),
        "transport": binding.flow.transport,
        "source": show_address(binding.flow.remote),
        "q": binding.q,
        "expires_in_seconds": max(0, round(binding.expires_at - now)),
        "registered_at": registered.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "user_agent": binding.user_agent.encode(errors="replace").decode(),
    }
