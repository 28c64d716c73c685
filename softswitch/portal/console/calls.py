"""Calls: as they are now, and one of them from every side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from softswitch.control.errors import OperationError
from softswitch.control.values import Row, as_rows
from softswitch.operations.access import ADMIN, AUDITOR, MONEY, SUPPORT
from softswitch.portal.cabinet.sounds import stream
from softswitch.portal.console.board import one
from softswitch.portal.console.listing import exported
from softswitch.portal.routes import Action, Page
from softswitch.portal.visit import Visit
from softswitch.trace.pcap import capture_file, captured

TABS = ("why", "ladder", "sound", "money", "legs", "recording")
FILTERS = ("number", "trunk", "account", "state")
COLUMN, MARGIN, RUNG, TOP = 210, 110, 34, 46
"""Distances of the ladder, in pixels: between parties, from the edge, between messages."""
MAX_MESSAGES = 300
"""Messages that a ladder shows."""


async def live(visit: Visit) -> Response:
    """Calls now, of those that the filters name."""
    asked = {name: visit.asked(name) for name in FILTERS}
    rows = [row for row in await visit.rows("call_list") if _fits(row, asked)]
    rows.sort(key=lambda row: str(row["setup_at"]), reverse=True)
    if visit.asked("as"):
        return exported("live_calls", rows, visit.asked("as"))
    return visit.page("console/live_calls.html", calls=rows, asked=asked, all=await _names(visit))


async def _names(visit: Visit) -> list[str]:
    return [str(trunk["name"]) for trunk in await visit.some("trunk_list")]


def _fits(row: Row, asked: Mapping[str, str]) -> bool:
    digits = asked["number"].lstrip("+").replace(" ", "")
    parties = f"{row['calling']} {row['called']} {row['line']}"
    return (
        (not digits or digits in parties)
        and (not asked["trunk"] or row["trunk"] == asked["trunk"])
        and (not asked["account"] or str(row["account"]) == asked["account"])
        and (not asked["state"] or row["state"] == asked["state"])
    )


async def call(visit: Visit) -> Response:
    """A call, live or ended, by tabs that are pages of their own: none needs a script."""
    call_id = visit.path["call"]
    if call_id[-2:-1] == "-":
        call_id = call_id[:-2]
    whole = await one(visit, "cdr_show", call=call_id) or {}
    now = await one(visit, "call_show", call_id=call_id)
    records = as_rows(whole.get("records") or [])
    if now is None and not records:
        raise OperationError("cdr_not_found", call=call_id)
    if visit.asked("as"):
        return exported("call", [{"live": now, **whole}], visit.asked("as"))
    tab = visit.asked("tab") if visit.asked("tab") in TABS else "why"
    facts: dict[str, object] = {}
    if tab == "why":
        facts = await _why(visit, call_id, now, records)
    elif tab == "ladder":
        facts = await _ladder(visit, call_id)
    elif tab == "recording":
        facts["recordings"] = await _recordings(visit, call_id, records)
    return visit.page(
        "console/call.html", call_id=call_id, now=now, records=records, tab=tab, tabs=TABS,
        head=_head(now, records), reservations=whole.get("reservations") or [],
        postings=whole.get("postings") or [], margin=_margin(records), facts=facts,
    )  # fmt: skip


def _head(now: Row | None, records: Sequence[Row]) -> Row:
    """The caller's leg of a call, in the words that both a live call and a record have."""
    if now is not None:
        return dict(now)
    first = records[0]
    state = "ended" if first["answered_at"] else "failed"
    return dict(first) | {"state": state}


async def _why(
    visit: Visit, call_id: str, now: Row | None, records: Sequence[Row]
) -> dict[str, object]:
    """The decisions then, and what today's rules would decide."""
    then = await visit.some("explain_past_call", call=call_id)
    head = _head(now, records)
    line, called = head.get("line"), head.get("called")
    again: list[Row] = []
    if line and called and head.get("direction") != "incoming":
        again = await visit.some("explain_call", caller=str(line), number=str(called))
    return {"then": then, "again": again}


