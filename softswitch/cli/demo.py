"""`softswitch demo`: calls between two real phones through a running switch."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from softswitch.config.config import Config, load
from softswitch.control.client import call as control_call
from softswitch.control.client import is_running
from softswitch.control.values import Row, as_row, as_rows
from softswitch.operations.installation import demo_data

TALK_SECONDS = 5
PATIENCE_SECONDS = 30.0
"""For the whole call; one that goes well takes ten."""
POLL_SECONDS = 0.1
TONES = (440, 620)
"""Tones of the caller and of the called phone, Hz."""
NEAR_HERTZ = 10
AUDIBLE = 10
"""Below this level (of 127) nothing was heard."""
PHONE = Path(__file__).with_name("demo_phone.py")
WEB_PHONE = Path(__file__).with_name("demo_web_phone.py")
LIBRARIES = {"pyVoIP": "pyVoIP"}
WEB_LIBRARIES = LIBRARIES | {"aiortc": "aiortc", "OpenSSL": "pyOpenSSL"}
"""What the demo needs: the package that is installed by each module's name."""
WEB_TRANSPORTS = ("ws", "wss")
"""The first one that the switch listens on is used."""

SENTENCES = {
    "registered": "{person}'s phone registers",
    "calling": "{person} calls {number}",
    "ringing": "{person}'s phone rings",
    "answered": "{person} talks, and sends a tone of {sends} Hz",
    "keyed": "{person}'s path is checked (ICE) and has its keys (DTLS) after {ms} ms",
    "measured": "{person}'s web phone sent {sent} packets, of which were lost: {lost_there};"
    " it got {received}, of which were lost: {lost}",
    "heard": "{person} heard a tone of {hertz} Hz, level {level} of 127",
    "hung up": "{person} hangs up",
    "ended": "{person}'s phone says that the call is over",
    "failed": "{person}: {why}",
}
LAST = frozenset({"hung up", "ended", "failed"})
"""After these a phone says nothing more."""


def run(config_path: Path, *, web: bool = False) -> int:
    """Place the call and show it; 0 if sound arrived both ways and the record is right.

    Args:
        web: one of the phones is a web phone (WebRTC); it calls, and is called after that.
    """
    needed = WEB_LIBRARIES if web else LIBRARIES
    missing = [name for module, name in needed.items() if importlib.util.find_spec(module) is None]
    if missing:
        print(f"the demo's phones need {', '.join(missing)}: pip install {' '.join(missing)}",
              file=sys.stderr)  # fmt: skip
        return 1
    with _switch(config_path, web=web) as config:
        lines = demo_data.read(config)
        if len(lines) < 2:
            print("this switch has no demo lines: run `softswitch init --demo` in an empty folder",
                  file=sys.stderr)  # fmt: skip
            return 1
        if web and _web_uri(config) is None:
            print("this switch listens on no WebSocket: add one to [sip] listen, such as"
                  ' "ws:127.0.0.1:8088", or run the demo in an empty folder',
                  file=sys.stderr)  # fmt: skip
            return 1
        first, second = lines[:2]
        if not web:
            return _call(config, first, second)
        by_web = _call(config, first, second, web=first)
        print(flush=True)
        return by_web or _call(config, second, first, web=first)


def _call(
    config: Config,
    caller: demo_data.DemoLine,
    called: demo_data.DemoLine,
    web: demo_data.DemoLine | None = None,
) -> int:
    """Place a call, and show it with its record; 0 if all is right."""
    seen = {str(row["id"]) for row in _rows(config, "cdr_list")}
    before = _balances(config)
    heard = Demo(config, caller, called, web).run()
    return _show(config, seen, before, heard)


def _web_uri(config: Config) -> str | None:
    """The WebSocket of a switch on this machine; None if it has none."""
    for transport in WEB_TRANSPORTS:
        for listen in config.sip.listen:
            if listen.transport == transport:
                host = "127.0.0.1" if listen.host in ("0.0.0.0", "::") else listen.host
                return f"{transport}://{f'[{host}]' if ':' in host else host}:{listen.port}"
    return None


