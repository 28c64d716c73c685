"""Chromium with JsSIP calls by a real switch: WebRTC by the browser that most people have."""

import asyncio
from urllib.parse import quote

import pytest
import sound
from baresip import playing_a_tone
from chromium import registered_chromium as browser
from switchboard import BEKA, LINES
from wire import SDP, StreamPhone

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def web(make_board):
    """A switch that listens on WebSocket."""
    board = make_board(CONFERENCE__SERVICE="free")
    board.web = board.second_port
    board.environment["SOFTSWITCH_MEDIA__ICE_TCP_PORT"] = str(board.trunk_port)
    board.environment["SOFTSWITCH_SIP__LISTEN"] += f",ws:127.0.0.1:{board.web}"
    board.start()
    yield board
    log = (board.folder / "var" / "softswitch.log").read_text()
    assert "level=error" not in log, log


async def heard(page):
    await asyncio.sleep(2.5)
    return await page.run("phone.peak()")


def run(test):
    asyncio.run(asyncio.wait_for(test, 100))


def test_chromium_hears_its_echo(web, tmp_path):
    async def test():
        async with browser(web, tmp_path, "ana") as ana:
            await ana.run("phone.call('*43')")
            found = await heard(ana)
            assert abs(found["hertz"] - 440) < 5 and found["level"] > -60, found
            packets = await ana.run("phone.packets()")
            assert packets["srtp"] == "AEAD_AES_128_GCM" and packets["protocol"] == "udp"
            assert packets["received"] > 80 and packets["lost"] <= 2, packets
            await ana.run("phone.session.terminate()")
            await ana.until("phone.ended")

    run(test())
    assert web.cdr()["sip_status"] == 200


def test_chromium_hears_its_echo_from_a_trunk(web, tmp_path):
    trunk = web.phones[1]
    web.cli("trunk", "add", "gateway", "--target", f"sip:127.0.0.1:{trunk}", "--prefix", "44")
    gateway = web.answers("answers.xml", trunk, "-rtp_echo", "-mp", str(web.phones[2]))

    async def test():
        async with browser(web, tmp_path, "ana") as ana:
            await ana.run("phone.call('00442012345678')")
            found = await heard(ana)
            assert abs(found["hertz"] - 440) < 5 and found["level"] > -60, found
            await ana.run("phone.session.terminate()")
            await ana.until("phone.ended")

    run(test())
    web.ends_well(gateway)
    record = web.cdr()
    assert (record["sip_status"], record["trunk"], record["codec"]) == (200, "gateway", "PCMU")


def test_chromium_talks_by_tcp_where_no_udp_gets_through(web, tmp_path):
    async def test():
        async with browser(web, tmp_path, "ana") as ana:
            await ana.run("phone.tcpOnly = true, phone.call('*43')")
            found = await heard(ana)
            assert abs(found["hertz"] - 440) < 5 and found["level"] > -60, found
            packets = await ana.run("phone.packets()")
            assert packets["protocol"] == "tcp" and packets["received"] > 80, packets
            await ana.run("phone.session.terminate()")
            await ana.until("phone.ended")

    run(test())


def test_chromium_and_a_plain_phone_hear_each_other_and_hold(web, tmp_path):
    async def test(beka):
        async with browser(web, tmp_path, "ana") as ana:
            await ana.run(f"phone.call('{BEKA}', true)")  # with a camera
            answer = await ana.run("phone.remoteSdp")
            assert "m=video 0 UDP/TLS/RTP/SAVPF" in answer
            assert "red/48000" not in answer and "CN/8000" not in answer
            found = await heard(ana)
            assert abs(found["hertz"] - 1000) < 5, found
            await ana.run("new Promise(done => phone.session.hold({}, done))")
            assert "a=sendonly" in await ana.run("phone.localSdp")
            before = await ana.run("phone.packets()")
            await ana.run("new Promise(done => phone.session.unhold({}, done))")
            found = await heard(ana)
            assert abs(found["hertz"] - 1000) < 5, found
            after = await ana.run("phone.packets()")
            assert after["received"] > before["received"] + 50
            await asyncio.to_thread(beka.command, "hangup")
            await ana.until("phone.ended")

    with playing_a_tone(web, tmp_path, "beka", 1000) as beka:
        run(test(beka))
        assert abs(sound.loudest(beka.heard) - 440) < 3
    assert web.cdr()["codec"] == "PCMU"


def test_chromium_is_called_loses_its_websocket_and_goes_on(web, tmp_path):
    async def test(beka):
        async with browser(web, tmp_path, "ana") as ana:
            await asyncio.to_thread(beka.command, "dial", LINES["ana"][0])
            await ana.until("phone.session && phone.session.isEstablished()")
            found = await heard(ana)
            assert abs(found["hertz"] - 1000) < 5, found
            await ana.run("phone.log.length = 0, phone.ua.transport.socket._ws.close()")
            await ana.until("phone.log.join() == 'disconnected,connected,registered'")
            found = await heard(ana)
            assert abs(found["hertz"] - 1000) < 5, found
            assert not await ana.run("phone.ended")
            await asyncio.to_thread(beka.command, "hangup")
            await ana.until("phone.ended")  # the BYE came by the new connection

    with playing_a_tone(web, tmp_path, "beka", 1000) as beka:
        run(test(beka))
        assert abs(sound.loudest(beka.heard) - 440) < 3


def test_chromium_is_transferred_to_another_call_and_keeps_its_keys(web, tmp_path):
    """Its leg goes over to another relay session: other ports, ICE anew, the same SRTP."""

    async def test():
        async with browser(web, tmp_path, "ana") as ana:
            beka = await StreamPhone.open("beka", web.port)
            dialogs = {}
            for login in ("ana", "cira"):
                target = f"sip:{LINES[login][0]}@127.0.0.1"
                await beka.prove("INVITE", target, body=SDP, call_id=login)
                ok = await beka.hear(200)
                to, contact = ok.get(b"to").decode(), bytes(ok.contacts[0].uri).decode()
                await beka.request("ACK", contact, to=to, call_id=login, cseq=ok.cseq.number)
                dialogs[login] = to, contact
            await ana.until("phone.session.isEstablished()")
            to, contact = dialogs["cira"]
            replaces = quote(f"ana;to-tag={tag(dialogs['ana'][0])};from-tag=beka", safe="")
            where = f"<sip:{LINES['ana'][0]}@127.0.0.1?Replaces={replaces}>"
            await beka.request("REFER", contact, f"Refer-To: {where}", to=to, call_id="cira")
            await beka.hear(202)
            await ana.until("phone.remoteSdp.includes('actpass')")  # offered by the switch
            found = await heard(ana)
            assert abs(found["hertz"] - 1000) < 5, found
            await ana.run("phone.session.terminate()")
            await beka.close()

    with playing_a_tone(web, tmp_path, "cira", 1000) as cira:
        run(test())
        assert abs(sound.loudest(cira.heard) - 440) < 3


def tag(field):
    return field.partition(";tag=")[2]
