"""Errors of values of the wrong form."""

from __future__ import annotations

from softswitch.errors.entry import Entry

VALUES = {
    "idempotency_mismatch": Entry(
        "this key was used for another request than this {operation}: give a new key",
        "conflict",
        "key",
    ),
    "request_unfinished": Entry(
        "the first {operation} with this key broke off, and at least a part of it was done: look"
        " before you ask again with another key",
        "conflict",
        "key",
    ),
    "request_in_progress": Entry(
        "the first {operation} with this key is still being done: ask again in a moment",
        "conflict",
    ),
    "cursors_two": Entry("a page goes on before or after a record, not both", "invalid", "before"),
    "page_of_period": Entry(
        "a page (limit, before) can't be of a period (from, to): leave one of them out",
        "invalid",
        "limit",
    ),
    "limit_out_of_range": Entry("a limit is from 1 to {most}", "invalid", "limit"),
    "actor_malformed": Entry(
        "the name of the one who does it has 1 to 64 printable characters", "invalid", "by"
    ),
    "amount_malformed": Entry("{reason}", "invalid", "amount"),
    "amount_negative": Entry("{what} must not be negative, but is {amount}", "invalid", "amount"),
    "amount_not_positive": Entry("{what} must be above zero, not {amount}", "invalid", "amount"),
    "amount_too_large": Entry("{amount} is too much", "invalid", "amount"),
    "base64_malformed": Entry("{name} isn't base64", "invalid", "content"),
    "calling_code_malformed": Entry(
        "{code!r} is no country calling code such as 995", "invalid", "code"
    ),
    "cells_too_many": Entry("more cells than the header has columns", "invalid"),
    "column_missing": Entry("column {column} is missing; known: {known}", "invalid"),
    "country_malformed": Entry(
        "country {value!r} must be two capital letters, such as GE (ISO 3166)", "invalid", "country"
    ),
    "country_of_number": Entry(
        "{number} is a number of {found}, not of {country}: correct the number or --country",
        "invalid",
        "country",
    ),
    "currency_malformed": Entry(
        "currency {value!r} must be three letters, such as GEL (ISO 4217)", "invalid", "currency"
    ),
    "cursor_malformed": Entry(
        "the place of a page is SETUP_AT,ID of the last row of the page before", "invalid", "after"
    ),
    "date_malformed": Entry("{field} must be a date like 2026-05-31, not {value!r}", "invalid"),
    "date_past": Entry("{what} {date} is past", "invalid", "expires"),
    "day_out_of_range": Entry("{field} must be from {first} to today, not {value!r}", "invalid"),
    "days_out_of_range": Entry("days must be from 1 to {most}", "invalid", "days"),
    "days_reversed": Entry("{since} is after {until}", "invalid", "since"),
    "digits_exactly": Entry("{field} must be {count} digits ({country}), not {value!r}", "invalid"),
    "email_malformed": Entry(
        "{value!r} is no e-mail address: write one like name@example.org", "invalid", "email"
    ),
    "entries_too_many": Entry("more than {most} {what}", "invalid"),
    "file_name_malformed": Entry(
        "a file name has 1 to 128 characters, no / and no \\", "invalid", "name"
    ),
    "import_failed": Entry(
        "nothing was imported: {count} faults; mend them and import again", "invalid"
    ),
    "import_file_failed": Entry(
        "nothing was imported from {file}: {count} faults; mend them and import again", "invalid"
    ),
    "interval_malformed": Entry("{reason}", "invalid"),
    "key_malformed": Entry(
        "{what} has 1 to {longest} visible ASCII characters without spaces", "invalid"
    ),
    "language_unknown": Entry(
        "there are no texts in {value!r}; languages are {known}", "invalid", "language"
    ),
    "letters_or_digits": Entry(
        "{field} must be {least} to {longest} letters or digits, not {value!r}", "invalid"
    ),
    "lines_too_many": Entry("more than {most} lines; split the file", "invalid"),
    "minutes_out_of_range": Entry("{what} must be from 1 to {most}, not {minutes}", "invalid"),
    "month_malformed": Entry("a month is written like 2027-01, not {value!r}", "invalid", "month"),
    "network_malformed": Entry(
        "{network!r} is no network such as 192.0.2.0/24: {reason}", "invalid", "networks"
    ),
    "name_malformed": Entry(
        "{what} {value!r} must be 1 to {longest} letters, digits, . _ or -", "invalid", "name"
    ),
    "not_one_of": Entry("{field} must be {choices}, not {value!r}", "invalid"),
    "prefix_dialled_abroad": Entry(
        "prefix {prefix!r} begins no number: write {suggestion!r}", "invalid", "prefix"
    ),
    "reason_malformed": Entry("a reason has at most 256 printable characters", "invalid", "reason"),
    "reason_needed": Entry("give a reason: the subscriber is told it", "invalid", "reason"),
    "setting_unknown": Entry("{what} has no {noun} {setting!r}; {hint}", "invalid"),
    "state_final": Entry("{what} {id} is {state} already", "conflict"),
    "term_malformed": Entry("{reason}", "invalid"),
    "text_length": Entry("the text has 1 to {longest} characters", "invalid", "text"),
    "text_malformed": Entry(
        "{field} {value!r} has at most {longest} characters and no commas", "invalid"
    ),
    "text_too_long": Entry(
        "{field} must be 1 to {longest} printable characters, not {value!r}", "invalid"
    ),
    "time_malformed": Entry(
        "{value!r} is no time: write 2026-05-31, 2026-05-31T14:00 or 2026-05-31T14:00:00Z",
        "invalid",
    ),
    "time_out_of_range": Entry("{value!r} is no time of the years {first} to {last}", "invalid"),
    "time_zone_unknown": Entry(
        "there is no time zone {name!r}: write it like Asia/Tbilisi", "invalid", "time_zone"
    ),
    "times_reversed": Entry("--to {until} isn't after --from {since}", "invalid", "since"),
    "units_out_of_range": Entry("units must be from 1 to {most}, not {units}", "invalid", "units"),
    "whole_number_out_of_range": Entry(
        "{field} must be a whole number up to {most}, not {value!r}", "invalid"
    ),
    "whole_number_range": Entry(
        "{field} must be a whole number from {least} to {most}, not {value!r}", "invalid"
    ),
    "yes_or_no": Entry("{field} must be yes or no, not {value!r}", "invalid"),
}