@contextlib.contextmanager
def _switch(config_path: Path, *, web: bool) -> Iterator[Config]:
    """The switch that runs here, or a temporary one."""
    if config_path.exists():
        config = load(config_path)
        if is_running(config.control_socket):
            print(f"using the running switch of {config_path}\n")
            yield config
            return
    with tempfile.TemporaryDirectory(prefix="softswitch-demo-") as folder:
        yield from _temporary(Path(folder), web=web)


def _temporary(folder: Path, *, web: bool) -> Iterator[Config]:
    print("no switch runs here: starting a temporary one\n", flush=True)
    path = folder / "softswitch.toml"
    program = [sys.executable, "-m", "softswitch", "-c", str(path)]
    port = str(_free_port())
    subprocess.run(  # noqa: S603
        [*program, "init", "--demo", "--port", port], check=True, stdout=subprocess.DEVNULL
    )
    if web:
        text = path.read_text("utf-8")
        more = f'listen = ["ws:127.0.0.1:{_free_port(socket.SOCK_STREAM)}", "udp:'
        path.write_text(text.replace('listen = ["udp:', more), "utf-8")
    server = subprocess.Popen([*program, "serve"], stdout=subprocess.PIPE, text=True)  # noqa: S603
    assert server.stdout is not None
    try:
        line = server.stdout.readline()
        if not line.startswith("ready"):
            raise SystemExit(f"the temporary switch did not start: {line}")
        yield load(path)
    finally:
        server.terminate()
        server.wait(20)
        server.stdout.close()


