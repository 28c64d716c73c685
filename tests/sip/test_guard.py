"""Whose messages are read, whose passwords are looked at; literal seconds."""

import ipaddress

import pytest

from sip.guard import Guard, GuardLimits

HOST = "192.0.2.9"
OPTIONS = b"OPTIONS sip:a SIP/2.0\r\nUser-Agent: phone\r\n\r\n"
SCAN = b"OPTIONS sip:a SIP/2.0\r\nUser-Agent: friendly-scanner\r\n\r\n"
LIMITS = GuardLimits(requests_per_second=10, burst=20, block_seconds=60, ban_seconds=600)


def guard(*exempt, **limits):
    made = GuardLimits(**limits) if limits else LIMITS
    return Guard(made, map(ipaddress.ip_network, exempt))


def admitted(made, times, now, host=HOST, data=OPTIONS):
    return sum(made.admits(host, data, now) for _ in range(times))


def test_a_burst_passes_and_then_so_many_a_second():
    made = guard()
    assert admitted(made, 50, 0.0) == 20
    assert admitted(made, 50, 1.0) == 10
    assert admitted(made, 50, 11.0) == 20
    assert made.counters.over_rate == 100
    assert made.bans(11.0) == []


def test_a_flood_is_blocked_for_a_minute_and_said_once():
    made = guard()
    admitted(made, 200, 0.0)
    (ban,) = made.news()
    assert (ban.source, ban.login, ban.why) == (HOST, None, "flood")
    assert admitted(made, 50, 59.0) == 0
    assert made.news() == []
    assert admitted(made, 50, 60.0) == 20


def test_others_are_served_meanwhile():
    made = guard()
    admitted(made, 500, 0.0)
    assert admitted(made, 5, 0.0, host="192.0.2.10") == 5


def test_ipv6_counts_by_the_network_of_a_customer():
    made = guard()
    assert admitted(made, 20, 0.0, host="2001:db8::1") == 20
    assert admitted(made, 20, 0.0, host="2001:db8::ffff:2") == 0
    assert admitted(made, 20, 0.0, host="2001:db8:0:1::1") == 20


def test_exempt_networks_and_trusted_addresses_are_never_limited():
    made = guard("127.0.0.0/8", "2001:db8:1::/48")
    assert admitted(made, 500, 0.0, host="127.0.0.1") == 500
    assert admitted(made, 500, 0.0, host="2001:db8:1::5") == 500
    assert admitted(made, 500, 0.0) < 500
    made.trust(HOST)
    assert admitted(made, 500, 0.0) == 500
    made.set_exempt([])
    assert admitted(made, 500, 0.0, host="127.0.0.1") < 500
    assert admitted(made, 500, 0.0) == 500


def test_a_proven_source_gets_more_and_is_never_blocked_as_a_whole():
    made = guard()
    made.prove(HOST, "ana", 0.0)
    assert admitted(made, 2_000, 0.0) == 20  # what it had before it was proven
    assert made.news() == []
    assert admitted(made, 2_000, 10.0) == 160


def test_a_scanner_that_says_so_is_never_heard_again():
    made = guard()
    assert not made.admits(HOST, SCAN, 0.0, reliable=True)
    assert not made.admits(HOST, OPTIONS, 3_599.0)
    assert made.admits(HOST, OPTIONS, 3_600.0)
    assert [ban.why for ban in made.news()] == ["scanner"]


@pytest.mark.parametrize(
    "data",
    [
        b"OPTIONS sip:a SIP/2.0\r\nSubject: friendly-scanner\r\n\r\n",
        b"OPTIONS sip:friendly-scanner@a SIP/2.0\r\nUser-Agent: x\r\n\r\n",
    ],
)
def test_only_its_user_agent_makes_a_scanner(data):
    assert guard().admits(HOST, data, 0.0)


def test_spelling_does_not_hide_a_scanner():
    assert not guard().admits(HOST, SCAN.replace(b"User-Agent: f", b"USER-AGENT :\tX/F"), 0.0)


def test_a_line_that_is_proven_there_cannot_be_shut_out_by_a_forged_scanner():
    made = guard()
    made.prove(HOST, "ana", 0.0)
    assert made.admits(HOST, SCAN, 1.0)
    assert made.admits(HOST, OPTIONS, 1.0)


def test_one_forged_datagram_bars_nobody():
    made = guard()
    assert not made.admits(HOST, SCAN, 0.0)
    assert made.admits(HOST, OPTIONS, 0.0)
    assert (made.bans(0.0), made.counters.scanned) == ([], 1)


def test_a_scanner_that_has_answered_a_challenge_is_really_there():
    made = guard()
    made.fail(HOST, "ana", 0.0)
    assert not made.admits(HOST, SCAN, 1.0)
    assert not made.admits(HOST, OPTIONS, 2.0)
    assert [ban.why for ban in made.bans(2.0)] == ["scanner"]


ANSWER = b"REGISTER sip:a SIP/2.0\r\nAuthorization: nonce\r\n\r\n"


def knowing(host):
    """A guard that has given this host a nonce."""
    return Guard(LIMITS, (), lambda data, source: (data, source) == (ANSWER, host))


def test_a_forged_flood_is_over_for_who_answers_a_challenge_from_that_address():
    made = knowing(HOST)
    admitted(made, 500, 0.0)
    assert not made.admits(HOST, OPTIONS, 1.0)
    assert made.admits(HOST, ANSWER, 1.0)
    assert made.bans(1.0) == []
    other = knowing("192.0.2.10")
    admitted(other, 500, 0.0)
    assert not other.admits(HOST, ANSWER, 1.0)


