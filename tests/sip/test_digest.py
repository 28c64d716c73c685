"""Digest authentication, both sides (RFC 7616, RFC 8760)."""

import contextlib
import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip import digest
from sip.digest import (
    Algorithm,
    Credentials,
    DigestVerifier,
    Nonces,
    Verdict,
    answer,
    ha1,
    realm_of,
)
from sip.errors import ParseError

MD5, SHA_256, SHA_512_256 = Algorithm.MD5, Algorithm.SHA_256, Algorithm.SHA_512_256
NOW = 1_000_000.0


# The RFCs' own examples

MUFASA = (
    'Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", '
    'algorithm={algorithm}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, '
    'cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, response="{response}", '
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)


def wanted(given: Credentials, secret: str, method: str, body: bytes = b"") -> str:
    return digest._response(
        given.algorithm, secret, method, given.uri, given.nonce, given.qop, given.nc, given.cnonce,
        body,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616(algorithm, response):
    value = MUFASA.format(algorithm=algorithm, response=response).encode()
    given = Credentials.parse(value)
    secret = ha1(given.algorithm, "Mufasa", "http-auth@example.org", "Circle of Life")
    assert wanted(given, secret, "GET") == response


def test_the_example_with_sha_512_256_and_a_user_beyond_ascii():
    # RFC 7616 section 3.9.2, as corrected by its erratum 4897.
    user, realm = "Jäsøn Doe", "api@example.org"
    secret = ha1(SHA_512_256, user, realm, "Secret, or not?")
    hashed = hashlib.new("sha512_256", f"{user}:{realm}".encode()).hexdigest()
    assert hashed == "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"
    given = Credentials(
        hashed, realm, "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", "/doe.json", "",
        "auth", "00000001", "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
        algorithm=SHA_512_256,
    )  # fmt: skip
    assert wanted(given, secret, "GET") == (
        "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"
    )


def test_an_answer_without_qop_is_the_old_kind():
    # RFC 2617 section 3.2.2.1, without qop: KD(H(A1), nonce ":" H(A2)).
    value = answer([b'Digest realm="r", nonce="n"'], "u", "p", "INVITE", b"sip:b@h", cnonce="c")
    secret = hashlib.md5(b"u:r:p").hexdigest()
    method = hashlib.md5(b"INVITE:sip:b@h").hexdigest()
    expected = hashlib.md5(f"{secret}:n:{method}".encode()).hexdigest()
    assert Credentials.parse(value).response == expected
    assert b"qop" not in value and b"nc=" not in value


def test_auth_int_covers_the_body():
    given = answer(
        [b'Digest realm="r", nonce="n", qop="auth-int"'], "u", "p", "INVITE", b"sip:b@h",
        cnonce="c", body=b"v=0",
    )  # fmt: skip
    read = Credentials.parse(given)
    secret = ha1(MD5, "u", "r", "p")
    assert read.qop == "auth-int"
    assert read.response == wanted(read, secret, "INVITE", b"v=0")
    assert read.response != wanted(read, secret, "INVITE", b"v=1")


# Challenge and verification


class Gate:
    """A verifier with one line, alice, whose password is "secret"."""

    def __init__(self, **more) -> None:
        self.verifier = DigestVerifier(Nonces(b"k" * 32, **more), "example.org")
        self.now = NOW
        self.allowed = tuple(Algorithm)

    def challenge(self, *algorithms: Algorithm) -> list[bytes]:
        return self.verifier.challenge(algorithms or tuple(Algorithm), self.now)

    def ha1_of(self, username: str):
        def of(algorithm):
            if username not in ("alice", "bob") or algorithm not in self.allowed:
                return None
            return ha1(algorithm, username, "example.org", "secret")

        return of

    def verify(self, value: bytes, method: str = "REGISTER", body: bytes = b"") -> Verdict:
        given = Credentials.parse(value)
        secret = self.ha1_of(given.username)(given.algorithm)
        return self.verifier.verify(given, method, secret, self.now, body)


def credentials(challenges: list[bytes], password: str = "secret", **more) -> bytes:
    user = more.pop("user", "alice")
    given = {"cnonce": "c", **more}
    value = answer(challenges, user, password, "REGISTER", b"sip:example.org", **given)
    assert value is not None
    return value


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_challenge_is_answered_and_verified(algorithm):
    gate = Gate()
    challenges = gate.challenge(algorithm)
    assert realm_of(challenges[0]) == "example.org"
    assert gate.verify(credentials(challenges)) is Verdict.OK


def test_a_response_may_be_written_in_capitals():
    gate = Gate()
    value = credentials(gate.challenge())
    response = Credentials.parse(value).response.encode()
    assert response != response.upper()
    assert gate.verify(value.replace(response, response.upper())) is Verdict.OK


def test_the_topmost_challenge_that_is_known_is_answered():
    challenges = Gate().challenge()
    strange = [b"Basic realm=x", b'Digest realm="r", nonce="n", algorithm=SHA-3', b"Digest"]
    odd = [b'Digest realm="r", nonce="n", qop="auth-conf"', b'Digest nonce="n"', b'Digest realm="r']
    assert Credentials.parse(credentials(strange + odd + challenges)).algorithm is SHA_512_256
    only = credentials(challenges, allowed=(MD5, SHA_256))
    assert Credentials.parse(only).algorithm is SHA_256
    assert answer(strange, "u", "p", "INVITE", b"sip:h", cnonce="c") is None
    assert answer([b'Digest realm="r", nonce="n"'], "u", "p", "M", b"x", cnonce="c",
                  allowed=(SHA_256,)) is None  # fmt: skip


def test_wrong_password_unknown_user_and_forbidden_algorithm_all_look_the_same():
    gate = Gate()
    assert gate.verify(credentials(gate.challenge(), "guess")) is Verdict.WRONG
    assert gate.verify(credentials(gate.challenge(), user="mallory")) is Verdict.WRONG
    gate.allowed = (SHA_256,)
    assert gate.verify(credentials(gate.challenge(MD5))) is Verdict.WRONG


def test_another_method_or_body_is_wrong():
    gate = Gate()
    assert gate.verify(credentials(gate.challenge()), "INVITE") is Verdict.WRONG
    value = credentials([gate.challenge(MD5)[0].replace(b'"auth"', b'"auth-int"')], body=b"a")
    assert gate.verify(value, body=b"b") is Verdict.WRONG


# Nonces


def test_a_nonce_lives_for_its_time_and_is_then_stale():
    gate = Gate(lifetime_seconds=60.0)
    in_time, too_late = credentials(gate.challenge()), credentials(gate.challenge())
    gate.now = NOW + 60.0
    assert gate.verify(in_time) is Verdict.OK
    gate.now = NOW + 60.002
    assert gate.verify(too_late) is Verdict.STALE


def test_who_doesnt_know_the_password_never_hears_that_a_nonce_is_stale():
    gate = Gate(lifetime_seconds=60.0)
    guess, absent = credentials(gate.challenge(), "guess"), credentials(gate.challenge(), user="x")
    gate.now = NOW + 100.0
    assert gate.verify(guess) is gate.verify(absent) is Verdict.WRONG


@pytest.mark.parametrize("nonce", [b"", b"0" * 44, b"\xd9\xa3" * 22, b"x", b"f" * 3000])
def test_a_nonce_that_isnt_ours_is_challenged_again(nonce):
    value = credentials([b'Digest realm="example.org", nonce="%s", qop="auth"' % nonce])
    assert Gate().verify(value) is Verdict.STALE


@given(st.integers(0, 43), st.sampled_from("0123456789abcdef"))
def test_no_octet_of_a_nonce_can_be_changed(at, digit):
    nonces = Nonces(b"k" * 32)
    nonce = nonces.issue(SHA_256, NOW)
    assert len(nonce) == 44
    changed = nonce[:at] + digit + nonce[at + 1 :]
    expected = "fresh" if changed == nonce else "invalid"
    assert nonces.check(changed, SHA_256, NOW) == expected


def test_a_nonce_of_one_algorithm_is_no_good_for_another():
    gate = Gate()
    strong, weak = gate.challenge(SHA_256, MD5)
    nonce = realm_and_nonce(strong)
    mixed = weak.replace(realm_and_nonce(weak), nonce)
    assert gate.verify(credentials([mixed])) is Verdict.STALE


def realm_and_nonce(challenge: bytes) -> bytes:
    return challenge.partition(b'nonce="')[2].partition(b'"')[0]


def test_nonces_outlive_a_restart_with_the_same_secret_only():
    nonce = Nonces(b"k" * 32).issue(MD5, NOW)
    assert Nonces(b"k" * 32).check(nonce, MD5, NOW + 1) == "fresh"
    assert Nonces(b"j" * 32).check(nonce, MD5, NOW + 1) == "invalid"


def test_a_nonce_is_good_only_for_the_address_that_it_was_given_to():
    nonces = Nonces(b"k" * 32)
    nonce = nonces.issue(MD5, NOW, "192.0.2.1")
    assert nonces.check(nonce, MD5, NOW, "192.0.2.1") == "fresh"
    assert nonces.check(nonce, MD5, NOW, "192.0.2.2") == "invalid"
    assert nonces.check(nonce, MD5, NOW) == "invalid"


def test_every_challenge_has_a_nonce_of_its_own():
    gate = Gate()
    nonces = [realm_and_nonce(c) for _ in range(100) for c in gate.challenge()]
    assert len(set(nonces)) == 300


# Replay


def test_a_nonce_count_is_good_once_and_only_grows():
    gate = Gate()
    challenges = gate.challenge()
    first, second, third = (credentials(challenges, nc=nc) for nc in (1, 2, 3))
    assert gate.verify(first) is Verdict.OK
    assert gate.verify(first) is Verdict.REPLAY
    assert gate.verify(third) is Verdict.OK
    assert gate.verify(second) is Verdict.REPLAY


def test_without_qop_a_nonce_is_good_once():
    gate = Gate()
    old = [gate.challenge(MD5)[0].replace(b', qop="auth"', b"")]
    assert gate.verify(credentials(old)) is Verdict.OK
    assert gate.verify(credentials(old)) is Verdict.REPLAY


def test_a_guesser_uses_up_nobodys_counts():
    gate = Gate()
    challenges = gate.challenge()
    assert gate.verify(credentials(challenges, "guess", nc=0xFFFFFFFF)) is Verdict.WRONG
    assert gate.verify(credentials(challenges, user="bob", nc=0xFFFFFFFE)) is Verdict.OK
    assert gate.verify(credentials(challenges, nc=1)) is Verdict.OK


@pytest.mark.parametrize(
    "nc", [b"1", b"000000001", b"0000000g", b"\xd9\xa30000001", b"0x000001", b"-0000001"]
)
def test_a_nonce_count_is_eight_hexadecimal_digits_and_no_guess_otherwise(nc):
    gate = Gate()
    value = credentials(gate.challenge()).replace(b"nc=00000001", b"nc=" + nc)
    assert gate.verify(value) is Verdict.MALFORMED


@pytest.mark.parametrize(
    "lists", [(b", ", b", , "), (b"Digest ", b"Digest ,"), (b"auth", b"auth,,")]
)
def test_empty_list_elements_are_passed_over(lists):
    gate = Gate()
    value = credentials(gate.challenge()).replace(*lists, 1)
    assert gate.verify(value + b", ,") is Verdict.OK


def test_qop_needs_a_cnonce_and_a_known_value():
    gate = Gate()
    assert gate.verify(credentials(gate.challenge(), cnonce="")) is Verdict.MALFORMED
    value = credentials(gate.challenge())
    assert gate.verify(value.replace(b"qop=auth", b"qop=auth-conf")) is Verdict.MALFORMED


def test_counts_that_had_to_be_forgotten_are_not_good_again(monkeypatch):
    monkeypatch.setattr(digest, "MAX_COUNTED_NONCES", 3)
    gate = Gate()
    used = []
    for _ in range(5):
        value = credentials(gate.challenge())
        assert gate.verify(value) is Verdict.OK
        used.append(value)
    assert [gate.verify(value) for value in used] == [Verdict.REPLAY] * 5
    assert len(gate.verifier._counts) == len(gate.verifier._counted) == 3
    assert gate.verify(credentials(gate.challenge())) is Verdict.OK


def test_counts_of_stale_nonces_are_forgotten():
    gate = Gate(lifetime_seconds=60.0)
    for at in (0.0, 30.0):
        gate.now = NOW + at
        assert gate.verify(credentials(gate.challenge())) is Verdict.OK
    gate.verifier.forget(NOW + 70.0)
    assert len(gate.verifier._counts) == 1
    gate.verifier.forget(NOW + 100.0)
    assert len(gate.verifier._counts) == 0


# The wire


@pytest.mark.parametrize(
    "value",
    [
        b"", b"Digest", b"Digest ", b"Basic YTpi", b"NoOneKnowsThisScheme opaque-data=here",
        b"Digest ,,",
        b'Digest username="a"', b'Digest username="a", username="b"',
        b'Digest username="a" realm="b"',
        b'Digest username="a', b"Digest username=", b"Digest =a", b'Digest user name="a"',
        b'Digest username="a"\n, realm="b"', b"Digest " + b"a=b, " * 2000, b"Digestusername=a",
    ],
)  # fmt: skip
def test_what_are_no_credentials(value):
    with pytest.raises(ParseError):
        Credentials.parse(value)


@pytest.mark.parametrize("spaces", [b" ", b"\t", b"   "])
def test_white_space_and_quotes_of_credentials(spaces):
    value = (
        b"DIGEST" + spaces + b'username="a\\"b" ,realm=r , nonce="n",uri="sip:h",response="AB" ,'
    )
    read = Credentials.parse(value)
    assert (read.username, read.realm, read.response) == ('a"b', "r", "AB")
    assert read.algorithm is MD5


def test_only_ascii_spells_an_algorithm():
    start = b'Digest username=a,realm=r,nonce=n,uri="sip:h",response=a,algorithm='
    assert Credentials.parse(start + b"sha-256").algorithm is SHA_256
    assert Credentials.parse(start + "ſha-256".encode()).algorithm is None
    assert Credentials.parse(start + b"MD5-sess").algorithm is None


@given(st.binary(max_size=80).map(lambda b: b"Digest " + b) | st.binary(max_size=80))
def test_credentials_and_challenges_never_fail_otherwise(data):
    realm_of(data)
    answer([data], "u", "p", "INVITE", b"sip:h", cnonce="c")
    with contextlib.suppress(ParseError):
        Credentials.parse(data)


def test_what_a_peer_puts_into_its_challenge_stays_inside_the_quotes():
    evil = b'Digest realm="a\\", uri=\\"sip:evil", nonce="n\\\\", opaque="\\x\\01"'
    value = answer([evil], 'u"', "p", "INVITE", b'sip:b"@h', cnonce="c")
    read = Credentials.parse(value)
    assert (read.username, read.realm, read.nonce) == ('u"', 'a", uri="sip:evil', "n\\")
    assert (read.uri, read.opaque) == ('sip:b"@h', "x01")


@pytest.mark.parametrize(
    "value",
    [
        b'username="ana", realm="a b", nonce="n,=", uri="sip:a;b=c,d", response=abc, nc=00000001',
        b'username="ana",realm="",nonce=n,uri="*",response="ABC"',
        b'username = "ana" , realm="r",  nonce="n"\t,uri="u",response="x"',
        b'username="a\\"na", realm="\\\\", nonce="n", uri="u", response="x", algorithm=MD5',
        b'username="\xe1\x83\x90", realm="r", nonce="n", uri="u", response="x", x-y=1',
    ],
)
def test_plain_parameters_and_strange_ones_are_read_alike(value, monkeypatch):
    """The quick way for what nearly everybody writes, and the grammar for all the rest."""
    quick = Credentials.parse(b"Digest " + value)
    monkeypatch.setattr(digest, "_PLAIN_PARAMS", re.compile(r"(?!)"))
    assert Credentials.parse(b"Digest " + value) == quick
