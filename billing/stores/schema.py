"""Tables of the books, and rows to facts. Nothing here is peculiar to one database."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter

import msgspec
from msgspec import structs
from msgspec.structs import astuple
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

from billing.facts.account import Account, Change
from billing.facts.cdr import Cdr, MediaFigures, SideMedia
from billing.facts.coverage import Coverage
from billing.facts.ledger import Entry
from billing.facts.live_call import LiveCall
from billing.facts.rate import Rate
from billing.stores.rows import NamedRow, Row

metadata = MetaData()

accounts = Table(
    "accounts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(128), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("balance_micros", BigInteger, nullable=False),
    Column("reserved_micros", BigInteger, nullable=False),
    Column("credit_limit_micros", BigInteger),
    Column("status", String(16), nullable=False),
    Column("tariff", String(64), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

account_changes_table = Table(
    "account_changes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", Integer, ForeignKey("accounts.id"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("who", String(64), nullable=False),
    Column("what", String(64), nullable=False),
    Column("before", String(256), nullable=False),
    Column("after", String(256), nullable=False),
    Column("reason", String(256), nullable=False),
    Index("account_changes_by_account", "account_id", "at"),
)

entries = Table(
    "ledger_entries",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("transaction_id", String(160), nullable=False),
    Column("account_id", Integer, ForeignKey("accounts.id")),
    Column("book", String(32), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("amount_micros", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("ledger_entries_by_account", "account_id", "at"),
)
_OF_PAYMENTS = entries.c.kind.in_(("topup", "reversal")) & entries.c.account_id.is_not(None)
Index(
    "ledger_payments",
    entries.c.at,
    entries.c.id,
    sqlite_where=_OF_PAYMENTS,
    postgresql_where=_OF_PAYMENTS,
)

live_calls = Table(
    "live_calls",
    metadata,
    Column("call_id", String(64), primary_key=True),
    Column("account_id", Integer, ForeignKey("accounts.id")),
    Column("rate", LargeBinary),
    Column("reserved_micros", BigInteger, nullable=False),
    Column("paid_seconds", BigInteger),
    Column("opened_at", BigInteger, nullable=False),
    Column("answered_at", BigInteger),
    Column("last_alive_at", BigInteger, nullable=False),
    Column("facts", LargeBinary, nullable=False),
    Column("node", String(64), nullable=False, server_default=""),
    Column("answered_by", String(16)),
    Column("trunk", String(64)),
    Column("cost", LargeBinary),
    Column("coverage", LargeBinary),
    Column("dialogs", LargeBinary),
    Index("live_calls_by_account", "account_id"),
)
"""`dialogs` are written at the answer and read only after a crash: no batch loads them."""

cdrs = Table(
    "cdrs",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("call_id", String(64), nullable=False),
    Column("leg", String(8), nullable=False),
    Column("direction", String(16), nullable=False),
    Column("type", String(16), nullable=False),
    Column("account", Integer),
    Column("line", String(16)),
    Column("calling", String(64), nullable=False),
    Column("called", String(64), nullable=False),
    Column("called_dialled", String(64), nullable=False),
    Column("presented", String(64)),
    Column("trunk", String(64)),
    Column("setup_at", BigInteger, nullable=False),
    Column("ringing_at", BigInteger),
    Column("answered_at", BigInteger),
    Column("ended_at", BigInteger, nullable=False),
    Column("ring_ms", BigInteger, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Column("sip_status", Integer, nullable=False),
    Column("cause", Integer, nullable=False),
    Column("ended_by", String(16), nullable=False),
    Column("codec", String(32)),
    Column("media", LargeBinary),
    Column("recovered", Boolean, nullable=False),
    Column("sip_call_id", String(256), nullable=False),
    Column("tariff", String(64)),
    Column("prefix", String(16)),
    Column("billed_seconds", BigInteger, nullable=False),
    Column("price_micros", BigInteger, nullable=False),
    Column("currency", String(3)),
    Column("package", String(64)),
    Column("answered_by", String(16)),
    Column("cost_micros", BigInteger),
    Column("cost_currency", String(3)),
    Column("rate", LargeBinary),
    Column("coverage", LargeBinary),
    Column("cost_rate", LargeBinary),
    Column("decisions", String(300)),
    Index("cdrs_by_time", "setup_at"),
    Index("cdrs_by_account", "account", "setup_at", "type", "direction"),
    Index("cdrs_by_calling", "calling", "setup_at", "type", "direction", "account"),
    Index("cdrs_by_called", "called", "setup_at", "type", "direction", "account"),
    Index("cdrs_by_line", "line", "setup_at", "type", "direction"),
    Index("cdrs_by_direction", "direction", "setup_at"),
    Index("cdrs_by_type", "type", "setup_at"),
)
"""`rate`, `coverage` and `cost_rate` (what the trunk charges us by) are kept so that a price and a
cost can be computed again long after tariffs and packages have changed. Type, direction and account
stand in the indices of others: a kind of call that an account with very many calls had seldom or
never is looked for in an index alone."""


class _StoredSide(SideMedia, frozen=True, array_like=True):
    """A side's figures without the names of the fields, which take four times their room."""


