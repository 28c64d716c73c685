"""TLS on real sockets of loopback: who is served, whom we believe (RFC 5922), new certificates."""

import asyncio
import datetime
import os
import socket
import ssl
import warnings

import pytest
import uvloop
from certificates import DAY, Authority
from cryptography.hazmat.primitives import hashes, serialization
from stations import Station, run

from sip.certificate import Certificate, identities, shows
from sip.events import Received
from sip.transport.settings import ConnectionLimits, TlsSettings
from sip.transport.tls import Tls, TlsError

NAME = "sip.example.org"
OPTIONS = (
    b"OPTIONS sip:b@example.org SIP/2.0\r\nVia: SIP/2.0/TLS a.example.org;branch=z9hG4bK1\r\n"
    b"From: <sip:a@example.org>;tag=1\r\nTo: <sip:b@example.org>\r\nCall-ID: 1\r\n"
    b"CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def tls(authority, *pairs, **more):
    pairs = pairs or (authority.issue(NAME),)
    more.setdefault("trusted_ca", authority.file)
    return Tls(TlsSettings(pairs, **more))


def client(authority, pair=None, version=None):
    """A phone's context."""
    context = ssl.create_default_context(cafile=str(authority.file))
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    if version is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = version
            context.set_ciphers("ALL:@SECLEVEL=0")
    return context


async def connect(station, context, name=NAME):
    address = station.address("tls")
    return await asyncio.open_connection(*address, ssl=context, server_hostname=name)


async def ask(station, context, name=NAME):
    """The status line that OPTIONS gets, and the certificate that was shown."""
    reader, writer = await connect(station, context, name)
    writer.write(OPTIONS)
    answer = await reader.readuntil(b"\r\n")
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return answer, shown


@pytest.mark.parametrize("loops", [None, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_phone_is_answered_and_called_back_on_its_connection(authority, loops, version):
    async def test():
        station = await Station(tls=tls(authority)).listen("tls")
        reader, writer = await connect(station, client(authority, version=version))
        writer.write(OPTIONS)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"SIP/2.0 200 OK")
        flow = station.events[0].flow
        assert (flow.transport, flow.secure) == ("tls", True)
        station.invite(flow)
        invite = await reader.readuntil(b"\r\n\r\n")
        assert invite.startswith(b"INVITE ")
        assert b"Via: SIP/2.0/TLS 127.0.0.1:" in invite
        assert b";transport=tls>" in invite
        assert station.endpoint.connections.identities(flow) == frozenset()
        writer.close()
        await station.until(lambda: station.closed == [flow])
        await station.close()

    run(test(), loops)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_are_refused(authority, version):
    async def test():
        station = await Station(tls=tls(authority)).listen("tls")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await connect(station, client(authority, version=version))
        await station.close()

    run(test())


def test_the_minimum_can_be_raised(authority):
    async def test():
        station = await Station(tls=tls(authority, minimum_version="1.3")).listen("tls")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await connect(station, client(authority, version=ssl.TLSVersion.TLSv1_2))
        assert (await ask(station, client(authority)))[0].startswith(b"SIP/2.0 200")
        await station.close()

    run(test())


def test_the_name_that_a_client_wants_chooses_the_certificate(authority):
    pairs = [authority.issue(name) for name in (NAME, "b.example.net", "*.example.com")]
    contents = [identities(_der(pair)) for pair in pairs]

    async def test():
        station = await Station(tls=tls(authority, *pairs)).listen("tls")
        for name, index in (
            (NAME, 0), ("b.example.net", 1), ("x.example.com", 2),
        ):  # fmt: skip
            _, shown = await ask(station, client(authority), name)
            assert identities(shown) == contents[index]
        unknown = client(authority)
        unknown.check_hostname = False
        for name in ("nobody.example.org", ""):
            _, writer = await asyncio.open_connection(
                *station.address("tls"), ssl=unknown, server_hostname=name
            )
            shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            assert identities(shown) == contents[0]
            writer.close()
        await station.close()

    run(test())


def _der(pair):
    return ssl.PEM_cert_to_DER_cert(pair.certificate.read_text())


def test_new_certificates_are_taken_up_while_connections_go_on(authority):
    async def test():
        served = tls(authority, authority.issue(NAME, file="a"))
        station = await Station(tls=served).listen("tls")
        _, first = await ask(station, client(authority))
        reader, writer = await connect(station, client(authority))
        assert not served.refresh()
        authority.issue(NAME, file="a")
        assert served.refresh()
        assert not served.refresh()
        _, second = await ask(station, client(authority))
        assert first != second
        writer.write(OPTIONS)
        assert (await reader.readuntil(b"\r\n")).startswith(b"SIP/2.0 200")
        writer.close()
        await station.close()

    run(test())


def test_broken_new_certificates_change_nothing_and_are_named_once(authority):
    async def test():
        pair = authority.issue(NAME)
        served = tls(authority, pair)
        station = await Station(tls=served).listen("tls")
        pair.certificate.write_text("nonsense")
        with pytest.raises(TlsError, match=r"sip\.example\.crt"):
            served.refresh()
        assert not served.refresh()
        assert (await ask(station, client(authority)))[0].startswith(b"SIP/2.0 200")
        await station.close()

    run(test())


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda pair: pair.key.unlink(), "sip.example.key can't be read: No such file"),
        (lambda pair: pair.certificate.unlink(), "sip.example.crt can't be read: No such file"),
        (lambda pair: pair.key.write_text("x"), "key and certificate don't go together"),
    ],
)
def test_files_that_are_no_good_are_named(authority, spoil, expected):
    pair = authority.issue(NAME)
    spoil(pair)
    with pytest.raises(TlsError, match=expected):
        tls(authority, pair)


