"""A line's devices: each proves the line by a username and password of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sip.digest import Algorithm, DigestVerifier, Nonces, answer, ha1
from sip.flow import Flow
from sip.reading import parse_message
from sip.registrar import Registrar, RegistrarLimits
from softswitch.admission.authentication import Authenticator, Challenge
from softswitch.subscribers.device_credentials import DeviceCredentials, shut_usernames
from softswitch.subscribers.directory import Directory, Line
from softswitch.subscribers.packed_lines import packed
from softswitch.subscribers.refusal import Refusal

REALM = "example.org"
FLOW = Flow("udp", ("192.0.2.1", 5060), ("203.0.113.66", 5060))


def secrets(username: str, password: str) -> dict[Algorithm, str]:
    return {algorithm: ha1(algorithm, username, REALM, password) for algorithm in Algorithm}


def device(username: str, *passwords: str) -> DeviceCredentials:
    return DeviceCredentials(username, tuple(secrets(username, each) for each in passwords))


LINE = Line(1, "+995322000001", "995322000001", 1, secrets("995322000001", "its own"))
WITH_TWO = replace(LINE, devices=(device("desk", "first"), device("app", "second")))


def request(method: str, *fields: str, contact: str = "sip:a@h") -> bytes:
    lines = (
        f"{method} sip:{REALM} SIP/2.0", "Via: SIP/2.0/UDP h;branch=z9hG4bK1",
        f"From: <sip:{LINE.login}@{REALM}>;tag=1", f"To: <sip:{LINE.login}@{REALM}>",
        f"Call-ID: {contact}", f"CSeq: 1 {method}", f"Contact: <{contact}>", *fields, "", "",
    )  # fmt: skip
    return "\r\n".join(lines).encode()


def registered_as(directory: Directory, username: str, password: str) -> Line:
    verifier = DigestVerifier(Nonces(b"n" * 32), REALM)
    desk = Authenticator(
        directory, verifier, domain=REALM, algorithms=(Algorithm.SHA_256, Algorithm.MD5)
    )
    with pytest.raises(Challenge) as challenged:
        desk.registrant(parse_message(request("REGISTER")), FLOW, 1000.0)
    offered = [value for _, value in challenged.value.headers]
    proof = answer(offered, username, password, "REGISTER", b"sip:example.org", cnonce="c")
    assert proof is not None
    wanted = parse_message(request("REGISTER", f"Authorization: {proof.decode()}"))
    found = desk.registrant(wanted, FLOW, 1000.5)
    assert (found.username, found.proof_age) == (username, 0.5)
    return found.line


@pytest.mark.parametrize(
    ("username", "password"),
    [("desk", "first"), ("app", "second"), ("995322000001", "its own")],
)
def test_the_line_and_each_of_its_devices_register_by_their_own_password(
    username: str, password: str
) -> None:
    assert registered_as(Directory([WITH_TWO]), username, password).id == LINE.id


@pytest.mark.parametrize(
    ("username", "password"),
    [("desk", "second"), ("app", "its own"), ("995322000001", "first"), ("third", "first")],
)
def test_no_device_registers_by_anothers_password(username: str, password: str) -> None:
    with pytest.raises(Refusal, match="403"):
        registered_as(Directory([WITH_TWO]), username, password)


def test_a_removed_device_is_shut_and_the_other_is_not() -> None:
    directory = Directory([WITH_TWO])
    directory.put_lines([replace(LINE, devices=WITH_TWO.devices[1:])])
    assert registered_as(directory, "app", "second").id == LINE.id
    with pytest.raises(Refusal):
        registered_as(directory, "desk", "first")


@pytest.mark.parametrize("password", ["old", "new"])
def test_both_passwords_are_good_while_a_device_changes_to_the_next(password: str) -> None:
    directory = Directory([replace(LINE, devices=(device("desk", "old", "new"),))])
    assert registered_as(directory, "desk", password).id == LINE.id


def test_a_line_that_is_removed_takes_its_devices_along() -> None:
    directory = Directory([WITH_TWO])
    directory.forget_line(LINE.id)
    decoy = packed(Line(0, "", "", 0, {}))
    assert {directory.proof(name, decoy).line_id for name in ("desk", LINE.login)} == {0}


def test_a_device_is_shut_when_none_of_its_passwords_is_left() -> None:
    before = (device("desk", "old"), device("app", "same"), device("gone", "x"))
    after = (device("desk", "new"), device("app", "same", "next"))
    assert shut_usernames(before, after) == {"desk", "gone"}
    assert shut_usernames([device("desk", "old")], [device("desk", "old", "new")]) == set()
    assert shut_usernames([device("desk", "old", "new")], [device("desk", "new")]) == set()


def test_registrations_are_removed_by_the_username_that_proved_them() -> None:
    registrar = Registrar(RegistrarLimits())
    for username in ("desk", "app"):
        wanted = request("REGISTER", contact=f"sip:{username}@192.0.2.9")
        registrar.register(LINE.login, parse_message(wanted), FLOW, 0.0, username=username)
    gone = registrar.forget(LINE.login, frozenset({"desk"}))
    assert [binding.username for binding in gone.removed] == ["desk"]
    assert [binding.contact for binding in registrar.lookup(LINE.login, 1.0)] == [
        b"sip:app@192.0.2.9"
    ]
