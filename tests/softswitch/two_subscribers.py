"""Two subscribers, Ana and Beka, with one object of every kind each."""

from __future__ import annotations

import base64
import hashlib
import io
import wave
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from operating import at, later
from sqlalchemy import inspect, text

from billing.facts.authorization import WriteCdr
from billing.facts.cdr import Cdr
from softswitch.completion.store import CompletionStore
from softswitch.completion.waiting import Waiting
from softswitch.config.payments import PaymentsSection
from softswitch.config.provisioning import ProvisioningSection
from softswitch.control.actor import Actor, Role
from softswitch.operations.accounts import accounts, documents, requests
from softswitch.operations.context import Concern, Context
from softswitch.operations.devices import codes
from softswitch.operations.lines import greetings, lines, rooms, services, voicemail
from softswitch.operations.money import packages, payment_intents, wallets
from softswitch.operations.numbers import moves, numbers, orders
from softswitch.operations.texts import (
    batches,
    businesses,
    carriers,
    contact_table,
    contacts,
    stops,
    templates,
    texts,
)
from softswitch.operations.users import tokens, users, webhooks
from softswitch.recordings.store import RecordedCall, RecordingStore
from softswitch.voicemail.store import Message, VoicemailStore

BEGIN, NOW = "2027-01-04T12:00+04:00", "2027-02-02T12:00+04:00"
PDF = base64.b64encode(b"%PDF-1.7 scan").decode()
UNKNOWN: Mapping[str, object] = {
    "account": "999", "number": "+995322999999", "rented": "+4930999999", "line": "+995322999999",
    "caller": "+995322999999", "document": 999, "request": 999, "bill": 999, "order": "nothing:1",
    "recording": "0" * 32, "message": "1" * 32, "greeting": "2" * 32, "room": "9999",
    "waiting_id": "3" * 32, "subscription": "nothing",
    "text_id": 10**9, "call": "nothing-a", "import_id": "fedcba9876543210",
    "login": "no-such-clerk", "token": 999, "webhook": 999,
    "wait_id": "FR::landline:9:9", "port": 999, "device": "4" * 16,
    "batch": "0123456789abcdef", "intent": "5" * 20,
}  # fmt: skip
"""Ids that nothing has."""


@dataclass
class Subscriber:
    """What one of the two has; `ids` by the names of operations' arguments."""

    account: int
    line_id: int
    words: tuple[str, ...]
    """Words that only their owner may read."""
    ids: dict[str, object] = field(default_factory=dict)


@dataclass
class World:
    context: Context
    ana: Subscriber
    beka: Subscriber
    neighbour: Subscriber
    """Another line of Ana's account."""

    def as_(self, subscriber: Subscriber, role: Role) -> Context:
        """A context in which a subscriber asks."""
        own = (subscriber.line_id,) if role == "line_user" else ()
        return acting(self.context, Actor("ana", role, subscriber.account, own))


def acting(context: Context, actor: Actor) -> Context:
    return replace(context, actor=actor, concern=Concern())


def build(context: Context) -> World:
    provisioned = ProvisioningSection(url="https://prov.example.org", cloud_id="EXAMPLE")
    paid = PaymentsSection(page_url="https://pay.example.org/", secret="s" * 32)
    context.config = context.config.model_copy(
        update={"provisioning": provisioned, "payments": paid}
    )
    context.now_ms = lambda: at(BEGIN)
    orders.number_offer(context, "de", city="Berlin", monthly="1")
    packages.package_define(context, "talk", "1", "30 days", scope="on_net")
    wallets.wallet_offer(context, "sms", 100, "1")
    carriers.sms_carrier_add(context, "centre", "smpp://us:secret@192.0.2.1")
    for digit in "1234":
        numbers.number_add(context, f"+442079460{digit}00", "GB", "landline", "1")
    ana, beka = (_subscriber(context, name, digit) for name, digit in (("Ana", 1), ("Beka", 2)))
    neighbour = _line(context, str(ana.account), "Gio", 3)
    context.now_ms = lambda: at(BEGIN)
    later(context, NOW)
    for one in (ana, beka):
        (bill,) = {row["number"] for row in _bills(context, one)}
        one.ids["bill"] = bill
    return World(context, ana, beka, neighbour)


