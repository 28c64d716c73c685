"""Firefox with JsSIP calls by a real switch. It needs a default route, and a switch that isn't at
127.x: to loopback it sends no sound."""

import asyncio
import contextlib
import socket

import pytest
import sound
from baresip import playing_a_tone
from chromium import pages
from firefox import Firefox
from switchboard import ANA, BEKA, until

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]


def own_address():
    """This machine's address on its default route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("203.0.113.1", 9))
        except OSError:
            pytest.skip("there is no default route")
        return probe.getsockname()[0]


@pytest.fixture
def web(make_board):
    """A switch that listens on WebSocket."""
    board = make_board(host=own_address(), CONFERENCE__SERVICE="free")
    board.web = board.second_port
    board.environment["SOFTSWITCH_SIP__LISTEN"] += f",ws:{board.host}:{board.web}"
    board.start()
    yield board
    log = (board.folder / "var" / "softswitch.log").read_text()
    assert "level=error" not in log, log


@contextlib.asynccontextmanager
async def browser(board, folder, login):
    """A registered one."""
    with pages() as address:
        made = await Firefox.open(folder / f"firefox-{login}", address)
        try:
            await made.run("phone.fake = true")
            script = f"phone.start('{login}', '127.0.0.1', 'ws://{board.host}:{board.web}')"
            assert await made.run(script) == "registered"
            yield made
        finally:
            await made.close()


async def hears(page):
    """Wait until there is sound for a second or so: its energy, since without a sound card Firefox
    lets no page look at frequencies."""
    before = (await page.run("phone.packets()"))["energy"]
    await page.until(f"phone.packets().then(found => found.energy > {before} + 0.01)", 60)


def run(test):
    asyncio.run(asyncio.wait_for(test, 350))


def test_firefox_hears_its_echo(web, tmp_path):
    async def test():
        async with browser(web, tmp_path, "ana") as ana:
            await ana.run("phone.call('*43')")
            await hears(ana)
            assert (await ana.run("phone.packets()"))["received"] > 20
            await ana.run("phone.session.terminate(), 1")
            await ana.until("phone.ended")

    run(test())
    assert web.cdr()["sip_status"] == 200


def test_firefox_and_a_plain_phone_hear_each_other_and_hold(web, tmp_path):
    async def test(beka):
        async with browser(web, tmp_path, "ana") as ana:
            await ana.run(f"phone.call('{BEKA}')")
            await hears(ana)
            await ana.run("new Promise(done => phone.session.hold({}, () => done(1)))")
            assert "a=sendonly" in await ana.run("phone.localSdp")
            await ana.run("new Promise(done => phone.session.unhold({}, () => done(1)))")
            await hears(ana)
            await asyncio.to_thread(beka.command, "hangup")
            await ana.until("phone.ended")

    with playing_a_tone(web, tmp_path, "beka", 1000) as beka:
        run(test(beka))
    assert web.cdr()["codec"] == "PCMU"


def test_firefox_is_called_by_a_plain_phone(web, tmp_path):
    async def test(beka):
        async with browser(web, tmp_path, "ana") as ana:
            await asyncio.to_thread(beka.command, "dial", ANA)
            await ana.until("phone.session && phone.session.isEstablished()", 60)
            await hears(ana)
            await asyncio.sleep(3)  # the other end hears, too
            await ana.run("phone.session.terminate(), 1")

    with playing_a_tone(web, tmp_path, "beka", 1000) as beka:
        run(test(beka))
        until(lambda: len(sound.read_wav(beka.heard)) > 2 * sound.RATE, "the sound is written", 20)
        assert abs(sound.loudest(beka.heard) - 440) < 3
