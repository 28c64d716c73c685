"""Browser legs of a real switch, with aiortc as the browser: full ICE, the other DTLS role."""

import asyncio
import contextlib
import re
import socket
import struct

import numpy as np
import pytest
import sound
from baresip import Baresip
from switchboard import BEKA, LINES, until
from web_rtc import OPUS, PCMU, BrowserPhone, Keypad, lines, with_events

from rtp.g711 import PCMU as G711

ROOM, PIN = "100", "4711"


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


def run(test, seconds=60):
    asyncio.run(asyncio.wait_for(test, seconds))


async def phone(board, login):
    made = await BrowserPhone.open(login, f"ws://127.0.0.1:{board.web}")
    await made.register()
    return made


async def ask(board, operation, **arguments):
    return await asyncio.to_thread(board.ask, operation, **arguments)


def test_a_browser_hears_its_echo(web):
    async def test():
        ana = await phone(web, "ana")
        answer = await ana.call("*43")
        assert lines(answer, "ice-lite") == [""] and lines(answer, "setup") == ["passive"]
        await ana.connected()
        await asyncio.sleep(2.0)
        assert ana.ear.share(440) > 0.9
        (call,) = await ask(web, "call_list")
        shown = await ask(web, "call_show", call_id=call["id"])
        assert "AEAD_AES_128_GCM" in str(shown["srtp"])
        await ana.hang_up()
        await ana.close()

    run(test())
    assert web.cdr()["sip_status"] == 200


@pytest.mark.parametrize("codec", ["PCMU", "OPUS"])
def test_two_browsers_hear_each_other(web, codec):
    chosen = [PCMU] if codec == "PCMU" else [OPUS, PCMU]
    web.ask("line_set", number=BEKA, key="record", value="yes")

    async def test():
        ana, beka = await phone(web, "ana"), await phone(web, "beka")
        picks_up = asyncio.ensure_future(beka.pick_up(880, chosen))
        answer = await ana.call(BEKA, 440, chosen)
        offered = await picks_up
        assert lines(offered, "setup") == ["actpass"] and lines(offered, "end-of-candidates")
        assert re.search(r"m=audio \d+ UDP/TLS/RTP/SAVPF ", answer)
        for one in (ana, beka):
            await one.connected()
        await asyncio.sleep(2.0)
        assert ana.ear.share(880) > 0.9 and beka.ear.share(440) > 0.9
        await ana.hang_up()
        assert (await beka.hear("BYE")).method == "BYE"
        for one in (ana, beka):
            await one.pc.close()
            await one.close()

    run(test())
    assert web.cdr()["codec"] == codec
    until(lambda: web.ask("recording_list"), "the call was recorded")


