"""Sound octets spoiled at random, the same way for the same seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

MAX_BYTES = 65_535
WORDS = (
    b"\r\n", b"\n", b"\r", b"\x00", b"\xff", b"\xd9\xa3", b" ", b"\t", b";", b",", b"=", b'"',
    b"\\", b"<", b">", b"@", b":", b"?", b"&", b"%00", b"%0d%0a", b"%", b"[", b"]", b"/", b"-1",
    b"0", b"255", b"65536", b"4294967296", b"1000000000000", b"9" * 40, b"\r\n\r\n",
    b"\r\nVia: SIP/2.0/UDP h\r\n", b"\r\nContent-Length: 5\r\n", b";tag=", b";branch=z9hG4bK",
    b"INVITE", b"ACK", b"CANCEL", b"sip:", b"tel:", b"SIP/2.0", b"a=", b"m=audio 1 RTP/AVP 0\r\n",
    b"c=IN IP4 0.0.0.0\r\n", b"x" * 300,
)  # fmt: skip
"""Tokens that trouble parsers."""


def mutated(sample: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """A sample with one to eight things done to it."""
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        sample = rng.choice(_WAYS)(sample, others, rng)[:MAX_BYTES]
    return sample


def _place(sample: bytes, rng: random.Random) -> int:
    return rng.randint(0, len(sample))


def _change(sample: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    at = _place(sample, rng)
    return sample[:at] + rng.randbytes(1) + sample[at + 1 :]


def _insert(sample: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    at = _place(sample, rng)
    return sample[:at] + rng.choice(WORDS) + sample[at:]


def _replace(sample: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    at = _place(sample, rng)
    word = rng.choice(WORDS)
    return sample[:at] + word + sample[at + len(word) :]


def _delete(sample: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    at = _place(sample, rng)
    return sample[:at] + sample[at + rng.randint(1, 16) :]


def _truncate(sample: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    return sample[: _place(sample, rng)]


def _repeat(sample: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    at = _place(sample, rng)
    piece = sample[at : at + rng.randint(1, 40)]
    return sample[:at] + piece * rng.choice((2, 3, 50, 2000)) + sample[at:]


def _splice(sample: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    other = rng.choice(others)
    return sample[: _place(sample, rng)] + other[_place(other, rng) :]


def _swap_lines(sample: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    lines = sample.split(b"\r\n")
    one, two = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[one], lines[two] = lines[two], lines[one]
    return b"\r\n".join(lines)


_WAYS: tuple[Callable[[bytes, Sequence[bytes], random.Random], bytes], ...] = (
    _change, _change, _insert, _insert, _insert, _replace, _delete, _truncate, _repeat, _splice,
    _swap_lines,
)  # fmt: skip
