"""Registrations: which phones can be reached."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from msgspec.structs import replace

from sip.edges import Edges
from sip.flow import show_address
from sip.registrar import Binding
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.operations.pages import cut, page_at, read_cursor
from softswitch.subscribers.directory import Directory, Line
from softswitch.subscribers.stored_directory import stored


def registration_list(
    context: Context,
    limit: int | None = None,
    before: str | None = None,
    account: str | None = None,
    line: str | None = None,
) -> list[Row]:
    """The bindings that the last running switch left and that haven't expired."""
    now = context.now_ms() / 1000
    edges = Edges(context.config.sip.edges)
    logins = None if line is None else [context.line(line).login]
    bindings = [
        replace(binding, flow=edges.registered(binding.flow, binding.path))
        for binding in context.directory.bindings(now, logins=logins)
    ]
    directory = context.directory.load() if line is None else stored(context.directory)
    rows = registration_rows(context, bindings, directory, now, account, line)
    return registration_page(rows, limit, before)


def registration_page(rows: list[Row], limit: int | None, before: str | None) -> list[Row]:
    """A page of registrations, the newest first; without `limit` and `before` all of them.

    Args:
        before: the last one of the page before ("REGISTERED_AT,CONTACT").
    """
    page = page_at(limit, None if before is None else read_cursor(before))
    return rows if page is None else cut(page, rows, _key)


def _key(row: Row) -> tuple[int | str, ...]:
    return read_cursor(f"{row['registered_at']},{row['contact']}")


def registration_rows(
    context: Context,
    bindings: Iterable[Binding],
    directory: Directory,
    now: float,
    account: str | None = None,
    line: str | None = None,
) -> list[Row]:
    """Bindings as people read them, of the lines that the actor may see; `now` in epoch seconds."""
    owner = context.own_account(account)
    login = None if line is None else context.line(line).login
    rows = []
    for binding in bindings:
        found = directory.line_by_login(binding.aor)
        fits = login in (None, binding.aor) and (
            owner is None or (found is not None and found.account_id == owner)
        )
        if fits and context.owns_line(found):
            rows.append(binding_row(binding, directory, now))
    return rows


def registration_refusals(context: Context, line: str | None = None) -> list[Row]:
    """The latest REGISTERs that the running switch refused; of a line, or of every login."""
    return refusal_rows(context, None if line is None else context.line(line))


def refusal_rows(context: Context, line: Line | None) -> list[Row]:
    """Refused registrations as people read them, the latest first."""
    refusals = context.refused_registrations.latest(None if line is None else line.login)
    return [
        {
            "login": refusal.login.encode(errors="replace").decode(),
            "source": refusal.source,
            "status": refusal.status,
            "reason": refusal.reason,
            "user_agent": refusal.agent.encode(errors="replace").decode(),
            "times": refusal.count,
            "first_at": _stamp(refusal.first_at),
            "last_at": _stamp(refusal.last_at),
        }
        for refusal in refusals
    ]


def binding_row(binding: Binding, directory: Directory, now: float) -> Row:
    """A phone of a line; `now` in epoch seconds."""
    line = directory.line_by_login(binding.aor)
    return {
        "login": binding.aor,
        "number": line.number if line is not None else None,
        "contact": binding.contact.decode(errors="replace"),
        "transport": binding.flow.transport,
        "source": show_address(binding.flow.peer),
        "q": binding.q,
        "expires_in_seconds": max(0, round(binding.expires_at - now)),
        "registered_at": _stamp(binding.registered_at),
        "user_agent": binding.user_agent.encode(errors="replace").decode(),
    }


def _stamp(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
