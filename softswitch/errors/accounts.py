"""Errors of accounts, documents and requests."""

from __future__ import annotations

from softswitch.errors.entry import Entry

ACCOUNTS = {
    "account_ambiguous": Entry(
        "several accounts are named {account!r}: use an id ({ids})", "conflict", "account"
    ),
    "account_call_not_found": Entry(
        "account {account} has no call {call!r}; `softswitch account calls` shows them",
        "not_found",
        "call",
    ),
    "account_has_calls": Entry(
        "account {account} has calls in progress; end them first", "conflict"
    ),
    "account_has_order": Entry(
        "account {account} waits for order {order}; `softswitch order cancel` ends that", "conflict"
    ),
    "account_has_rental": Entry(
        "account {account} rents {number}; `softswitch rental give-up` ends that", "conflict"
    ),
    "account_incomplete": Entry(
        "account {account} lacks {fields}; `softswitch account set` sets them", "conflict"
    ),
    "account_kind_unknown": Entry("an account is one of {known}, not {value!r}", "invalid", "kind"),
    "account_lacks_document": Entry(
        "account {account} has no approved document of the class {class_}; `softswitch "
        "document list` shows what it has",
        "conflict",
        "documents",
    ),
    "account_name_like_id": Entry(
        "an account can't be named {name}: it would look like an id", "invalid", "name"
    ),
    "account_name_malformed": Entry(
        "an account name has 1 to 128 characters, no control characters", "invalid", "name"
    ),
    "account_not_found": Entry(
        "there is no account {account!r}; `softswitch account list` shows them",
        "not_found",
        "account",
    ),
    "bulk_empty": Entry("no account is chosen", "invalid", "accounts"),
    "bulk_not_found": Entry("there is no bulk job {job!r}", "not_found", "job"),
    "bulk_for_good": Entry("a job of kind {kind} can't be undone", "conflict", "job"),
    "bulk_too_old": Entry(
        "bulk job {job} was begun more than a day ago: it isn't undone any more", "conflict", "job"
    ),
    "bulk_unchanged": Entry("the account has it already", "conflict"),
    "calls_too_many": Entry("more than {most} calls; choose a shorter time", "invalid", "since"),
    "credentials_wrong": Entry("login or password is wrong", "refused", "password"),
    "announcement_empty": Entry(
        "an announcement needs a text in one language at least: {languages}", "invalid", "en"
    ),
    "announcement_malformed": Entry(
        "the announcement's text ({field}) is one line of at most {most} characters", "invalid"
    ),
    "announcement_not_found": Entry(
        "there is no announcement {announcement}", "not_found", "announcement"
    ),
    "announcement_over": Entry(
        "the announcement would end at {ends_at}, before anybody sees it", "invalid", "ends_at"
    ),
    "notice_malformed": Entry("a notice is one line of 1 to {most} characters", "invalid", "text"),
    "document_class_malformed": Entry(
        "class {kind!r} must be 1 to 32 small letters, digits, _ or -: identity, "
        "registration, lease, or what a supplier asks for",
        "invalid",
        "kind",
    ),
    "document_expired": Entry("document {id} expired on {until}", "conflict", "document"),
    "document_looked_at": Entry(
        "{who} looks at document {document} until {until}", "conflict", "document"
    ),
    "document_not_found": Entry(
        "there is no document {document}; `softswitch document list` shows them",
        "not_found",
        "document",
    ),
    "document_sealed": Entry(
        "document {document} can't be decrypted: {path} lacks its key, or it was tampered with",
        "unavailable",
        "document",
    ),
    "document_size": Entry(
        "a document has 1 octet to {most_mib} MiB, not {octets} octets", "invalid", "content"
    ),
    "document_type_unknown": Entry("{name} is neither PDF, JPEG nor PNG", "invalid", "content"),
    "documents_key_missing": Entry(
        "documents are encrypted by a key that isn't here: bring {path} back, from a backup or"
        " from the other switch of this database",
        "unavailable",
    ),
    "documents_key_unusable": Entry("{path} can't be used: {reason}", "unavailable"),
    "documents_pending_too_many": Entry(
        "{count} documents of account {account} wait for a review already; wait until they "
        "are reviewed",
        "conflict",
    ),
    "field_missing": Entry("{field} is missing", "invalid"),
    "field_of_other_kind": Entry(
        "{field} is a field of a {owner}; this account is a {kind}", "invalid"
    ),
    "lease_too_short": Entry(
        "the lease of {line} ends on {date}: it must have {months} months left",
        "conflict",
        "lease_ends_on",
    ),
    "line_of_other_account": Entry("line {line} isn't of account {account}", "conflict", "line"),
    "login_needs_national_code": Entry(
        "a person's login is the national code: `softswitch account set {account} "
        "national_code CODE` first",
        "conflict",
        "national_code",
    ),
    "login_taken": Entry("login {login} belongs to another account", "conflict", "login"),
    "field_taken": Entry("an account has this {field} already", "conflict"),
    "field_unknown": Entry("an account has no field {field!r}", "invalid"),
    "registration_raced": Entry(
        "one of the numbers was given to another line meanwhile; choose again", "conflict", "lines"
    ),
    "request_detail_unknown": Entry(
        "a request of the kind {kind} has no detail {field!r}; known: {known}", "invalid"
    ),
    "request_notes_too_many": Entry(
        "request {request} has its {most} notes; open another", "conflict", "request"
    ),
    "request_fields_unexpected": Entry("only a correction names fields", "invalid", "fields"),
    "request_kind_unknown": Entry("a request is one of {known}, not {value!r}", "invalid", "kind"),
    "request_needs_line": Entry(
        "a fault report needs the line; name it with --line", "invalid", "line"
    ),
    "request_not_found": Entry(
        "there is no request {request}; `softswitch request list` shows them",
        "not_found",
        "request",
    ),
    "requests_open_too_many": Entry(
        "account {account} has {most} open requests; wait until one is closed", "conflict"
    ),
    "tariff_currency_differs": Entry(
        "the account is in {currency}, tariff {tariff} in {unit}", "conflict", "tariff"
    ),
    "tariff_not_found": Entry(
        "there is no tariff {tariff!r}; `softswitch tariff list` shows them", "not_found", "tariff"
    ),
}
