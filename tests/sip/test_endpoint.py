"""The endpoint on real sockets of loopback: UDP and TCP, IPv4 and IPv6."""

import asyncio
import socket

import pytest
import uvloop
from stations import Station, run

from sip.endpoint import Listen, ListenError
from sip.events import Answered, Received, Refused
from sip.flow import Flow
from sip.reading import parse_message

LOOPS = pytest.mark.parametrize("loops", [None, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
HOSTS = pytest.mark.parametrize("host", ["127.0.0.1", "::1"])


def bracket(host):
    return f"[{host}]" if ":" in host else host


def options(host="127.0.0.1", port=5060, transport="UDP", call_id="1"):
    lines = [
        "OPTIONS sip:b@example.org SIP/2.0",
        f"Via: SIP/2.0/{transport} {bracket(host)}:{port};rport;branch=z9hG4bK{call_id}",
        "From: <sip:a@example.org>;tag=1", "To: <sip:b@example.org>", f"Call-ID: {call_id}",
        "CSeq: 1 OPTIONS", "Content-Length: 0", "", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode()


class Peer(asyncio.DatagramProtocol):
    """A bare UDP socket."""

    def __init__(self):
        self.got = asyncio.Queue()

    def datagram_received(self, data, addr):
        self.got.put_nowait((data, addr))

    @classmethod
    async def at(cls, host="127.0.0.1"):
        loop = asyncio.get_running_loop()
        transport, peer = await loop.create_datagram_endpoint(cls, local_addr=(host, 0))
        peer.transport = transport
        peer.address = transport.get_extra_info("sockname")[:2]
        return peer


@HOSTS
@LOOPS
def test_a_datagram_is_answered_where_it_came_from(host, loops):
    async def test():
        station = await Station().listen("udp", host=host)
        peer = await Peer.at(host)
        peer.transport.sendto(options("192.0.2.77"), station.address())
        data, source = await asyncio.wait_for(peer.got.get(), 5)
        assert source[:2] == station.address()
        assert data.startswith(b"SIP/2.0 200 OK\r\n")
        via = parse_message(data).via
        assert (via.received, via.rport) == (host, peer.address[1])
        assert b";received=%s\r\n" % host.encode() in data  # RFC 3261: without brackets
        peer.transport.close()
        await station.close()

    run(test(), loops)


@HOSTS
def test_a_call_over_ipv4_and_ipv6_says_its_own_address(host):
    async def test():
        a = await Station().listen("udp", "tcp", host=host)
        b = await Station().listen("udp", "tcp", host=host)
        for transport in ("udp", "tcp"):
            a.invite(a.flow_to(b, transport, host))
            await a.until(lambda: isinstance(a.events and a.events[-1], Answered))
            request = [e.request for e in b.events if isinstance(e, Received)][-1]
            port = a.address(transport)[1]
            via = f"SIP/2.0/{transport.upper()} {bracket(host)}:{port}".encode()
            assert request.get(b"via").startswith(via)
            contact = f"<sip:{bracket(host)}:{port}".encode()
            assert request.get(b"contact").startswith(contact)
            a.events.clear()
        assert a.faults == b.faults == []
        await a.close()
        await b.close()

    run(test())


@HOSTS
def test_stun_keep_alives_are_answered(host):
    async def test():
        station = await Station().listen("udp", host=host)
        peer = await Peer.at(host)
        peer.transport.sendto(
            bytes.fromhex("000100002112a442b7e7a701bc34d686fa87dfae"), station.address()
        )
        data, _ = await asyncio.wait_for(peer.got.get(), 5)
        port = int.from_bytes(data[26:28], "big") ^ 0x2112
        assert (data[:2], port) == (b"\x01\x01", peer.address[1])
        assert station.events == []
        peer.transport.close()
        await station.close()

    run(test())


@LOOPS
def test_a_request_goes_back_on_the_connection_that_the_phone_opened(loops):
    async def test():
        station = await Station().listen("tcp")
        reader, writer = await asyncio.open_connection(*station.address("tcp"))
        writer.write(options(transport="TCP"))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"SIP/2.0 200")
        flow = station.events[0].flow
        assert flow == Flow("tcp", station.address("tcp"), writer.get_extra_info("sockname"))
        station.invite(flow)
        invite = await reader.readuntil(b"\r\n\r\n")
        assert invite.startswith(b"INVITE ")
        assert b";transport=tcp>" in invite
        writer.write(b"\r\n\r\n")
        assert (await reader.readexactly(5 + 2)).endswith(b"\r\n")  # the body, and the pong
        writer.close()
        await station.until(lambda: station.closed)
        assert station.closed == [flow]
        await station.until(lambda: station.told()[-1] == "Refused")
        assert station.events[-1].status == 430
        await station.close()

    run(test(), loops)


def test_two_calls_use_one_connection():
    async def test():
        a, b = await Station().listen("tcp"), await Station().listen("tcp")
        flow = a.flow_to(b, "tcp")
        a.invite(flow)
        a.invite(flow)
        await a.until(lambda: a.told() == ["Answered", "Answered"])
        assert len(a.endpoint.connections) == len(b.endpoint.connections) == 1
        await a.close()
        await b.close()

    run(test())


def test_nobody_there_is_told_at_once_and_not_tried_again_for_a_while():
    async def test():
        a = await Station().listen("tcp")
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            flow = Flow("tcp", a.address("tcp"), unused.getsockname(), "127.0.0.1")
            started = a.loop.time()
            for expected in (1, 2):
                a.invite(flow)
                await a.until(lambda n=expected: len(a.events) == n)
            assert a.loop.time() - started < 1.0
        assert [(e.status, type(e)) for e in a.events] == [(503, Refused)] * 2
        await a.close()

    run(test())


def test_a_datagram_that_cannot_be_sent_fails_its_call_at_once():
    async def test():
        a = await Station().listen("udp")
        a.invite(Flow("udp", a.address(), ("127.0.0.1", 0)))
        await a.until(lambda: a.told() == ["Refused"])
        assert a.events[0].status == 503
        await a.close()

    run(test())


def test_timers_that_are_due_one_after_the_other_are_run_together():
    async def test():
        a = await Station().listen("udp")
        timers, fired = a.agent.stack.timers, []
        now = asyncio.get_running_loop().time()
        for number in range(20):
            timers.arm(
                0.03 + 0.001 * number, now, lambda what, at: fired.append((what, at)), number
            )
        await a.until(lambda: len(fired) == 20)
        assert [number for number, _ in fired] == [*range(20)]
        assert len({at for _, at in fired}) <= 3
        await a.close()

    run(test())


@pytest.mark.parametrize("beyond", [None, ("203.0.113.7", 5060)])
def test_a_call_by_a_socket_that_is_not_ours_fails_at_once(beyond):
    async def test():
        a = await Station().listen("udp")
        a.invite(Flow("udp", ("192.0.2.1", 5060), ("127.0.0.1", 5060), beyond=beyond))
        await a.until(lambda: a.told() == ["Refused"])
        assert a.events[0].status == 503
        await a.close()

    run(test())


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_port_in_use_is_named(transport):
    async def test():
        a = await Station().listen(transport)
        b = Station()
        with pytest.raises(ListenError) as caught:
            await b.endpoint.listen(Listen(transport, *a.address(transport)))
        host, port = a.address(transport)
        assert (
            str(caught.value)
            == f"can't listen on {transport}:{host}:{port}: Address already in use"
        )
        await a.close()

    run(test())
