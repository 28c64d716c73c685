"""pyVoIP or rfcvoip as a phone, in a process of its own: its threads end with it, and its licence
is another.

As a program it takes verbs from standard input and says what happens as lines of JSON; `PyVoip` is
the test's end of that.
"""

import importlib
import json
import os
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from softswitch.cli.demo_phone import FRAME, RATE, heard_hertz, tone

POLL_SECONDS = FRAME / RATE
AUDIBLE = 20
"""Of 80 that are sent: on a busy machine these phones' own threads leave gaps in what they play."""


class PyVoip:
    """One registered phone; `hertz` is the tone that it sends in every call.

    Args:
        library: pyVoIP, or rfcvoip, which took over its interface and knows more transports.
    """

    def __init__(
        self,
        board,
        login: str,
        hertz: int = 440,
        *,
        library: str = "pyVoIP",
        transport: str = "udp",
        port: int | None = None,
    ) -> None:
        from switchboard import free_ports

        # pyVoIP takes any port of its range, also an odd one and its neighbour.
        sip, rtp = free_ports(2)
        arguments = [library, transport, login, port or board.port, sip, rtp, hertz]
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__)), *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._events: list[dict] = []
        self._ended = False
        threading.Thread(target=self._read, daemon=True).start()
        self.says("registered")

    def _read(self) -> None:
        for line in self._process.stdout:
            if line.startswith("{"):
                self._events.append(json.loads(line))
        self._ended = True

    def do(self, *words: str) -> None:
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()

    def has_said(self, event: str, seconds: float) -> bool:
        """Whether it says so within this time; it may still be waited for by `says`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if any(said["event"] == event for said in self._events):
                return True
            time.sleep(0.02)
        return False

    def says(self, event: str, seconds: float = 10.0) -> dict:
        """Wait for an event that wasn't waited for before."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._ended:
            for index, said in enumerate(self._events):
                if said["event"] == event:
                    del self._events[: index + 1]
                    return said
            time.sleep(0.02)
        self._process.kill()
        raise AssertionError(f"no {event!r} from it:\n{self._process.communicate()[1]}")

    def close(self) -> None:
        """It may hang in its own threads when it ends, so it gets no time for that."""
        if self._process.poll() is None:
            self.do("stop")
            try:
                self._process.wait(1)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            pipe.close()


def say(event: str, **facts: Any) -> None:
    print(json.dumps({"event": event, **facts}), flush=True)


class Phone:
    """The process's end: one call at a time."""

    def __init__(self, library: str, transport: str, login: str, *numbers: str) -> None:
        self._voip = importlib.import_module(f"{library}.VoIP")
        port, sip_port, rtp_port, hertz = map(int, numbers)
        self._call: Any = None
        self._tone = tone(hertz, 30)
        more: dict[str, Any] = {}
        if library == "rfcvoip":
            more["transport"] = transport
            if transport == "tls":  # the test's certificate is its own
                more["tls_context"] = ssl._create_unverified_context()
        self._phone = self._voip.VoIPPhone(
            "127.0.0.1", port, login, "secret", myIP="127.0.0.1",
            callCallback=self._incoming, sipPort=sip_port,
            rtpPortLow=rtp_port, rtpPortHigh=rtp_port, **more,
        )  # fmt: skip
        self._phone.start()
        say("registered")

    def _incoming(self, call: Any) -> None:
        """pyVoIP holds the call to be over when this returns."""
        self._call = call
        say("incoming")
        self._watch(call)

    def _watch(self, call: Any) -> None:
        """Say what becomes of the call, and send and hear while it talks."""
        CallState = self._voip.CallState
        state, heard = call.state, []
        while state != CallState.ENDED:
            time.sleep(POLL_SECONDS)
            if call.state == CallState.ANSWERED:
                if state != CallState.ANSWERED:
                    call.write_audio(self._tone)
                    say("answered")
                heard.append(call.read_audio(FRAME, blocking=False))
                digit = call.get_dtmf()
                if digit:
                    say("digit", digit=digit)
            state = call.state
        # What isn't there yet reads as silence.
        sound = b"".join(frame for frame in heard if frame.count(frame[0]) < FRAME)
        hertz, level = heard_hertz(sound)
        say("ended", hertz=hertz, level=level)

    def call(self, number: str) -> None:
        self._call = self._phone.call(number)
        threading.Thread(target=self._watch, args=(self._call,), daemon=True).start()

    def answer(self) -> None:
        self._call.answer()

    def deny(self) -> None:
        self._call.deny()

    def hangup(self) -> None:
        self._call.hangup()

    def stop(self) -> None:
        self._phone.stop()  # unregisters
        os._exit(0)  # its threads would go on for seconds


def main(arguments: list[str]) -> None:
    phone = Phone(*arguments)
    for line in sys.stdin:
        verb, *rest = line.split()
        getattr(phone, verb)(*rest)


if __name__ == "__main__":
    main(sys.argv[1:])