def test_a_key_with_a_password_does_not_ask_at_the_terminal(authority, tmp_path):
    pair = authority.issue(NAME)
    key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    pair.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(TlsError):
        tls(authority, pair)


# Clients with certificates


def test_a_client_certificate_tells_who_a_trunk_is(authority, tmp_path):
    async def test():
        served = tls(authority, client_ca=authority.file)
        station = await Station(tls=served).listen("tls")
        trunk = authority.issue("gw.example.net", uris=("sip:carrier.example",))
        _, writer = await connect(station, client(authority, trunk))
        writer.write(OPTIONS)
        await station.until(lambda: station.events)
        names = station.endpoint.connections.identities(station.events[0].flow)
        assert names == {"carrier.example"}  # URIs count before host names
        writer.close()
        assert (await ask(station, client(authority)))[0].startswith(b"SIP/2.0 200")
        await station.close()

    run(test())


def test_a_client_certificate_of_anybody_else_is_refused(authority, tmp_path):
    other = Authority(tmp_path, "other")

    async def test():
        station = await Station(tls=tls(authority, client_ca=authority.file)).listen("tls")
        for pair in (other.issue("gw.example.net"), authority.issue("old", ends_in=-DAY)):
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await ask(station, client(authority, pair))
        assert station.events == []
        await station.close()

    run(test())


# Peers that we call


async def call(authority, pair, name, **more):
    """Call a peer with this certificate; the status, or "Answered"."""
    peer = await Station(tls=tls(authority, pair)).listen("tls")
    station = await Station(tls=tls(authority, **more)).listen("tls")
    station.invite(station.flow_to(peer, "tls", name))
    await station.until(lambda: station.events)
    event = station.events[0]
    count = sum(isinstance(event, Received) for event in peer.events)
    await station.close()
    await peer.close()
    return getattr(event, "status", "Answered"), count


@pytest.mark.parametrize(
    ("names", "uris", "name"),
    [
        (["gw.example.net"], (), "gw.example.net"),
        (["gw.example.net"], (), "GW.Example.NET"),
        (["a.example", "gw.example.net"], (), "gw.example.net"),
        ([], ("sip:gw.example.net",), "gw.example.net"),
        (["127.0.0.1"], (), "127.0.0.1"),
    ],
)
def test_a_peer_that_is_who_we_mean_is_called(authority, names, uris, name):
    pair = authority.issue(*names, uris=uris)
    assert run(call(authority, pair, name)) == ("Answered", 1)


@pytest.mark.parametrize(
    ("names", "uris", "name"),
    [
        (["other.example.net"], (), "gw.example.net"),
        (["*.example.net"], (), "gw.example.net"),
        (["gw.example.net"], ("sip:other.example",), "gw.example.net"),
        ([], ("sip:ana@gw.example.net",), "gw.example.net"),
        ([], ("https://gw.example.net",), "gw.example.net"),
        (["gw.example.net"], (), "127.0.0.1"),
    ],
)
def test_a_peer_that_is_somebody_else_hears_nothing(authority, names, uris, name):
    pair = authority.issue(*names, uris=uris, common="gw.example.net")
    assert run(call(authority, pair, name)) == (503, 0)


def test_without_alternative_names_the_common_name_counts(authority):
    pair = authority.issue(common="gw.example.net")
    assert run(call(authority, pair, "gw.example.net")) == ("Answered", 1)


def test_expired_self_signed_and_foreign_peers_hear_nothing(authority, tmp_path):
    other = Authority(tmp_path, "other")
    for pair in (
        authority.issue("gw.example.net", ends_in=-DAY),
        other.issue("gw.example.net", file="foreign"),
    ):
        assert run(call(authority, pair, "gw.example.net")) == (503, 0)


def test_signatures_by_sha1_are_not_believed(authority):
    try:
        pair = authority.issue("gw.example.net", digest=hashes.SHA1())
    except Exception as error:
        pytest.skip(f"SHA-1 can't be signed here: {error}")
    try:
        outcome = run(call(authority, pair, "gw.example.net"))
    except TlsError:
        return  # not even loaded
    assert outcome == (503, 0)


