"""Chromium talks by a TURN server, with the credentials that the switch gives it."""

import asyncio
import json
import shutil
import socket
import subprocess
import time

import pytest
from chromium import Chromium, pages
from switchboard import until

from softswitch.admission.turn_credentials import turn_credentials

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]
SECRET = "shared with the server"


@pytest.fixture
def turn(tmp_path):
    """The port of a TURN server that knows the secret, on the loopback alone."""
    program = shutil.which("turnserver")
    if program is None:
        pytest.skip("turnserver isn't installed (Debian package coturn)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        program, "-n", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1",
        f"--listening-port={port}", "--allow-loopback-peers", "--no-tls", "--no-dtls", "--no-cli",
        "--use-auth-secret", f"--static-auth-secret={SECRET}", "--realm=example.org",
        f"--pidfile={tmp_path / 'turn.pid'}", f"--userdb={tmp_path / 'turn.db'}",
        "--log-file=stdout",
    ]  # fmt: skip
    with (tmp_path / "turn.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path)
    try:
        until(lambda: _answers(port), "the TURN server listens", 30)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def _answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def web(make_board):
    """A switch that listens on WebSocket."""
    board = make_board()
    board.web = board.second_port
    board.environment["SOFTSWITCH_SIP__LISTEN"] += f",ws:127.0.0.1:{board.web}"
    board.start()
    return board


@pytest.mark.parametrize("credential", ["ours", "of a stranger"])
def test_chromium_talks_through_a_turn_server(web, turn, tmp_path, credential):
    made = turn_credentials(
        SECRET if credential == "ours" else "a guess of the secret", "ana", int(time.time()) + 60
    )
    server = {
        "urls": [f"turn:127.0.0.1:{turn}?transport=tcp"],
        "username": made.username,
        "credential": made.password,
    }

    async def test():
        with pages() as address:
            ana = await Chromium.open(tmp_path / "chromium", address)
            try:
                relayed = {"iceServers": [server], "iceTransportPolicy": "relay"}
                await ana.run(f"phone.pcConfig = {json.dumps(relayed)}")
                registers = f"phone.start('ana', '127.0.0.1', 'ws://127.0.0.1:{web.web}')"
                assert await ana.run(registers) == "registered"
                await ana.run("phone.call('*43')")
                if credential == "ours":
                    await ana.until("phone.peak().level > -60", 60)
                    assert abs((await ana.run("phone.peak()"))["hertz"] - 440) < 5
                packets = await ana.run("phone.packets()")
                hears = packets["received"] > 0, packets["type"]
                assert hears == ((True, "relay") if credential == "ours" else (False, ""))
                await ana.run("phone.session.terminate()")
                await ana.until("phone.ended")
            finally:
                await ana.close()

    asyncio.run(asyncio.wait_for(test(), 150))
