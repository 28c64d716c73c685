"""Errors of texts and of their carriers."""

from __future__ import annotations

from softswitch.errors.entry import Entry

SMS = {
    "sms_batch_not_found": Entry(
        "there is no batch {batch}; `softswitch sms batch list` shows them", "not_found", "batch"
    ),
    "sms_batch_state": Entry("batch {batch} is {state}", "conflict", "batch"),
    "sms_contact_exists": Entry("another contact has the phone {phone}", "conflict", "value"),
    "sms_contact_not_found": Entry(
        "there is no contact with the phone {phone}; `softswitch sms contact list` shows them",
        "not_found",
        "phone",
    ),
    "sms_contract_missing": Entry(
        "account {account} hasn't accepted the conditions of bulk texts; `softswitch sms contract "
        "accept` does it",
        "refused",
    ),
    "sms_draft_not_found": Entry("there is no draft {name!r}", "not_found", "draft"),
    "sms_field_name_malformed": Entry(
        "field {value!r}: a field's name has 1 to {longest} letters, digits and _, and isn't phone "
        "or name",
        "invalid",
        "fields",
    ),
    "sms_fields_too_many": Entry("a contact has at most {most} fields", "invalid", "fields"),
    "sms_group_account_needed": Entry("say whose group it is: --account", "invalid", "account"),
    "sms_group_exists": Entry("there is a group {group!r} already", "conflict", "name"),
    "sms_group_not_found": Entry(
        "there is no group {group!r}; `softswitch sms group list` shows them", "not_found", "group"
    ),
    "sms_import_not_found": Entry(
        "there is no import {import_id}; `softswitch sms contact imports` shows them",
        "not_found",
        "import_id",
    ),
    "sms_import_over": Entry(
        "import {import_id} can't be undone any more: it is a day old, or undone already",
        "conflict",
        "import_id",
    ),
    "sms_kept_too_many": Entry("more than {most} are kept; remove some first", "conflict"),
    "sms_not_granted": Entry(
        "account {account} may not send bulk texts; `softswitch sms grant {account} yes` lets it",
        "refused",
    ),
    "sms_row_double": Entry("{phone} is in row {first} already", "invalid"),
    "sms_phone_rounded": Entry(
        "{value!r} has lost its digits: give the column the format Text and write the number again",
        "invalid",
        "phone",
    ),
    "sms_phones_too_many": Entry("at most {most} phones at once", "invalid", "phones"),
    "sms_recipients_missing": Entry(
        "say who gets it: groups, all contacts, or a list of phones", "invalid", "groups"
    ),
    "sms_recipients_none": Entry(
        "nobody is left to send to: {faulty} faulty, {stopped} on the stop list", "conflict"
    ),
    "sms_recipients_too_many": Entry(
        "a batch has at most {most} recipients; send it in parts", "invalid", "groups"
    ),
    "sms_sender_not_approved": Entry(
        "account {account} may not send as {name!r}: it is neither an approved sender name nor a "
        "number of the account",
        "refused",
        "sender",
    ),
    "sms_stop_not_found": Entry("{phone} isn't on the stop list", "not_found", "phone"),
    "sms_table_column_twice": Entry("two columns of the table have one name", "invalid", "text"),
    "sms_table_malformed": Entry("row {row}: {reason}", "invalid", "text"),
    "sms_table_no_phone": Entry(
        "the table has no column phone; its first row names the columns", "invalid", "text"
    ),
    "sms_template_not_found": Entry("there is no template {name!r}", "not_found", "name"),
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
    "sms_validity_out_of_range": Entry(
        "a text is valid for 1 to {most} minutes", "invalid", "valid_minutes"
    ),
}
