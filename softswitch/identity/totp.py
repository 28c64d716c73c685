"""One-time codes of an authenticator app (RFC 6238), and recovery codes in their place."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

import pyotp

STEP_SECONDS = 30
TOLERATED_STEPS = 1
"""Steps before and after the present one whose code counts: clocks of phones differ."""
RECOVERY_CODES = 10


def new_secret() -> str:
    """A key of 160 bits, in base 32."""
    return base64.b32encode(secrets.token_bytes(20)).decode("ascii")


def provisioning_uri(secret: str, login: str, issuer: str) -> str:
    """The `otpauth:` URI that an app reads from a QR code."""
    return str(pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=issuer))


def step_of(secret: str, code: str, now: int) -> int | None:
    """The time step whose code this is; None: it is none of the tolerated steps.

    Args:
        now: epoch milliseconds.
    """
    typed = "".join(code.split())
    present = now // 1000 // STEP_SECONDS
    machine = pyotp.TOTP(secret)
    found = None
    for step in range(present - TOLERATED_STEPS, present + TOLERATED_STEPS + 1):
        if hmac.compare_digest(machine.at(step * STEP_SECONDS).encode(), typed.encode()):
            found = step
    return found


def new_recovery_codes() -> list[str]:
    """Ten codes, each good for one sign-in: "4f2k-9xq1-..."."""
    alphabet = "23456789abcdefghjkmnpqrstuvwxyz"
    return [
        "-".join("".join(secrets.choice(alphabet) for _ in range(4)) for _ in range(3))
        for _ in range(RECOVERY_CODES)
    ]


def recovery_hash(code: str) -> str:
    """The form in which a recovery code is kept; it has 59 random bits, so that no slow hash is
    needed."""
    return hashlib.sha256("".join(code.split()).lower().encode()).hexdigest()
