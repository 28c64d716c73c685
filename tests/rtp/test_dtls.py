"""DTLS-SRTP: two associations that are given each other's datagrams, and lose some."""

import pytest
from browser import certificate, fingerprint, swapped

from rtp.control import Certificate
from rtp.dtls import (
    MTU,
    Dtls,
    DtlsContext,
    fingerprint_of,
    is_named,
)


def pair(named="client"):
    """A client, and a server that expects a certificate of this name."""
    client = Dtls(DtlsContext(certificate("client")), "active", (fingerprint("server"),))
    server = Dtls(DtlsContext(certificate("server")), "passive", (fingerprint(named),))
    return client, server


def exchange(one, other, now, lost=lambda data: False):
    """Hand datagrams to and fro until both are silent; returns them."""
    passed = []
    while True:
        moved = False
        for sender, receiver in ((one, other), (other, one)):
            for data in sender.to_send():
                passed.append(data)
                moved = True
                if not lost(data):
                    receiver.receive(data, now)
        if not moved:
            return passed


def test_both_ends_come_to_the_same_keys_by_gcm():
    client, server = pair()
    client.begin(0.0)
    passed = exchange(client, server, 0.0)
    assert client.state == server.state == "keyed"
    assert server.keys.suite == "AEAD_AES_128_GCM" and len(server.keys.ours) == 28
    assert client.keys == swapped(server.keys) and client.keys.ours != client.keys.theirs
    assert max(map(len, passed)) <= MTU
    assert client.next_deadline() is server.next_deadline() is None


def test_a_certificate_of_another_fingerprint_gets_no_keys():
    client, server = pair(named="somebody else")
    client.begin(0.0)
    exchange(client, server, 0.0)
    assert (server.state, server.keys) == ("failed", None)
    server.receive(b"\x16" * 100, 1.0)
    assert server.to_send() == []


def test_a_passive_end_says_nothing_first():
    _, server = pair()
    server.begin(0.0)
    server.expire(60.0)
    assert server.to_send() == [] and server.next_deadline() is None


def test_a_lost_flight_is_sent_again_after_a_quarter_of_a_second_and_then_twice_as_long():
    client, _ = pair()
    client.begin(10.0)
    (hello,) = client.to_send()
    due = []
    while client.next_deadline() is not None:
        due.append(client.next_deadline())
        client.expire(due[-1])
        if client.state != "failed":
            assert client.to_send() == [hello]
    assert due == [10.25, 10.75, 11.75, 13.75, 17.75, 25.75]
    assert client.state == "failed"


@pytest.mark.parametrize("number", range(8))
def test_a_handshake_completes_whichever_datagram_is_lost(number):
    client, server = pair()
    count = iter(range(10_000))
    client.begin(0.0)
    now = 0.0
    for _ in range(8):
        exchange(client, server, now, lambda data: next(count) == number)
        deadlines = [end.next_deadline() for end in (client, server)]
        due = min((at for at in deadlines if at is not None), default=None)
        if due is None:
            break
        now = due
        client.expire(now)
        server.expire(now)
    assert client.state == server.state == "keyed"
    assert client.keys == swapped(server.keys)


def test_noise_neither_answers_nor_breaks_a_handshake():
    client, server = pair()
    for junk in (b"\x16", b"\x16\xfe\xfd" + bytes(50), bytes([20]) * 1200, b"\x17" * 3000):
        server.receive(junk, 0.0)
    assert server.to_send() == []
    client.begin(0.0)
    exchange(client, server, 0.0)
    assert server.state == "keyed"


def test_fingerprints_are_compared_by_the_hash_that_they_name():
    der = certificate("client").certificate
    for algorithm in ("sha-256", "sha-384", "sha-512"):
        said = fingerprint_of(der, algorithm)
        assert is_named(der, (said,)) and is_named(der, ("sha-256 00", said.lower()))
    assert not is_named(der, ()) and not is_named(der, ("sha-256 AB:CD", "md5 00", "é"))
    assert not is_named(der, ("sha-1 " + "00:" * 19 + "00",))


def test_a_certificate_is_never_shown():
    assert repr(Certificate(b"der", b"secret")) == "Certificate()"
