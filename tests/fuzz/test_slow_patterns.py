"""No pattern that reads the wire takes long, whatever it is given (ReDoS)."""

import importlib
import inspect
import itertools
import pkgutil
import re
import time
from collections.abc import Iterator

import pytest

import sip
import softswitch.admission

LENGTH = 65_536
MAX_SECONDS = 0.05
"""Of CPU. What grows with the square of the length would need many seconds."""
OCTETS = (
    b" ", b"\t", b"a", b"A", b"0", b"f", b"-", b".", b":", b";", b",", b"=", b"%", b"/", b"@", b'"',
    b"\\", b"<", b">", b"[", b"]", b"\r\n", b"\x80", b"z9hG4bK", b"&", b"?", b"_", b"tag",
    b"branch",
)  # fmt: skip
BEGINNINGS = (
    b"", b"a", b'"', b'"a\\', b"<", b"<sip:", b"sip:", b"sip:a@", b"sip:a@h:", b";a", b';a="',
    b";a=", b"SIP/2.0/UDP ", b"SIP/2.0/UDP h;branch=", b"SIP/2.0/UDP h;a", b"INVITE ",
    b"INVITE sip:a ", b"SIP/2.0 200 ", b"1 ", b"[", b"[1:", b"\r\nto:", b"\r\nto:;", b"\r\nto:;tag",
    b"\r\nl", b"\r\nl:", b"\r\nauthorization", b'realm="', b"realm=", b"realm", b"Digest",
    b'"a" <sip:a@h>', b'"a" <sip:a@',
    b'"a" <sip:a@h>;tag=', b"m=audio 1 RTP/AVP 0", b"a=", b"audio 1 RTP/AVP 0", b"IN IP4 ", b"tel:",
    b"INVITE sip:112",
)  # fmt: skip


def patterns() -> Iterator[tuple[str, re.Pattern]]:
    """Every compiled pattern of the modules that read what strangers send."""
    for package in (sip, softswitch.admission):
        for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            module = importlib.import_module(found.name)
            for name, value in vars(module).items():
                if isinstance(value, re.Pattern):
                    yield f"{found.name}.{name}", value


PATTERNS = dict(patterns())


def searches(path: str) -> bool:
    """Whether its module also looks for it anywhere in the text."""
    module, _, name = path.rpartition(".")
    uses = rf"\b{name}\.(?:search|findall|finditer|sub|subn|split)\b"
    return re.search(uses, inspect.getsource(importlib.import_module(module))) is not None


def inputs() -> Iterator[bytes]:
    """Beginnings that a pattern may like, then one or two things again and again, then an end that
    spoils it all."""
    pairs = [a + b for a, b in itertools.combinations(OCTETS, 2)][::9]
    for beginning in BEGINNINGS:
        for unit in (*OCTETS, *pairs[len(beginning) % 7 :: 7]):
            yield beginning + unit * (LENGTH // len(unit)) + b"\x01"


def test_there_are_patterns():
    assert len(PATTERNS) > 20
    assert "sip.message._PLAIN_VIA_BRANCH" in PATTERNS


@pytest.mark.parametrize("path", PATTERNS)
def test_no_input_makes_a_pattern_slow(path):
    pattern = PATTERNS[path]
    ways = [pattern.match, pattern.fullmatch]
    if searches(path):
        ways.append(pattern.search)
    for data in inputs():
        text = data if isinstance(pattern.pattern, bytes) else data.decode("latin-1")
        for way in ways:
            # Asked twice, for the machine has other things to do, too.
            spent = min(seconds(way, text) for _ in range(2)) if seconds(way, text) > 0.01 else 0
            assert spent < MAX_SECONDS, f"{path} took {spent:.3f} s for {data[:60]!r}..."


def seconds(way, text) -> float:
    started = time.process_time()
    way(text)
    return time.process_time() - started
