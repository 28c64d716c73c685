"""Provisioning: `python -m benchmarks.provisioning [--phones N] [--seconds S] [--guesses N]`.

After a power cut every phone asks at once. pure: configurations a second from the entrance alone,
the database read for each. https: phones that come by connections of their own, a handshake each,
and phones that keep theirs; with the times of the slowest hundredth, and the CPU time of the
listener. It has one core, the phones another. With --guesses so many wrong URLs are asked of the
entrance, ten by each address; a single octet of a configuration fails it.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import secrets
import socket
import ssl
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import uvloop

from benchmarks.machine import Cores, describe, pin
from softswitch.config.config import Config
from softswitch.operations.accounts import accounts
from softswitch.operations.context import Context
from softswitch.operations.devices import devices, portal_notes
from softswitch.operations.installation import setup
from softswitch.operations.lines import lines
from softswitch.portal.phone_listener import phone_listener
from softswitch.portal.portal import Portal
from softswitch.provisioning.answering import Provisioning
from softswitch.provisioning.device_secrets import digest_secrets
from softswitch.provisioning.devices import DeviceStore
from softswitch.provisioning.exchange import Request, Response
from softswitch.provisioning.profile import profile_of
from softswitch.provisioning.tokens import TOKEN_LENGTH, hash_of, token_of

AT_ONCE = 50
Phone = tuple[str, str]
"""Token and MAC."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phones", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--guesses", type=int, default=0)
    given = parser.parse_args()
    print(describe())
    print(f"{'configurations':26} {'a second':>9} {'p50 ms':>7} {'p99 ms':>7} {'CPU us each':>12}")
    with tempfile.TemporaryDirectory() as name:
        config, bound = prepared(Path(name))
        phones = enrolled(config, given.phones)
        pure(config, phones, given.seconds)
        if given.guesses:
            guessed(config, phones, given.guesses)
        uvloop.run(https(config, bound, phones, given.seconds, Cores.pick()))
    print(f"{'aim':26} {'1,000':>9} {'':7} {'100.0':>7}")