def test_forged_messages_cannot_use_up_the_place_of_answers_to_challenges():
    made = knowing(HOST)
    assert admitted(made, 30, 0.0) == 20
    assert admitted(made, 30, 0.0, data=ANSWER) == 20


def test_a_flood_by_a_connection_is_nobody_elses():
    made = knowing(HOST)
    for _ in range(500):
        made.admits(HOST, OPTIONS, 0.0, reliable=True)
    assert not made.admits(HOST, ANSWER, 1.0)
    assert [ban.why for ban in made.bans(1.0)] == ["flood"]


def guess(made, login, times, now=0.0, host=HOST):
    """How many passwords were looked at."""
    looked = 0
    for _ in range(times):
        if made.may_try(host, login, now):
            looked += 1
            made.fail(host, login, now)
    return looked


def test_ten_guesses_at_a_line_ban_the_pair_and_not_the_owner_elsewhere():
    made = guard()
    assert guess(made, "ana", 10_000) == 10
    assert made.may_try("192.0.2.10", "ana", 1.0)
    assert made.may_try(HOST, "beka", 1.0)
    assert not made.may_try(HOST, "ana", 599.0)
    assert made.may_try(HOST, "ana", 600.0)
    (ban,) = made.news()
    assert (ban.source, ban.login, ban.why) == (HOST, "ana", "guessed passwords")


def test_lines_that_are_not_there_count_the_same():
    made = guard()
    assert guess(made, "nobody", 100) == guess(made, "ana", 100) == 10


def test_guesses_that_are_spread_over_lines_end_too_but_for_proven_ones():
    made = guard()
    made.prove(HOST, "ana", 0.0)
    looked = sum(guess(made, f"line{number}", 3) for number in range(100))
    assert looked == 50
    assert made.may_try(HOST, "ana", 1.0)
    assert not made.may_try(HOST, "beka", 1.0)
    assert made.may_try(HOST, "beka", 301.0)


def test_a_few_wrong_passwords_are_forgiven_by_a_right_one():
    made = guard()
    for _ in range(10):
        assert guess(made, "ana", 9) == 9
        made.prove(HOST, "ana", 0.0)
        made.forget(1.0)
    assert made.news() == []


def test_unban_lifts_what_was_banned():
    made = guard()
    guess(made, "ana", 20)
    made.admits("192.0.2.10", SCAN, 0.0, reliable=True)
    assert [(ban.source, ban.login) for ban in made.bans(1.0)] == [
        ("192.0.2.10", None),
        (HOST, "ana"),
    ]
    assert made.unban(HOST, "beka") == 0
    assert made.unban(HOST) == 1
    assert made.may_try(HOST, "ana", 1.0)
    assert made.unban("192.0.2.10") == 1
    assert made.admits("192.0.2.10", OPTIONS, 1.0)
    assert made.bans(1.0) == []


def test_a_line_has_so_many_requests_wherever_it_is():
    made = guard("127.0.0.0/8", line_burst=5, line_requests_per_second=1)
    assert sum(made.admits_line(HOST, "ana", "ana", 0.0) for _ in range(9)) == 5
    assert not made.admits_line("192.0.2.10", "ana", "ana", 0.0)
    assert made.admits_line(HOST, "beka", "beka", 0.0)
    assert made.admits_line("127.0.0.1", "ana", "ana", 0.0)
    assert made.admits_line(HOST, "ana", "ana", 1.0)


def test_who_has_proven_nothing_gets_no_more_octets_than_it_sends():
    made = guard(requests_per_second=1e6, burst=10**6)
    answer = b"SIP/2.0 401 Unauthorized\r\n" + bytes(400)
    asked = answered = 0
    for _ in range(1_000):
        if made.admits(HOST, OPTIONS, 0.0):
            asked += len(OPTIONS)
        if made.may_answer(HOST, answer, 0.0):
            answered += len(answer)
    assert answered <= asked + 4_096
    assert made.counters.withheld > 0
    made.prove(HOST, "ana", 0.0)
    assert made.may_answer(HOST, answer, 0.0)


def test_what_is_remembered_of_a_proven_address_ends_with_its_proof():
    made, answer = guard(), b"SIP/2.0 200 OK\r\n" + bytes(900)
    assert made.may_answer(HOST, answer, 0.0)
    assert made.free_until == {}  # it has proven nothing
    made.prove(HOST, "ana", 1.0)
    assert made.may_answer(HOST, answer, 2.0)
    assert made.free_until == {HOST: 7201.0}
    made.forget(7200.0)
    assert made.free_until == {HOST: 7201.0}
    burst = [made.may_answer(HOST, answer, 7201.0) for _ in range(1_000)]
    assert burst.count(True) < 1_000
    made.forget(7201.0)
    assert made.free_until == {}


def test_requests_of_ours_are_not_answers():
    made = guard()
    made.admits(HOST, OPTIONS, 0.0)
    assert all(
        made.may_answer(HOST, b"INVITE sip:a SIP/2.0\r\n" + bytes(900), 0.0) for _ in "12345678"
    )


def test_memory_is_bounded_and_comes_back():
    made = guard()
    made.prove("198.51.100.1", "ana", 0.0)
    for number in range(60_000):
        made.admits(f"10.{number >> 16}.{(number >> 8) & 255}.{number & 255}", OPTIONS, 1.0)
        made.fail(HOST, f"line{number}", 1.0)
    assert len(made) <= 50_000
    assert made._sources["198.51.100.1"].proven_until > 1.0
    assert len(made._pairs) <= 50_000
    made.forget(10_000.0)
    assert len(made) == len(made._pairs) == len(made._bans) == 0
