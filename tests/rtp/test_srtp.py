"""SRTP towards a side: opened first, sealed last, and nothing in the clear."""

import itertools

import numpy as np
import pytest
from msgspec import structs
from studio import FRAME, Studio, sine

from rtp.control import Hear, Keys, Open, SetRemote, SideSpec, decode_to_worker, encode
from rtp.formats import Formats
from rtp.g711 import PCMU
from rtp.packet import HEADER
from rtp.srtp import MAX_SOURCES, REPLAY_WINDOW, Srtp

SUITES = {
    "AES_CM_128_HMAC_SHA1_80": (30, 10),
    "AES_CM_128_HMAC_SHA1_32": (30, 4),
    "AEAD_AES_128_GCM": (28, 16),
    "AEAD_AES_256_GCM": (44, 16),
}
"""Octets of a master key with its salt, and by how much a packet grows."""


def keys(suite="AES_CM_128_HMAC_SHA1_80", ours=1, theirs=2):
    length, _ = SUITES[suite]
    return Keys(suite, bytes([ours]) * length, bytes([theirs]) * length)


def turned(given):
    """The same, as the peer sees them."""
    return Keys(given.suite, given.theirs, given.ours)


def rtp(sequence, payload=b"\x55" * 160, ssrc=7, timestamp=None):
    time = 160 * sequence if timestamp is None else timestamp
    return HEADER.pack(0x80, 0, sequence & 0xFFFF, time & 0xFFFFFFFF, ssrc) + payload


RTCP = bytes.fromhex("80c8000600000007") + bytes(range(20))


@pytest.mark.parametrize("suite", SUITES)
def test_what_one_seals_the_other_opens(suite):
    us, them = Srtp(keys(suite)), Srtp(turned(keys(suite)))
    for packet in (rtp(1), rtp(2), RTCP):
        sealed = us.seal(packet)
        assert packet not in sealed and them.open(sealed) == packet
    assert len(us.seal(rtp(3))) - len(rtp(3)) == SUITES[suite][1]


def test_the_reference_packet_of_the_draft_that_rfc_3711_came_from():
    """As libsrtp and others publish it: a key, a packet, and what it must become."""
    master = bytes.fromhex("e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6")
    plain = bytes.fromhex("800f1234decafbadcafebabe" + "ab" * 16)
    sealed = bytes.fromhex(
        "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb"
    )
    side = Srtp(Keys("AES_CM_128_HMAC_SHA1_80", master, master))
    assert side.seal(plain) == sealed
    assert side.open(sealed) == plain


