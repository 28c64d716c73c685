"""Firefox with JsSIP calls by a real switch. It needs a default route, and a switch that isn't at
127.x: to loopback it sends no sound."""

import asyncio
import socket
import wave

import pytest
import sound
from baresip import playing_a_tone
from chromium import registered_chromium
from firefox import registered_firefox as browser
from switchboard import ANA, BEKA, CIRA, until

ROOM, PIN = "100", "4711"
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


async def hears_tone(page, hertz):
    """Wait until Chromium hears a tone."""
    await page.until(f"Math.abs(phone.peak().hertz - {hertz}) < 5 && phone.peak().level > -60", 60)


async def hears(page):
    """Wait until there is sound for a second or so: its energy, since without a sound card Firefox
    lets no page look at frequencies."""
    before = (await page.run("phone.packets()"))["energy"]
    await page.until(f"phone.packets().then(found => found.energy > {before} + 0.01)", 60)


def has_sound(path):
    """True once a recording is written, with two seconds or more."""
    try:
        return len(sound.read_wav(path)) > 2 * sound.RATE
    except (wave.Error, EOFError):
        return False


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
        until(lambda: has_sound(beka.heard), "the sound is written", 20)
        assert abs(sound.loudest(beka.heard) - 440) < 3


def test_firefox_and_chromium_call_each_other(web, tmp_path):
    async def test():
        async with (
            browser(web, tmp_path, "ana") as ana,
            registered_chromium(web, tmp_path, "beka", 1000) as beka,
        ):
            await ana.run(f"phone.call('{BEKA}')")
            await hears(ana)
            await hears_tone(beka, 440)
            await ana.run("phone.session.terminate(), 1")
            await beka.until("phone.ended")
            await beka.run(f"phone.call('{ANA}')")
            await hears_tone(beka, 440)
            await hears(ana)
            await beka.run("phone.session.terminate(), 1")
            await ana.until("phone.ended")

    run(test())
    assert [cdr["sip_status"] for cdr in web.cdrs()] == [200, 200]


def test_firefox_enters_a_conference_by_keys_and_meets_chromium_there(web, tmp_path):
    web.ask("room_add", room=ROOM, line=ANA, pin=PIN)

    async def test():
        async with (
            browser(web, tmp_path, "ana") as ana,
            registered_chromium(web, tmp_path, "beka", 1000) as beka,
        ):
            for number, page in enumerate((ana, beka), 1):
                await page.run("phone.call('*88')")
                for keys in (f"{ROOM}#", f"{PIN}#"):
                    await asyncio.sleep(2)  # the announcement has begun
                    await page.run(f"phone.press('{keys}')")
                entered = lambda: len(web.ask("conference_list")) == number  # noqa: B023, E731
                await asyncio.to_thread(until, entered, "the next one is in the room", 30)
            await hears_tone(beka, 440)
            await hears(ana)

    run(test())


def test_firefox_transfers_a_plain_phone_to_another(web, tmp_path):
    async def test():
        async with browser(web, tmp_path, "ana") as ana:
            await ana.run(f"phone.call('{BEKA}')")
            await hears(ana)
            await ana.run(f"phone.session.refer('{CIRA}'), 1")
            await ana.until("phone.ended", 60)
            await asyncio.sleep(4)  # they hear each other

    with (
        playing_a_tone(web, tmp_path, "beka", 1000) as beka,
        playing_a_tone(web, tmp_path, "cira", 700) as cira,
    ):
        run(test())
        cira.command("hangup")  # which ends the recordings
        until(lambda: len(web.ask("call_list")) == 0, "the call ends")
        until(lambda: has_sound(cira.heard) and has_sound(beka.heard), "the sound is written", 20)
        assert abs(sound.loudest(cira.heard) - 1000) < 3
        assert abs(sound.loudest(beka.heard) - 700) < 3
