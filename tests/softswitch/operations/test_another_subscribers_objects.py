"""A subscriber asks every operation for another's objects: it finds nothing and changes nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import copy_switch
from two_subscribers import UNKNOWN, World, acting, build, fingerprint

from softswitch.control import client
from softswitch.control.actor import SUBSCRIBER_ROLES, Actor, Role
from softswitch.control.errors import OperationError
from softswitch.control.server import ControlServer
from softswitch.control.watch import WatchHub
from softswitch.operations.access import Operation
from softswitch.operations.arguments import parameters
from softswitch.operations.dispatch import Dispatcher, LiveOperations, perform
from softswitch.operations.installation import setup
from softswitch.operations.registry import OPERATIONS
from softswitch.operations.rights import operator_only
from softswitch.process.watching import check_watch

FILLED = {
    "account": {"account"}, "number": {"number"}, "line": {"line"}, "document": {"document"},
    "request": {"request"}, "bill": {"bill"}, "order": {"order"}, "recording": {"recording"},
    "message": {"message"}, "greeting": {"greeting"}, "room": {"room"},
    "waiting_id": {"waiting_id"}, "text_id": {"text_id"}, "batch": {"batch"},
    "import_id": {"import_id"},
    "subscription": {"subscription"}, "numbers": {"number"}, "call": {"call"},
    "wait_id": {"wait_id"}, "login": {"login"}, "token": {"token"}, "webhook": {"webhook"},
    "device": {"device"}, "intent": {"intent"},
}  # fmt: skip
RENTED = {
    "number_reach", "number_reach_show", "number_unreach", "number_try", "rental_give_up",
    "rental_order", "rental_quote", "sip_account_add",
}  # fmt: skip
"""Their numbers are for rent; those of other operations are lines'."""
HARMLESS: dict[str, object] = {
    "amount": "1", "changes": [{"service": "call_waiting", "value": ["off"]}],
    "city": "Berlin", "content": "JVBERi0xLjcgbW9yZQ==", "country": "de",
    "group": "friends", "groups": ["friends"],
    "key": "language", "kind": "identity", "name": "paper.pdf", "on": True, "operator": "Other",
    "peer": "+995322000009", "phone": "+995599000031", "phones": ["+995599000032"],
    "pin": "2580", "keys": ["blf 1002"], "more_lines": [], "selector": "s", "text_ids": [],
    "product": "talk", "purchase_id": "new", "recipient": "+995322000001",
    "service": "bar_international", "since": "2027-01-01", "state": "saved",
    "targets": ["+4930123"], "text": "words", "topic": "money", "way": "text",
    "units": 100, "until": "2027-01-31", "value": "en", "wallet": "sms", "wav": "",
}  # fmt: skip
"""Values of arguments that name nobody's object."""
SPECIAL: dict[str, dict[str, object]] = {
    "line_service_set": {"value": ["off"], "pin": "2580"},
    "line_service_clear": {"pin": "2580"},
    "device_add": {"kind": "other"},
    "number_wait": {"kind": "landline"},
    "order_add": {"kind": "landline"},
    "request_open": {"kind": "relocation"},
    "room_set": {"key": "pin", "value": "2580"},
    "tariff_quote": {"number": "1111"},
    "port_in": {"number": "+995322777777"},
    "room_add": {"room": "4321"},
    "voicemail_set": {"key": "email", "value": "a@example.org"},
    "wallet_ledger": {"wallet": "money"},
    "user_add": {"login": "new-clerk", "role": "subscriber_accountant"},
    "webhook_add": {"url": "https://example.org/hook"},
    "webhook_set": {"key": "enabled", "value": "yes"},
    "webhook_again": {"delivery": 1},
    "token_add": {"name": "program", "scopes": ["calls:read"]},
    "user_grant": {"role": "subscriber_accountant"},
    "number_sms": {"service": "telegram"},
    "sms_contact_import": {"text": "phone\n+995599000030"},
}
NOT_IDS = {
    ("account_calls", "number"),
    ("account_calls_total", "number"),
    ("port_in", "number"),
    ("room_add", "room"),
    ("sms_list", "number"),
    ("tariff_quote", "number"),
    ("user_add", "login"),
}
"""These name what has no owner: another party, a number elsewhere, a new room."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, empty_switch: Path) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("two")
    copy_switch(empty_switch, folder)
    with setup.opened(setup.load(folder / "softswitch.toml")) as opened:
        yield build(opened)


def offered() -> list[tuple[Operation, Role]]:
    """Every operation with each role of subscribers that may perform it."""
    return [
        (operation, role)
        for operation in OPERATIONS.values()
        for role in SUBSCRIBER_ROLES
        if role in operation.roles
    ]


def ids_of(operation: Operation) -> list[str]:
    """The arguments that name something which has an owner."""
    return [
        key
        for key in parameters(operation.function)
        if key in FILLED and (operation.name, key) not in NOT_IDS
    ]


def value_of(operation: Operation, key: str, ids: dict[str, object]) -> object:
    if operation.name == "port_cancel":
        return ids["port"]
    if key == "numbers":
        return [ids["rented"]]
    return ids["rented"] if key == "number" and operation.name in RENTED else ids[key]


def own_arguments(operation: Operation, ids: dict[str, object]) -> dict[str, object]:
    """What the operation must be given, all of it one's own."""
    given: dict[str, object] = {}
    for key, (_, default) in parameters(operation.function).items():
        if key in SPECIAL.get(operation.name, {}):
            given[key] = SPECIAL[operation.name][key]
        elif key in ids_of(operation):
            given[key] = value_of(operation, key, ids)
        elif default is not None and not isinstance(default, bool | int | str):
            given[key] = HARMLESS[key]  # it has no default; a new argument wants its line here
    return given