def test_the_key_derivation_and_cipher_of_rfc_3711_appendix_b():
    """The keystream of B.2 under the session keys of B.3's derivation, by an independent AES."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    def aes_cm(key, start, length):
        encryptor = Cipher(algorithms.AES(key), modes.CTR(start)).encryptor()
        return encryptor.update(bytes(length))

    master = bytes.fromhex("e1f97a0d3e018be0d64fa32c06de4139")
    salt = bytes.fromhex("0ec675ad498afeebb6960b3aabe6")
    label_of = {"cipher": 0, "salt": 2}
    derived = {}
    for name, label in label_of.items():
        x = int.from_bytes(salt) ^ (label << 48)
        derived[name] = aes_cm(master, (x << 16).to_bytes(16), 16 if name == "cipher" else 14)
    assert derived["cipher"].hex() == "c61e7a93744f39ee10734afe3ff7a087"  # B.3
    assert derived["salt"].hex() == "30cbbc08863d8c85d49db34a9ae1"  # B.3
    side = Srtp(Keys("AES_CM_128_HMAC_SHA1_80", master + salt, master + salt))
    packet = rtp(5, bytes(16), ssrc=9)
    index = int.from_bytes(derived["salt"]) << 16 ^ 9 << 64 ^ 5 << 16
    assert side.seal(packet)[12:28] == aes_cm(derived["cipher"], index.to_bytes(16), 16)


def test_a_packet_is_opened_once():
    us, them = Srtp(keys()), Srtp(turned(keys()))
    sealed = us.seal(rtp(1))
    assert them.open(sealed) == rtp(1)
    assert them.open(sealed) is None


def test_overtaken_packets_are_opened_within_the_window_only():
    us, them = Srtp(keys()), Srtp(turned(keys()))
    early = [us.seal(rtp(n)) for n in range(1, 4)]
    them.open(us.seal(rtp(REPLAY_WINDOW + 2)))
    assert them.open(early[2]) == rtp(3)
    assert them.open(early[0]) is None


@pytest.mark.parametrize("at", [0, 3, 9, 40, -1])
def test_a_changed_octet_is_noticed(at):
    us, them = Srtp(keys()), Srtp(turned(keys()))
    sealed = bytearray(us.seal(rtp(1)))
    sealed[at] ^= 0x01
    assert them.open(bytes(sealed)) is None


@pytest.mark.parametrize("data", [b"", b"\x80", rtp(1)[:11], rtp(1), bytes(1400), b"\x80" * 3000])
def test_what_isnt_sealed_isnt_opened(data):
    assert Srtp(keys()).open(data) is None


def test_the_same_packet_isnt_sealed_twice():
    """Under one key, a number and another content would lay both open."""
    side = Srtp(keys())
    assert side.seal(rtp(1)) is not None
    assert side.seal(rtp(1, b"\x66" * 160)) is None


def test_sources_are_bounded():
    side = Srtp(keys())
    assert all(side.seal(rtp(1, ssrc=n)) for n in range(MAX_SOURCES))
    assert side.seal(rtp(1, ssrc=MAX_SOURCES)) is None
    assert side.seal(rtp(2, ssrc=0)) is not None


def test_the_rollover_counter_outlives_a_renegotiation_with_the_same_keys():
    us, them = Srtp(keys()), Srtp(turned(keys()))
    for number in itertools.chain(range(65_000, 65_536), range(300)):
        assert them.open(us.seal(rtp(number))) == rtp(number)
    us.renew(keys())
    them.renew(turned(keys()))
    assert them.open(us.seal(rtp(300))) == rtp(300)
    stranger = Srtp(turned(keys()))  # who begins anew knows the counter wrong
    assert stranger.open(us.seal(rtp(301))) is None


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("first", [0, 1, 0x7FFF, 0x8000, 0xFFF0])
def test_a_kept_key_goes_on_in_another_session(suite, first):
    """As if every 97th packet had arrived of some that went round more than twice."""
    them, before = Srtp(turned(keys(suite))), Srtp(keys(suite))
    for number in range(first, first + 2 * 65_536 + 100, 97):
        assert before.open(them.seal(rtp(number))) is not None
    ((source, reached),) = before.seen
    assert (source, reached) == (7, number)
    assert Srtp(keys(suite)).open(them.seal(rtp(number + 1))) is None
    after = Srtp(structs.replace(keys(suite), seen=before.seen))
    assert after.open(them.seal(rtp(number + 2))) == rtp(number + 2)
    assert after.open(them.seal(rtp(number + 20_000))) is not None
    assert after.seen == ((7, number + 20_000),)
    assert after.open(them.seal(rtp(5, ssrc=8))) is not None  # another source begins at nought


def test_what_overtook_doesnt_turn_the_counter_back():
    them, us = Srtp(turned(keys())), Srtp(keys())
    sealed = {number: them.seal(rtp(number)) for number in range(65_500, 65_580)}
    for number in (65_500, 65_540, 65_530, 65_579, 65_535, 65_541):
        assert us.open(sealed[number]) is not None
    assert us.seen == ((7, 65_579),)


def test_a_counter_beyond_belief_is_not_brought_back():
    Srtp(structs.replace(keys(), seen=((7, 1 << 60), (8, -5))))


def test_a_new_key_of_one_way_leaves_the_other_as_it_is():
    us, them = Srtp(keys()), Srtp(turned(keys()))
    for number in range(65_400, 65_700):
        them.open(us.seal(rtp(number)))
    us.renew(keys(theirs=9))
    them.renew(turned(keys(theirs=9)))
    assert them.open(us.seal(rtp(164 + 1))) == rtp(165)
    assert us.open(them.seal(rtp(1))) == rtp(1)


@pytest.mark.parametrize(
    "bad", [Keys("NULL", b"", b""), Keys("AEAD_AES_128_GCM", b"x" * 30, b"y" * 28)]
)
def test_with_keys_that_cannot_be_used_nothing_is_sent(bad):
    assert Srtp(bad).seal(rtp(1)) is None


def test_keys_are_never_shown():
    message = SetRemote(1, "a", "192.0.2.1", 4000, 4001, "sendrecv", keys=keys(ours=65, theirs=66))
    assert "AAAA" not in repr(message) and "BBBB" not in repr(message)
    assert decode_to_worker(encode([message])) == [message]


# Through an engine


class SecurePhone:
    """Wraps a phone of the studio: seals what it says, opens what it hears."""

    def __init__(self, studio, phone, given):
        self.phone, self.srtp = phone, Srtp(turned(given))
        self.clear = []
        plain_deliver = studio._deliver

        def deliver(data, target):
            if target == phone.address:
                clear = self.srtp.open(data)
                assert clear is not None, "it came in the clear"
                data = clear
            plain_deliver(data, target)

        studio._deliver = deliver
        arrives = studio.arrives

        def seal(who, data):
            arrives(who, self.srtp.seal(data) if who is phone else data)

        studio.arrives = seal


@pytest.fixture
def studio():
    return Studio()


def call(studio, a_keys=None, b_keys=None):
    studio.sessions += 1
    studio.tell(Open(studio.sessions, SideSpec(None), SideSpec(None)))
    opened = studio.opened
    phones = []
    for side, port, given in (("a", opened.a_rtp_port, a_keys), ("b", opened.b_rtp_port, b_keys)):
        phone = studio.phone(studio.sessions, side, port)
        if given is not None:
            secure(studio, phone, given)
            SecurePhone(studio, phone, given)
        phones.append(phone)
    return phones


def secure(studio, phone, given, events=101):
    host, port = phone.address
    studio.tell(
        SetRemote(
            phone.session, phone.side, host, port, port + 1, "sendrecv",
            formats=Formats(event_payload_type=events), keys=given,
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("a", "b"),
    [(True, True), (True, False), (False, True)],
    ids=["SRTP-SRTP", "SRTP-RTP", "RTP-SRTP"],
)
def test_a_call_is_bit_exact_whoever_has_srtp(studio, a, b):
    mine, yours = keys("AEAD_AES_256_GCM"), keys(ours=3, theirs=4)
    alice, bob = call(studio, mine if a else None, yours if b else None)
    low, high = sine(300, 30), sine(500, 30)
    studio.run(30, (alice, low), (bob, high))
    assert (bob.heard == low).all() and (alice.heard == high).all()
    assert len(bob.packets) == 30


def test_packets_in_the_clear_are_strays_on_a_secure_side(studio):
    alice, bob = call(studio, keys(), None)
    forward = studio.engine.receive(alice.port, rtp(1), alice.address, studio.now)
    assert forward is None
    assert studio.engine.session(1).relay.sides[0].strays == 1
    assert bob.datagrams == []


def test_a_side_that_loses_srtp_is_heard_in_the_clear_from_then_on(studio):
    alice, bob = call(studio, None, None)
    secure(studio, alice, keys())
    assert studio.engine.receive(alice.port, rtp(1), alice.address, studio.now) is None
    secure(studio, alice, None)
    assert studio.engine.receive(alice.port, rtp(2), alice.address, studio.now)[1] == rtp(2)
    assert bob.datagrams == []


def test_what_the_switch_itself_says_is_sealed_and_what_it_hears_opened(studio):
    studio.sessions += 1
    studio.tell(Open(studio.sessions, SideSpec(None), None))
    caller = studio.phone(studio.sessions, "a", studio.opened.a_rtp_port)
    secure(studio, caller, keys())
    SecurePhone(studio, caller, keys())
    studio.tell(Hear(caller.session, "a", "echo"))
    said = sine(440, 30)
    studio.run(30, (caller, said))
    assert (caller.heard[FRAME:] == said[:-FRAME]).all()
    assert np.abs(PCMU.decode(caller.packets[-1].payload)).max() > 1000


def test_a_closed_session_is_forgotten(studio):
    alice, _ = call(studio, keys(), keys())
    studio.close(alice)
    assert not studio.engine._secure
