"""Guesses by the thousand, from one address and from many: the owner signs in throughout."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, StaticPool, create_engine

from softswitch.identity.throttle import Throttle, attempts_table

OWNER, NOW = "203.0.113.7", 1_700_000_000_000
HOUR = 3_600_000


@pytest.fixture
def throttle() -> Throttle:
    engine: Engine = create_engine("sqlite://", poolclass=StaticPool)
    attempts_table.create(engine)
    return Throttle(engine)


def guess(throttle: Throttle, name: str, address: str, now: int, wrong: int) -> int:
    """The wrong guesses that get through, of so many, each at its time when none waits."""
    passed = 0
    for number in range(wrong):
        if throttle.seconds_to_wait("password", name, address, now + number * 1000) == 0:
            throttle.failed("password", name, address, now + number * 1000)
            passed += 1
    return passed


def test_a_thousand_guesses_of_one_address_get_nine_tries(throttle: Throttle) -> None:
    # Five, then one after 1, 2, 4 and 8 minutes each, which are 15 of the 17 minutes.
    assert guess(throttle, "ana", "198.51.100.1", NOW, 1000) == 9
    assert throttle.seconds_to_wait("password", "ana", OWNER, NOW + HOUR // 3) == 0


def test_guesses_of_two_hundred_addresses_dont_lock_the_owner_out(throttle: Throttle) -> None:
    for number in range(200):
        assert guess(throttle, "ana", f"198.51.100.{number}", NOW, 6) == 5
        assert throttle.seconds_to_wait("password", "ana", OWNER, NOW) == 0


def test_an_address_that_guesses_at_many_logins_waits_for_all_of_them(throttle: Throttle) -> None:
    for number in range(30):
        assert throttle.seconds_to_wait("password", f"user{number}", "198.51.100.1", NOW) == 0
        throttle.failed("password", f"user{number}", "198.51.100.1", NOW)
    assert throttle.seconds_to_wait("password", "anybody", "198.51.100.1", NOW) == 60


def test_addresses_of_one_network_of_ipv6_count_as_one(throttle: Throttle) -> None:
    for number in range(5):
        throttle.failed("code", "ana", f"2001:db8::{number + 1}", NOW)
    assert throttle.seconds_to_wait("code", "ana", "2001:db8::ffff", NOW) == 60
    assert throttle.seconds_to_wait("code", "ana", "2001:db8:0:1::1", NOW) == 0


def test_success_forgets_the_guesses_at_that_name_and_a_day_all(throttle: Throttle) -> None:
    for _ in range(6):
        throttle.failed("password", "ana", OWNER, NOW)
    throttle.succeeded("password", "ana", OWNER)
    assert throttle.seconds_to_wait("password", "ana", OWNER, NOW) == 0
    for _ in range(6):
        throttle.failed("pin", "ana", OWNER, NOW)
    assert throttle.seconds_to_wait("pin", "ana", OWNER, NOW) == 120
    assert throttle.seconds_to_wait("pin", "ana", OWNER, NOW + 24 * HOUR) == 0
