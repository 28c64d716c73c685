"""Devices of lines: what operators and subscribers do with them, and what the portal notes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from softswitch.config.provisioning import ProvisioningSection
from softswitch.control.actor import Actor
from softswitch.control.values import Row
from softswitch.operations.accounts import accounts
from softswitch.operations.context import Concern, Context
from softswitch.operations.devices import app_texts, codes, devices, portal_notes
from softswitch.operations.lines import lines
from softswitch.operations.texts import texts
from softswitch.provisioning.device_secrets import digest_secrets
from softswitch.provisioning.tokens import hash_of
from softswitch.subscribers.device_credentials import PushAddress
from softswitch.subscribers.directory import Line
from tests.softswitch.operating import refused

NINO, GIO = "+995322000001", "+995322000002"
MAC = "0015654aa937"
TOKEN = "abcdefghjkmnpqrstuvwxyz234"
HOUR_MS = 3_600_000


@pytest.fixture
def desk(context: Context) -> Context:
    """Nino and Gio with a line each, and a portal that phones reach."""
    context.config = context.config.model_copy(
        update={
            "provisioning": ProvisioningSection(url="https://prov.example.org", cloud_id="EXAMPLE")
        }
    )
    for name, number in (("Nino", NINO), ("Gio", GIO)):
        accounts.account_add(context, name)
        lines.line_add(context, number, name, "secret")
    context.changes.lines.clear()
    return context


def token_in(row: Row) -> str:
    return str(row["url"]).rstrip("/").rpartition("/")[2]


def handed(context: Context, device: str, presented: str, token: str, mac: str | None = MAC) -> Row:
    found = devices.device_store(context).get(device)
    assert found is not None
    made = digest_secrets(token, [each.username for each in found.lines], context.config.realm)
    return portal_notes.device_hand_over(
        context, device, hash_of(presented), hash_of(token), made, mac
    )


def line_of(context: Context, number: str = NINO) -> Line:
    found = context.directory.line_by_number(number)
    assert found is not None
    return found


def later_by(context: Context, ms: int) -> None:
    now = context.now_ms()
    context.now_ms = lambda: now + ms


def test_a_new_phone_has_a_one_time_url_and_no_password_yet(desk: Context) -> None:
    row = devices.device_add(desk, NINO, "yealink", mac="00:15:65:4A:A9:37", name="reception")
    assert row["mac"] == MAC and row["state"] == "waiting" and row["lines"] == [NINO]
    assert str(row["url"]).startswith("https://prov.example.org/d/")
    assert len(token_in(row)) == 16
    assert desk.changes.lines == {line_of(desk).id}
    (credentials,) = line_of(desk).devices
    assert credentials.secrets == ()
    shown = devices.device_show(desk, str(row["id"]))
    assert "url" not in shown and token_in(row) not in str(shown)


def test_the_one_time_url_is_bound_to_the_first_mac_and_dies_when_the_next_one_is_used(
    desk: Context,
) -> None:
    row = devices.device_add(desk, NINO, "yealink")
    device, once = str(row["id"]), token_in(row)
    handed(desk, device, once, TOKEN)
    assert devices.device_show(desk, device)["mac"] == MAC
    assert len(line_of(desk).devices[0].secrets) == 1
    assert "is another phone's" in refused(handed, desk, device, once, "x" * 26, "001565000001")
    handed(desk, device, once, TOKEN[::-1])  # the first answer was lost
    assert portal_notes.device_arrived(desk, device, hash_of(TOKEN))["changed"] is False
    assert portal_notes.device_arrived(desk, device, hash_of(TOKEN[::-1]))["changed"] is True
    assert devices.device_show(desk, device)["state"] == "ready"
    assert "was used" in refused(handed, desk, device, once, TOKEN)


def test_the_one_time_url_is_good_for_a_day_and_ten_minutes_after_its_use(desk: Context) -> None:
    row = devices.device_add(desk, NINO, "yealink")
    device, once = str(row["id"]), token_in(row)
    later_by(desk, 24 * HOUR_MS)
    assert devices.device_show(desk, device)["state"] == "expired"
    assert "has run out" in refused(handed, desk, device, once, TOKEN)
    once = token_in(devices.device_enrol(desk, device))
    handed(desk, device, once, TOKEN)
    later_by(desk, 10 * 60_000 - 1)
    handed(desk, device, once, TOKEN)
    later_by(desk, 1)
    assert "has run out" in refused(handed, desk, device, once, TOKEN)


def test_both_passwords_are_good_until_a_rotated_phone_has_used_its_next_url(
    desk: Context,
) -> None:
    row = devices.device_add(desk, NINO, "yealink", mac=MAC)
    device = str(row["id"])
    handed(desk, device, token_in(row), TOKEN)
    portal_notes.device_arrived(desk, device, hash_of(TOKEN))
    before = line_of(desk).devices[0].secrets
    assert "was used" in refused(handed, desk, device, TOKEN, "other")  # it doesn't rotate
    assert devices.device_rotate(desk, device)["state"] == "rotating"
    following = TOKEN[::-1]
    handed(desk, device, TOKEN, following)
    during = line_of(desk).devices[0].secrets
    assert len(during) == 2 and during[0] == before[0]
    desk.changes.lines.clear()
    portal_notes.device_arrived(desk, device, hash_of(following))
    assert line_of(desk).devices[0].secrets == (during[1],)
    assert desk.changes.lines == {line_of(desk).id}


def test_a_removed_device_is_shut_and_the_others_are_not(desk: Context) -> None:
    first, second = (devices.device_add(desk, NINO, "other", name=name) for name in "ab")
    assert len(line_of(desk).devices) == 2
    assert devices.device_remove(desk, str(first["id"])) == {"id": first["id"], "removed": True}
    (left,) = line_of(desk).devices
    assert left.username == devices.device_show(desk, str(second["id"]))["accounts"][0]["username"]  # type: ignore[index,call-overload]
    assert "no device" in refused(devices.device_show, desk, str(first["id"]))


def test_a_phone_that_is_set_up_by_hand_has_its_password_shown_once(desk: Context) -> None:
    row = devices.device_add(desk, NINO, "other")
    (account,) = row["accounts"]  # type: ignore[misc,union-attr]
    assert set(account) == {"line", "user", "auth_username", "password"}  # type: ignore[arg-type]
    assert len(str(account["password"])) == 22  # type: ignore[index,call-overload]
    assert row["state"] == "ready" and row["domain"] == "sip.example.org"
    (before,) = line_of(desk).devices
    again = devices.device_rotate(desk, str(row["id"]))
    (after,) = line_of(desk).devices
    assert before.username == after.username and before.secrets != after.secrets
    assert again["accounts"] != row["accounts"]
    assert "by hand" in refused(devices.device_enrol, desk, str(row["id"]))


def test_a_phone_may_have_several_lines_of_one_account(desk: Context) -> None:
    lines.line_add(desk, "+995322000003", "Nino", "secret")
    row = devices.device_add(desk, NINO, "snom", more_lines=["+995322000003"])
    assert row["lines"] == [NINO, "+995322000003"]
    assert "several accounts" in refused(devices.device_add, desk, NINO, "snom", more_lines=[GIO])
    assert "once" in refused(devices.device_add, desk, NINO, "snom", more_lines=[NINO])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kind": "nokia"}, "kind must be"),
        ({"kind": "acrobits"}, "kind must be"),
        ({"mac": "00:15"}, "no MAC address"),
        ({"name": "x" * 65}, "at most 64"),
        ({"name": "a\nb"}, "at most 64"),
        ({"model": "T46G;rm"}, "is no model"),
        ({"line": "+995322999999"}, "+995322999999"),
    ],
)
def test_what_is_wrong_is_named(desk: Context, given: dict[str, str], said: str) -> None:
    wanted = {"line": NINO, "kind": "yealink"} | given
    assert said in refused(devices.device_add, desk, **wanted)


def test_two_devices_never_have_one_mac(desk: Context) -> None:
    devices.device_add(desk, NINO, "yealink", mac=MAC)
    assert MAC in refused(devices.device_add, desk, GIO, "yealink", mac=MAC)
    row = devices.device_add(desk, GIO, "yealink")
    assert "another phone's" in refused(handed, desk, str(row["id"]), token_in(row), TOKEN)


def test_without_a_url_nothing_is_provisioned(context: Context) -> None:
    accounts.account_add(context, "Nino")
    lines.line_add(context, NINO, "Nino", "secret")
    assert "[provisioning] url" in refused(devices.device_add, context, NINO, "yealink")
    assert "[provisioning] url" in refused(codes.provisioning_code_add, context, NINO)
    assert devices.device_add(context, NINO, "other")["state"] == "ready"


def test_keys_are_replaced_and_checked(desk: Context) -> None:
    device = str(devices.device_add(desk, NINO, "yealink")["id"])
    shown = devices.device_set(desk, device, ["blf 1002 Gio at home", "speed +995322000009"])
    assert shown["keys"] == [
        {"kind": "blf", "number": "1002", "label": "Gio at home"},
        {"kind": "speed", "number": "+995322000009", "label": ""},
    ]
    for wrong in ("park 1002", "blf", "blf 10;02", "blf 1002 a\r\nb"):
        assert "is no key" in refused(devices.device_set, desk, device, [wrong])
    assert "at most 128" in refused(devices.device_set, desk, device, ["blf 1"] * 129)


def test_a_line_has_a_limited_number_of_devices(desk: Context) -> None:
    for _ in range(devices.MAX_DEVICES):
        devices.device_add(desk, NINO, "yealink")
    assert "20 devices" in refused(devices.device_add, desk, NINO, "yealink")


def test_a_code_is_good_once_and_for_a_quarter_of_an_hour(desk: Context) -> None:
    row = codes.provisioning_code_add(desk, NINO, name="Nino's mobile")
    code = str(row["code"])
    assert row["qr"] == f"csc:{code}@EXAMPLE" and row["app"] == "acrobits"
    (waiting,) = codes.provisioning_code_list(desk)
    assert waiting["state"] == "waiting" and code not in str(waiting)
    made = codes.provisioning_code_redeem(desk, code)
    assert "<username>995322000001</username>" in str(made["content"])
    assert "secret" not in str(made["content"])
    assert "used" in refused(codes.provisioning_code_redeem, desk, code)
    late = str(codes.provisioning_code_add(desk, NINO)["code"])
    later_by(desk, 15 * 60_000)
    assert "run out" in refused(codes.provisioning_code_redeem, desk, late)


def test_a_revoked_code_takes_its_unused_device_along(desk: Context) -> None:
    row = codes.provisioning_code_add(desk, NINO, app="linphone")
    assert str(row["url"]).endswith(f"/d/{row['code']}/linphone.xml")
    codes.provisioning_code_revoke(desk, str(row["device"]))
    assert devices.device_list(desk) == [] and line_of(desk).devices == ()
    assert "no code" in refused(
        codes.provisioning_code_revoke, desk, str(devices.device_add(desk, NINO, "snom")["id"])
    )


def test_zero_touch_lists_have_a_new_url_for_each_phone_that_has_none(desk: Context) -> None:
    row = devices.device_add(desk, NINO, "yealink", mac=MAC, name="=1+1")
    devices.device_add(desk, NINO, "snom", mac="000413922d24")
    found = devices.device_redirects(desk, "yealink")
    head, line = str(found["csv"]).split("\r\n")[:2]
    assert head == "MAC,Server URL,Remark" and found["phones"] == 1
    mac, url, name = line.split(",")
    assert mac == MAC.upper() and name == "'=1+1" and url != row["url"]
    assert "was used" in refused(handed, desk, str(row["id"]), token_in(row), TOKEN)
    handed(desk, str(row["id"]), url.rstrip("/").rpartition("/")[2], TOKEN)
    dhcp = str(devices.device_redirects(desk, "dhcp")["csv"]).split("\r\n")
    assert len(dhcp) == 3 and dhcp[1].startswith("00:04:13:92:2d:24,https://")
    assert dhcp[1].split(",")[1].endswith("{mac}.xml")


def test_what_was_seen_is_noted(desk: Context) -> None:
    device = str(devices.device_add(desk, NINO, "yealink")["id"])
    agent = "Yealink SIP-T46G 28.72.0.1 00:15:65:4a:a9:37\x00"
    portal_notes.device_seen(desk, [(device, desk.now_ms(), "203.0.113.9", agent)])
    shown = devices.device_show(desk, device)
    assert shown["address"] == "203.0.113.9" and str(shown["agent"]).startswith("Yealink SIP-T46G")
    assert shown["seen_at"] is not None


def test_a_line_that_changes_hands_takes_no_device_along(desk: Context) -> None:
    device = str(devices.device_add(desk, NINO, "other")["id"])
    lines.line_set(desk, NINO, "account", "Gio")
    assert line_of(desk).devices == ()
    assert "no device" in refused(devices.device_show, desk, device)


def test_a_removed_line_takes_its_devices_along(desk: Context) -> None:
    devices.device_add(desk, NINO, "other")
    lines.line_remove(desk, NINO)
    assert devices.device_list(desk) == []


def acting(context: Context, line: Line) -> Context:
    actor = Actor("device:x", "line_user", line.account_id, (line.id,), "app")
    return replace(context, actor=actor, concern=Concern())


def test_an_app_fetches_texts_once_and_what_waited_is_delivered(desk: Context) -> None:
    gio = line_of(desk, GIO)
    texts.sms_send(desk, NINO, GIO, "first")
    texts.sms_send(desk, NINO, GIO, "გამარჯობა")
    texts.sms_send(desk, GIO, NINO, "answer")
    found = app_texts.device_texts(acting(desk, gio), GIO)
    received, sent = found["received_smss"], found["sent_smss"]
    assert [each["sms_text"] for each in received] == ["first", "გამარჯობა"]  # type: ignore[index,union-attr,call-overload]
    assert [each["recipient"] for each in sent] == [NINO]  # type: ignore[index,union-attr,call-overload]
    assert received[0]["sender"] == NINO == received[0]["stream_id"]  # type: ignore[index,call-overload]
    waiting = found["waiting"]
    assert len(waiting) == 2  # type: ignore[arg-type]
    app_texts.device_texts_taken(desk, GIO, waiting)  # type: ignore[arg-type]
    newest = int(received[1]["sms_id"])  # type: ignore[index,call-overload]
    again = app_texts.device_texts(desk, GIO, newest, int(sent[0]["sms_id"]))  # type: ignore[index,call-overload]
    assert (again["received_smss"], again["sent_smss"], again["waiting"]) == ([], [], [])
    assert {row["state"] for row in texts.sms_list(desk, line=GIO)} == {"delivered", "waiting"}


def test_an_app_takes_no_text_of_another_line(desk: Context) -> None:
    texts.sms_send(desk, NINO, GIO, "for Gio")
    waiting = app_texts.device_texts(acting(desk, line_of(desk, GIO)), GIO)["waiting"]
    nino = acting(desk, line_of(desk))
    assert app_texts.device_texts_taken(nino, NINO, waiting)["texts"] == 0  # type: ignore[arg-type]
    assert "no line" in refused(app_texts.device_texts, nino, GIO)


def test_push_tokens_are_kept_for_each_device(desk: Context) -> None:
    device = str(codes.provisioning_code_add(desk, NINO)["device"])
    app_texts.device_push(desk, device, "selector", "call", "app.call", "other", "app.other")
    desk.changes.lines.clear()
    app_texts.device_push(desk, device, "selector", "call2", "app.call", "other", "app.other")
    assert desk.changes.lines == {line_of(desk).id}  # the switch learns what wakes the app
    (found,) = line_of(desk).devices
    assert found.push_addresses == (PushAddress("app.call", "call2", "selector"),)
    (token,) = devices.device_store(desk).push_tokens(line_of(desk).id)
    assert (token.call_token, token.other_app) == ("call2", "app.other")
    assert "selector" in refused(app_texts.device_push, desk, device, "")
    assert "printable" in refused(app_texts.device_push, desk, device, "s", "x" * 513)


def test_devices_are_found_by_mac_or_name_and_read_in_pages(desk: Context) -> None:
    made = []
    for mac, name in ((MAC, "reception"), ("000413922d24", "Office 2"), ("0004f2000001", "office")):
        made.append(str(devices.device_add(desk, NINO, "snom", mac=mac, name=name)["id"]))
    first, second, third = made

    def ids(**asked: object) -> list[object]:
        return [row["id"] for row in devices.device_list(desk, **asked)]  # type: ignore[arg-type]

    assert ids(search="00:15:65") == [first] and ids(search="0013") == []
    assert set(ids(search="OFFICE")) == {second, third}
    assert ids(search=":") == []
    newest = devices.device_list(desk, limit=2)
    last = newest[-1]
    rest = devices.device_list(desk, limit=2, before=f"{last['created_at']},{last['id']}")
    assert [row["id"] for row in (*newest, *rest)] == ids(limit=10)
    assert sorted(map(str, ids(limit=10))) == sorted(made)
    assert "last row of the page before" in refused(devices.device_list, desk, before="x")