def said(world: World, role: Role, operation: Operation, arguments: dict[str, object]) -> str:
    """The code with which Ana's request is refused; "" if it isn't."""
    try:
        perform(world.as_(world.ana, role), operation, arguments)
    except OperationError as error:
        return error.code if error.kind != "not_found" else f"{error.code}, not found"
    return ""


CASES = [
    pytest.param(operation, role, key, id=f"{role}-{operation.name}-{key}")
    for operation, role in offered()
    for key in ids_of(operation)
]


@pytest.mark.parametrize(("operation", "role", "key"), CASES)
def test_anothers_is_not_found_as_if_it_were_not_there(
    world: World, operation: Operation, role: Role, key: str
) -> None:
    before = fingerprint(world.context)
    own = own_arguments(operation, world.ana.ids)
    foreign = own | {key: value_of(operation, key, world.beka.ids)}
    unknown = own | {key: value_of(operation, key, dict(UNKNOWN))}
    answer = said(world, role, operation, foreign)
    assert answer.endswith("not found")
    assert answer == said(world, role, operation, unknown)
    assert fingerprint(world.context) == before


@pytest.mark.parametrize(
    ("operation", "role"),
    [
        pytest.param(operation, role, id=f"{role}-{operation.name}")
        for operation, role in offered()
        if operation.effect != "change"
    ],
)
def test_ones_own_is_shown_and_nothing_of_anothers(
    world: World, operation: Operation, role: Role
) -> None:
    arguments = own_arguments(operation, world.ana.ids)
    shown = json.dumps(perform(world.as_(world.ana, role), operation, arguments))
    others = world.beka.words
    if role == "line_user":
        others += world.neighbour.words
    assert [word for word in others if f'"{word}"' in shown] == []
    for word in ("supplier", "trunk", "margin", "cost", "cost_currency", "reference", "file"):
        assert f'"{word}"' not in shown


def test_lists_of_staff_have_both(world: World) -> None:
    staff = acting(world.context, Actor("nino", "admin"))
    of_lines = ("line_list", "completion_list", "room_list", "recording_list", "voicemail_list")
    of_accounts = ("bill_list", "port_list", "number_waits", "order_list", "document_list",
                   "request_list", "rental_list")  # fmt: skip
    for names, count in ((of_lines, 3), (of_accounts, 2)):
        for name in names:
            rows = perform(staff, OPERATIONS[name], {})
            assert isinstance(rows, list) and len(rows) == count, name


@pytest.mark.parametrize(
    ("operation", "role", "key"),
    [
        pytest.param(operation, role, key, id=f"{role}-{operation.name}-{key}")
        for operation, role in offered()
        for key in sorted(operator_only(operation))
    ],
)
def test_no_subscriber_says_what_is_for_the_operator(
    world: World, operation: Operation, role: Role, key: str
) -> None:
    before = fingerprint(world.context)
    values: dict[str, object] = {"price": "0", "approved": ["identity"], "by": "operator"}
    arguments = own_arguments(operation, world.ana.ids) | {key: values.get(key, "x")}
    assert said(world, role, operation, arguments) == "argument_for_operator"
    assert fingerprint(world.context) == before


@pytest.mark.parametrize("key", ["account", "max_calls", "lease_ends_on", "pin", "srtp", "waiting"])
def test_no_subscriber_sets_what_decides_money_or_trust(world: World, key: str) -> None:
    before = fingerprint(world.context)
    value = str(world.ana.account) if key == "account" else "1"
    arguments = {"number": world.ana.ids["number"], "key": key, "value": value}
    for role in ("subscriber", "line_user"):
        assert said(world, role, OPERATIONS["line_set"], arguments) == "key_for_others"
    assert fingerprint(world.context) == before


