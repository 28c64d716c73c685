"""What a subscriber changes in the cabinet: services, PIN, marks, SIP accounts, greetings."""

from __future__ import annotations

import base64
import io
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from billing.facts.authorization import WriteCdr
from billing.facts.cdr import Cdr
from softswitch.completion.store import CompletionStore
from softswitch.completion.waiting import Waiting
from softswitch.control.actor import Actor
from softswitch.control.errors import OperationError
from softswitch.operations.accounts import accounts
from softswitch.operations.context import Concern, Context
from softswitch.operations.dispatch import perform
from softswitch.operations.lines import completions, greetings, lines, services, voicemail
from softswitch.operations.money import wallets
from softswitch.operations.numbers import numbers
from softswitch.operations.registry import OPERATIONS
from softswitch.operations.users import users
from softswitch.subscribers import pins
from tests.softswitch.operating import at, refused

ANA, BEKA, ABROAD = "+995322000001", "+995322000003", "+4930123456"
RENTED = "+442079460100"
DAY = 86_400_000


@pytest.fixture
def ana(context: Context) -> Context:
    """Ana asks, of a switch that also has Beka."""
    context.now_ms = lambda: at("2027-01-04T12:00+04:00")
    for name, number in (("Ana", ANA), ("Beka", BEKA)):
        accounts.account_add(context, name)
        lines.line_add(context, number, name, login=name.lower())
    accounts.account_topup(context, "Ana", "9", "p1")
    return replace(context, actor=Actor("ana", "subscriber", 1), concern=Concern())


def code_of(context: Context, operation: str, **arguments: object) -> str:
    """The code of a refusal; "" when it was done."""
    try:
        perform(context, OPERATIONS[operation], arguments)
    except OperationError as error:
        return error.code
    return ""


def test_several_services_change_together_or_not_at_all(ana: Context) -> None:
    change = [{"service": f"forward_{kind}", "value": [ABROAD]} for kind in ("busy", "unreachable")]
    change.append({"service": "forward_no_answer", "value": [ABROAD], "seconds": 30})  # type: ignore[dict-item]
    assert code_of(ana, "line_service_set_many", number=ANA, changes=change) == ""
    rows: Any = {row["service"]: row for row in services.line_service_list(ana, ANA)}
    assert [rows[f"forward_{kind}"]["numbers"] for kind in ("busy", "no_answer")] == [[ABROAD]] * 2
    assert rows["forward_no_answer"]["seconds"] == 30
    wrong = [
        {"service": "do_not_disturb", "value": ["on"]},
        {"service": "forward_always", "value": [ANA]},
    ]
    said = code_of(ana, "line_service_set_many", number=ANA, changes=wrong)
    assert said == "target_is_own_number"
    assert not ana.line(ANA).services.is_on("do_not_disturb")


def test_a_barring_among_several_services_opens_by_the_pin(ana: Context) -> None:
    staff = replace(ana, actor=Actor("nino", "support"))
    lines.line_set(staff, ANA, "pin", "2580")
    on = [{"service": "bar_international", "value": ["on"]}]
    off = [{"service": "bar_international", "value": ["off"]}]
    assert code_of(ana, "line_service_set_many", number=ANA, changes=on) == ""
    assert code_of(ana, "line_service_set_many", number=ANA, changes=off) == "pin_missing"
    assert code_of(ana, "line_service_set_many", number=ANA, changes=off, pin="1111") == "pin_wrong"
    assert code_of(ana, "line_service_set_many", number=ANA, changes=off, pin="2580") == ""


