"""The log: no secrets, no terminal escapes, bounded files."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from softswitch.process import log

REGISTER = (
    b"REGISTER sip:example.org SIP/2.0\r\n"
    b'Authorization: Digest username="ana", nonce="abc123", response="deadbeef"\r\n'
    b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n"
)
SECRETS = ("abc123", "deadbeef", "d0Rmdmcm", "hunter2", "f00d")


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("style", ["json", "text"])
def test_secrets_are_masked_wherever_they_stand(style: str, tmp_path: Path) -> None:
    file = tmp_path / "switch.log"
    log.set_up("debug", "json" if style == "json" else "text", file)
    logger = structlog.get_logger()
    logger.debug("received", message=REGISTER)
    logger.info("line added", password="hunter2", ha1={"MD5": "f00d"})
    logger.warning('setting password="hunter2" refused, secret: hunter2')
    logging.getLogger("library").error("nonce=%s", "abc123")
    text = file.read_text()
    assert len(text.splitlines()) == 4
    assert not [secret for secret in SECRETS if secret in text]
    assert "username" not in text


def test_text_cannot_steer_a_terminal(tmp_path: Path) -> None:
    file = tmp_path / "switch.log"
    log.set_up("info", "text", file)
    structlog.get_logger().info("call", user_agent="\x1b[2J evil\r\nlevel=error")
    (line,) = file.read_text().splitlines()
    assert "\x1b" not in line
    assert "evil" in line


def test_json_lines_are_json(tmp_path: Path) -> None:
    file = tmp_path / "switch.log"
    log.set_up("info", "json", file)
    structlog.get_logger().info("call ended", number="+995", note="ანა\n")
    structlog.get_logger().debug("not written")
    (line,) = file.read_text().splitlines()
    event = json.loads(line)
    assert (event["event"], event["note"], event["level"]) == ("call ended", "ანა\n", "info")


def test_a_full_file_moves_aside_and_old_ones_go(tmp_path: Path) -> None:
    file = log.RotatingFile(tmp_path / "switch.log", max_bytes=100, kept=2)
    for number in range(40):
        file.write(f"line {number:03}\n".encode())
    file.close()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["switch.log", "switch.log.1", "switch.log.2"]
    assert all(path.stat().st_size <= 100 for path in tmp_path.iterdir())
    assert (tmp_path / "switch.log").read_text().endswith("line 039\n")
    assert file.lost_lines == 0


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        "",
        "plain",
        "two words",
        'say "no"',
        "a=b",
        "back\\slash",
        'c:\\ "x"',
        "a\nb",
    ],
)
def test_text_lines_are_logfmt(value: object) -> None:
    event = {"event": "call ended", "note": value}
    by_structlog = structlog.processors.LogfmtRenderer()
    assert log.facts(dict(event)) == by_structlog(None, "info", dict(event))


def test_a_line_of_text_begins_with_its_stamp_level_and_event(tmp_path: Path) -> None:
    file = tmp_path / "switch.log"
    log.set_up("info", "text", file)
    structlog.get_logger().info("call ended", status=200, rule="", called="+442071838750")
    try:
        raise ValueError("no\nsuch file")
    except ValueError:
        structlog.get_logger().exception("call failed", call="1f")
    one, other = file.read_text().splitlines()
    stamp = r"timestamp=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z "
    assert re.fullmatch(
        stamp + re.escape('level=info event="call ended" status=200 rule= called=+442071838750'),
        one,
    )
    assert re.match(stamp + r'level=error event="call failed" call=1f exception="Traceback', other)
    assert other.endswith('ValueError: no\\nsuch file"')
