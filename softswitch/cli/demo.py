"""`softswitch demo`: a call between two real phones through a running switch."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from softswitch import demo_data
from softswitch.config import Config, load
from softswitch.control_client import call as control_call
from softswitch.control_client import is_running

TALK_SECONDS = 6
TONES = (440, 620)
PHONE = Path(__file__).with_name("demo_phone.py")
SIP_PORTS = (15_062, 15_064)
RTP_PORTS = (16_100, 16_200)


def run(config_path: Path) -> int:
    """Place the call and show it; 0 if sound arrived both ways and the record is right."""
    if importlib.util.find_spec("pyVoIP") is None:
        print("the demo's phones are pyVoIP: pip install pyVoIP", file=sys.stderr)
        return 1
    with _switch(config_path) as config:
        lines = demo_data.read(config)
        if len(lines) < 2:
            print("this switch has no demo lines: run `softswitch init --demo` in an empty folder",
                  file=sys.stderr)  # fmt: skip
            return 1
        seen = {row["id"] for row in _ask(config, "cdr_list")}
        heard = _call(config, lines[0], lines[1])
        return _show(config, seen, heard)


@contextlib.contextmanager
def _switch(config_path: Path) -> Iterator[Config]:
    """The switch that runs here, or a temporary one."""
    if config_path.exists():
        config = load(config_path)
        if is_running(config.control_socket):
            print(f"using the running switch of {config_path}")
            yield config
            return
    with tempfile.TemporaryDirectory(prefix="softswitch-demo-") as folder:
        yield from _temporary(Path(folder))


def _temporary(folder: Path) -> Iterator[Config]:
    print("no switch runs here: starting a temporary one")
    path = folder / "softswitch.toml"
    program = [sys.executable, "-m", "softswitch", "-c", str(path)]
    environment = {**os.environ, "SOFTSWITCH_SIP__LISTEN": "udp:127.0.0.1:15060"}
    environment["SOFTSWITCH_MEDIA__PORTS"] = "15100-15999"
    os.environ.update(environment)
    subprocess.run([*program, "init", "--demo"], check=True, stdout=subprocess.DEVNULL)  # noqa: S603
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


def _ask(config: Config, operation: str, **arguments: Any) -> Any:
    return control_call(config.control_socket, operation, arguments)


def _call(config: Config, caller: demo_data.DemoLine, called: demo_data.DemoLine) -> dict[str, int]:
    """Run both phones; person to the frequency heard."""
    started = time.monotonic()
    answering = _phone(config, called, 1)
    _follow(answering, called, started, until="registered")
    calling = _phone(config, caller, 0, called.login)
    _follow(calling, caller, started, until="registered")
    assert calling.stdin is not None
    calling.stdin.write("go\n")
    calling.stdin.flush()
    heard = {caller.person: _follow(calling, caller, started)}
    heard[called.person] = _follow(answering, called, started)
    for phone in (calling, answering):
        with contextlib.suppress(subprocess.TimeoutExpired):
            phone.wait(5)
        phone.kill()
        phone.wait()
    return heard


def _phone(
    config: Config, line: demo_data.DemoLine, index: int, *target: str
) -> subprocess.Popen[str]:
    listen = config.sip.listen[0]
    facts = [line.login, line.password, listen.host, listen.port, SIP_PORTS[index]]
    facts += [RTP_PORTS[index], TONES[index], TALK_SECONDS, *target]
    return subprocess.Popen(  # noqa: S603
        [sys.executable, str(PHONE), *map(str, facts)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _follow(
    phone: subprocess.Popen[str], line: demo_data.DemoLine, started: float, until: str = ""
) -> int:
    """Print what a phone says; the frequency that it heard."""
    assert phone.stdout is not None
    hertz = 0
    for text in phone.stdout:
        if not text.startswith("{"):
            continue
        said = json.loads(text)
        event = said.pop("event")
        facts = "  ".join(f"{key} {value}" for key, value in said.items())
        print(f"{time.monotonic() - started:6.2f} s  {line.person:<6} {event}  {facts}")
        hertz = said.get("hertz", hertz) if said.get("level", 0) > 10 else hertz
        if event == until:
            break
    return hertz


def _show(config: Config, seen: set[str], heard: dict[str, int]) -> int:
    new = [row for row in _ask(config, "cdr_list") if row["id"] not in seen]
    if len(new) != 1:
        print(f"expected one record of the call, found {len(new)}", file=sys.stderr)
        return 1
    record = new[0]
    print("\nthe record:")
    for key, value in record.items():
        print(f"  {key:<15} {value}")
    print(f"\nprice: {record['price']} {record['currency']} for {record['billed_seconds']} s")
    for account in _ask(config, "account_list")[:2]:
        print(f"{account['name']}: balance {account['balance']} {account['currency']}")
    (a, first), (b, second) = heard.items()
    good = abs(first - TONES[1]) <= 10 and abs(second - TONES[0]) <= 10
    good = good and record["sip_status"] == 200
    print(f"\n{a} heard {first} Hz ({b} sent {TONES[1]}), {b} heard {second} Hz "
          f"({a} sent {TONES[0]}): {'sound both ways' if good else 'NOT as sent'}")  # fmt: skip
    return 0 if good else 1
