"""Errors of texts and of their carriers."""

from __future__ import annotations

from softswitch.errors.entry import Entry

SMS = {
    "sms_carrier_exists": Entry("there is a carrier {carrier} already", "conflict", "name"),
    "sms_carrier_not_found": Entry(
        "there is no carrier {carrier!r}; `softswitch sms carrier list` shows them",
        "not_found",
        "name",
    ),
    "sms_client_exists": Entry(
        "there is a client {client}, or a client with the system id {system_id}, already",
        "conflict",
        "name",
    ),
    "sms_client_not_found": Entry(
        "there is no client {client!r}; `softswitch sms client list` shows them",
        "not_found",
        "name",
    ),
    "sms_field_malformed": Entry(
        "the {what} must be at most {longest} printable ASCII characters", "invalid"
    ),
    "sms_gone": Entry("text {text} can't be taken back: it is {state}", "conflict", "text_id"),
    "sms_key_malformed": Entry(
        "a key has 1 to 100 printable ASCII characters without blanks", "invalid", "key"
    ),
    "sms_not_found": Entry(
        "there is no text {text}; `softswitch sms list` shows them", "not_found", "text_id"
    ),
    "sms_password_malformed": Entry(
        "an SMPP password has 6 to 8 ASCII characters", "invalid", "password"
    ),
    "sms_sender_malformed": Entry(
        "sender name {value!r}: write 3 to 11 letters and digits of the GSM alphabet, at least one "
        "of them a letter",
        "invalid",
        "name",
    ),
    "sms_sender_not_found": Entry(
        "account {account} hasn't asked for the sender name {name!r}", "not_found", "name"
    ),
    "sms_target_malformed": Entry(
        "a carrier's target is smpp://USER:PASSWORD@HOST:PORT, or smpps:// for TLS",
        "invalid",
        "target",
    ),
}
