"""`explain call ID`: what was decided for a call that is over, in plain sentences."""

from __future__ import annotations

from pathlib import Path

import pytest

from billing.facts.authorization import WriteCdr
from billing.facts.cdr import Cdr
from billing.stores.store import Store
from softswitch.admission.decisions import Decisions
from softswitch.config.config import parse
from softswitch.control.errors import OperationError
from softswitch.operations.calls.past_call import explain_past_call
from softswitch.operations.context import Context
from softswitch.subscribers.directory_store import DirectoryStore

CONFIG = '[switch]\ndomain = "example.org"\ncountry = "GE"\ncurrency = "GEL"\n'
MARCH = 1_772_366_400_000
"""1 March 2026, noon UTC."""


@pytest.fixture(params=["sqlite", "postgresql"])
def context(request: pytest.FixtureRequest, tmp_path: Path):
    if request.param == "postgresql":
        url = request.getfixturevalue("own_database")
    else:
        url = f"sqlite:///{tmp_path}/switch.db"
    store = Store(url)
    store.create()
    config = parse(CONFIG, tmp_path / "softswitch.toml")
    yield Context(config, store, DirectoryStore(store.engine), store.apply, lambda: MARCH)
    store.close()


def kept(context: Context, **facts: object) -> None:
    common = {
        "call_id": "8f3a", "leg": "a", "direction": "outgoing", "type": "international",
        "account": None, "line": "+995322000001", "calling": "+995322000001",
        "called": "+442012345678", "called_dialled": "00442012345678",
        "presented": "+995322000001", "trunk": "south", "setup_at": MARCH, "ringing_at": MARCH,
        "answered_at": None, "ended_at": MARCH + 12_000, "ring_ms": 4_000, "duration_ms": 0,
        "sip_status": 200, "cause": 16, "ended_by": "caller",
    }  # fmt: skip
    context.billing.apply([WriteCdr(Cdr(**common | facts))])


def told(context: Context, call: str) -> list[tuple[str, str]]:
    return [(row["stage"], row["decision"]) for row in explain_past_call(context, call)]


def test_an_answered_call_tells_trunks_price_and_who_hung_up(context: Context) -> None:
    decisions = Decisions(
        shown="the line's number", left=(("east", "down"),), tried=(("north", 503), ("south", 200))
    )
    kept(
        context, answered_at=MARCH + 4_000, duration_ms=8_000, tariff="default", prefix="44",
        billed_seconds=8, price_micros=40_000, currency="GEL", decisions=decisions.encoded(""),
    )  # fmt: skip
    expected = [
        (
            "call",
            "+995322000001 called +442012345678 (dialled as 00442012345678) at "
            "2026-03-01T12:00:00.000Z; outgoing, international",
        ),
        ("caller_id", "shown as +995322000001: the line's number"),
        ("routing", "trunk east wasn't tried: it didn't answer its pings"),
        ("ringing", "trunk north refused with 503 Service Unavailable"),
        ("ringing", "trunk south answered the call"),
        ("price", "0.04 GEL for 8 s billed: tariff default, prefix 44"),
        ("end", "after 8 s the caller hung up"),
    ]
    assert told(context, "8f3a") == told(context, "8f3a-a") == expected


def test_a_refused_call_tells_the_rule(context: Context) -> None:
    rule = "routing: the called line is busy"
    kept(context, sip_status=486, ended_by="callee", decisions=Decisions().encoded(rule))
    assert told(context, "8f3a")[-1] == ("end", f"refused with 486 Busy Here: {rule}")


def test_a_call_of_an_older_version_tells_what_its_record_has(context: Context) -> None:
    kept(context, sip_status=487)
    assert told(context, "8f3a")[1:] == [("end", "the caller gave up after 4 s of ringing")]


def test_an_unknown_call_is_said_to_be_unknown(context: Context) -> None:
    with pytest.raises(OperationError, match="there is no record of a call 'nope'"):
        explain_past_call(context, "nope")
