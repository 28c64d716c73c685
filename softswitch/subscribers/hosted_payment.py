"""The hosted payment page: the signed address that a payer is sent to, and the signed callback by
which the provider tells the outcome. Without I/O; docs/payments.md is its description.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Literal
from urllib.parse import urlencode

import msgspec

TOLERANCE_SECONDS = 300
"""How far the time of a callback may be from ours."""
MAX_BODY_BYTES = 16 * 1024
_SIGNATURE = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})")


class CallbackRefused(Exception):
    """The callback isn't the provider's, or isn't readable."""


class Outcome(msgspec.Struct, frozen=True):
    """What a callback tells of a payment.

    Args:
        order: the intent's id.
        amount, currency: what was paid, such as "20.00" and "GEL".
        reference: the provider's own name of the payment.
    """

    order: str
    status: Literal["paid", "failed"]
    amount: str
    currency: str
    reference: str = ""


def page_address(
    page_url: str,
    secret: str,
    *,
    merchant: str,
    order: str,
    amount: str,
    currency: str,
    language: str,
    return_url: str,
    callback_url: str,
    at_seconds: int,
) -> str:
    """The address of the provider's page for one payment. The signature is the HMAC-SHA256 of the
    query before it, as it stands in the address."""
    query = urlencode({
        "merchant": merchant, "order": order, "amount": amount, "currency": currency,
        "language": language, "return_url": return_url, "callback_url": callback_url,
        "timestamp": at_seconds,
    })  # fmt: skip
    return f"{page_url}?{query}&signature={_hmac(secret, query.encode())}"


def outcome_of(secret: str, signature: str, body: bytes, now_seconds: int) -> Outcome:
    """The outcome that a callback tells. Raises CallbackRefused.

    Args:
        signature: the header `X-Signature`: "t=EPOCH_SECONDS,v1=HMAC", where the HMAC is of the
            time, a full stop and the body.
    """
    found = _SIGNATURE.fullmatch(signature)
    if not secret or found is None:
        raise CallbackRefused("it isn't signed")
    expected = _hmac(secret, found[1].encode() + b"." + body)
    if not hmac.compare_digest(expected, found[2]):
        raise CallbackRefused("its signature is wrong")
    if abs(now_seconds - int(found[1])) > TOLERANCE_SECONDS:
        raise CallbackRefused("its time is too far from ours")
    try:
        return msgspec.json.decode(body, type=Outcome)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CallbackRefused(f"its body can't be read: {error}") from None


def _hmac(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
