"""Passwords of subscribers' logins: kept as scrypt hashes (RFC 7914), each with its own salt."""

from __future__ import annotations

import hashlib
import hmac
import secrets

LOG_N, R, P = 14, 8, 1
"""The cost of a guess: 16 MiB and some 50 ms."""
SALT_OCTETS = 16


def hashed(password: str) -> str:
    """The hash of a password: "scrypt:14:8:1:SALT:HASH"."""
    salt = secrets.token_bytes(SALT_OCTETS)
    return f"scrypt:{LOG_N}:{R}:{P}:{salt.hex()}:{_scrypt(password, salt, LOG_N, R, P).hex()}"


def matches(password: str, kept: str) -> bool:
    """True if a password has this hash."""
    _, log_n, r, p, salt, digest = kept.split(":")
    found = _scrypt(password, bytes.fromhex(salt), int(log_n), int(r), int(p))
    return hmac.compare_digest(found, bytes.fromhex(digest))


def _scrypt(password: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(
        password.encode(), salt=salt, n=1 << log_n, r=r, p=p, maxmem=64 << 20, dklen=32
    )
