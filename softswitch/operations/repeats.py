"""Requests that may be sent again: the caller's key, and the answer that it had."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from softswitch.control.errors import OperationError
from softswitch.control.values import Value
from softswitch.database.idempotency import RequestLog
from softswitch.errors.entry import Kind
from softswitch.operations.access import Operation
from softswitch.operations.context import Context

POSTING_IDS: Mapping[str, str] = {
    "account_fee": "fee_id",
    "account_refund": "refund_id",
    "account_topup": "payment_id",
    "order_add": "order_id",
    "package_buy": "purchase_id",
    "rental_order": "order_id",
    "sms_batch_add": "batch_id",
    "wallet_buy": "purchase_id",
    "wallet_spend": "spend_id",
}
"""Operations whose posting has an id that the caller gives, and which argument it is. If it isn't
given, it is derived from the key, so that the books know a repetition by themselves."""

_KEY = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)
_CHANGES_NOTHING: frozenset[Kind] = frozenset(
    {"invalid", "not_found", "conflict", "refused", "unpaid"}
)
_NONCE_BYTES = 12
"""NIST SP 800-38D section 8.2.2."""


@dataclass(frozen=True, slots=True)
class Keyed:
    """A key as one caller's: two accounts may use the same one, and so may two members of staff
    or two programs with tokens of theirs."""

    id: str
    """Of the request in the log; says nothing about the key."""
    secret: bytes
    """Encrypts the answer."""

    @classmethod
    def of(cls, context: Context, key: str) -> Keyed:
        """Raises OperationError for a key that can't be one."""
        if _KEY.fullmatch(key) is None:
            raise OperationError("key_malformed", what="a key", longest=128)
        actor = context.actor
        scope = f"account {actor.account}" if actor.is_subscriber else f"staff {actor.user}"
        own = f"{scope}\n{key}".encode()
        return cls(
            hashlib.sha256(b"id\n" + own).hexdigest(), hashlib.sha256(b"answer\n" + own).digest()
        )

    @property
    def posting_id(self) -> str:
        return f"k-{self.id[:40]}"

    def encrypted(self, answer: Value) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + AESGCM(self.secret).encrypt(nonce, msgspec.json.encode(answer), None)

    def decrypted(self, kept: bytes) -> Value:
        nonce, text = kept[:_NONCE_BYTES], kept[_NONCE_BYTES:]
        answer: Value = msgspec.json.decode(AESGCM(self.secret).decrypt(nonce, text, None))
        return answer


def once(
    context: Context,
    operation: Operation,
    arguments: Mapping[str, object],
    key: str,
    perform: Callable[[Mapping[str, object]], Value],
) -> Value:
    """The answer to a request with a key: of the first request if this one repeats it.

    Args:
        perform: does the operation with these arguments.

    Raises:
        OperationError: the operation's own; `idempotency_mismatch`: the key was another request's;
            `request_unfinished`: the first one is being done, or it broke off and may be done.
    """
    keyed = Keyed.of(context, key)
    name = operation.name
    log = RequestLog(context.billing.engine)
    first = log.begin(keyed.id, name, _fingerprint(name, arguments), context.now_ms())
    posting = POSTING_IDS.get(name)
    if first is not None:
        if first.fingerprint != _fingerprint(name, arguments):
            raise OperationError("idempotency_mismatch", operation=name)
        if first.answer is not None:
            return _repeated(keyed.decrypted(first.answer))
        if posting is None:
            raise OperationError("request_unfinished", operation=name)
    given = dict(arguments)
    if posting is not None and given.get(posting) is None:
        given[posting] = keyed.posting_id
    try:
        answer = perform(given)
    except OperationError as error:
        if error.kind in _CHANGES_NOTHING:
            log.refused(keyed.id)
        raise
    log.done(keyed.id, keyed.encrypted(answer))
    return answer


def _fingerprint(operation: str, arguments: Mapping[str, object]) -> str:
    given = {name: value for name, value in arguments.items() if value is not None}
    text = msgspec.json.encode([operation, given], order="deterministic")
    return hashlib.sha256(text).hexdigest()


def _repeated(answer: Value) -> Value:
    if not isinstance(answer, dict):
        return answer
    return answer | ({"counted": "counted before"} if "counted" in answer else {"repeated": True})