def test_the_pin_is_changed_by_the_old_one(ana: Context) -> None:
    staff = replace(ana, actor=Actor("nino", "support"))
    assert code_of(ana, "line_pin_set", number=ANA, pin="2580") == "pin_not_set"
    assert code_of(staff, "line_pin_set", number=ANA, pin="2580") == ""
    assert code_of(ana, "line_pin_set", number=ANA, pin="7193") == "pin_missing"
    assert code_of(ana, "line_pin_set", number=ANA, pin="7193", old_pin="1111") == "pin_wrong"
    assert code_of(ana, "line_pin_set", number=ANA, pin="1234", old_pin="2580") == "pin_guessable"
    assert code_of(ana, "line_pin_set", number=ANA, pin="7193", old_pin="2580") == ""
    kept = ana.line(ANA).pin
    assert kept is not None and pins.fits("7193", kept)


def test_the_password_of_the_login_sets_a_first_pin_and_its_guesses_are_counted(
    ana: Context,
) -> None:
    staff = replace(ana, actor=Actor("nino", "admin"))
    assert code_of(ana, "line_pin_set", number=ANA, pin="7193", password="x") == "credentials_wrong"
    password = str(users.user_add(staff, "ana", "subscriber", "1")["password"])
    assert code_of(ana, "line_pin_set", number=ANA, pin="7193", password=password) == ""
    for _ in range(pins.MAX_WRONG):
        said = code_of(ana, "line_pin_set", number=ANA, pin="2580", password="wrong")
        assert said == "credentials_wrong"
    said = code_of(ana, "line_pin_set", number=ANA, pin="2580", password=password)
    assert said == "pin_locked"


def called(context: Context, key: str, moment: str, **changes: Any) -> None:
    now = at(moment)
    facts = {
        "leg": "a", "direction": "incoming", "type": "on_net", "account": 1, "line": ANA,
        "calling": ABROAD, "called": ANA, "called_dialled": ANA, "presented": None,
        "trunk": "carrier", "setup_at": now, "ringing_at": None, "answered_at": now,
        "ended_at": now + 60_000, "ring_ms": 0, "duration_ms": 60_000, "sip_status": 200,
        "cause": 16, "ended_by": "caller", "sip_call_id": key,
    }  # fmt: skip
    context.do(WriteCdr(Cdr(key, **(facts | changes))))


def test_a_call_is_marked_within_seven_days_and_its_caller_stays_unnamed(ana: Context) -> None:
    called(ana, "new", "2027-01-04T11:00+04:00")
    called(ana, "old", "2026-12-28T11:00+04:00")
    called(ana, "out", "2027-01-04T11:00+04:00", direction="outgoing", calling=ANA, called=ABROAD)
    row = services.call_mark(ana, "1", "new-a")
    assert (row["line"], row["result"]) == (ANA, "marked")
    assert ABROAD not in str(row)
    assert services.call_mark(ana, "1", "new-a")["result"] == "was marked before"
    assert code_of(ana, "call_mark", call="old-a") == "call_too_old"
    assert code_of(ana, "call_mark", call="out-a") == "call_not_incoming"
    beka = replace(ana, actor=Actor("beka", "subscriber", 2), concern=Concern())
    assert code_of(beka, "call_mark", call="new-a") == "account_call_not_found"
    marked = services.call_malicious(replace(ana, actor=Actor("nino", "admin")))
    assert [(each["line"], each["calling"], each["withheld"]) for each in marked] == [
        (ANA, ABROAD, True)
    ]


def test_a_rented_number_gets_a_sip_account_free_of_charge(ana: Context) -> None:
    staff = replace(ana, actor=Actor("nino", "support"))
    numbers.number_add(staff, RENTED, "GB", "landline", "2")
    assert code_of(ana, "sip_account_add", number=RENTED) == "number_not_rented"
    numbers.rental_order(ana, "1", ANA, [RENTED], order_id="o")
    before = accounts.account_show(ana, "1")["balance"]
    row: Any = perform(ana, OPERATIONS["sip_account_add"], {"number": RENTED, "label": "Office"})
    assert row["login"].startswith("sip-") and len(row["password"]) == 20
    assert row["domain"] == ana.config.switch.domain
    line = ana.line(RENTED)
    assert (line.account_id, line.display_name, line.login) == (1, "Office", row["login"])
    assert accounts.account_show(ana, "1")["balance"] == before
    assert wallets.wallet_ledger(ana, "1", "money", limit=1)[0]["kind"] == "rent"
    assert code_of(ana, "sip_account_add", number=RENTED) == "number_has_line_already"


