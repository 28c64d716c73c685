"""Signatures of deliveries (standardwebhooks.com): HMAC-SHA256 over id, time and body."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

PREFIX = "whsec_"


def new_secret() -> str:
    """A secret of 192 bits: "whsec_" and base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(24)).decode("ascii")


def headers(message_id: str, seconds: int, body: bytes, secrets_: Sequence[str]) -> dict[str, str]:
    """The headers of a delivery, signed by each secret: two while one takes the other's place.

    Args:
        seconds: the time of sending, since the epoch; receivers refuse what is old.
    """
    signatures = " ".join(f"v1,{_signature(message_id, seconds, body, one)}" for one in secrets_)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": signatures,
    }


def _signature(message_id: str, seconds: int, body: bytes, secret: str) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{seconds}.".encode() + body
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode("ascii")
