"""Registration and assertion of passkeys against an authenticator in software."""

from __future__ import annotations

import json

import pytest
from authenticator import PRESENT, Authenticator, encoded
from sqlalchemy import create_engine

from billing.stores.schema import metadata
from softswitch.identity import ceremonies
from softswitch.identity.ceremonies import CeremonyFailed, RelyingParty
from softswitch.identity.passkeys import NOBODY, Passkey, PasskeyStore

PARTY = RelyingParty("console.example.org", "https://console.example.org:8443", "Example")
CHALLENGE = b"c" * 32
NOW = 1_800_000_000_000


def phone(**changed: object) -> Authenticator:
    return Authenticator(**{"rp_id": PARTY.id, "origin": PARTY.origin} | changed)  # type: ignore[arg-type]


def registered(device: Authenticator) -> Passkey:
    answer = ceremonies.registration_claimed(device.create(encoded(CHALLENGE)))
    return ceremonies.registered(PARTY, answer, 7, "phone", NOW)


def asserted(device: Authenticator, passkey: Passkey) -> int:
    answer = ceremonies.assertion_claimed(device.get(encoded(CHALLENGE)))
    return ceremonies.asserted(PARTY, answer, passkey)


def test_a_registered_passkey_signs_in_and_counts_on() -> None:
    device = phone()
    passkey = registered(device)
    assert (passkey.user_id, passkey.name, passkey.sign_count) == (7, "phone", 0)
    assert asserted(device, passkey) == 1


def test_options_name_the_site_the_challenge_and_the_passkeys_that_may_answer() -> None:
    passkey = registered(phone())
    asked = json.loads(ceremonies.request_options(PARTY, CHALLENGE, [passkey]))
    assert asked["rpId"] == "console.example.org"
    assert asked["challenge"] == encoded(CHALLENGE)
    assert asked["userVerification"] == "required"
    assert [one["id"] for one in asked["allowCredentials"]] == [passkey.credential_id]
    made = json.loads(ceremonies.creation_options(PARTY, 7, "nino", CHALLENGE, [passkey]))
    assert made["user"]["name"] == "nino"
    assert [one["id"] for one in made["excludeCredentials"]] == [passkey.credential_id]
    assert made["authenticatorSelection"]["residentKey"] == "required"


@pytest.mark.parametrize(
    "device",
    [
        phone(origin="https://console.example.org"),
        phone(rp_id="example.org"),
        phone(flags=PRESENT),
    ],
    ids=["another port", "another site", "user not verified"],
)
def test_an_answer_for_another_site_or_without_the_user_registers_nothing(
    device: Authenticator,
) -> None:
    with pytest.raises(CeremonyFailed):
        registered(device)


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://console.example.org.evil.example"},
        {"rp_id": "evil.example"},
        {"flags": PRESENT},
    ],
)
def test_an_assertion_for_another_site_or_without_the_user_signs_nobody_in(
    wrong: dict[str, object],
) -> None:
    device = phone()
    passkey = registered(device)
    for name, value in wrong.items():
        setattr(device, name, value)
    with pytest.raises(CeremonyFailed):
        asserted(device, passkey)


def test_a_key_that_was_not_registered_signs_nobody_in() -> None:
    passkey = registered(phone())
    with pytest.raises(CeremonyFailed):
        asserted(phone(), passkey)


def test_a_copied_authenticator_is_refused_by_its_count() -> None:
    device = phone(count=9)
    passkey = registered(device)
    device.count = 4
    with pytest.raises(CeremonyFailed, match="sign count"):
        asserted(device, passkey)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "x" * 20_000, '{"id": 1}', "\x00"])
def test_what_is_no_answer_is_refused(text: str) -> None:
    with pytest.raises(CeremonyFailed):
        ceremonies.assertion_claimed(text)
    with pytest.raises(CeremonyFailed):
        ceremonies.registration_claimed(text)


def test_an_address_by_number_has_no_passkeys() -> None:
    assert ceremonies.relying_party("http://127.0.0.1:8080", "") is None
    assert ceremonies.relying_party("http://[::1]:8080", "") is None
    assert ceremonies.relying_party("http://localhost:8080", "") == RelyingParty(
        "localhost", "http://localhost:8080", "localhost"
    )


def test_a_challenge_is_answered_once_by_its_user_within_five_minutes() -> None:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    store = PasskeyStore(engine)
    one = store.challenge(7, NOW)
    assert not store.use_challenge(one, 8, NOW)
    assert store.use_challenge(one, 7, NOW + 300_000)
    assert not store.use_challenge(one, 7, NOW)
    late = store.challenge(NOBODY, NOW)
    assert not store.use_challenge(late, NOBODY, NOW + 300_001)


def test_of_two_assertions_with_one_count_the_second_is_refused() -> None:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    store = PasskeyStore(engine)
    passkey = registered(phone())
    store.add(passkey)
    assert store.used(passkey, 1, NOW)
    assert not store.used(passkey, 1, NOW)
    found = store.find(passkey.credential_id)
    assert found is not None
    assert (found.sign_count, found.used_at) == (1, NOW)
