"""Passwords of users: kept as scrypt hashes (RFC 7914), each with its own salt."""

from __future__ import annotations

import hashlib
import hmac
import secrets

LOG_N, R, P = 14, 8, 5
"""The cost of a guess: 16 MiB and some 200 ms. A hash says its own, so that older ones count."""
SALT_OCTETS = 16
NOBODYS = f"scrypt:{LOG_N}:{R}:{P}:00:00"
"""A hash that no password has: a login that nobody has takes as long to refuse as a wrong one."""
LEAST_LENGTH = 10
LONGEST = 128


def hashed(password: str) -> str:
    """The hash of a password: "scrypt:14:8:5:SALT:HASH"."""
    salt = secrets.token_bytes(SALT_OCTETS)
    return f"scrypt:{LOG_N}:{R}:{P}:{salt.hex()}:{_scrypt(password, salt, LOG_N, R, P).hex()}"


def matches(password: str, kept: str) -> bool:
    """True if a password has this hash."""
    _, log_n, r, p, salt, digest = kept.split(":")
    found = _scrypt(password, bytes.fromhex(salt), int(log_n), int(r), int(p))
    return hmac.compare_digest(found, bytes.fromhex(digest))


def is_outdated(kept: str) -> bool:
    """True if the hash was made at another cost: the next sign-in makes it anew."""
    return not kept.startswith(f"scrypt:{LOG_N}:{R}:{P}:")


def _scrypt(password: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(
        password.encode(), salt=salt, n=1 << log_n, r=r, p=p, maxmem=64 << 20, dklen=32
    )
