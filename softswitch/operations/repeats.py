"""Requests that may be sent again: the caller's key, and the answer that it had."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from billing.facts.command import Answer, Command
from softswitch.control.errors import OperationError
from softswitch.control.values import Value
from softswitch.database.idempotency import FirstRequest, RequestLog
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

AGAIN = frozenset({
    "account_cap", "account_login", "account_notices_read", "account_set", "account_status",
    "announcement_remove", "bonus_set", "call_mark", "completion_cancel", "destination_set",
    "device_remove", "device_set", "document_approve", "document_refuse", "greeting_choose",
    "greeting_delete", "line_disconnect", "line_mark", "line_notices_set", "line_pin_set",
    "line_reconnect", "line_remove", "line_resume", "line_service_clear", "line_service_set",
    "line_service_set_many", "line_set", "line_suspend", "node_drain", "node_resume",
    "notice_set", "number_offer", "number_reach", "number_unreach", "number_unwait",
    "order_cancel", "order_refuse", "order_submit", "package_auto_renew", "package_define",
    "package_withdraw", "pin_unlock", "port_cancel", "provisioning_code_revoke",
    "recording_delete", "rental_discount_set", "rental_discounts", "rental_give_up",
    "request_assign", "request_cancel", "request_done", "request_refuse", "room_delete",
    "room_set", "sms_batch_cancel", "sms_batch_pause", "sms_batch_resume", "sms_cancel",
    "sms_carrier_remove", "sms_carrier_set", "sms_client_remove", "sms_client_suspend",
    "sms_contact_remove", "sms_contact_set", "sms_contract_accept", "sms_draft_remove",
    "sms_grant", "sms_group_put", "sms_group_remove", "sms_group_rename", "sms_group_take",
    "sms_mark_read", "sms_sender_approve", "sms_sender_refuse", "sms_stop_add",
    "sms_stop_remove", "sms_template_remove", "tariff_assign", "tax_remove", "tax_set",
    "token_revoke", "trunk_remove", "trunk_resume", "trunk_set", "trunk_suspend",
    "user_forget_totp", "user_grant", "user_password", "user_revoke", "user_set",
    "voicemail_delete", "voicemail_disable", "voicemail_enable", "voicemail_mark",
    "voicemail_set", "wallet_offer", "webhook_remove", "webhook_set",
})  # fmt: skip
"""Operations that leave the same state when they are done twice: they set or remove something that
is named, or issue a password in place of the one before."""
RUNS_MS = 60_000
"""The time that a request of another node is believed to be under way: its client waits no
longer."""
WAITING_SECONDS = 10.0
"""The time that a repetition waits for the first request, as after a double click."""

_KEY = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)
_CHANGES_NOTHING: frozenset[Kind] = frozenset(
    {"invalid", "not_found", "conflict", "refused", "unpaid"}
)
_DONE_BEFORE: frozenset[Kind] = frozenset({"not_found", "conflict"})
"""Refusals of a change that is done again, which say that nothing is left to do."""
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
    perform: Callable[[Context, Mapping[str, object]], Value],
) -> Value:
    """The answer to a request with a key: of the first request if this one repeats it. A first
    request that broke off is carried out, or made good, by its repetition.

    Args:
        perform: does the operation with these arguments.

    Raises:
        OperationError: the operation's own; `idempotency_mismatch`: the key was another request's;
            `request_in_progress`: the first one is under way; `request_unfinished`: it changed
            something, broke off, and would make a second thing if it were done again.
    """
    keyed = Keyed.of(context, key)
    with context.running.alone(keyed.id, WAITING_SECONDS) as is_free:
        if not is_free:
            raise OperationError("request_in_progress", operation=operation.name)
        return _Request(context, operation, arguments, keyed).answer(perform)


class _Request:
    """A keyed request that no other thread of this process carries out."""

    def __init__(
        self,
        context: Context,
        operation: Operation,
        arguments: Mapping[str, object],
        keyed: Keyed,
    ) -> None:
        self._context = context
        self._name = operation.name
        self._arguments = arguments
        self._keyed = keyed
        self._log = RequestLog(context.billing.engine)
        self._runner = f"{context.config.switch.node} {context.running.process}"
        self._posting = POSTING_IDS.get(self._name)
        self._is_safe_again = self._posting is not None or self._name in AGAIN

    def answer(self, perform: Callable[[Context, Mapping[str, object]], Value]) -> Value:
        keyed, log, now = self._keyed, self._log, self._context.now_ms()
        fingerprint = _fingerprint(self._name, self._arguments)
        first = log.begin(keyed.id, self._name, fingerprint, now, self._runner)
        if first is not None:
            if first.fingerprint != fingerprint:
                raise OperationError("idempotency_mismatch", operation=self._name)
            if first.answer is not None:
                return _repeated(keyed.decrypted(first.answer))
            self._take_over(first, now)
        try:
            answer = self._perform(perform)
        except OperationError as error:
            if error.kind not in _CHANGES_NOTHING:
                raise
            if not (first is not None and first.changed and error.kind in _DONE_BEFORE):
                log.refused(keyed.id)
                raise
            answer = {"repeated": True}
        log.done(keyed.id, keyed.encrypted(answer))
        return answer

    def _take_over(self, first: FirstRequest, now: int) -> None:
        """Raises OperationError if the first request is under way, or can't be done again."""
        node = first.runner.rpartition(" ")[0]
        elsewhere = node != self._context.config.switch.node
        under_way = elsewhere and now - first.begun_at < RUNS_MS
        if not under_way and first.changed and not self._is_safe_again:
            raise OperationError("request_unfinished", operation=self._name)
        if under_way or not self._log.take_over(self._keyed.id, first, self._runner, now):
            raise OperationError("request_in_progress", operation=self._name)

    def _perform(self, perform: Callable[[Context, Mapping[str, object]], Value]) -> Value:
        given = dict(self._arguments)
        if self._posting is not None:  # the books know the posting by its id
            if given.get(self._posting) is None:
                given[self._posting] = self._keyed.posting_id
            return perform(self._context, given)
        with self._log.marking(self._keyed.id):
            return perform(replace(self._context, apply=self._apply), given)

    def _apply(self, commands: Sequence[Command[Answer]], /) -> Sequence[Answer | Exception]:
        with self._log.changing_elsewhere(self._keyed.id):
            return self._context.apply(commands)


def _fingerprint(operation: str, arguments: Mapping[str, object]) -> str:
    given = {name: value for name, value in arguments.items() if value is not None}
    text = msgspec.json.encode([operation, given], order="deterministic")
    return hashlib.sha256(text).hexdigest()


def _repeated(answer: Value) -> Value:
    if not isinstance(answer, dict):
        return answer
    return answer | ({"counted": "counted before"} if "counted" in answer else {"repeated": True})
