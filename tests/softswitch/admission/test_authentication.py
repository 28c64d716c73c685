"""Trunks by certificate or address, and phones that aren't trunks."""

import pytest

from sip import digest
from sip.digest import Algorithm, DigestVerifier, Nonces, ha1
from sip.errors import SipError
from sip.flow import Flow
from sip.guard import Guard, GuardLimits
from sip.reading import parse_message
from softswitch.admission.authentication import Authenticator, Challenge, LineCaller, TrunkCaller
from softswitch.subscribers.directory import Directory, Line, Source, Trunk

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


def registers(desk, credentials, *, nc=b"00000001"):
    lines = [
        b"REGISTER sip:example.org SIP/2.0", b"Via: SIP/2.0/UDP h;branch=z9hG4bK1",
        b"From: <sip:line0001@example.org>;tag=1", b"To: <sip:line0001@example.org>",
        b"Call-ID: 1", b"CSeq: 1 REGISTER", b"Contact: <sip:a@h>",
        b"Authorization: " + credentials.replace(b"nc=00000001", b"nc=" + nc), b"", b"",
    ]  # fmt: skip
    return desk.registrant(parse_message(b"\r\n".join(lines)), FLOW, 1000.5)


def test_a_malformed_nonce_count_is_no_guess_of_the_password():
    guard = Guard(GuardLimits(guesses=2))
    desk = authenticator(Directory([line(1)], []), guard=guard)
    challenges = desk._verifier.challenge((Algorithm.MD5,), 1000.0, source=FLOW.remote[0])
    right = digest.answer(
        challenges, "line0001", "secret", "REGISTER", b"sip:example.org", cnonce="c"
    )
    for _ in range(10):
        with pytest.raises(SipError) as refused:
            registers(desk, right, nc=b"1")
        assert refused.value.status == 400
    assert registers(desk, right).line.login == "line0001"
