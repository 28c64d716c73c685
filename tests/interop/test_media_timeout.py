"""A call whose both sides fall silent, without a BYE: the real switch ends it by itself."""

import asyncio
import signal
import socket
import time
from contextlib import closing

from switchboard import BEKA, until
from wire import StreamPhone

SILENCE_SECONDS = 2
PACKETS = 25
"""Half a second of sound."""


def description(port):
    return (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 0\r\n"
    )


def sound_socket():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    return sock


def media_port(message):
    (line,) = (x for x in message.body.split(b"\r\n") if x.startswith(b"m=audio"))
    return int(line.split()[1])


async def speak(*ways):
    """Send sound from each socket to a port of the switch."""
    for number in range(PACKETS):
        for ssrc, (sock, port) in enumerate(ways, start=1):
            header = b"\x80\x00" + number.to_bytes(2) + (160 * number).to_bytes(4)
            sock.sendto(header + ssrc.to_bytes(4) + b"\x7f" * 160, ("127.0.0.1", port))
        await asyncio.sleep(0.02)


async def talk_and_fall_silent(board, ana_sound, beka_sound):
    """Both sides speak for half a second, then no packet comes from either; the BYE of both."""
    ana, beka = [await StreamPhone.open(login, board.port) for login in ("ana", "beka")]
    for phone in (ana, beka):
        await phone.register()
    offer = description(ana_sound.getsockname()[1])
    await ana.prove("INVITE", f"sip:{BEKA}@127.0.0.1", body=offer, call_id="silent")
    rung = await beka.hear("INVITE")
    await beka.respond(rung, 200, body=description(beka_sound.getsockname()[1]))
    answered = await ana.hear(200)
    to, target = answered.get(b"to").decode(), bytes(answered.contacts[0].uri).decode()
    await ana.request("ACK", target, to=to, call_id="silent", cseq=answered.cseq.number)
    await beka.hear("ACK")
    await speak((ana_sound, media_port(answered)), (beka_sound, media_port(rung)))
    fell_silent = time.monotonic()
    for phone in (ana, beka):
        await phone.respond(await phone.hear("BYE"), 200)
    ended = time.monotonic()
    for phone in (ana, beka):
        await phone.close()
    return ended - fell_silent


def test_a_call_whose_both_sides_fall_silent_is_ended_and_its_record_says_why(make_board):
    board = make_board(MEDIA__SILENCE_SECONDS=str(SILENCE_SECONDS))
    board.start()
    with closing(sound_socket()) as ana_sound, closing(sound_socket()) as beka_sound:
        talk = talk_and_fall_silent(board, ana_sound, beka_sound)
        seconds = asyncio.run(asyncio.wait_for(talk, 40))
    assert SILENCE_SECONDS - 0.5 < seconds < SILENCE_SECONDS + 4
    until(lambda: not board.ask("call_list"), "the call is over")
    record = board.cdr()
    assert (record["ended_by"], record["sip_status"], record["cause"]) == (
        "media_timeout", 200, 102
    )  # fmt: skip
    # It is billed to the last packet, not to the end of the silence.
    assert record["duration_ms"] < 1_000 + 1_000


def test_a_switch_that_stops_doesnt_wait_for_phones_that_were_killed(make_board):
    """Without a BYE, and within the minute of silence that a call has otherwise."""
    board = make_board()
    board.start()
    board.register("beka", board.phones[1])
    callee = board.answers("answers.xml", board.phones[1])
    caller = board.sipp(
        "call.xml", board.phones[0], "-d", "60000", login="ana", password="secret", number=BEKA
    )
    until(lambda: [c for c in board.ask("call_list") if c["state"] == "talking"], "they talk", 30)
    for phone in (caller, callee):
        phone.kill()
        phone.communicate()
    board.process.send_signal(signal.SIGTERM)
    assert board.process.wait(45) == 0
    board.process.stdout.close()
    board.process = None
    log = (board.folder / "var" / "softswitch.log").read_text()
    assert "ended_by=media_timeout" in log
