"""Whether a line exists, by how long the answer takes; and trunks by certificate."""

import random
import statistics
import time

import pytest

from sip.digest import Algorithm, DigestVerifier, Nonces, answer, ha1
from sip.flow import Flow
from sip.message import parse_message
from softswitch.admission.authentication import Authenticator, Challenge, LineCaller, TrunkCaller
from softswitch.admission.refusal import Refusal
from softswitch.directory import Directory, Line, Source, Trunk

REALM = "example.org"
FLOW = Flow("udp", ("192.0.2.1", 5060), ("203.0.113.66", 5060))
TLS = Flow("tls", ("192.0.2.1", 5061), ("203.0.113.66", 40_000))


def line(number):
    login = f"line{number:04}"
    secrets = {algorithm: ha1(algorithm, login, REALM, "secret") for algorithm in Algorithm}
    return Line(number + 1, f"+9953220{number:05}", login, 1, secrets)


def trunk(**more):
    return Trunk(1, "carrier", "sip:gw.example", ("",), **more)


def authenticator(directory, **more):
    verifier = DigestVerifier(Nonces(b"n" * 32), REALM)
    return Authenticator(
        directory, verifier, domain=REALM, algorithms=(Algorithm.SHA_256, Algorithm.MD5), **more
    )


def register(user, *fields):
    lines = [
        f"REGISTER sip:{REALM} SIP/2.0", "Via: SIP/2.0/UDP h;branch=z9hG4bK1",
        f"From: <sip:{user}@{REALM}>;tag=1", f"To: <sip:{user}@{REALM}>", "Call-ID: 1",
        "CSeq: 1 REGISTER", "Contact: <sip:a@h>", *fields, "", "",
    ]  # fmt: skip
    return parse_message("\r\n".join(lines).encode())


def seconds_of(desk, user, *fields):
    """How long one attempt takes, and what comes of it."""
    request = register(user, *fields)
    started = time.process_time_ns()
    with pytest.raises((Challenge, Refusal)) as caught:
        desk.registrant(request, FLOW, 1000.0)
    return time.process_time_ns() - started, caught.value.status


def guess_of(desk, user):
    with pytest.raises(Challenge) as caught:
        desk.registrant(register(user), FLOW, 1000.0)
    challenges = [value for _, value in caught.value.headers]
    value = answer(challenges, user, "guess", "REGISTER", b"sip:example.org", cnonce="c")
    return "Authorization: " + value.decode()


@pytest.mark.parametrize("guesses", [False, True], ids=["challenged", "refused"])
def test_time_does_not_tell_whether_a_line_is_there(guesses):
    """Two thousand samples of each kind, in random order; the chance that one of a known line
    took longer than one of an unknown line is that of a coin."""
    desk = authenticator(Directory([line(number) for number in range(1000)]))
    rng = random.Random(1)
    for _attempt in range(3):  # a machine that is busy with other things may spoil one
        samples = {True: [], False: []}
        users = [(f"line{number:04}", number < 1000) for number in range(2000)] * 2
        rng.shuffle(users)
        for user, known in users:
            fields = (guess_of(desk, user),) if guesses else ()
            took, status = seconds_of(desk, user, *fields)
            assert status == (403 if guesses else 401)
            samples[known].append(took)
        chance = _chance_of_longer(samples[True], samples[False])
        medians = [statistics.median(samples[known]) for known in (True, False)]
        if abs(chance - 0.5) < 0.05 and abs(medians[0] / medians[1] - 1) < 0.05:
            return
    raise AssertionError((chance, medians))


def _chance_of_longer(a, b):
    """The area under the curve of whoever tells them apart by time alone."""
    ranked = sorted([(value, 0) for value in a] + [(value, 1) for value in b])
    below = wins = 0
    for _, which in ranked:
        if which:
            below += 1
        else:
            wins += below
    return wins / (len(a) * len(b))


# Trunks


def invite(host=REALM, user="44207"):
    lines = [
        f"INVITE sip:+99532200@{REALM} SIP/2.0", "Via: SIP/2.0/TLS h;branch=z9hG4bK1",
        f"From: <sip:{user}@{host}>;tag=1", f"To: <sip:1@{REALM}>", "Call-ID: 1",
        "CSeq: 1 INVITE", "Contact: <sip:a@h>", "", "",
    ]  # fmt: skip
    return parse_message("\r\n".join(lines).encode())


def caller(names, flow=TLS, request=None, **more):
    desk = authenticator(Directory([line(1)], [trunk(**more)]), names_of=lambda _: frozenset(names))
    try:
        return desk.caller(request or invite(host="gw.example"), flow, 1000.0)
    except Challenge:
        return "challenged"


def test_a_trunk_is_known_by_its_certificate_wherever_it_calls_from():
    found = caller({"other.example", "gw.example"}, inbound_certificates=("gw.example",))
    assert isinstance(found, TrunkCaller) and found.trunk.name == "carrier"


@pytest.mark.parametrize(
    ("names", "flow"), [({"other.example"}, TLS), (set(), TLS), ({"gw.example"}, FLOW)]
)
def test_nobody_else_is_a_trunk(names, flow):
    assert caller(names, flow, inbound_certificates=("gw.example",)) == "challenged"


def test_a_suspended_trunk_is_nobody():
    certificates = {"inbound_certificates": ("gw.example",), "status": "suspended"}
    assert caller({"gw.example"}, **certificates) == "challenged"


def test_its_address_still_does():
    found = caller(set(), FLOW, inbound_from=(Source.parse("203.0.113.66"),))
    assert isinstance(found, TrunkCaller)


def test_a_phone_with_a_certificate_of_its_own_is_a_phone():
    assert LineCaller(line(1)).line.login == "line0001"
    request = invite(host=REALM, user="line0001")
    assert caller({"gw.example"}, TLS, request, inbound_certificates=("gw.example",)) == (
        "challenged"
    )
