"""Connections over real sockets, alone and with independent peers."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import smpp34
from certificates import Authority

from smpp.bodies import Address, Bind, MessageId, Pdu, ShortMessage
from smpp.codes import Command, Status
from smpp.endpoint import Connection, connect, listen
from smpp.pdu import decode, encode
from smpp.session import (
    Answered,
    BindRefused,
    BindRequested,
    Bound,
    Closed,
    Event,
    Requested,
    Timers,
    Unanswered,
)

MESSAGE = ShortMessage(Address(5, 0, "Citynet"), Address(1, 1, "995599000001"), b"Hello")


class Centre:
    """A message centre that numbers the messages it gets."""

    def __init__(self) -> None:
        self.got: list[ShortMessage] = []
        self.ended: list[str] = []
        self.connections: list[Connection] = []
        self._numbers = itertools.count(1)

    def heard(self, connection: Connection, event: Event) -> None:
        match event:
            case BindRequested(bind=bind) if bind.password == "secret":
                self.connections.append(connection)
                connection.accept(event, "centre")
            case BindRequested():
                connection.refuse(event, Status.INVALID_PASSWORD)
            case Requested(sequence=sequence, body=ShortMessage() as body):
                self.got.append(body)
                connection.respond(sequence, MessageId(f"m{next(self._numbers)}"))
            case Closed(reason=reason):
                self.ended.append(reason)
            case _:
                pass


@asynccontextmanager
async def served(
    centre: Centre, tls: ssl.SSLContext | None = None, timers: Timers | None = None
) -> AsyncIterator[int]:
    server = await listen("127.0.0.1", 0, centre.heard, tls=tls, timers=timers)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for connection in centre.connections:
            connection.abort()
        await server.wait_closed()


class Esme:
    """A business that waits for events."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[Event] = asyncio.Queue()

    def heard(self, _connection: Connection, event: Event) -> None:
        self.events.put_nowait(event)

    async def next(self) -> Event:
        return await asyncio.wait_for(self.events.get(), 5.0)


async def bound(esme: Esme, port: int, tls: ssl.SSLContext | None = None) -> Connection:
    connection = await connect("127.0.0.1", port, esme.heard, tls=tls)
    connection.bind(Command.BIND_TRANSCEIVER, Bind("business", "secret"))
    assert isinstance(await esme.next(), Bound)
    return connection


def test_messages_are_answered_in_a_window():
    async def talk() -> None:
        centre, esme = Centre(), Esme()
        async with served(centre) as port:
            connection = await bound(esme, port)
            for number in range(10):
                connection.request(Command.SUBMIT_SM, MESSAGE, number)
            answers = [await esme.next() for _ in range(10)]
            assert answers == [
                Answered(number, Status.OK, MessageId(f"m{number + 1}")) for number in range(10)
            ]
            connection.unbind()
            assert await esme.next() == Closed("unbound")
        assert centre.got == [MESSAGE] * 10
        assert centre.ended == ["the peer unbound"]

    asyncio.run(talk())


def test_a_refused_bind_ends_the_connection():
    async def talk() -> None:
        esme = Esme()
        async with served(Centre()) as port:
            connection = await connect("127.0.0.1", port, esme.heard)
            connection.bind(Command.BIND_TRANSMITTER, Bind("business", "wrong"))
            assert await esme.next() == BindRefused(Status.INVALID_PASSWORD)
            assert isinstance(await esme.next(), Closed)

    asyncio.run(talk())


def test_a_connection_that_breaks_leaves_an_unknown_outcome():
    class Silent(Centre):
        def heard(self, connection: Connection, event: Event) -> None:
            if isinstance(event, Requested):
                connection.abort()
            else:
                super().heard(connection, event)

    async def talk() -> None:
        esme = Esme()
        async with served(Silent()) as port:
            connection = await bound(esme, port)
            connection.request(Command.SUBMIT_SM, MESSAGE, "lost")
            assert await esme.next() == Unanswered("lost")
            assert await esme.next() == Closed("the connection ended")

    asyncio.run(talk())


def test_a_stranger_who_does_not_bind_is_cut_off():
    async def talk() -> None:
        centre = Centre()
        async with served(centre, timers=Timers(bind_seconds=0.1)) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await asyncio.wait_for(reader.read(), 5.0) == b""
            writer.close()
        assert centre.ended == ["no bind in time"]

    asyncio.run(talk())


def test_sessions_over_tls(tmp_path: Path):
    authority = Authority(tmp_path)
    pair = authority.issue("smpp.example.org")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pair.certificate, pair.key)
    client = ssl.create_default_context(cafile=str(authority.file))
    client.check_hostname = False

    async def talk() -> None:
        centre, esme = Centre(), Esme()
        async with served(centre, server) as port:
            connection = await bound(esme, port, client)
            connection.request(Command.SUBMIT_SM, MESSAGE, 1)
            assert await esme.next() == Answered(1, Status.OK, MessageId("m1"))

    asyncio.run(talk())


def test_an_independent_client_is_served():
    async def talk() -> None:
        centre = Centre()
        async with served(centre) as port:
            client = smpp34.Client("127.0.0.1", port, "business", "secret")
            centre_seen = await client.connect()
            answered = await centre_seen.submit_sm(
                "995599000001", b"Hello", source_addr="Citynet", source_addr_ton=5
            )
            assert answered.message_id == "m1"
            await client.stop()
        assert [message.short_message for message in centre.got] == [b"Hello"]

    asyncio.run(asyncio.wait_for(talk(), 20.0))


@pytest.mark.parametrize("length", [0, 1, 100, 254])
def test_an_independent_codec_reads_the_same(length):
    sent = smpp34.SubmitSm(
        "Citynet",
        "995599000001",
        b"x" * length,
        source_addr_ton=5,
        dest_addr_ton=1,
        dest_addr_npi=1,
        data_coding=8,
        registered_delivery=1,
        sequence_number=7,
    )
    ours = decode(sent.encode())
    assert isinstance(ours.body, ShortMessage)
    assert ours.body.short_message == b"x" * length
    assert (ours.body.source, ours.body.destination) == (
        Address(5, sent.source_addr_npi, "Citynet"),
        Address(1, 1, "995599000001"),
    )
    theirs = smpp34.decode(encode(Pdu(Command.SUBMIT_SM, 7, ours.body)))
    assert theirs.encode()[16:] == sent.encode()[16:]
