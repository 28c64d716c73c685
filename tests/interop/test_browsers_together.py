"""Browsers with each other: five in a conference, a page that is loaded again, a browser that is
killed."""

import asyncio
import contextlib

import pytest
from chromium import Chromium, pages
from switchboard import BEKA, LINES
from web_rtc import PCMU, BrowserPhone, Keypad, with_events

pytestmark = pytest.mark.timeout(240)
ROOM = "200"
TONES = {"ana": 430, "beka": 610, "cira": 970, "poor": 1250, "ana again": 1630}
"""Hz; none is another's harmonic, or the sum or difference of two."""


@pytest.fixture
def web(make_board):
    """A switch that listens on WebSocket."""
    board = make_board(CONFERENCE__SERVICE="free")
    board.web = board.second_port
    board.environment["SOFTSWITCH_SIP__LISTEN"] += f",ws:127.0.0.1:{board.web}"
    board.start()
    yield board
    log = (board.folder / "var" / "softswitch.log").read_text()
    assert "level=error" not in log, log


def run(test, seconds=200):
    asyncio.run(asyncio.wait_for(test, seconds))


async def phone(board, login, host="page.invalid"):
    made = await BrowserPhone.open(login, f"ws://127.0.0.1:{board.web}")
    made.contact = f"<sip:{login}@{host};transport=ws>"
    await made.register()
    return made


async def until_true(what, condition, seconds=60):
    """Wait until a condition holds; it may be slow on a busy machine."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.2)
            return
    raise AssertionError(f"not within {seconds} s: {what}")


async def enter(board, name):
    """A phone in the room, with a tone of its own."""
    made = await phone(board, name.split()[0], f"{name.replace(' ', '-')}.invalid")
    await made.call("*88", TONES[name], [PCMU], change=with_events)
    await made.connected()
    await asyncio.sleep(0.5)
    await Keypad(made).press(f"{ROOM}#")
    return made


def test_five_browsers_hear_each_other_in_a_conference(web):
    web.ask("room_add", room=ROOM, line=LINES["ana"][0])

    async def test():
        phones = dict(
            zip(TONES, await asyncio.gather(*(enter(web, name) for name in TONES)), strict=True)
        )

        def all_hear():
            for name, one in phones.items():
                others = [one.ear.share(TONES[other]) for other in TONES if other != name]
                if min(others) < 0.05 or one.ear.share(TONES[name]) > min(others) / 2:
                    return False
            return True

        await until_true("each hears the four others, and not itself", all_hear)
        assert len(await asyncio.to_thread(web.ask, "conference_list")) == 5
        await asyncio.gather(*(one.hang_up() for one in phones.values()))
        for one in phones.values():
            await one.close()

    run(test())
    assert [row["ended_by"] for row in web.cdrs()] == ["caller"] * 5


def test_a_page_that_is_loaded_again_goes_on_with_its_call(web):
    async def test():
        ana, beka = await phone(web, "ana"), await phone(web, "beka")
        picks_up = asyncio.ensure_future(beka.pick_up(880, [PCMU]))
        await ana.call(BEKA, 440, [PCMU])
        await picks_up
        for one in (ana, beka):
            await one.connected()
        await until_true("beka hears ana", lambda: beka.ear.share(440) > 0.9)
        ana.socket.transport.abort()
        await ana.pc.close()  # as a page that goes away: nothing is said in SIP
        again = await phone(web, "ana")
        again.call_id, (_, theirs) = "again", ana.to.split(";tag=")
        replaces = f"Replaces: {ana.call_id};to-tag={theirs};from-tag=ana"
        await again.begin(1000, [PCMU])
        offer = await again.offer()
        target = "sip:ana@127.0.0.1"
        await again.prove("INVITE", target, replaces, body=offer, call_id=again.call_id)
        asked = await beka.hear("INVITE")  # made of the new page's description
        await beka.respond(asked, 200, body=beka.pc.localDescription.sdp)
        await beka.hear("ACK")
        await again.answered()
        await again.connected()
        await until_true("the new page hears beka", lambda: again.ear.share(880) > 0.9)
        # aiortc decodes no second SSRC of a stream; that it comes, and whole, is seen all the same.
        await until_true("beka is sent the new page's sound", lambda: beka.streams()[-1] > 100)
        assert len(beka.streams()) == 2
        (call,) = await asyncio.to_thread(web.ask, "call_list")
        assert call["state"] == "talking"
        await again.hang_up()
        await beka.respond(await beka.hear("BYE"), 200)
        await beka.pc.close()
        for one in (again, beka):
            await one.close()

    run(test())
    cdr = web.cdr()
    assert (cdr["ended_by"], cdr["sip_status"]) == ("caller", 200)


def test_a_killed_chromium_ends_its_call(web, tmp_path):
    async def test():
        with pages() as address:
            ana = await Chromium.open(tmp_path / "chromium", address)
            registers = f"phone.start('ana', '127.0.0.1', 'ws://127.0.0.1:{web.web}')"
            assert await ana.run(registers) == "registered"
            await ana.run("phone.call('*43')")
            await ana.until("phone.peak().level > -60", 60)
            ana.kill()
            # Its consent ends 25 s after its last check (RFC 7675).
            await until_true("the call is over", lambda: web.ask("call_list") == [])

    run(test())
    assert web.cdr()["ended_by"] == "media_timeout"