def wav(rate: int, channels: int, seconds: float = 1) -> str:
    file = io.BytesIO()
    with wave.open(file, "wb") as made:
        made.setparams((channels, 2, rate, 0, "NONE", "not compressed"))
        made.writeframes(b"\x10\x20" * round(channels * rate * seconds))
    return base64.b64encode(file.getvalue()).decode()


def test_a_greeting_is_refused_with_every_reason_and_converted(ana: Context) -> None:
    voicemail.voicemail_enable(ana, ANA)
    with pytest.raises(OperationError) as error:
        greetings.greeting_upload(ana, ANA, "hello", wav(44_100, 2))
    assert error.value.code == "greeting_unplayable"
    reasons = error.value.facts["reasons"]
    assert isinstance(reasons, tuple) and len(reasons) == 2
    row = greetings.greeting_upload(ana, ANA, "hello", wav(44_100, 2), convert=True)
    assert row["seconds"] == 1.0
    opened = greetings.greeting_open(ana, ANA, "hello")
    path = Path(str(opened["path"]))
    assert path.is_absolute() and path.stat().st_size == opened["octets"] == 16_044
    no_sound = base64.b64encode(b"no sound at all").decode()
    said = code_of(ana, "greeting_upload", number=ANA, name="x", wav=no_sound, convert=True)
    assert said == "greeting_unconvertible"
    huge = base64.b64encode(bytes(greetings.MAX_UPLOAD_BYTES + 1)).decode()
    assert refused(greetings.greeting_upload, ana, ANA, "x", huge) == "x has more than 16 MiB"


def test_an_offer_is_accepted_while_it_stands(ana: Context) -> None:
    line, now = ana.line(ANA), ana.now_ms()
    store = CompletionStore(ana.billing.engine)
    for key, state, since in (("o", "offered", now), ("d", "declined", now)):
        waiting = Waiting(
            key * 32, line.id, line.id, BEKA, True, "busy", state, now - 1000, since  # type: ignore[arg-type]
        )  # fmt: skip
        store.write({waiting.id: waiting})
    assert code_of(ana, "completion_accept", waiting_id="d" * 32) == "completion_not_offered"
    assert completions.completion_accept(ana, "o" * 32)["result"] == "accepted"
    assert {w.id[0]: w.state for w in store.load()} == {"o": "accepted", "d": "declined"}
    assert code_of(ana, "completion_accept", waiting_id="o" * 32) == "completion_not_offered"


def test_a_tenant_whose_lease_is_over_reads_the_line_and_changes_nothing(ana: Context) -> None:
    lines.line_set(replace(ana, actor=Actor("boss", "admin")), ANA, "lease_ends_on", "2027-06-04")
    deaf = {"number": ANA, "service": "do_not_disturb", "value": ["on"]}
    ana.now_ms = lambda: at("2027-06-04T23:59+04:00")
    assert code_of(ana, "line_service_set", **deaf) == ""
    ana.now_ms = lambda: at("2027-06-05T00:00+04:00")
    assert code_of(ana, "line_service_set", **deaf) == "lease_ended"
    assert code_of(ana, "line_set", number=ANA, key="language", value="en") == "lease_ended"
    assert code_of(ana, "line_show", number=ANA) == ""
    asked = {"account": "1", "kind": "fault", "text": "It is over", "line": ANA}
    assert code_of(ana, "request_open", **asked) == ""
    operator = replace(ana, actor=Actor("boss", "admin"), concern=Concern())
    assert code_of(operator, "line_service_set", **deaf) == ""