class _StoredRate(Rate, frozen=True, array_like=True):
    """A rate without the names of its fields."""


RATES_KEPT = 256
"""Rates whose blobs are kept: calls to one destination are of one rate."""

_encode = msgspec.msgpack.Encoder().encode
# Older versions stored maps by the names of the fields; both are read.
_decode_rate = msgspec.msgpack.Decoder(_StoredRate).decode
_decode_named_rate = msgspec.msgpack.Decoder(Rate).decode
_decode_coverage = msgspec.msgpack.Decoder(Coverage).decode
_decode_media = msgspec.msgpack.Decoder(tuple[_StoredSide, _StoredSide] | MediaFigures).decode

# Rows are tuples; these are the columns that they stand for.
ACCOUNT_CHANGES = (
    "name",
    "balance_micros",
    "reserved_micros",
    "credit_limit_micros",
    "status",
    "tariff",
)
ENTRY_COLUMNS = tuple(column.name for column in entries.columns)
CALL_COLUMNS = tuple(column.name for column in live_calls.columns)
OPENING_COLUMNS = (
    "call_id",
    "account_id",
    "rate",
    "reserved_micros",
    "paid_seconds",
    "opened_at",
    "last_alive_at",
    "facts",
    "node",
    "coverage",
)
"""What is known of a call that begins; the rest comes with its changes."""
CALL_CHANGES = (
    "reserved_micros",
    "paid_seconds",
    "answered_at",
    "last_alive_at",
    "answered_by",
    "trunk",
    "cost",
    "coverage",
    "dialogs",
)
CDR_COLUMNS = tuple(column.name for column in cdrs.columns)
_CDR_BLOBS = ("media", "rate", "coverage", "cost_rate")
_CDR_FACTS = tuple(name for name in CDR_COLUMNS if name not in ("id", *_CDR_BLOBS))


def account_of(row: NamedRow) -> Account:
    """The account of a row."""
    return Account(*row)


def entry_of(row: NamedRow) -> Entry:
    """The ledger entry of a row."""
    return Entry(*row)


account_changes: Callable[[Account], Row] = attrgetter(*ACCOUNT_CHANGES, "id", "version")
"""Parameters of an account's update; its id and the version that was loaded stand last."""


def change_row(change: Change) -> dict[str, object]:
    """The row of an account's change."""
    names = [column.name for column in account_changes_table.columns if column.name != "id"]
    return {name: getattr(change, name) for name in names}


entry_row: Callable[[Entry], Row] = attrgetter(*ENTRY_COLUMNS)


def call_of(row: NamedRow) -> LiveCall:
    """The live call of a row, in the order of the table's columns, without its dialogs."""
    call_id, account_id, rate, *rest = row
    rest[-1] = coverage_from_blob(rest[-1])
    rest[-2] = rate_from_blob(rest[-2])
    return LiveCall(call_id, account_id, rate_from_blob(rate), *rest)


def opening_row(call: LiveCall) -> Row:
    """The row of a call that begins, in the order of OPENING_COLUMNS."""
    return (
        call.call_id,
        call.account_id,
        rate_blob(call.rate),
        call.reserved_micros,
        call.paid_seconds,
        call.opened_at,
        call.last_alive_at,
        call.facts,
        call.node,
        coverage_blob(call.coverage),
    )


