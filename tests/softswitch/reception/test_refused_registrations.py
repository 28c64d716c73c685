"""Refused REGISTERs, counted within limits."""

from sip.reading import parse_message
from softswitch.reception.refused_registrations import (
    MAX_OF_SOURCE,
    MAX_REFUSALS,
    RefusedRegistrations,
)


def register(login: str, agent: str = "Desk 1"):
    to = b"<sip:%s@example.org>" % login.encode() if login else b"???"
    agent = agent.encode()
    return parse_message(
        b"REGISTER sip:h SIP/2.0\r\nTo: %s\r\nUser-Agent: %s\r\n\r\n" % (to, agent)
    )


def test_equal_refusals_are_counted_together_and_the_latest_comes_first():
    refused = RefusedRegistrations()
    for now, login, reason in [(1.0, "ana", "a"), (2.0, "ana", "b"), (3.0, "ana", "a")]:
        refused.note(register(login), "198.51.100.1", 403, reason, now)
    refused.note(register("beka"), "198.51.100.1", 403, "a", 4.0)
    found = [(r.login, r.reason, r.count, r.first_at, r.last_at) for r in refused.latest()]
    assert found == [
        ("beka", "a", 1, 4.0, 4.0), ("ana", "a", 2, 1.0, 3.0), ("ana", "b", 1, 2.0, 2.0)
    ]  # fmt: skip
    assert [refusal.login for refusal in refused.latest("beka")] == ["beka"]


def test_a_scanner_crowds_out_nobody_else():
    refused = RefusedRegistrations()
    refused.note(register("ana"), "198.51.100.1", 403, "wrong", 1.0)
    for number in range(10 * MAX_REFUSALS):
        refused.note(register(f"{number}"), "203.0.113.66", 403, "wrong", 2.0 + number)
    assert len(refused.latest()) == MAX_OF_SOURCE + 1
    assert [refusal.source for refusal in refused.latest("ana")] == ["198.51.100.1"]


def test_all_sources_together_have_a_limit():
    refused = RefusedRegistrations()
    for number in range(MAX_REFUSALS + 10):
        refused.note(register("ana"), f"source {number}", 403, "wrong", float(number))
    assert len(refused.latest()) == MAX_REFUSALS
    assert refused.latest()[-1].source == "source 10"


def test_what_cant_be_read_has_no_login():
    refused = RefusedRegistrations()
    refused.note(register("", agent="x" * 500), "198.51.100.1", 400, "Malformed", 1.0)
    (refusal,) = refused.latest()
    assert (refusal.login, len(refusal.agent)) == ("", 128)
