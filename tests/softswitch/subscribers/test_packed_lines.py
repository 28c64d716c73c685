"""Lines packed into octets are the same lines again."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from sip.digest import Algorithm, ha1
from softswitch.subscribers.device_credentials import DeviceCredentials, PushAddress
from softswitch.subscribers.directory import Directory
from softswitch.subscribers.line import Line, Proof, Waiting
from softswitch.subscribers.mailbox import VoiceMailbox
from softswitch.subscribers.packed_lines import RECENT, PackedLines, packed, unpacked
from softswitch.subscribers.supplementary import Setting, Supplementary

SECRETS = {a: ha1(a, "ana", "example.org", "secret") for a in Algorithm}
PLAIN = Line(7, "+995322000007", "ana", 3, SECRETS)
FULL = Line(
    id=1 << 31,
    number="+995322000001",
    login="ანა",
    account_id=12,
    ha1=SECRETS,
    status="suspended",
    display_name="ანა ბერიძე",
    algorithms=(Algorithm.SHA_256, Algorithm.MD5),
    no_answer_seconds=25,
    max_calls=2,
    waiting=Waiting(3, 4),
    mailbox=VoiceMailbox(("always", "busy"), "hash", "g1", "ana@example.org", 60, 20, 30, 15),
    language="ka",
    record=True,
    listed=True,
    pin="scrypt$x",
    services=Supplementary(
        {
            "forward_no_answer": Setting(True, ("+995322000002",), 20),
            "call_filter": Setting(False, ("+995322000003", "+995322000004")),
            "do_not_disturb": Setting(True),
        }
    ),
    lease_ends_on="2027-01-31",
    rests_until=1_800_000_000_000,
    srtp="required",
    since=1_700_000_000_000,
    dtmf="info",
    webrtc="always",
    devices=(
        DeviceCredentials("ana-desk", (SECRETS, {Algorithm.MD5: "0" * 32})),
        DeviceCredentials("ana-app", (), (PushAddress("app", "token", "voip"),)),
    ),
)


@pytest.mark.parametrize("line", [PLAIN, FULL], ids=["plain", "full"])
def test_a_line_survives_packing(line: Line) -> None:
    again = unpacked(packed(line))
    assert again == line
    for field in fields(Line):
        value = getattr(again, field.name)
        assert type(value) is type(getattr(line, field.name)), field.name
    assert packed(again) == packed(line)


def test_the_full_line_leaves_no_field_at_its_default() -> None:
    assert all(getattr(FULL, field.name) != getattr(PLAIN, field.name) or field.name == "ha1"
               for field in fields(Line))  # fmt: skip


@pytest.mark.parametrize(
    "secrets",
    [{}, {Algorithm.MD5: "not hexadecimal"}, {a: s.upper() for a, s in SECRETS.items()},
     {**SECRETS, Algorithm.MD5: "zz" * 16}, {**SECRETS, Algorithm.MD5: "00 " * 10 + "00"}],
)  # fmt: skip
def test_secrets_that_are_no_digests_stay_as_they_are(secrets: dict[Algorithm, str]) -> None:
    assert unpacked(packed(replace(PLAIN, ha1=secrets))).ha1 == secrets


def test_a_plain_line_takes_two_hundred_octets() -> None:
    assert len(packed(PLAIN)) < 200


def test_a_changed_line_is_seen_at_once_however_often_it_was_asked_for() -> None:
    lines = PackedLines()
    lines.put(PLAIN)
    assert lines.get(7) == PLAIN
    suspended = replace(PLAIN, status="suspended")
    assert not lines.holds(suspended)
    lines.put(suspended)
    assert lines.get(7) == suspended
    assert lines.pop(7) == suspended
    assert lines.get(7) is None


def test_changed_lines_are_seen_also_when_they_left_the_recent_ones() -> None:
    count = 3 * RECENT
    lines = PackedLines()
    for key in range(1, count + 1):
        lines.put(replace(PLAIN, id=key))
    for _ in range(2):
        assert [found.id for key in range(1, count + 1) if (found := lines.get(key))] == list(lines)
    # The first ones are packed only, the last are young, those between are old.
    for key in (1, 2 * RECENT - 1, count):
        lines.put(replace(PLAIN, id=key, status="suspended"))
        found = lines.get(key)
        assert found is not None and found.status == "suspended"
        assert lines.pop(key) is not None
        assert lines.get(key) is None
    assert len(lines) == count - 3


def test_numbers_that_two_lines_exchange_lead_to_their_new_lines() -> None:
    ana, beka = PLAIN, replace(PLAIN, id=8, number="+995322000008", login="beka")
    directory = Directory([ana, beka])
    directory.put_lines([replace(ana, number=beka.number), replace(beka, number=ana.number)])
    found = [directory.line_by_number(number) for number in (ana.number, beka.number)]
    assert [line.login for line in found if line is not None] == ["beka", "ana"]
    assert directory.line_ids() == [7, 8]


def test_a_devices_username_leads_to_the_line_that_has_the_device_now() -> None:
    desk = DeviceCredentials("desk", ({Algorithm.MD5: "0" * 32},))
    with_desk = replace(PLAIN, devices=(desk,))
    other = replace(PLAIN, id=8, number="+995322000008", login="beka")
    directory = Directory([with_desk, other])
    moved = replace(other, devices=(desk,))
    directory.put_lines([moved])
    directory.put_lines([PLAIN])
    nobody = packed(replace(PLAIN, id=0, login=""))
    assert directory.proof("desk", nobody) == Proof(8, None, ({Algorithm.MD5: "0" * 32},))
    assert directory.proof("beka", nobody) == Proof(8, None, (SECRETS,))
    directory.remove_line(8)
    for username in ("desk", "beka"):
        assert directory.proof(username, nobody) == Proof(0, None, (SECRETS,))


def test_each_username_of_a_line_is_proven_by_its_own_passwords() -> None:
    directory = Directory([FULL])
    found = [directory.proof(name, b"") for name in (FULL.login, "ana-desk", "ana-app")]
    assert [proof.secrets for proof in found] == [(SECRETS,), FULL.devices[0].secrets, ({},)]
    assert {(proof.line_id, proof.algorithms) for proof in found} == {(FULL.id, FULL.algorithms)}