def call_changes(call: LiveCall) -> Row:
    """Parameters of a call's update; its id stands last. Dialogs that are None stay as they are."""
    return (
        call.reserved_micros,
        call.paid_seconds,
        call.answered_at,
        call.last_alive_at,
        call.answered_by,
        call.trunk,
        rate_blob(call.cost),
        coverage_blob(call.coverage),
        call.dialogs,
        call.call_id,
    )


@lru_cache(maxsize=RATES_KEPT)
def rate_blob(rate: Rate | None) -> bytes | None:
    """A rate as it is stored."""
    return None if rate is None else _encode(astuple(rate))


def rate_from_blob(blob: bytes | None) -> Rate | None:
    """The rate of a stored blob."""
    if blob is None:
        return None
    try:
        return Rate(*astuple(_decode_rate(blob)))
    except msgspec.ValidationError:
        return _decode_named_rate(blob)


def coverage_blob(coverage: Coverage | None) -> bytes | None:
    """A coverage as it is stored."""
    return None if coverage is None else _encode(coverage)


def coverage_from_blob(blob: bytes | None) -> Coverage | None:
    """The coverage of a stored blob."""
    return None if blob is None else _decode_coverage(blob)


def cdr_of(row: NamedRow) -> Cdr:
    """The CDR of a row with all columns of `cdrs`, by name."""
    facts = {name: row[name] for name in _CDR_FACTS}
    facts["recovered"] = bool(facts["recovered"])
    return Cdr(**facts, media=_media_from_blob(row["media"]))


def media_blob(media: MediaFigures | None) -> bytes | None:
    """Figures of a call's sound as they are stored."""
    return None if media is None else _encode((astuple(media.caller), astuple(media.callee)))


def _media_from_blob(blob: bytes | None) -> MediaFigures | None:
    if blob is None:
        return None
    found = _decode_media(blob)
    if isinstance(found, MediaFigures):
        return found
    caller, callee = found
    return MediaFigures(SideMedia(*astuple(caller)), SideMedia(*astuple(callee)))


def cdr_row(
    cdr: Cdr,
    rate: Rate | None,
    coverage: Coverage | None = None,
    cost: Rate | None = None,
) -> Row:
    """The row of a CDR, in the order of CDR_COLUMNS; text from the wire is made storable."""
    calling, called, dialled, presented, call_id = chosen = _from_the_wire(cdr)
    text = "".join(filter(None, chosen))
    # As nearly always: all numbers together aren't longer than each of them may be.
    if not (
        text.isprintable()
        and len(call_id) <= MAX_CALL_ID
        and len(text) - len(call_id) <= MAX_NUMBER
    ):
        cdr = structs.replace(
            cdr,
            calling=storable(calling, MAX_NUMBER),
            called=storable(called, MAX_NUMBER),
            called_dialled=storable(dialled, MAX_NUMBER),
            presented=None if presented is None else storable(presented, MAX_NUMBER),
            sip_call_id=storable(call_id, MAX_CALL_ID),
        )
    return (
        cdr.id,
        *_before_media(cdr),
        media_blob(cdr.media),
        *_after_media(cdr),
        None if rate is None else rate_blob(rate),
        None if coverage is None else coverage_blob(coverage),
        None if cost is None else rate_blob(cost),
        cdr.decisions,
    )


def _between(first: str, last: str) -> Callable[[Cdr], Row]:
    """The values of a CDR from one column of the table to another, that one excluded."""
    start, end = map(CDR_COLUMNS.index, (first, last))
    return attrgetter(*CDR_COLUMNS[start:end])


_before_media, _after_media = _between("call_id", "media"), _between("recovered", "rate")
_from_the_wire: Callable[[Cdr], Row] = attrgetter(
    "calling", "called", "called_dialled", "presented", "sip_call_id"
)
"""Columns whose text strangers choose."""
MAX_NUMBER, MAX_CALL_ID = 64, 256
"""The characters that these columns hold."""


def storable(text: str, length: int) -> str:
    """Text as every database and file takes it: strangers choose it, and PostgreSQL refuses a NUL,
    a lone surrogate and a character too many, and with it the whole batch."""
    if text.isprintable() and len(text) <= length:
        return text
    return "".join(x if x.isprintable() else "\ufffd" for x in text[:length])
