"""Supplementary services of a line: a form for each, with its star code (C2, C5, D1, E8)."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.responses import Response

from softswitch.control.values import Row
from softswitch.operations.access import USER
from softswitch.portal.routes import Action, Page
from softswitch.portal.shown import count, isolated, ltr
from softswitch.portal.visit import Visit
from softswitch.subscribers.supplementary import KINDS, MAX_SECONDS, MIN_SECONDS

GROUPS = (
    ("forwarding", ("forward_always", "forward_busy", "forward_no_answer", "forward_unreachable")),
    (
        "privacy",
        ("do_not_disturb", "withhold_number", "caller_id", "reject_anonymous", "call_filter"),
    ),
    ("barring", ("bar_international", "bar_mobile", "bar_premium", "bar_all")),
    ("comfort", ("call_waiting", "call_completion", "hot_line")),
)
"""The services as people look for them."""


async def show(visit: Visit) -> Response:
    """The services of a line."""
    number = visit.path["line"]
    line = await visit.row("line_show", number=number)
    services = {
        str(row["service"]): row for row in await visit.rows("line_service_list", number=number)
    }
    codes = visit.portal.config.codes
    return visit.page(
        "cabinet/services.html",
        line=line,
        services=services,
        groups=GROUPS,
        kinds=KINDS,
        codes={name: getattr(codes, name, "") for name in KINDS},
        rented=[
            (row["number"], isolated(row["number"])) for row in await visit.some("rental_list")
        ],
        least_seconds=MIN_SECONDS,
        most_seconds=MAX_SECONDS,
        said=_said(visit, services),
    )


def in_words(visit: Visit, services: Iterable[Row]) -> list[tuple[str, str]]:
    """What is on, of the services that aren't on for everybody: the name, and how."""
    return [
        (visit.text(f"services.{row['service']}"), _state(visit, row))
        for row in services
        if row["on"] and not KINDS[str(row["service"])].default
    ]


def _said(visit: Visit, services: dict[str, Row]) -> str:
    """What a form has just done, in words."""
    name = visit.done.removesuffix("_clear")
    if name not in services:
        return visit.text("common.done")
    return visit.text(
        "services.said",
        service=visit.text(f"services.{name}"),
        state=_state(visit, services[name]),
    )


def _state(visit: Visit, row: Row) -> str:
    if not row["on"]:
        return visit.text("services.off")
    numbers = numbers_of(row)
    if not numbers:
        return visit.text("services.on")
    if row["service"] == "call_filter":
        return visit.text("services.filled", count=count(len(numbers), visit.language))
    return visit.text("services.on_to", number=ltr(numbers[0]))


def numbers_of(row: Row) -> list[str]:
    """The numbers that a service has."""
    found = row["numbers"]
    return [str(one) for one in found] if isinstance(found, (list, tuple)) else []


def _form(name: str) -> Action:
    """The form of a service: on, off, or its numbers."""
    return Action(
        "line_service_set",
        ("value", "seconds", "pin"),
        {"number": "line"},
        {"service": name},
        name=name,
        beside={"number": "value"},
    )


def _reset(name: str) -> Action:
    return Action(
        "line_service_clear", (), {"number": "line"}, {"service": name}, name=f"{name}_clear"
    )


PAGES = (
    Page(
        "/lines/{line}/services",
        show,
        USER,
        (*map(_form, KINDS), _reset("call_filter")),
    ),
)