def _bills(context: Context, one: Subscriber) -> list[dict[str, object]]:
    from softswitch.operations.money import bills

    return bills.bill_list(context, str(one.account))


def _subscriber(context: Context, name: str, digit: int) -> Subscriber:
    rented, ported = f"+442079460{digit}00", f"+99532255500{digit}"
    owner = str(accounts.account_add(context, name)["id"])
    accounts.account_topup(context, owner, "100", f"payment-of-{name}")
    made = _line(context, owner, name, digit)
    number = str(made.ids["number"])
    document = documents.document_upload(context, owner, "identity", f"{name}.pdf", PDF)
    request = requests.request_open(context, owner, "fault", f"words of {name}", number)
    (order,) = orders.order_add(context, owner, number, "de", "Berlin", order_id=f"order-{name}")
    numbers.rental_order(context, owner, number, [rented], order_id=f"rental-{name}")
    port = moves.port_in(context, ported, owner, f"operator of {name}")
    wait = numbers.number_wait(context, owner, "fr", city=f"city of {name}")
    package = packages.package_buy(context, owner, "talk", number, purchase_id=f"package-{name}")
    made.ids |= {
        "rented": rented, "document": document["id"], "request": request["id"],
        "order": order["id"], "subscription": package["id"], "wait_id": wait["id"],
        "port": port["id"],
    }  # fmt: skip
    batch, phone = _batch(context, owner, name, digit)
    made.ids["batch"] = batch
    imported = contact_table.sms_contact_import(context, owner, f"+99559900003{digit}\n")
    made.ids["import_id"] = imported["import"]
    users.user_add(context, f"clerk-{name}", "subscriber_accountant", owner)
    clerk = f"clerk-{name}"
    made.ids["login"] = clerk
    hook = webhooks.webhook_add(context, owner, f"https://{name}.example.org/hook".lower())
    made.ids["webhook"] = hook["id"]
    made.ids["intent"] = payment_intents.payment_intent_add(context, owner, "5.00")["id"]
    made.ids["token"] = tokens.token_add(context, clerk, "program", ["*:read"], owner)["id"]
    words = (*made.words, name, rented, ported, f"payment-of-{name}", batch, phone)
    return replace(made, words=words)


def _batch(context: Context, owner: str, name: str, digit: int) -> tuple[str, str]:
    """A batch that is paused, and the phone of the contact that it is for."""
    phone = f"+99559900000{digit}"
    businesses.sms_grant(context, owner, True)
    businesses.sms_sender_add(context, owner, f"Shop{name}")
    businesses.sms_sender_approve(context, owner, f"Shop{name}")
    stops.sms_contract_accept(context, owner)
    stops.sms_stop_add(context, owner, f"+99559900001{digit}")
    contacts.sms_group_add(context, owner, "friends")
    contacts.sms_contact_add(context, owner, phone, f"friend of {name}", groups=["friends"])
    contacts.sms_contact_add(context, owner, f"+99559900002{digit}")
    contacts.sms_contact_add(context, owner, "+995599000031")
    templates.sms_template_add(context, owner, "paper.pdf", f"Dear {{name}} of {name}")
    templates.sms_draft_add(context, owner, "paper.pdf", f"draft of {name}")
    wallets.wallet_trial(context, owner, "sms")
    made = batches.sms_batch_add(
        context, owner, f"Shop{name}", template="paper.pdf", groups=["friends"]
    )
    batches.sms_batch_pause(context, str(made["id"]))
    return str(made["id"]), phone


