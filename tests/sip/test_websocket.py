"""SIP over WebSocket (RFC 7118): the frames by themselves, and a browser's kind of client."""

import asyncio
import ssl

import pytest
import websockets
from certificates import Authority
from lines import Exchange, flow_of
from stations import Station, run
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Opcode
from websockets.uri import parse_uri
from world import VirtualLoop

from sip.framing import Ping
from sip.transport.settings import TlsSettings
from sip.transport.tls import Tls
from sip.transport.websocket import WebSocketFramer

LIMIT = 65_535
OPTIONS = (
    "OPTIONS sip:b@example.org SIP/2.0\r\n"
    "Via: SIP/2.0/WS df7jal23ls0d.invalid;branch=z9hG4bK1\r\n"
    "From: <sip:a@example.org>;tag=1\r\nTo: <sip:b@example.org>\r\nCall-ID: 1\r\n"
    "CSeq: 1 OPTIONS\r\n\r\n"
)


class Browser:
    """A client without a network."""

    def __init__(self, subprotocols=("sip",), origins=None):
        self.client = ClientProtocol(
            parse_uri("ws://sip.example.org/"), subprotocols=subprotocols, max_size=LIMIT
        )
        self.server = WebSocketFramer(LIMIT, origins)

    def open(self, origin=None):
        request = self.client.connect()
        if origin is not None:
            request.headers["Origin"] = origin
        self.client.send_request(request)
        self.say()
        return self

    def say(self, pieces=None):
        """What the server reads when the client's octets come."""
        found = []
        for octets in pieces or self.client.data_to_send():
            found += self.server.feed(octets)
        self.hear()
        return found

    def hear(self, octets=None):
        octets = self.server.own_octets() if octets is None else octets
        if octets:
            self.client.receive_data(octets)
        return self.client.events_received()


def test_a_handshake_agrees_on_sip():
    browser = Browser().open()
    assert browser.client.subprotocol == "sip"
    assert not browser.server.waiting
    assert not browser.server.over


@pytest.mark.parametrize("subprotocols", [None, ["chat"]])
def test_without_the_subprotocol_there_is_no_connection(subprotocols):
    browser = Browser(subprotocols).open()
    assert browser.server.over
    assert browser.client.handshake_exc is not None
    assert browser.server.feed(b"\x81\x80\x00\x00\x00\x00") == []


@pytest.mark.parametrize(
    ("origin", "fits"),
    [("https://phone.example.org", True), ("https://evil.example", False), (None, True)],
)
def test_only_pages_that_may_connect_do(origin, fits):
    browser = Browser(origins=["https://phone.example.org"]).open(origin)
    assert browser.server.over is not fits


def test_a_frame_is_a_message_as_text_or_as_octets():
    browser = Browser().open()
    browser.client.send_text(OPTIONS.encode())
    assert browser.say() == [OPTIONS.encode()]
    browser.client.send_binary(OPTIONS.encode())
    assert browser.say() == [OPTIONS.encode()]


def test_fragments_are_joined():
    browser = Browser().open()
    browser.client.send_text(b"OPT", fin=False)
    assert browser.say() == []
    assert browser.server.waiting
    browser.client.send_ping(b"still there")
    browser.client.send_continuation(b"IO", fin=False)
    assert browser.say() == []
    browser.client.send_continuation(b"NS", fin=True)
    assert browser.say() == [b"OPTIONS"]
    assert not browser.server.waiting


def test_octet_by_octet():
    browser = Browser().open()
    browser.client.send_text(OPTIONS.encode())
    octets = b"".join(browser.client.data_to_send())
    assert browser.say([octets[i : i + 1] for i in range(len(octets))]) == [OPTIONS.encode()]


def test_keep_alives_are_pings_in_a_frame_or_of_the_protocol():
    browser = Browser().open()
    browser.client.send_text(b"\r\n\r\n")
    assert browser.say() == [Ping.PING]
    browser.client.send_text(b"\r\n")
    browser.client.send_text(b"")
    assert browser.say() == []
    browser.client.send_ping(b"x")
    browser.server.feed(b"".join(browser.client.data_to_send()))
    (pong,) = browser.hear()
    assert (pong.opcode, pong.data) == (Opcode.PONG, b"x")
    (ping,) = browser.hear(browser.server.probe())
    assert ping.opcode is Opcode.PING


def test_what_we_say_is_text_if_it_can_be():
    browser = Browser().open()
    (frame,) = browser.hear(browser.server.wrap("SIP/2.0 200 გამარჯობა".encode()))
    assert frame.opcode is Opcode.TEXT
    (frame,) = browser.hear(browser.server.wrap(b"SIP/2.0 200 \xff"))
    assert frame.opcode is Opcode.BINARY


