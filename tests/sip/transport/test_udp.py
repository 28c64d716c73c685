"""A UDP socket tells each datagram with its flow."""

import asyncio
import socket

from sip.flow import Flow
from sip.transport import udp
from sip.transport.udp import DatagramSocket, bind_udp


async def told(sent: list[tuple[socket.socket, bytes]]) -> tuple[list[tuple[bytes, Flow]], Flow]:
    """The datagrams and flows that a socket tells, and its own address as a flow to itself."""
    seen: list[tuple[bytes, Flow]] = []
    everything = asyncio.Event()

    def receive(data: bytes, flow: Flow) -> None:
        seen.append((data, flow))
        if len(seen) == len(sent):
            everything.set()

    here = DatagramSocket(
        asyncio.get_running_loop(), bind_udp("127.0.0.1", 0), receive,
        lambda flow: None, lambda: 64, lambda: None,
    )  # fmt: skip
    for phone, data in sent:
        phone.sendto(data, here.local)
    async with asyncio.timeout(10):
        await everything.wait()
    here.close()
    return seen, Flow("udp", here.local, here.local)


def phones(count: int) -> list[socket.socket]:
    found = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    for phone in found:
        phone.bind(("127.0.0.1", 0))
    return found


def test_messages_of_one_phone_share_one_flow():
    one, other = phones(2)
    seen, local = asyncio.run(
        told([(one, b"OPTIONS 1"), (other, b"OPTIONS 2"), (one, b"OPTIONS 3")])
    )
    by_data = dict(seen)
    assert by_data[b"OPTIONS 1"] == local._replace(remote=one.getsockname())
    assert by_data[b"OPTIONS 2"] == local._replace(remote=other.getsockname())
    assert by_data[b"OPTIONS 3"] is by_data[b"OPTIONS 1"]
    for phone in (one, other):
        phone.close()


def test_more_sources_than_are_remembered_have_flows_all_the_same(monkeypatch):
    monkeypatch.setattr(udp, "SOURCES", 3)
    several = phones(8)
    seen, _ = asyncio.run(told([(phone, b"OPTIONS") for phone in several * 2]))
    assert [flow.remote for _, flow in seen] == [phone.getsockname() for phone in several * 2]
    for phone in several:
        phone.close()
