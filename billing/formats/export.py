"""CDRs in the formats that other programs read."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Literal

from billing.facts.cdr import Cdr, show_stamp
from billing.facts.money import format_amount

_HANGUP_CAUSES = {
    1: "UNALLOCATED_NUMBER", 16: "NORMAL_CLEARING", 17: "USER_BUSY", 18: "NO_USER_RESPONSE",
    19: "NO_ANSWER", 20: "SUBSCRIBER_ABSENT", 21: "CALL_REJECTED", 22: "NUMBER_CHANGED",
    28: "INVALID_NUMBER_FORMAT", 38: "NETWORK_OUT_OF_ORDER", 41: "NORMAL_TEMPORARY_FAILURE",
    102: "RECOVERY_ON_TIMER_EXPIRE", 127: "INTERWORKING",
}  # fmt: skip
"""FreeSWITCH's names of Q.850 causes."""


_REASONS = {
    200: "OK", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
    408: "Request Timeout", 410: "Gone", 480: "Temporarily Unavailable",
    484: "Address Incomplete", 486: "Busy Here", 487: "Request Terminated",
    488: "Not Acceptable Here", 500: "Server Internal Error", 502: "Bad Gateway",
    503: "Service Unavailable", 504: "Server Time-out", 600: "Busy Everywhere", 603: "Decline",
}  # fmt: skip
"""The phrases of RFC 3261 section 21, of what calls end with."""


def _stamp(epoch_ms: int | None) -> str:
    if epoch_ms is None:
        return ""
    return f"{datetime.fromtimestamp(epoch_ms // 1000, UTC):%Y-%m-%d %H:%M:%S}"


def _disposition(cdr: Cdr) -> str:
    if cdr.answered_at is not None:
        return "ANSWERED"
    if cdr.cause == 17:
        return "BUSY"
    return "NO ANSWER" if cdr.sip_status in (408, 480, 487) else "FAILED"


def _channel(number: str, cdr: Cdr) -> str:
    return f"SIP/{number or 'unknown'}-{cdr.call_id[:8]}"


def _asterisk(cdr: Cdr) -> list[object]:
    """Master.csv: accountcode ... amaflags, uniqueid, userfield; every cell quoted."""
    return [
        cdr.account or "",
        cdr.calling,
        cdr.called,
        cdr.direction,
        f'"{cdr.presented or ""}" <{cdr.presented or ""}>',
        _channel(cdr.calling, cdr),
        _channel(cdr.trunk or cdr.called, cdr),
        "Dial",
        cdr.called,
        _stamp(cdr.setup_at),
        _stamp(cdr.answered_at),
        _stamp(cdr.ended_at),
        (cdr.ended_at - cdr.setup_at) // 1000,
        cdr.duration_ms // 1000,
        _disposition(cdr),
        "BILLING",
        cdr.id,
        "",
    ]


def _freeswitch(cdr: Cdr) -> list[object]:
    """cdr_csv's "example" template."""
    return [
        cdr.presented or "",
        cdr.calling,
        cdr.called,
        cdr.direction,
        _stamp(cdr.setup_at),
        _stamp(cdr.answered_at),
        _stamp(cdr.ended_at),
        (cdr.ended_at - cdr.setup_at) // 1000,
        cdr.duration_ms // 1000,
        _HANGUP_CAUSES.get(cdr.cause, "NORMAL_UNSPECIFIED"),
        cdr.id,
        "",
        cdr.account or "",
        cdr.codec or "",
        cdr.codec or "",
    ]


ACC_HEADER = ["id", "method", "from_tag", "to_tag", "callid", "sip_code", "sip_reason", "time",
              "setuptime", "created", "duration", "ms_duration"]  # fmt: skip


def _acc(cdr: Cdr) -> list[object]:
    """OpenSIPS's and Kamailio's acc table; we keep no tags."""
    return [
        cdr.id,
        "INVITE",
        "",
        "",
        cdr.sip_call_id,
        cdr.sip_status,
        _REASONS.get(cdr.sip_status, ""),
        _stamp(cdr.answered_at or cdr.ended_at),
        ((cdr.answered_at or cdr.ended_at) - cdr.setup_at) // 1000,
        _stamp(cdr.setup_at),
        -(-cdr.duration_ms // 1000),
        cdr.duration_ms,
    ]


CGRATES_HEADER = ["CGRID", "RunID", "ToR", "OriginID", "RequestType", "Tenant", "Category",
                  "Account", "Subject", "Destination", "SetupTime", "AnswerTime", "Usage",
                  "Cost"]  # fmt: skip


def _cgrates(cdr: Cdr) -> list[object]:
    return [
        cdr.id,
        "*default",
        "*voice",
        cdr.sip_call_id,
        "*prepaid",
        "default",
        "call",
        cdr.account or "",
        cdr.calling,
        cdr.called,
        show_stamp(cdr.setup_at),
        "" if cdr.answered_at is None else show_stamp(cdr.answered_at),
        f"{cdr.duration_ms}ms",
        format_amount(cdr.price_micros),
    ]


_Format = tuple[list[str] | None, Callable[[Cdr], list[object]], Literal[0, 1, 2, 3]]

FORMATS: dict[str, _Format] = {
    "asterisk": (None, _asterisk, csv.QUOTE_ALL),
    "freeswitch": (None, _freeswitch, csv.QUOTE_ALL),
    "acc": (ACC_HEADER, _acc, csv.QUOTE_MINIMAL),
    "cgrates": (CGRATES_HEADER, _cgrates, csv.QUOTE_MINIMAL),
}
"""Name to header (None: the format has none), row, and quoting."""


def export(cdrs: Iterable[Cdr], name: str) -> str:
    """CDRs as CSV in a format of `FORMATS`.

    A cell that a spreadsheet would take for a formula gets an apostrophe before it.

    Raises:
        KeyError: no such format.
    """
    header, row, quoting = FORMATS[name]
    out = io.StringIO()
    writer = csv.writer(out, quoting=quoting, lineterminator="\n")
    if header is not None:
        writer.writerow(header)
    for cdr in cdrs:
        writer.writerow([_harmless(cell) for cell in row(cdr)])
    return out.getvalue()


def _harmless(cell: object) -> object:
    if (isinstance(cell, str) and cell[:1] in ("=", "@", "-")) or _formula(cell):
        return f"'{cell}"
    return cell


def _formula(cell: object) -> bool:
    """A leading "+" is a number's own, unless something else than digits follows."""
    return isinstance(cell, str) and cell[:1] == "+" and not cell[1:].isdigit()