def test_nothing_is_said_before_the_handshake():
    assert WebSocketFramer(LIMIT).wrap(b"INVITE") == WebSocketFramer(LIMIT).probe() == b""


@pytest.mark.parametrize(
    "octets",
    [
        b"\x81\xff" + b"\xff" * 8,  # 2**64 octets
        b"\x81\x05hello",  # without a mask
        b"\x80\x80\x00\x00\x00\x00",  # goes on with nothing
        b"\x83\x80\x00\x00\x00\x00",  # no such frame
        b"\xf1\x80\x00\x00\x00\x00",  # bits of no extension
    ],
)
def test_broken_frames_end_the_connection(octets):
    browser = Browser().open()
    assert browser.server.feed(octets) == []
    browser.server.own_octets()
    assert browser.server.over


def test_a_message_that_is_too_long_ends_it_however_it_is_cut():
    for fragment in (LIMIT + 1, 1000):
        browser = Browser().open()
        browser.client.send_text(b"x" * fragment, fin=False)
        for _ in range(LIMIT // fragment + 1):
            browser.client.send_continuation(b"x" * fragment, fin=False)
        browser.server.feed(b"".join(browser.client.data_to_send()))
        browser.server.own_octets()
        assert browser.server.over


def test_empty_fragments_cost_nothing():
    browser = Browser().open()
    browser.client.send_text(b"", fin=False)
    for _ in range(10_000):
        browser.client.send_continuation(b"", fin=False)
    assert browser.say() == []
    assert browser.server._message == b""


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"OPTIONS sip:a SIP/2.0\r\n\r\n"]
)
def test_who_speaks_no_websocket_is_told_and_closed(data):
    exchange = Exchange(VirtualLoop())
    connection, line = exchange.connect(transport="ws")
    connection.data_received(data)
    assert line.closed
    assert exchange.messages == []


def test_a_silent_connection_that_is_needed_is_asked_whether_it_lives():
    loop = VirtualLoop()
    exchange = Exchange(loop)
    connection, line = exchange.connect(transport="ws")
    browser = Browser()
    browser.client.send_request(browser.client.connect())
    connection.data_received(b"".join(browser.client.data_to_send()))
    browser.client.receive_data(line.written)
    line.written = b""
    browser.client.send_text(OPTIONS.encode())
    connection.data_received(b"".join(browser.client.data_to_send()))
    exchange.need(flow_of(transport="ws"))
    loop.run_until_complete(asyncio.sleep(63))
    assert line.written.startswith(b"\x89")
    loop.close()


# A real client


async def speak(station, uri, context=None):
    async with websockets.connect(uri, subprotocols=["sip"], ssl=context) as phone:
        await phone.send(OPTIONS)
        answer = await phone.recv()
        assert answer.startswith("SIP/2.0 200 OK\r\n")
        flow = station.events[0].flow
        assert (flow.remote, flow.name) == (phone.local_address, None)
        station.invite(flow, b"sip:a@df7jal23ls0d.invalid;transport=ws")
        invite = await phone.recv()
        assert invite.startswith("INVITE sip:a@df7jal23ls0d.invalid;transport=ws SIP/2.0\r\n")
        assert f"Via: SIP/2.0/{flow.transport.upper()} " in invite
        assert ";transport=ws>" in invite
        await (await phone.ping())
    await station.until(lambda: station.closed)
    assert station.closed == [flow]
    return flow


def test_a_client_is_answered_and_called():
    async def test():
        station = await Station().listen("ws")
        host, port = station.address("ws")
        assert (await speak(station, f"ws://{host}:{port}")).transport == "ws"
        with pytest.raises(InvalidStatus):
            await websockets.connect(f"ws://{host}:{port}", subprotocols=["chat"])
        await station.close()

    run(test())


def test_a_client_over_tls(tmp_path):
    authority = Authority(tmp_path)
    served = Tls(TlsSettings((authority.issue("localhost"),)))
    context = ssl.create_default_context(cafile=str(authority.file))

    async def test():
        station = await Station(tls=served).listen("wss")
        port = station.address("wss")[1]
        flow = await speak(station, f"wss://localhost:{port}", context)
        assert (flow.transport, flow.secure) == ("wss", True)
        await station.close()

    run(test())


def test_a_client_that_sends_too_much_is_told_why():
    async def test():
        station = await Station().listen("ws")
        host, port = station.address("ws")
        async with websockets.connect(f"ws://{host}:{port}", subprotocols=["sip"]) as phone:
            await phone.send("x" * 70_000)
            with pytest.raises(ConnectionClosed) as caught:
                await phone.recv()
            assert caught.value.rcvd.code == 1009
        await station.close()

    run(test())