def test_a_connection_to_one_name_is_not_used_for_another(authority):
    async def test():
        both = authority.issue("a.example.net", "b.example.net")
        peer = await Station(tls=tls(authority, both)).listen("tls")
        station = await Station(tls=tls(authority)).listen("tls")
        for name in ("a.example.net", "b.example.net", "c.example.net", "a.example.net"):
            station.events.clear()
            station.invite(station.flow_to(peer, "tls", name))
            await station.until(lambda: station.events)
            expected = "Refused" if name.startswith("c") else "Answered"
            assert station.told() == [expected], name
        assert len(station.endpoint.connections) == 2
        assert station.endpoint.connections.mistaken == 1
        await station.close()
        await peer.close()

    run(test())


def test_a_peer_that_wants_our_certificate_gets_it(authority):
    async def test():
        peer = await Station(tls=tls(authority, client_ca=authority.file)).listen("tls")
        station = await Station(tls=tls(authority, authority.issue("us.example"))).listen("tls")
        station.invite(station.flow_to(peer, "tls", NAME))
        await station.until(lambda: station.events)
        flow = peer.events[0].flow
        assert peer.endpoint.connections.identities(flow) == {"us.example"}
        await station.close()
        await peer.close()

    run(test())


# Strangers


def test_who_never_shakes_hands_is_closed_and_counted(authority, monkeypatch):
    monkeypatch.setattr("sip.transport.connections.HANDSHAKE_SECONDS", 0.3)

    async def test():
        limits = ConnectionLimits(connections_per_address=3)
        station = await Station(tls=tls(authority), limits=limits).listen("tls")
        held = [await asyncio.open_connection(*station.address("tls")) for _ in range(3)]
        reader, _ = await asyncio.open_connection(*station.address("tls"))
        assert await reader.read() == b""  # one too many
        assert await held[0][0].read() == b""
        _, writer = held[1]
        writer.write(OPTIONS)  # no TLS at all
        await station.until(lambda: station.endpoint.connections._accepted == 0)
        assert station.events == []
        assert (await ask(station, client(authority)))[0].startswith(b"SIP/2.0 200")
        for _, writer in held:
            writer.close()
        await station.close()

    run(test())


def test_a_handshake_that_breaks_off_leaves_nothing(authority):
    async def test():
        station = await Station(tls=tls(authority)).listen("tls")
        for _ in range(20):
            sock = socket.create_connection(station.address("tls"))
            sock.send(b"\x16\x03\x01\x02\x00\x01\x00")
            sock.close()
        await station.until(lambda: station.endpoint.connections._accepted == 0)
        assert len(station.endpoint.connections) == 0
        assert (await ask(station, client(authority)))[0].startswith(b"SIP/2.0 200")
        await station.close()

    run(test())


def test_certificates_are_reloaded_under_load(authority):
    async def test():
        served = tls(authority, authority.issue(NAME, file="a"))
        station = await Station(tls=served).listen("tls")
        done = 0

        async def phones():
            nonlocal done
            for _ in range(10):
                assert (await ask(station, client(authority)))[0].startswith(b"SIP/2.0 200")
                done += 1

        async def renew():
            while done < 35:
                authority.issue(NAME, file="a")
                served.refresh()
                await asyncio.sleep(0.01)

        await asyncio.gather(renew(), *(phones() for _ in range(4)))
        assert done == 40
        await station.close()

    run(test())


# Reading certificates


def test_what_people_read_of_a_certificate(authority):
    pair = authority.issue(NAME, "Sip2.Example.org", ends_in=10 * DAY)
    read = Certificate.read(pair.certificate.read_bytes())
    assert read.names == {NAME, "sip2.example.org"}
    left = read.expires_at - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(days=9) < left < datetime.timedelta(days=11)
    assert read.issuer == "CN=authority"


@pytest.mark.parametrize("der", [b"", b"\x30\x82", os.urandom(500), b"\x30" * 70_000])
def test_what_is_no_certificate_has_no_identity(der):
    assert identities(der) == frozenset()


def test_names_with_nul_or_spaces_are_nobodys(authority):
    names = identities(_der(authority.issue(common="gw.example.net\x00.evil.example", file="nul")))
    assert not shows(names, "gw.example.net")
    assert names == frozenset()
    assert not shows(frozenset({""}), "")


@pytest.mark.parametrize("loops", [None, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_no_descriptor_is_left_of_handshakes_that_failed(authority, loops):
    async def test():
        station = await Station(tls=tls(authority)).listen("tls")
        before = len(os.listdir("/proc/self/fd"))
        for data in (b"", b"\x16\x03\x01\x02\x00\x01\x00", OPTIONS, b"\x00" * 100) * 5:
            with socket.create_connection(station.address("tls")) as sock:
                sock.sendall(data)
        await station.until(lambda: station.endpoint.connections._accepted == 0)
        await station.until(lambda: len(os.listdir("/proc/self/fd")) <= before)
        await station.close()

    run(test(), loops)
