"""A real switch under floods and with more connections than it wants; scaled to seconds."""

import asyncio
import contextlib
import os
import resource
import socket
import subprocess
import sys
import time

import pytest
from switchboard import BEKA, until
from wire import SDP, StreamPhone

FLOOD = """
import socket, sys, time
port, method, seconds, rate = int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
socks = []
for n in range(1, 6):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((f"127.0.7.{n}", 0))
    sock.setblocking(False)
    socks.append(sock)
start, sent = time.monotonic(), 0
while (now := time.monotonic()) - start < seconds:
    while sent < (now - start) * rate:
        data = (f"{method} sip:+995322000102@127.0.0.1 SIP/2.0\\r\\n"
            f"Via: SIP/2.0/UDP 127.0.7.1:5060;branch=z9hG4bKf{sent}\\r\\n"
            f"From: <sip:u{sent % 997}@127.0.0.1>;tag={sent}\\r\\n"
            f"To: <sip:u{sent % 997}@127.0.0.1>\\r\\nCall-ID: f{sent}\\r\\nCSeq: 1 {method}\\r\\n"
            f"Contact: <sip:x@127.0.7.1>\\r\\nContent-Length: 0\\r\\n\\r\\n")
        try:
            socks[sent % 5].sendto(data.encode(), ("127.0.0.1", port))
        except OSError:
            pass
        sent += 1
    for sock in socks:
        try:
            while True:
                sock.recv(2048)
        except OSError:
            pass
    time.sleep(0.002)
print(sent)
"""
RATE = 2_000
"""A second; the machine that tests has other things to do as well."""
SECONDS = 2.5


@pytest.fixture
def strict(make_board):
    """A switch that exempts nobody."""
    board = make_board(
        GUARD__EXEMPT="",
        GUARD__BUSY_MS="500",
        GUARD__CONNECTIONS_PER_ADDRESS="40",
        GUARD__FIRST_MESSAGE_SECONDS="1",
    )
    board.start()
    return board


