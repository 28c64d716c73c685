"""One phone of the demo: pyVoIP, in a process of its own since its licence is another.

Run as `python demo_phone.py LOGIN PASSWORD SERVER PORT SIP_PORT RTP_PORT HERTZ SECONDS [NUMBER]`;
with a NUMBER it calls, without one it answers. Says what happens as lines of JSON.
"""

import json
import math
import os
import sys
import threading
import time
from typing import Any

RATE = 8000
FRAME = 160


def say(event: str, **facts: object) -> None:
    print(json.dumps({"event": event, **facts}), flush=True)


def tone(hertz: int, seconds: float) -> bytes:
    """A sine as pyVoIP wants it: 8 bit unsigned, 8 kHz."""
    count = int(RATE * seconds)
    return bytes(128 + round(80 * math.sin(2 * math.pi * hertz * i / RATE)) for i in range(count))


def heard_hertz(samples: bytes) -> tuple[int, int]:
    """The strongest whole 10 Hz of what was heard, and its level (0 to 127)."""
    import numpy

    if len(samples) < RATE // 2:
        return 0, 0
    signal = numpy.frombuffer(samples, dtype=numpy.uint8).astype(float) - 128
    spectrum = numpy.abs(numpy.fft.rfft(signal * numpy.hanning(len(signal))))
    peak = int(spectrum.argmax())
    level = int(numpy.sqrt(2 * (signal**2).mean()))
    return round(peak * RATE / len(signal) / 10) * 10, level


# Any below: pyVoIP has no types.
def talk(call: Any, hertz: int, seconds: float) -> None:
    """Send a tone, and tell what was heard."""
    from pyVoIP.VoIP import CallState

    heard: list[bytes] = []

    def listen() -> None:
        while call.state == CallState.ANSWERED:
            frame = call.read_audio(FRAME, blocking=False)
            if frame.count(128) < FRAME // 2 and frame.count(frame[0]) < FRAME:
                heard.append(frame)
            time.sleep(FRAME / RATE)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    call.write_audio(tone(hertz, seconds))
    end = time.monotonic() + seconds
    while time.monotonic() < end and call.state == CallState.ANSWERED:
        time.sleep(0.05)
    frequency, level = heard_hertz(b"".join(heard))
    say("heard", hertz=frequency, level=level)


def main(arguments: list[str]) -> None:
    from pyVoIP.VoIP import CallState, PhoneStatus, VoIPPhone

    login, password, server, *numbers = arguments[:8]
    port, sip_port, rtp_port, hertz, seconds = map(int, numbers)
    target = arguments[8] if len(arguments) > 8 else None
    done = threading.Event()

    def answer(call: Any) -> None:
        say("ringing")
        call.answer()
        say("answered")
        talk(call, hertz, seconds - 1)
        while call.state == CallState.ANSWERED:
            time.sleep(0.05)
        say("ended")
        done.set()

    phone = VoIPPhone(
        server, port, login, password, myIP=server, callCallback=answer, sipPort=sip_port,
        rtpPortLow=rtp_port, rtpPortHigh=rtp_port + 20,
    )  # fmt: skip
    phone.start()
    until = time.monotonic() + 10
    while phone.get_status() != PhoneStatus.REGISTERED and time.monotonic() < until:
        time.sleep(0.05)
    if phone.get_status() != PhoneStatus.REGISTERED:
        say("failed", why=f"{login} could not register at {server}:{port}")
        os._exit(1)
    say("registered", login=login)
    if target is None:
        done.wait(seconds + 20)
    else:
        sys.stdin.readline()  # told when the other phone is ready
        call = phone.call(target)
        say("calling", number=target)
        until = time.monotonic() + 10
        while call.state != CallState.ANSWERED and time.monotonic() < until:
            time.sleep(0.02)
        if call.state == CallState.ANSWERED:
            say("answered")
            talk(call, hertz, seconds)
            call.hangup()
            say("hung up")
        else:
            say("failed", why=f"{target} did not answer")
    time.sleep(0.5)
    phone.stop()  # unregisters
    os._exit(0)  # pyVoIP's threads would go on for seconds


if __name__ == "__main__":
    main(sys.argv[1:])