def prepared(folder: Path) -> tuple[Config, socket.socket]:
    """The configuration of a switch with a listener for phones, and its bound socket."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from certificates import Authority

    pair = Authority(folder).issue("localhost")
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    port = bound.getsockname()[1]
    text = setup.configuration_text(
        domain="sip.example.org", address="127.0.0.1", port=5060, country="GE", currency="GEL",
        time_zone="Asia/Tbilisi",
    )  # fmt: skip
    path = folder / "softswitch.toml"
    setup.init(path, text, lambda context: None)
    path.write_text(
        f'{path.read_text()}\n[tls]\ncertificates = ["{pair.certificate}:{pair.key}"]\n'
        f'[provisioning]\nurl = "https://localhost:{port}"\nlisten = "127.0.0.1:{port}"\n'
    )
    return setup.load(path), bound


def enrolled(config: Config, count: int) -> list[Phone]:
    """Phones that have set themselves up, each with a line of its own."""
    phones: list[Phone] = []
    with setup.opened(config) as context:
        accounts.account_add(context, "office")
        store = devices.device_store(context)
        for n in range(count):
            number, mac = f"+9953220{n:05}", f"001565{n:06x}"
            lines.line_add(context, number, "office", "secret")
            row = devices.device_add(context, number, "yealink", mac=mac)
            device = store.get(str(row["id"]))
            assert device is not None
            token = token_of(secrets.token_bytes(2 * TOKEN_LENGTH))
            once = str(row["url"]).rstrip("/").rpartition("/")[2]
            made = digest_secrets(token, [each.username for each in device.lines], config.realm)
            portal_notes.device_hand_over(
                context, device.id, hash_of(once), hash_of(token), made, mac
            )
            portal_notes.device_arrived(context, device.id, hash_of(token))
            phones.append((token, mac))
    return phones


def desk_of(config: Config, context: Context) -> Provisioning:
    """The entrance, over the database alone."""
    return Provisioning(
        DeviceStore(context.billing.engine), profile_of(config), realm=config.realm,
        fresh_token=lambda: "", firmware_of=lambda kind, model: None,
    )  # fmt: skip


def pure(config: Config, phones: list[Phone], seconds: float) -> None:
    """Configurations a second from the entrance alone."""
    with setup.opened(config) as context:
        desk = desk_of(config, context)
        begun, cpu, times = time.perf_counter(), time.process_time(), []
        while time.perf_counter() - begun < seconds:
            token, mac = phones[len(times) % len(phones)]
            at = time.perf_counter()
            found = desk.answer(
                Request("GET", f"/d/{token}/{mac}.cfg", {}, {"user-agent": agent_of(mac)}, b"",
                        "192.0.2.1", True, None, 0)
            )  # fmt: skip
            times.append(time.perf_counter() - at)
            assert isinstance(found, Response) and found.status == 200
        shown("the entrance alone", times, time.perf_counter() - begun, time.process_time() - cpu)


def guessed(config: Config, phones: list[Phone], count: int) -> None:
    """Wrong tokens, tokens with one character changed, and right ones with another phone's MAC, ten
    of each address: all that an address may ask before it is barred."""
    drawn = random.Random(1)
    with setup.opened(config) as context:
        desk = desk_of(config, context)
        begun = time.perf_counter()
        answers: set[tuple[int, bytes]] = set()
        for n in range(count):
            token, mac = phones[n % len(phones)]
            match n % 3:
                case 0:
                    token = token_of(drawn.randbytes(2 * TOKEN_LENGTH))
                case 1:
                    token = token[:-1] + ("2" if token[-1] != "2" else "3")
                case _:
                    mac = f"{(int(mac, 16) + 1) % (1 << 48):012x}"
            peer = f"{10 + n // 10 // 65_536}.1.{n // 10 // 256 % 256}.{n // 10 % 256}"
            request = Request("GET", f"/d/{token}/{mac}.cfg", {}, {}, b"", peer, True, None, 0)
            found = desk.answer(request)
            assert isinstance(found, Response)
            answers.add((found.status, found.body))
        seconds = time.perf_counter() - begun
    assert [status for status, _ in answers] == [404], answers
    print(f"{'wrong URLs, all got nothing':26} {count / seconds:9,.0f}   of {count:,}")


async def https(
    config: Config, bound: socket.socket, phones: list[Phone], seconds: float, cores: Cores
) -> None:
    """Configurations a second over TLS, by connections of each phone's own, and kept ones."""
    portal = Portal(config)
    port = bound.getsockname()[1]
    pin(cores.switch)
    processes = multiprocessing.get_context("spawn")
    try:
        async with phone_listener(config, portal.phones, bound):
            for name, keeps in (("https, a connection each", False), ("https, kept", True)):
                told, tells = processes.Pipe(duplex=False)
                crowd = processes.Process(
                    target=ask_at_once, args=(port, phones, seconds, keeps, cores.generator, tells)
                )
                crowd.start()
                await asyncio.to_thread(told.recv)  # it has started
                cpu = time.process_time()
                times = await asyncio.to_thread(told.recv)
                shown(name, times, seconds, time.process_time() - cpu)
                crowd.join()
    finally:
        await portal.close()


def ask_at_once(
    port: int,
    phones: list[Phone],
    seconds: float,
    keeps: bool,
    core: int | None,
    tells: Connection,
) -> None:
    """A process of phones: tells that it begins, and later how long each answer took."""
    pin(core)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    times: list[float] = []

    async def crowd() -> None:
        ends = time.perf_counter() + seconds
        await asyncio.gather(
            *(asks(port, context, phones[n::AT_ONCE], ends, keeps, times.append)
              for n in range(AT_ONCE))
        )  # fmt: skip

    tells.send(times)
    uvloop.run(crowd())
    tells.send(times)


async def asks(
    port: int,
    context: ssl.SSLContext,
    phones: list[Phone],
    ends: float,
    keeps: bool,
    note: Callable[[float], None],
) -> None:
    """Phones that ask one after another."""
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None
    at = 0
    while time.perf_counter() < ends:
        token, mac = phones[at % len(phones)]
        at, begun = at + 1, time.perf_counter()
        if reader is None or writer is None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(
            f"GET /d/{token}/{mac}.cfg HTTP/1.1\r\nHost: localhost\r\n"
            f"User-Agent: {agent_of(mac)}\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = next(
            int(line.partition(b":")[2])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        await reader.readexactly(length)
        note(time.perf_counter() - begun)
        if not keeps:
            writer.close()
            reader = writer = None
    if writer is not None:
        writer.close()


def agent_of(mac: str) -> str:
    colons = ":".join(mac[at : at + 2] for at in range(0, 12, 2))
    return f"Yealink SIP-T46G 28.72.0.1 {colons}"


def shown(name: str, times: list[float], seconds: float, cpu: float) -> None:
    times.sort()
    half, slow = times[len(times) // 2], times[len(times) * 99 // 100]
    print(
        f"{name:26} {len(times) / seconds:9,.0f} {half * 1e3:7.1f} {slow * 1e3:7.1f}"
        f" {cpu / len(times) * 1e6:12,.0f}"
    )


if __name__ == "__main__":
    main()
