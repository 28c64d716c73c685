"""Texts through a real switch, between an independent business and an independent carrier."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import socket
import ssl
import struct
from pathlib import Path

import pytest
import smpp34
from certificates import Authority
from smpp_peers import RECEIPT, Carrier, business, opened
from switchboard import ANA, Switchboard, free_ports, until

from smpp.bodies import Bind
from smpp.codes import Command
from smpp.endpoint import connect
from smpp.session import Bound, Event

INVALID_PASSWORD, BIND_FAILED = 0x0E, 0x0D
"""Of SMPP 3.4 section 5.1.3."""
GEORGIAN = "გამარჯობა, ანა! " * 7


@pytest.fixture(scope="module")
def ports() -> list[int]:
    return free_ports(2)


@pytest.fixture(scope="module")
def folder(fresh: Path, ports: list[int], tmp_path_factory) -> Path:
    """The folder of a switch whose account 1 may send as Citynet, with 100 SMS; the carrier takes
    995599. Made once: its commands take seconds."""
    made = tmp_path_factory.mktemp("texts")
    shutil.copytree(fresh, made, dirs_exist_ok=True)
    opened(Switchboard(made), ports[1], 100, "--window", "20")
    return made


@pytest.fixture
def board(make_board, folder: Path, ports: list[int]) -> Switchboard:
    made = make_board(SMPP__LISTEN=f"127.0.0.1:{ports[0]}")
    shutil.copytree(folder, made.folder, dirs_exist_ok=True)
    made.start()
    return made


async def submit(bound: smpp34.Smsc, text: str, to: str = "995599000001", **more: int):
    coding = 0 if text.isascii() else 8
    octets = text.encode() if text.isascii() else text.encode("utf-16-be")
    facts = {"source_addr": "Citynet", "source_addr_ton": 5, "dest_addr_ton": 1}
    return await bound.submit_sm(
        to, octets, data_coding=coding, registered_delivery=1, **(facts | more)
    )


def units(board: Switchboard) -> list[str]:
    return [row["balance"] for row in board.ask("wallet_show", account="1")]


async def told(board: Switchboard, key: str, state: str) -> dict:
    async with asyncio.timeout(10.0):
        while True:
            row = await asyncio.to_thread(board.ask, "sms_show", text_id=int(key))
            if row["state"] == state:
                return row
            await asyncio.sleep(0.05)


def test_a_businesss_text_reaches_the_carrier_and_its_receipt_comes_back(board, ports):
    async def talk() -> None:
        async with Carrier(ports[1]) as carrier, business(ports[0]) as bound:
            await asyncio.to_thread(until, lambda: carrier.esme, "the switch binds")
            answered = await submit(bound, GEORGIAN)
            assert answered.is_success
            row = await told(board, answered.message_id, "sent")
            assert (row["segments"], row["carrier"]) == (2, "alpha")
            # The octets of the user data header end with the number of the segment.
            parts = sorted(event.short_message for event in carrier.got)
            joined = b"".join(part[6:] for part in parts)
            assert joined.decode("utf-16-be") == GEORGIAN
            await carrier.receipt(1)
            await carrier.receipt(2)
            receipt = await asyncio.wait_for(bound.next(), 10.0)
            assert receipt.esm_class & 0x3C == RECEIPT
            text = receipt.short_message.decode("latin-1")
            assert text.startswith(f"id:{answered.message_id} sub:001 dlvrd:001 ")
            assert "stat:DELIVRD" in text
            assert (receipt.source_addr, receipt.destination_addr) == ("995599000001", "Citynet")
            assert units(board) == ["9.00", "98.00"]

    asyncio.run(talk())


def test_what_is_refused_costs_nothing(board, ports):
    async def talk() -> None:
        async with Carrier(ports[1]) as carrier, business(ports[0]) as bound:
            await asyncio.to_thread(until, lambda: carrier.esme, "the switch binds")
            assert (await submit(bound, "x", source_addr="Another")).command_status == 0x0A
            assert (await submit(bound, "x", to="4915112345")).command_status == 0x0B
            carrier.refuses = 0x0B
            answered = await submit(bound, "x")
            assert answered.is_success
            await told(board, answered.message_id, "failed")
            receipt = await asyncio.wait_for(bound.next(), 10.0)
            assert b"stat:UNDELIV" in receipt.short_message
        assert units(board) == ["9.00", "100.00"]

    asyncio.run(talk())


def test_a_receipt_waits_for_a_business_that_is_away_also_over_a_restart(board, ports):
    async def talk() -> None:
        async with Carrier(ports[1]) as carrier:
            await asyncio.to_thread(until, lambda: carrier.esme, "the switch binds")
            async with business(ports[0]) as bound:
                answered = await submit(bound, "Hello")
                await told(board, answered.message_id, "sent")
            await asyncio.to_thread(board.stop)
            carrier.esme = None
            await asyncio.to_thread(board.start)
            await asyncio.to_thread(until, lambda: carrier.esme, "the switch binds again")
            await carrier.receipt(1)
            await told(board, answered.message_id, "delivered")
            for _ in range(2):
                with contextlib.suppress(TimeoutError):
                    async with business(ports[0]) as bound:
                        receipt = await asyncio.wait_for(bound.next(), 5.0)
                        assert f"id:{answered.message_id} ".encode() in receipt.short_message
                        got.append(receipt)
            assert len(got) == 1

    got: list[object] = []
    asyncio.run(talk())


def bind(port: int, password: str = "secret1") -> int:
    """Bind as a transceiver in octets of our own; the status of the answer."""
    body = b"shop\0%s\0\0\x34\0\0\0" % password.encode()
    with socket.create_connection(("127.0.0.1", port), timeout=10.0) as connection:
        connection.sendall(struct.pack(">4I", 16 + len(body), 0x00000009, 0, 1) + body)
        with connection.makefile("rb") as answers:
            _, command, status, sequence = struct.unpack(">4I", answers.read(16))
    assert (command, sequence) == (0x80000009, 1)
    return status


def test_who_may_not_bind_is_told_so(board, ports):
    client = ["--account", "1", "--system-id", "shop", "--password", "secret1"]

    def answers(status: int) -> None:
        """The switch knows of a change some milliseconds after its command has ended."""
        until(lambda: bind(ports[0]) == status, f"a bind is answered with {status}")

    assert bind(ports[0], "wrong12") == INVALID_PASSWORD
    assert bind(ports[0]) == 0
    board.cli("sms", "grant", "1", "no")
    answers(BIND_FAILED)
    board.cli("sms", "grant", "1", "yes")
    answers(0)
    board.cli("sms", "client", "suspend", "shop")
    answers(BIND_FAILED)
    board.cli("sms", "client", "resume", "shop")
    answers(0)
    board.cli("sms", "client", "remove", "shop")
    board.cli("sms", "client", "add", "shop", *client, "--from", "192.0.2.0/24")
    answers(BIND_FAILED)


def test_a_business_binds_by_tls_and_checks_the_certificate(board, ports, tmp_path):
    authority = Authority(tmp_path)
    pair = authority.issue("127.0.0.1")
    board.stop()
    board.environment["SOFTSWITCH_SMPP__LISTEN"] = f"tls:127.0.0.1:{ports[0]}"
    board.environment["SOFTSWITCH_TLS__CERTIFICATES"] = f"{pair.certificate}:{pair.key}"
    board.start()

    async def talk() -> None:
        heard: asyncio.Queue[Event] = asyncio.Queue()
        tls = ssl.create_default_context(cafile=str(authority.file))
        bound = await connect(
            "127.0.0.1", ports[0], lambda _, event: heard.put_nowait(event), tls=tls
        )
        bound.bind(Command.BIND_TRANSCEIVER, Bind("shop", "secret1"))
        assert isinstance(await asyncio.wait_for(heard.get(), 10.0), Bound)
        bound.abort()
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect("127.0.0.1", ports[0], print, tls=ssl.create_default_context())
        with pytest.raises((OSError, struct.error)):
            await asyncio.to_thread(bind, ports[0])  # in the clear

    asyncio.run(talk())


def test_a_text_from_a_carrier_comes_to_the_line_and_is_listed(board, ports):
    async def talk() -> None:
        async with Carrier(ports[1]) as carrier:
            await asyncio.to_thread(until, lambda: carrier.esme, "the switch binds")
            assert await carrier.text(ANA, b"Hi Ana") == 0
            assert await carrier.text("+995322999999", b"nobody") == 0x65
        (row,) = board.ask("sms_list", line=ANA)
        assert (row["from"], row["to"], row["state"]) == ("+995577000001", ANA, "waiting")
        assert board.ask("sms_show", text_id=row["id"])["text"] == "Hi Ana"

    asyncio.run(talk())


def test_a_lines_own_text_is_priced_held_and_captured(board, ports):
    quoted = board.cli("sms", "send", ANA, "+995599000001", "€" * 100, "--dry-run")
    assert (quoted["segments"], quoted["price"], quoted["currency"]) == (2, "0.10", "GEL")
    sent = board.cli("sms", "send", ANA, "+995599000001", "€" * 100, "--key", "once")
    again = board.cli("sms", "send", ANA, "+995599000001", "€" * 100, "--key", "once")
    assert again["id"] == sent["id"]
    account = board.ask("account_show", account="1")
    assert (account["balance"], account["reserved"]) == ("9.00", "0.10")

    async def talk() -> None:
        async with Carrier(ports[1]) as carrier:
            await told(board, sent["id"], "sent")
            assert len(carrier.got) == 2

    asyncio.run(talk())
    until(lambda: board.ask("account_show", account="1")["balance"] == "8.90", "it is captured")
    cancelled = board.cli("sms", "send", ANA, "+995599000001", "later", "--at", "2030-01-01")
    assert board.cli("sms", "cancel", str(cancelled["id"]))["state"] == "cancelled"
    until(lambda: board.ask("account_show", account="1")["reserved"] == "0.00", "it is released")


def test_B9_a_batch_goes_out_and_whoever_texts_stop_gets_no_more(board, ports):
    phones = board.folder / "phones.csv"
    phones.write_text("phone,name\n599000001,Nino\n599000002,Gio\n599000001,Nino again\n")
    add = ("sms", "batch", "add", "1", "--sender", "Citynet", "--text", "Sale, {name}",
           "--to", str(phones))  # fmt: skip

    def batch(known: str, key: str) -> object:
        return board.ask("sms_batch_show", batch=known)[key]

    async def talk() -> None:
        async with Carrier(ports[1]) as carrier:
            await asyncio.to_thread(until, lambda: carrier.esme, "the switch binds")
            made = await asyncio.to_thread(board.cli, *add)
            assert (made["recipients"], made["doubles"], made["price"]) == (2, 1, "2.00")
            known = str(made["id"])
            done = lambda: batch(known, "state") == "done"  # noqa: E731
            await asyncio.to_thread(until, done, "the batch is done")
            assert sorted(event.short_message for event in carrier.got) == [
                b"Sale, Gio", b"Sale, Nino",
            ]  # fmt: skip
            assert units(board) == ["9.00", "98.00"]
            await carrier.receipt(1)
            await carrier.receipt(2)
            arrived = lambda: batch(known, "delivered") == 2  # noqa: E731
            await asyncio.to_thread(until, arrived, "the receipts are kept")
            (row,) = board.ask("sms_batch_report", batch=known)
            assert (row["carrier"], row["state"], row["texts"]) == ("alpha", "delivered", 2)
            assert 0 <= row["median_seconds"] <= row["p95_seconds"] < 10
            assert await carrier.text(ANA, b"STOP", sender="995599000001") == 0
            (stopped,) = board.ask("sms_stop_list", account="1")
            assert (stopped["phone"], stopped["by"]) == ("+995599000001", "text")
            again = await asyncio.to_thread(board.cli, *add)
            assert (again["recipients"], again["stopped"]) == (1, 1)

    asyncio.run(talk())


def test_B9_no_text_of_a_batch_goes_twice_nor_is_lost_when_the_switch_is_killed(board, ports):
    phones = board.folder / "many.csv"
    phones.write_text("phone\n" + "".join(f"+9955991{n:05}\n" for n in range(1_000)))
    board.cli("wallet", "offer", "sms", "1000", "--price", "2")
    board.cli("wallet", "buy", "1", "sms", "1000", "--purchase-id", "second")

    async def talk() -> None:
        async with Carrier(ports[1]) as carrier:
            made = await asyncio.to_thread(
                board.cli, "sms", "batch", "add", "1", "--sender", "Citynet", "--text", "Hi",
                "--to", str(phones),
            )  # fmt: skip
            for kill in range(1, 4):
                enough = lambda: len(carrier.got) >= 250 * kill  # noqa: B023, E731
                await asyncio.to_thread(until, enough, f"{250 * kill} have come")
                await asyncio.to_thread(board.stop, signal.SIGKILL)
                await asyncio.to_thread(board.start)
            show = lambda: board.ask("sms_batch_show", batch=made["id"])  # noqa: E731
            done = lambda: show()["state"] == "done"  # noqa: E731
            await asyncio.to_thread(until, done, "the batch is done", 60)
            row = await asyncio.to_thread(show)
            got = [event.destination_addr for event in carrier.got]
            assert len(got) == len(set(got))
            assert row["sent"] + row["unknown"] == 1_000
            # What the carrier hasn't got was being sent when the switch was killed.
            assert row["sent"] <= len(got) <= 1_000
            assert 1_000 - len(got) <= row["unknown"]
            print(f"unknown: {row['unknown']}, of which the carrier got {len(got) - row['sent']}")
            assert units(board)[1] == "100.00"
        assert board.cli("ledger", "verify")

    asyncio.run(talk())