def test_every_argument_that_decides_money_or_trust_is_declared() -> None:
    """A new operation for subscribers with such an argument wants an entry in the table."""
    decides = {
        "price", "approved", "by", "postpaid", "credit_limit", "tariff", "supplier", "path", "fee",
        "file", "discount", "announce", "wanted_by",
    }  # fmt: skip
    for operation, _ in offered():
        assert decides & parameters(operation.function).keys() <= operator_only(operation)


@pytest.mark.parametrize(
    ("operation", "key"),
    [
        pytest.param(operation, key, id=f"{operation.name}-{key}")
        for operation, role in offered()
        for key in ids_of(operation)
        if role == "line_user" and key != "account"
    ],
)
def test_a_line_user_reaches_no_other_line_of_its_account(
    world: World, operation: Operation, key: str
) -> None:
    before = fingerprint(world.context)
    own = own_arguments(operation, world.ana.ids)
    neighbours = own | {key: value_of(operation, key, world.neighbour.ids)}
    unknown = own | {key: value_of(operation, key, dict(UNKNOWN))}
    answer = said(world, "line_user", operation, neighbours)
    assert answer.endswith("not found")
    assert answer == said(world, "line_user", operation, unknown)
    assert fingerprint(world.context) == before


def test_the_beginning_of_an_id_is_none_but_for_the_command_line(world: World) -> None:
    recording = str(world.ana.ids["recording"])
    show = OPERATIONS["recording_show"]
    owner = world.as_(world.ana, "subscriber")
    assert perform(owner, show, {"recording": recording})
    staff = acting(world.context, Actor("nino", "admin"))
    for context in (owner, staff):
        with pytest.raises(OperationError) as refused:
            perform(context, show, {"recording": recording[:6]})
        assert refused.value.code == "recording_not_found"
    assert perform(world.context, show, {"recording": recording[:6]})


def test_over_the_socket_an_account_that_is_not_the_actors_is_not_found(
    world: World, tmp_path: Path
) -> None:
    async def converse() -> None:
        dispatcher = Dispatcher(
            replace(world.context), LiveOperations(lambda _: None, {}), lambda _: None
        )
        server = ControlServer(tmp_path / "s", dispatcher.perform, WatchHub(), check_watch)
        await server.start()
        actor = Actor("ana", "subscriber", world.ana.account)

        async def ask(**arguments: object) -> object:
            return await asyncio.to_thread(
                client.call, tmp_path / "s", "account_show", arguments, actor=actor
            )

        row = await ask()
        assert isinstance(row, dict) and row["id"] == world.ana.account
        codes = set()
        for account in (str(world.beka.account), "999", "Beka"):
            with pytest.raises(OperationError) as refused:
                await ask(account=account)
            codes.add(refused.value.code)
        assert codes == {"account_not_found"}
        await server.close()

    asyncio.run(converse())


@pytest.mark.parametrize(
    "actor",
    [
        Actor("ana", "subscriber"),
        Actor("ana", "line_user", 1),
        Actor("nino", "admin", 1),
        Actor("nino", "admin", via="cli"),
        Actor("", "admin"),
    ],
)
def test_an_actor_that_makes_no_sense_is_refused(actor: Actor) -> None:
    assert actor.fault() is not None


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("order_add", {"line": "+995322000001", "country": "de", "city": "Berlin",
                       "order_id": "order-Beka"}),
        ("package_buy", {"product": "talk", "purchase_id": "package-Beka"}),
        ("rental_order", {"line": "+995322000001", "numbers": ["+442079460300"],
                          "order_id": "rental-Beka"}),
        ("wallet_buy", {"wallet": "sms", "units": 100, "purchase_id": "package-Beka"}),
    ],
)  # fmt: skip
def test_a_key_that_another_chose_shows_and_changes_nothing_of_that_one(
    world: World, name: str, arguments: dict[str, object]
) -> None:
    beka = world.as_(world.beka, "subscriber")
    before = [
        json.dumps(perform(beka, OPERATIONS[each], {}))
        for each in ("account_show", "order_list", "rental_list", "package_show", "account_ledger")
    ]
    ana = world.as_(world.ana, "subscriber")
    try:
        shown = json.dumps(perform(ana, OPERATIONS[name], arguments))
    except OperationError as error:
        shown = json.dumps([error.message, *error.lines])
    assert [word for word in world.beka.words if f'"{word}"' in shown] == []
    assert f"account {world.beka.account}" not in shown
    assert f'"account": {world.beka.account}' not in shown
    after = [
        json.dumps(perform(beka, OPERATIONS[each], {}))
        for each in ("account_show", "order_list", "rental_list", "package_show", "account_ledger")
    ]
    assert after == before