@pytest.mark.parametrize("calls", ["browser", "phone"])
def test_a_browser_and_a_plain_phone_hear_each_other(web, tmp_path, calls):
    at = np.arange(8 * sound.RATE) / sound.RATE
    said = sound.write_wav(tmp_path / "said.wav", np.rint(8000 * np.sin(2 * np.pi * 1000 * at)))
    with contextlib.closing(Baresip(web, tmp_path / "beka", "beka", said)) as beka:

        async def test():
            ana = await phone(web, "ana")
            if calls == "browser":
                await ana.call(BEKA, 440)
            else:
                picks_up = asyncio.ensure_future(ana.pick_up(440))
                await asyncio.to_thread(beka.command, "dial", LINES["ana"][0])
                offered = await picks_up
                assert " UDP/TLS/RTP/SAVPF " in offered
            await ana.connected()
            await asyncio.sleep(3.0)
            assert ana.ear.share(1000) > 0.9
            await asyncio.to_thread(beka.command, "hangup")
            await ana.respond(await ana.hear("BYE"), 200)
            await ana.pc.close()
            await ana.close()

        run(test())
        heard = sound.read_wav(beka.heard)
    middle = heard[len(heard) // 2 :][: sound.RATE]
    power = np.abs(np.fft.rfft(middle * np.hanning(len(middle)))) ** 2
    assert abs(power.argmax() * sound.RATE / len(middle) - 440) < 3
    assert web.cdr()["codec"] == "PCMU"


def test_keys_let_two_browsers_into_a_conference_by_its_pin(web):
    web.ask("room_add", room=ROOM, line=LINES["ana"][0], pin=PIN)

    async def test():
        ana, beka = await phone(web, "ana"), await phone(web, "beka")
        for one, hertz in ((ana, 440), (beka, 620)):
            answer = await one.call("*88", hertz, change=with_events)
            assert "telephone-event/8000" in answer and "red" not in answer
            await one.connected()
            await asyncio.sleep(1.0)
            keypad = Keypad(one)
            await keypad.press(f"{ROOM}#")
            await asyncio.sleep(1.0)
            await keypad.press(f"{PIN}#")
        both = lambda: len(web.ask("conference_list")) == 2  # noqa: E731
        await asyncio.to_thread(until, both, "both are in the room", 15)
        await asyncio.sleep(2.5)
        assert ana.ear.share(620) > 0.6 and beka.ear.share(440) > 0.6
        assert ana.ear.share(440) < 0.1 and beka.ear.share(620) < 0.1
        for one in (ana, beka):
            await one.hang_up()
            await one.close()

    run(test())


def test_a_browser_leaves_a_message(web, tmp_path):
    web.ask("voicemail_enable", number=LINES["ana"][0], takes="always")

    async def test():
        beka = await phone(web, "beka")
        await beka.call(LINES["ana"][0], 440)
        await beka.connected()
        await asyncio.sleep(7.0)
        await beka.hang_up()
        await beka.close()

    run(test())
    waiting = lambda: web.ask("voicemail_list", number=LINES["ana"][0])  # noqa: E731
    (message,) = until(waiting, "the message is there")
    file = tmp_path / "message.wav"
    web.cli("voicemail", "export", LINES["ana"][0], message["id"], str(file))
    kept = sound.read_wav(file)[-2 * sound.RATE :]
    power = np.abs(np.fft.rfft(kept * np.hanning(len(kept)))) ** 2
    assert abs(power.argmax() * sound.RATE / len(kept) - 440) < 3
    near = np.abs(np.fft.rfftfreq(len(kept), 1 / sound.RATE) - 440) < 20
    assert power[near].sum() / power.sum() > 0.6


def test_another_fingerprint_is_never_heard_and_ends_the_call(web):
    def forged(sdp):
        return re.sub(r"(a=fingerprint:sha-\d+ )..", r"\g<1>00", sdp)

    async def test():
        ana = await phone(web, "ana")
        await ana.call("*43", change=forged)
        await ana.respond(await ana.hear("BYE"), 200)
        assert ana.ear is None or ana.ear.share(440) < 0.1
        await ana.pc.close()
        await ana.close()

    run(test())
    assert web.cdr()["ended_by"] == "media_timeout"


def test_strangers_at_the_port_get_no_answer(web):
    async def test():
        ana = await phone(web, "ana")
        answer = await ana.call("*43")
        await ana.connected()
        port = int(re.search(r"m=audio (\d+)", answer)[1])
        (ours,) = lines(answer, "ice-ufrag")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.1", 0))
            stranger.settimeout(0.5)
            rtp = struct.pack("!BBHII", 0x80, 0, 1, 1, 1) + bytes(160)
            for said in (_check(f"{ours}:x"), _client_hello(), rtp, b"OPTIONS sip:x SIP/2.0"):
                stranger.sendto(said, ("127.0.0.1", port))
            with pytest.raises(TimeoutError):
                stranger.recv(2048)
        await asyncio.sleep(1.0)
        assert ana.ear.share(440) > 0.9
        await ana.hang_up()
        await ana.close()

    run(test())


def _check(username):
    from aioice import stun

    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = username
    message.attributes["ICE-CONTROLLING"] = 1
    message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity(b"a guess of the password")
    return bytes(message)


def _client_hello():
    from datetime import UTC, datetime

    from rtp.dtls import Dtls, DtlsContext, make_certificate

    client = Dtls(DtlsContext(make_certificate(datetime.now(UTC))), "active", ())
    client.begin(0.0)
    return client.to_send()[0]


def test_no_sound_in_the_clear_is_on_the_wire(web):
    try:
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
    except PermissionError:
        pytest.skip("reading the wire needs CAP_NET_RAW")

    async def test():
        ana = await phone(web, "ana")
        answer = await ana.call("*43", codecs=[PCMU])
        port = int(re.search(r"m=audio (\d+)", answer)[1])
        await ana.connected()
        await asyncio.sleep(2.0)
        assert ana.ear.share(440) > 0.9
        await ana.hang_up()
        await ana.close()
        return port

    ports = []
    with wire:
        wire.setblocking(False)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        run(_kept(test(), ports))
        heard = _payloads(wire, ports[0])
    assert len(heard) > 150
    power = np.abs(np.fft.rfft(np.concatenate(heard))) ** 2
    near = np.abs(np.fft.rfftfreq(sum(map(len, heard)), 1 / 8000) - 440) < 20
    assert power[near].sum() / power.sum() < 0.05  # it is noise to whoever listens


async def _kept(coroutine, kept):
    kept.append(await coroutine)


def _payloads(wire, port):
    """What would be sound, of all RTP that came to or went from a port."""
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            data = wire.recv(4096)
            udp = data[(data[0] & 15) * 4 :] if data[9] == socket.IPPROTO_UDP else b""
            is_media = len(udp) > 20 and port in struct.unpack_from("!HH", udp)
            if is_media and udp[8] >> 6 == 2 and not 192 <= udp[9] <= 223:
                found.append(G711.decode(udp[20:180]).astype(float))
    return found


def test_a_call_goes_on_while_the_websocket_is_gone(web):
    async def test():
        ana, beka = await phone(web, "ana"), await phone(web, "beka")
        picks_up = asyncio.ensure_future(beka.pick_up(880))
        await ana.call(BEKA, 440)
        await picks_up
        for one in (ana, beka):
            await one.connected()
        beka.socket.transport.abort()
        await asyncio.sleep(3.0)
        assert ana.ear.share(880) > 0.9 and beka.ear.share(440) > 0.9
        back = await phone(web, "beka")  # the same Contact over another WebSocket
        await ana.hang_up()
        bye = await back.hear("BYE")
        assert bye.call_id == beka.invite.call_id
        await back.respond(bye, 200)
        for one in (beka, ana):
            await one.pc.close()
        await ana.close()
        await back.close()

    run(test())
    assert web.cdr()["ended_by"] == "caller"


def test_the_call_of_a_browser_that_dies_is_ended(web):
    async def test():
        ana, beka = await phone(web, "ana"), await phone(web, "beka")
        picks_up = asyncio.ensure_future(beka.pick_up(880))
        await ana.call(BEKA, 440)
        await picks_up
        for one in (ana, beka):
            await one.connected()
        beka.socket.transport.abort()
        await beka.pc.close()
        while True:
            with contextlib.suppress(TimeoutError):
                await ana.respond(await ana.hear("BYE"), 200)
                break
        await ana.pc.close()
        await ana.close()

    run(test(), 90)
    assert web.cdr()["ended_by"] == "media_timeout"


def test_a_line_may_never_be_a_browser(web):
    web.cli("line", "set", LINES["ana"][0], "webrtc", "off")

    async def test():
        ana = await phone(web, "ana")
        await ana.begin(440)
        await ana.prove("INVITE", "sip:*43@127.0.0.1", body=await ana.offer(), call_id="refused")
        await ana.hear(488)
        await ana.pc.close()
        await ana.close()

    run(test())


def test_nothing_is_left_of_twenty_calls(web):
    async def test():
        ana = await phone(web, "ana")
        for _ in range(20):
            await ana.call("*43")
            await ana.connected()
            await ana.hang_up()
        await ana.close()

    run(test())
    web.cdrs()
    until(lambda: _media(web)["sessions"] == 0, "the sessions are closed")
    assert _media(web)["ports_in_use"] == 0


def _media(web):
    (worker,) = web.ask("media_show")
    return worker
