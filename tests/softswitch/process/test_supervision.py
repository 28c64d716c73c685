"""What systemd hears of the switch."""

import asyncio
import os
import socket

import pytest

from softswitch.process.supervision import Pulse, Supervisor


@pytest.fixture
def manager(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "notify"))
        made.setblocking(False)
        yield made


def told(manager) -> list[bytes]:
    found = []
    try:
        while True:
            found.append(manager.recv(1000))
    except BlockingIOError:
        return found


def test_ready_draining_and_the_watchdog(manager):
    address = manager.getsockname()
    supervisor = Supervisor({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "30000000"})
    supervisor.ready()
    supervisor.alive()
    supervisor.stopping(3)
    assert told(manager) == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1\nSTATUS=draining 3 calls"]
    assert supervisor.watchdog_seconds == 30.0


def test_a_loop_that_turns_keeps_the_watchdog_quiet_and_one_that_hangs_does_not(manager):
    """The watchdog's time is 3 s: a turning loop tells it each second."""

    async def run() -> tuple[int, int]:
        loop = asyncio.get_running_loop()
        environment = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "3000000"}
        Pulse(loop, Supervisor(environment), lates.append).start()
        await asyncio.sleep(2.2)
        turning = len(told(manager))
        import time

        time.sleep(1.3)  # noqa: ASYNC251 - the hang
        hanging = len(told(manager))
        await asyncio.sleep(0.05)
        return turning, hanging

    lates: list[float] = []
    assert asyncio.run(run()) == (2, 0)
    assert max(lates) > 700.0
    assert min(lates) >= 0.0


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"NOTIFY_SOCKET": "/nowhere/notify"},
        {"WATCHDOG_USEC": "1000"},
        {"NOTIFY_SOCKET": "/nowhere/notify", "WATCHDOG_USEC": "1000",
         "WATCHDOG_PID": str(os.getpid() + 1)},
        {"NOTIFY_SOCKET": "/nowhere/notify", "WATCHDOG_USEC": "nonsense"},
    ],
)  # fmt: skip
def test_without_a_manager_nothing_happens(environment):
    supervisor = Supervisor(environment)
    supervisor.ready()
    assert supervisor.watchdog_seconds is None
