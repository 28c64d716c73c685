"""Whether a line exists, by what is answered and by what is done for it: neither tells.

How long an answer takes depends on the machine, so here it is counted what is called on the way to
it: every function of the switch and every one of C that they call, digests among them.
"""

import gc
import re
import sys
from collections import Counter
from dataclasses import replace

import pytest

from sip.digest import Algorithm, DigestVerifier, Nonces, answer, ha1
from sip.errors import SipError
from sip.flow import Flow
from sip.guard import Guard, GuardLimits
from sip.reading import parse_message
from softswitch.admission.authentication import Authenticator
from softswitch.admission.decoys import Decoys
from softswitch.subscribers.directory import Directory, Line
from softswitch.subscribers.packed_lines import proof_of, unpacked
from softswitch.subscribers.refusal import Refusal

REALM = "example.org"
LINES = 1000
DIGESTED = "C", "HASH.hexdigest"
"""Called once for each digest, whatever its algorithm."""
MD5_ONLY, REVERSED = (Algorithm.MD5,), (Algorithm.MD5, Algorithm.SHA_256)
KNOWN = [f"line{number:04}" for number in range(LINES)]
UNKNOWN = [f"line{number:04}" for number in range(LINES, 2 * LINES)]


def line(number, order=None):
    login = KNOWN[number]
    secrets = {algorithm: ha1(algorithm, login, REALM, "secret") for algorithm in Algorithm}
    return Line(number + 1, f"+9953220{number:05}", login, 1, secrets, algorithms=order)


ORDERS = [None] * 6 + [MD5_ONLY] * 3 + [REVERSED]
"""Of ten lines."""


def office(orders=(None,)):
    lines = [line(number, orders[number % len(orders)]) for number in range(LINES)]
    lines[7] = replace(lines[7], status="suspended")
    return Authenticator(
        Directory(lines),
        DigestVerifier(Nonces(b"n" * 32), REALM),
        domain=REALM,
        algorithms=(Algorithm.SHA_256, Algorithm.MD5),
        invite_status=401,
        guard=Guard(GuardLimits()),
        secret=b"n" * 32,
    )


def request(method, user, *fields):
    lines = [
        f"{method} sip:{user}@{REALM} SIP/2.0", "Via: SIP/2.0/UDP h;branch=z9hG4bK1",
        f"From: <sip:{user}@{REALM}>;tag=1", f"To: <sip:{user}@{REALM}>", "Call-ID: 1",
        f"CSeq: 1 {method}", "Contact: <sip:a@h>", *fields, "", "",
    ]  # fmt: skip
    return parse_message("\r\n".join(lines).encode())


class Asker:
    """Somebody at an address of his own, so that no guess is the eleventh."""

    def __init__(self, desk, user, number):
        self.desk, self.user = desk, user
        self.flow = Flow("udp", ("192.0.2.1", 5060), (f"10.{number >> 8}.{number & 255}.1", 5060))

    def ask(self, method="REGISTER", *fields):
        """What is answered, without what is different each time."""
        asked = request(method, self.user, *fields)
        serve = self.desk.registrant if method == "REGISTER" else self.desk.caller
        try:
            serve(asked, self.flow, 1000.0)
        except SipError as error:
            return error.status, error.reason, error.headers
        except Refusal as refusal:
            return refusal.status, refusal.reason, refusal.rule
        raise AssertionError("he was let in")

    def challenges(self):
        return [value for _, value in self.ask()[2]]

    def guess(self, method="REGISTER", password="guess", algorithm=None, **changed):
        challenges = self.challenges()
        if algorithm is not None:  # whatever was offered, with a nonce of ours for it
            nonce = self.desk._verifier._nonces.issue(algorithm, 1000.0, self.flow.remote[0])
            challenges = [b'Digest realm="%s", nonce="%s", algorithm=%s, qop="auth"' % (
                REALM.encode(), nonce.encode(), algorithm.value.encode())]  # fmt: skip
        uri = f"sip:{self.user}@{REALM}".encode()
        value = answer(challenges, self.user, password, method, uri, cnonce="c").decode()
        for old, new in changed.items():
            value = value.replace(f"{old}=", f"{old}{new}=", 1)
        return "Authorization: " + value


def plain(answered):
    """Without nonces."""
    return re.sub(r'nonce="[0-9a-f]+"', "nonce", repr(answered))


SITUATIONS = {
    "nothing is proven": lambda asker, method: asker.ask(method),
    "a wrong password": lambda asker, method: asker.ask(method, asker.guess(method)),
    "MD5, though SHA-256 comes first": lambda asker, method: asker.ask(
        method, asker.guess(method, algorithm=Algorithm.MD5)
    ),
    "an algorithm that isn't offered": lambda asker, method: asker.ask(
        method, asker.guess(method, algorithm=Algorithm.SHA_512_256)
    ),
    "a nonce that was never given": lambda asker, method: asker.ask(
        method, re.sub('nonce="[^"]+"', 'nonce="abc"', asker.guess(method))
    ),
    "another realm": lambda asker, method: asker.ask(
        method, asker.guess(method).replace(f'realm="{REALM}"', 'realm="x"')
    ),
    "no count": lambda asker, method: asker.ask(
        method, asker.guess(method).replace("nc=00000001, ", "")
    ),
    "nonsense": lambda asker, method: asker.ask(method, "Authorization: Digest nonsense"),
}