async def _recordings(visit: Visit, call_id: str, records: Sequence[Row]) -> list[Row]:
    lines = {str(row["line"]) for row in records if row.get("line")}
    found = [await visit.some("recording_list", number=line) for line in sorted(lines)]
    return [row for rows in found for row in rows if row["call"] == call_id]


@dataclass(frozen=True, slots=True)
class Rung:
    """A message of the ladder: where its arrow begins and ends, in pixels."""

    y: int
    start: int
    end: int
    label: str
    row: Row

    @property
    def middle(self) -> int:
        return (self.start + self.end) // 2

    @property
    def head(self) -> str:
        """The points of the arrow's head."""
        back = -9 if self.end > self.start else 9
        x, y = self.end, self.y
        return f"{x},{y} {x + back},{y - 5} {x + back},{y + 5}"


async def _ladder(visit: Visit, call_id: str) -> dict[str, object]:
    try:
        trace = await visit.row("call_trace", call_id=call_id)
    except OperationError as error:
        return {"trace": None, "reason": error.message}
    messages = as_rows(trace["messages"] or [])[:MAX_MESSAGES]
    columns, rungs = ladder(messages)
    return {
        "trace": trace, "columns": columns, "rungs": rungs,
        "width": 2 * MARGIN + COLUMN * max(0, len(columns) - 1),
        "height": TOP + RUNG * (len(rungs) + 1),
    }  # fmt: skip


def ladder(messages: Sequence[Row]) -> tuple[list[tuple[str, int]], list[Rung]]:
    """The parties with their places, the switch in the second, and an arrow for each message."""
    parties = list(dict.fromkeys(_party(row) for row in messages))
    names = [*parties[:1], "", *parties[1:]]
    places = {name: MARGIN + index * COLUMN for index, name in enumerate(names)}
    rungs = []
    for index, row in enumerate(messages):
        us, them = places[""], places[_party(row)]
        start, end = (us, them) if row["sent"] else (them, us)
        label = f"{row['message']} SDP" if row["sdp"] else str(row["message"])
        rungs.append(Rung(TOP + RUNG * (index + 1), start, end, label, row))
    return list(places.items()), rungs


def _party(row: Row) -> str:
    """The peer of the switch in a message."""
    return str(row["to"] if row["sent"] else row["from"])


def _margin(records: Sequence[Row]) -> list[Row]:
    """Price and cost of each leg that has both, with what is left of it in one currency."""
    from billing.facts.money import format_amount, parse_amount

    found: list[Row] = []
    for row in records:
        price, cost = row.get("price"), row.get("cost")
        same = row.get("currency") == row.get("cost_currency")
        left = None
        if price is not None and cost is not None and same:
            left = format_amount(parse_amount(str(price)) - parse_amount(str(cost)))
        found.append({
            "leg": row["leg"], "account": row["account"], "tariff": row.get("tariff"),
            "prefix": row.get("prefix"), "billed_seconds": row.get("billed_seconds"),
            "price": price, "currency": row.get("currency"), "package": row.get("package"),
            "trunk": row.get("trunk"), "cost": cost, "cost_currency": row.get("cost_currency"),
            "margin": left,
        })  # fmt: skip
    return found


async def capture(visit: Visit) -> Response:
    """The messages of a call as a capture file, for Wireshark."""
    trace = await visit.row("call_trace", call_id=visit.path["call"])
    content = capture_file(map(captured, as_rows(trace["messages"] or [])))
    headers = {"content-disposition": f'attachment; filename="{trace["id"]}.pcap"'}
    return Response(content, media_type="application/vnd.tcpdump.pcap", headers=headers)


async def recording(visit: Visit) -> Response:
    """The sound of a recording; the audit has a row for each time."""
    return await stream(visit, "recording_open", recording=visit.path["recording"])


HANG_UP = Action("call_hangup", ("call_id",))
PAGES = (
    Page("/op/calls", live, SUPPORT | AUDITOR, actions=(HANG_UP,)),
    Page("/op/call/{call}/pcap", capture, SUPPORT | AUDITOR),
    Page("/op/recordings/{recording}/sound", recording, ADMIN | AUDITOR),
    Page("/op/call/{call}", call, SUPPORT | MONEY | AUDITOR, actions=(HANG_UP,)),
)