def memory(board):
    """Resident octets of the switch process itself."""
    with open(f"/proc/{board.process.pid}/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


@contextlib.contextmanager
def flood(board, method):
    command = [sys.executable, "-c", FLOOD, str(board.port), method, str(SECONDS), str(RATE)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield
    finally:
        sent = int(process.communicate(timeout=30)[0])
        assert sent > RATE


async def registers(board):
    """How long a phone takes, from nothing to registered."""
    started = time.monotonic()
    phone = await StreamPhone.open("ana", board.port)
    await phone.register()
    await phone.close()
    return time.monotonic() - started


@pytest.mark.parametrize("method", ["REGISTER", "INVITE", "OPTIONS"])
def test_a_flood_leaves_calls_phones_and_memory_alone(strict, method):
    strict.register("beka", strict.phones[1])
    callee = strict.answers("answers.xml", strict.phones[1])
    before = memory(strict)
    caller = strict.sipp("call.xml", strict.phones[0], "-d", "2000", login="ana",
                         password="secret", number=BEKA)  # fmt: skip
    until(lambda: [c["state"] for c in strict.ask("call_list")] == ["talking"], "they talk")
    with flood(strict, method):
        times = [asyncio.run(registers(strict)) for _ in range(5)]
    for run in (caller, callee):
        strict.ends_well(run)
    assert memory(strict) - before < 50 << 20
    assert sorted(times)[-2] < 1.0, times
    record = strict.cdr()
    assert (record["sip_status"], record["ended_by"]) == (200, "caller")
    figures = strict.ask("guard_show")
    assert figures["over_rate"] > 1_000, figures
    log = (strict.folder / "var" / "softswitch.log").read_text()
    assert "level=error" not in log
    assert len(log.splitlines()) < 200


def test_guessers_are_banned_listed_and_forgiven(strict):
    async def guess():
        phone = await StreamPhone.open("ana", strict.port)
        for _ in range(15):
            await phone.prove(
                "REGISTER", "sip:127.0.0.1", to="<sip:ana@127.0.0.1>", password="guess"
            )
            await phone.hear(403)
        await phone.close()

    asyncio.run(guess())
    (ban,) = strict.cli("guard", "list")
    assert (ban["source"], ban["line"], ban["why"]) == ("127.0.0.1", "ana", "guessed passwords")
    assert 0 < ban["ends_in_seconds"] <= 600
    with pytest.raises(TimeoutError):
        asyncio.run(registers_soon(strict))
    assert strict.cli("guard", "unban", "127.0.0.1") == {"source": "127.0.0.1", "lifted": 1}
    assert "isn't banned" in strict.cli("guard", "unban", "127.0.0.1", fails=True)
    assert "no address" in strict.cli("guard", "unban", "nobody", fails=True)
    assert asyncio.run(registers(strict)) < 5
    shown = strict.cli("guard", "show")
    assert shown["refused_guesses"] >= 5
    guard = next(row for row in strict.cli("check") if row["check"] == "guard")
    assert "refused_guesses" in guard["detail"]
    log = (strict.folder / "var" / "softswitch.log").read_text()
    until(lambda: "banned" in (strict.folder / "var" / "softswitch.log").read_text(),
          "the ban is logged", 15)  # fmt: skip
    assert log.count("banned") <= 1


async def registers_soon(board):
    async with asyncio.timeout(1):
        await registers(board)


# Connections


def open_from(board, source):
    sock = socket.socket()
    sock.bind((source, 0))
    sock.connect(("127.0.0.1", board.port))
    return sock


def is_closed(sock):
    sock.settimeout(5)
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def test_idle_connections_of_one_address_keep_nobody_else_out(strict):
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(open_from(strict, "127.0.5.1")) for _ in range(300)]
        refused = [sock for sock in idle[40:] if is_closed(sock)]
        assert len(refused) == 260
        assert asyncio.run(registers(strict)) < 2
        started = time.monotonic()
        assert all(map(is_closed, idle[:40]))  # they never said anything
        assert time.monotonic() - started < 10
        again = stack.enter_context(open_from(strict, "127.0.5.1"))
        again.sendall(b"\r\n\r\n")
        again.settimeout(5)
        assert again.recv(2) == b"\r\n"
    assert strict.ask("guard_show")["connections_refused"] == 260


def test_an_octet_now_and_then_holds_no_connection(strict):
    with open_from(strict, "127.0.5.1") as slow:
        started = time.monotonic()
        with contextlib.suppress(OSError):
            for octet in b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP h\r\n" * 3:
                slow.sendall(bytes((octet,)))
                time.sleep(0.1)  # an octet, and no more: the switch's clock is a real one
                if time.monotonic() - started > 8:
                    break
        assert time.monotonic() - started < 8
        assert is_closed(slow)


def test_connections_that_close_in_the_middle_of_an_invite_leave_nothing(strict):
    async def test():
        for number in range(30):
            phone = await StreamPhone.open("ana", strict.port)
            head = (
                f"INVITE sip:{BEKA}@127.0.0.1 SIP/2.0",
                f"Via: SIP/2.0/TCP h;branch=z9hG4bKq{number}",
                "From: <sip:ana@127.0.0.1>;tag=1", "To: <sip:b@127.0.0.1>", f"Call-ID: q{number}",
                "CSeq: 1 INVITE", "Contact: <sip:a@h>", f"Content-Length: {len(SDP)}", "", "",
            )  # fmt: skip
            invite = "\r\n".join(head)
            phone.writer.write(invite.encode() + SDP[: number * 4].encode())
            await phone.writer.drain()
            await phone.close()
        assert await registers(strict) < 2

    asyncio.run(test())
    until(lambda: strict.ask("guard_show")["connections"] == 0, "every connection is gone")
    assert strict.ask("call_list") == []
    descriptors = len(os.listdir(f"/proc/{strict.process.pid}/fd"))
    asyncio.run(test())
    until(lambda: strict.ask("guard_show")["connections"] == 0, "every connection is gone")
    assert len(os.listdir(f"/proc/{strict.process.pid}/fd")) <= descriptors + 1