def _line(context: Context, owner: str, name: str, digit: int) -> Subscriber:
    """A line with what belongs to a line."""
    number, room = f"+99532200000{digit}", f"77{digit}"
    line_id = int(str(lines.line_add(context, number, owner, login=f"login-{name}")["id"]))
    lines.line_set(context, number, "pin", "2580")
    services.line_service_set(context, number, "bar_international", ["on"])
    rooms.room_add(context, room, number)
    voicemail.voicemail_enable(context, number)
    greeting = greetings.greeting_upload(context, number, f"greeting-{name}", _silence())
    now, ids = context.now_ms(), {kind: f"{kind[0]}{digit}" * 16 for kind in ("message", "record")}
    store = VoicemailStore(context.billing.engine)
    store.begin(Message(ids["message"], line_id, "new", "+1", now, 1000), False, now * 2, 9)
    store.arrived(ids["message"], 1000, None, now)
    for kind, folder in (
        ("message", context.config.voicemail_dir), ("record", context.config.recordings_dir),
    ):  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{ids[kind]}.wav").write_bytes(base64.b64decode(_silence()))
    recording = RecordedCall(
        ids["record"], f"call-{name}", line_id, number, number, "+1", "recording", "", now + 1, 0,
        now * 2,
    )  # fmt: skip
    RecordingStore(context.billing.engine).begin(recording)
    RecordingStore(context.billing.engine).ended(ids["record"], "kept", 1000)
    waiting = Waiting(
        f"w{digit}" * 16, line_id, line_id, number, True, "busy", "accepted", now, now
    )
    CompletionStore(context.billing.engine).write({waiting.id: waiting})
    _called(context, int(owner), number, f"cdr{digit}")
    texted = texts.sms_send(context, number, number, f"text of {name}")
    device = codes.provisioning_code_add(context, number, "zoiper", f"phone of {name}")["device"]
    names: dict[str, object] = {
        "account": owner, "number": number, "line": number, "caller": number,
        "recording": ids["record"], "message": ids["message"], "greeting": greeting["id"],
        "room": room, "waiting_id": waiting.id, "text_id": texted["id"], "call": f"cdr{digit}-a",
        "device": device,
    }  # fmt: skip
    words = (
        str(device),
        f"phone of {name}",
        number,
        ids["record"],
        ids["message"],
        waiting.id,
        room,
        f"text of {name}",
    )
    words += (f"cdr{digit}-a",)
    return Subscriber(int(owner), line_id, words, names)


def _called(context: Context, account: int, number: str, key: str) -> None:
    """A call of the line to another country."""
    now, abroad = context.now_ms(), "+4930123456"
    cdr = Cdr(
        key, leg="a", direction="outgoing", type="international", account=account, line=number,
        calling=number, called=abroad, called_dialled=abroad, presented=number, trunk="carrier",
        setup_at=now, ringing_at=None, answered_at=now, ended_at=now + 60_000, ring_ms=0,
        duration_ms=60_000, sip_status=200, cause=16, ended_by="caller", sip_call_id=key,
    )  # fmt: skip
    context.do(WriteCdr(cdr))


def _silence() -> str:
    file = io.BytesIO()
    with wave.open(file, "wb") as made:
        made.setparams((1, 2, 8000, 0, "NONE", "not compressed"))
        made.writeframes(bytes(16000))
    return base64.b64encode(file.getvalue()).decode()


def fingerprint(context: Context, *, without: frozenset[str] = frozenset({"audit"})) -> str:
    """A hash of all rows of all tables."""
    engine = context.billing.engine
    digest = hashlib.sha256()
    with engine.connect() as connection:
        for table in sorted(inspect(engine).get_table_names()):
            if table not in without:
                rows = connection.execute(text(f'SELECT * FROM "{table}"')).all()
                digest.update(repr((table, sorted(map(repr, rows)))).encode())
    return digest.hexdigest()