def _free_port(kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _rows(config: Config, operation: str) -> list[Row]:
    return as_rows(control_call(config.control_socket, operation, {}))


def _balances(config: Config) -> dict[str, str]:
    return {str(row["name"]): f"{row['balance']} {row['currency']}"
            for row in _rows(config, "account_list")}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Said:
    """An event that a phone reported, and when."""

    phone: Phone
    at: float
    event: str
    # Any: each event has its own facts, which one of SENTENCES names.
    facts: dict[str, Any]


class Phone:
    """One of the two: a process that tells what happens to it.

    Args:
        target: whom it calls; without one it is called.
    """

    def __init__(
        self,
        config: Config,
        line: demo_data.DemoLine,
        said: queue.Queue[Said],
        *target: str,
        web: bool,
    ) -> None:
        self.person = line.person
        self.sends = TONES[0] if target else TONES[1]
        facts: list[object] = [line.login, line.password]
        if web:
            facts += [config.switch.domain, _web_uri(config)]
        else:
            listen = next(item for item in config.sip.listen if item.transport == "udp")
            facts += [listen.host, listen.port, _free_port(), _free_port()]
        facts += [self.sends, TALK_SECONDS, *target]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in close()
        self.process = subprocess.Popen(  # noqa: S603
            # -P: what lies beside the phone's file mustn't stand for modules of its libraries.
            [sys.executable, "-P", str(WEB_PHONE if web else PHONE), *map(str, facts)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._said = said
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for text in self.process.stdout:
            if text.startswith("{"):
                facts = json.loads(text)
                self._said.put(Said(self, time.monotonic(), facts.pop("event"), facts))

    def go(self) -> None:
        """Tell the caller that the other phone is ready."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def close(self) -> None:
        """It has unregistered by now, or never will; then say what it complained of."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(3)
        self.process.kill()
        if self.process.wait() != 0:
            self._errors.seek(0)
            for complaint in self._errors.read().splitlines()[-1:]:
                print(f"{self.person}'s phone: {complaint}", file=sys.stderr)
        self._errors.close()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


class Demo:
    """The call, told as it goes by both phones and by the switch."""

    def __init__(
        self,
        config: Config,
        caller: demo_data.DemoLine,
        called: demo_data.DemoLine,
        web: demo_data.DemoLine | None = None,
    ) -> None:
        self._config = config
        self._web = web
        self._caller, self._called = caller, called
        self._said: queue.Queue[Said] = queue.Queue()
        self._started = time.monotonic()
        self._end = self._started + PATIENCE_SECONDS
        self._state = ""

    def run(self) -> dict[str, int]:
        """Person to the frequency heard; 0 for nothing."""
        phones: list[Phone] = []
        try:
            phones.append(self._phone(self._called))
            self._follow(until={"registered": 1})
            number = self._called.login
            phones.append(self._phone(self._caller, number))
            self._follow(until={"registered": 1})
            phones[-1].go()
            heard = self._follow(until=dict.fromkeys(LAST, 2))
        finally:
            for phone in phones:
                phone.close()
        return {line.person: heard.get(line.person, 0) for line in (self._caller, self._called)}

    def _phone(self, line: demo_data.DemoLine, *target: str) -> Phone:
        return Phone(self._config, line, self._said, *target, web=line == self._web)

    def _follow(self, until: dict[str, int]) -> dict[str, int]:
        """Print what is said until so many of these events have come."""
        heard: dict[str, int] = {}
        count = 0
        while time.monotonic() < self._end:
            try:
                said = self._said.get(timeout=POLL_SECONDS)
            except queue.Empty:
                self._look()
                continue
            self._print(said.at, _sentence(said))
            if said.event == "failed":
                self._end = time.monotonic()
            if said.event == "heard" and said.facts["level"] > AUDIBLE:
                heard[said.phone.person] = said.facts["hertz"]
            count += said.event in until
            if count == until.get(said.event):
                break
        return heard

    def _look(self) -> None:
        """Print what the switch says of the call, when it says something new."""
        calls = [row for row in _rows(self._config, "call_list")
                 if row["called"] == self._called.number]  # fmt: skip
        if not calls or calls[0]["state"] == self._state:
            return
        self._state = str(calls[0]["state"])
        facts = f"the switch: call {calls[0]['id']} is {self._state}"
        if calls[0]["paid_seconds"] is not None:
            facts += f", {calls[0]['paid_seconds']} s are reserved"
        self._print(time.monotonic(), facts)

    def _print(self, at: float, text: str) -> None:
        print(f"{at - self._started:6.2f} s  {text}", flush=True)


def _sentence(said: Said) -> str:
    sentence = SENTENCES.get(said.event, "{person}: " + said.event)
    return sentence.format(person=said.phone.person, sends=said.phone.sends, **said.facts)


def _show(config: Config, seen: set[str], before: dict[str, str], heard: dict[str, int]) -> int:
    new = [row for row in _rows(config, "cdr_list") if row["id"] not in seen]
    if len(new) != 1:
        print(f"expected one record of the call, found {len(new)}", file=sys.stderr)
        return 1
    record = new[0]
    print("\nThe record (CDR):")
    for key, value in _flat(record):
        print(f"  {key:<15} {value}")
    print(f"\nPrice: {record['price']} {record['currency']} for {record['billed_seconds']} s, "
          f"by prefix {record['prefix']} of tariff {record['tariff']}.")  # fmt: skip
    after = _balances(config)
    for person in heard:
        print(
            f"{person}'s balance: {before.get(person, '?')} before, {after.get(person, '?')} now."
        )
    good = record["sip_status"] == 200
    for (person, hertz), (other, sent) in zip(
        heard.items(), zip(reversed(heard), reversed(TONES), strict=True), strict=True
    ):
        good = good and abs(hertz - sent) <= NEAR_HERTZ
        print(f"{person} heard {hertz or 'no'} Hz, {other} sent {sent} Hz.")
    print("Sound went both ways." if good else "The sound is NOT as it was sent.")
    return 0 if good else 1


def _flat(record: Row) -> Iterator[tuple[str, str]]:
    """Rows for people: what isn't there is left out, each side's media is one row."""
    for key, value in record.items():
        if isinstance(value, Mapping):
            for side, figures in value.items():
                facts = ", ".join(f"{name} {figure}" for name, figure in as_row(figures).items())
                yield f"{key} {side}", facts
        elif value is not None:
            yield key, str(value)
