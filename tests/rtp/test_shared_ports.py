"""Media ports that the system might give to other programs, and that a worker keeps from them."""

import asyncio
import os
import socket

import pytest

from rtp.client import MediaError, MediaSettings, MediaWorkers
from rtp.shared_ports import given_away, shared_ports
from tests.rtp.test_media_worker_process import HOST, port_range, until

GIVEN = "32768\t60999\n"


@pytest.mark.parametrize(
    ("ports", "reserved", "given"),
    [
        ((20_000, 29_999), "", []),
        ((32_760, 32_770), "\n", [32_768, 32_769, 32_770]),
        ((60_998, 61_010), "", [60_998, 60_999]),
        ((40_000, 40_005), "8080,30000-50000\n", []),
        ((40_000, 40_005), "40001,40003-40004", [40_000, 40_002, 40_005]),
    ],
)
def test_what_the_system_gives_away(ports, reserved, given):
    assert list(given_away(*ports, GIVEN, reserved)) == given


def shared_range(pairs):
    """Free ports, some of which the system may give to others."""
    ports = port_range(pairs)
    if not shared_ports(*ports):
        pytest.skip("the system gives away no port")
    return ports


def can_be_had(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        try:
            other.bind((HOST, port))
        except OSError:
            return False
        return True


def test_nobody_gets_them_before_during_and_after_a_call():
    first, last = shared_range(20)

    async def story():
        media = MediaWorkers(HOST, (first, last), 1, MediaSettings(quarantine_seconds=0.0))
        await media.start()
        try:
            ((_, before),) = await media.statuses()
            assert before.ports_held == before.ports_shared > 0
            for _ in range(12):  # each pair more than once
                assert not any(map(can_be_had, shared_ports(first, last)))
                session = await media.open(HOST, HOST)
                assert not any(map(can_be_had, shared_ports(first, last)))
                await session.close()
            ((pid, after),) = await media.statuses()
            assert (after.ports_held, after.files) == (before.ports_held, before.files)
            os.kill(pid, 9)  # nothing of it stays
            await until(lambda: can_be_had(first))
        finally:
            await media.close()
        assert all(map(can_be_had, range(first, last + 1)))

    asyncio.run(story())


def test_strangers_packets_do_not_wait_in_them_for_a_call():
    first, last = shared_range(4)

    async def story():
        media = MediaWorkers(HOST, (first, last))
        await media.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for port in range(first, last + 1):
                for _ in range(20):
                    stranger.sendto(bytes(172), (HOST, port))
        session = await media.open(HOST, HOST)
        figures = await session.close()
        assert (figures.a.strays, figures.b.strays) == (0, 0)
        await media.close()

    asyncio.run(story())


def test_what_another_program_has_is_passed_over_and_said():
    first, last = shared_range(4)

    async def story():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as blocker:
            blocker.bind((HOST, first + 1))
            media = MediaWorkers(HOST, (first, last))
            told = []
            media.on_started = told.append
            await media.start()
            call, alone = await media.open(HOST, HOST), await media.open_alone(HOST)
            assert first not in (call.a_port, call.b_port, alone.a_port)
            with pytest.raises(MediaError):
                await media.open_alone(HOST)
            await media.close()
        assert told[0].ports_held == told[0].ports_shared - 1

    asyncio.run(story())