@pytest.mark.parametrize("method", ["REGISTER", "INVITE"])
@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_thousand_lines_are_answered_as_a_thousand_that_are_not_there(situation, method):
    desk, act = office(), SITUATIONS[situation]
    users = [*KNOWN, *UNKNOWN]
    answers = [plain(act(Asker(desk, user, n), method)) for n, user in enumerate(users)]
    assert len(set(answers)) == 1


def test_the_secret_of_nobody_opens_nothing_and_tells_nothing():
    """What stands in the source for a line that isn't there is no secret: whoever proves to know
    it must not be counted as having used a nonce."""
    desk = office()
    for user in (KNOWN[0], UNKNOWN[0]):
        asker = Asker(desk, user, 1)
        for algorithm in Algorithm:
            made_up = _proof_of(asker, algorithm, algorithm.digest(b"nobody"))
            assert [asker.ask("REGISTER", made_up)[0] for _ in range(2)] == [403, 403]


def _proof_of(asker, algorithm, secret):
    nonce = asker.desk._verifier._nonces.issue(algorithm, 1000.0, asker.flow.remote[0])
    uri = f"sip:{asker.user}@{REALM}"
    second = algorithm.digest(f"REGISTER:{uri}".encode())
    proof = algorithm.digest(f"{secret}:{nonce}:00000001:c:auth:{second}".encode())
    return (
        f'Authorization: Digest username="{asker.user}", realm="{REALM}", nonce="{nonce}", '
        f'uri="{uri}", response="{proof}", algorithm={algorithm.value}, qop=auth, nc=00000001, '
        'cnonce="c"'
    )


@pytest.mark.parametrize("orders", [(None,), ORDERS, (MD5_ONLY,)], ids=["one", "three", "theirs"])
def test_a_lines_own_algorithms_do_not_tell_that_it_is_there(orders):
    """Whatever order is seen, lines that aren't there have it about as often; and again the same
    when asked again, and after another line has come."""
    desk = office(orders)

    def seen(users):
        return [plain(Asker(desk, user, n).ask()) for n, user in enumerate(users)]

    known, unknown = seen(KNOWN), seen(UNKNOWN)
    shares = Counter(known), Counter(unknown)
    assert shares[0].keys() == shares[1].keys() and len(shares[0]) == len(set(orders))
    for answered, count in shares[0].items():
        assert abs(shares[1][answered] - count) < 0.05 * LINES
    assert seen(UNKNOWN) == unknown
    desk._directory.put_lines(
        [replace(line(1), id=5000, login="new", number="+1", algorithms=None)]
    )
    changed = sum(a != b for a, b in zip(seen(UNKNOWN), unknown, strict=True))
    assert changed < 0.01 * LINES


def test_another_switch_makes_up_others():
    orders = {None: 1, MD5_ONLY: 1}
    first, second = Decoys(b"a"), Decoys(b"b")
    drawn = [
        [unpacked(made.line(user, orders)).algorithms for user in UNKNOWN]
        for made in (first, second)
    ]
    assert 0.4 * LINES < sum(a == b for a, b in zip(*drawn, strict=True)) < 0.6 * LINES
    assert unpacked(Decoys(b"a").line("x", {})).algorithms is None
    secrets = [unpacked(made.line("x", orders)).ha1 for made in (first, second)]
    assert not set(secrets[0].values()) & set(secrets[1].values())


def work_of(act) -> Counter:
    """How often each function was called, without the collector's callbacks: a collection falls on
    one try or another by chance."""
    called: Counter = Counter()
    proof_of.cache_clear()  # another test may have asked for the one and not for the other
    gc.disable()

    def note(frame, event, argument):
        if event == "call":
            called[frame.f_code.co_filename, frame.f_code.co_qualname] += 1
        elif event == "c_call":
            called["C", getattr(argument, "__qualname__", repr(argument))] += 1

    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
        gc.enable()
    return called


@pytest.mark.parametrize("orders", [(None,), (MD5_ONLY,)], ids=["the switch's", "their own"])
@pytest.mark.parametrize("method", ["REGISTER", "INVITE"])
@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_work_is_the_same(situation, method, orders):
    desk, act = office(orders), SITUATIONS[situation]
    act(Asker(desk, KNOWN[99], 0), method)  # whatever is done only once is done
    act(Asker(desk, UNKNOWN[99], 1), method)
    suspended = KNOWN[7]
    users = (KNOWN[0], UNKNOWN[0], suspended)
    works = [
        work_of(lambda user=user, n=n: act(Asker(desk, user, 2 + n), method))
        for n, user in enumerate(users)
    ]
    assert works[0] == works[1] == works[2]
    assert works[0][DIGESTED] >= (5 if situation == "a wrong password" else 0)
