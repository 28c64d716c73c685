"""Errors of money, tariffs and papers."""

from __future__ import annotations

from softswitch.errors.entry import Entry

MONEY = {
    "account_blocked": Entry("{reason}", "refused"),
    "account_unknown": Entry("{reason}", "not_found", "account"),
    "bill_not_found": Entry(
        "there is no bill {bill}; `softswitch bill list` shows them", "not_found", "bill"
    ),
    "books_refused": Entry("{reason}", "conflict"),
    "call_refused": Entry(
        "{line} can't call {number}: {status} {reason}, {rule}", "refused", "number"
    ),
    "call_unknown": Entry("{reason}", "not_found", "call"),
    "currency_mismatch": Entry("{reason}", "conflict", "currency"),
    "destinations_not_found": Entry(
        "there is no destination set {name!r}; `softswitch destination set` makes one, and "
        "{on_net} and {everywhere} are always there",
        "not_found",
        "scope",
    ),
    "fee_subject_malformed": Entry(
        "what a fee is for has 1 to 64 letters, digits, spaces, _ . or -", "invalid", "subject"
    ),
    "insufficient_funds": Entry("{reason}", "unpaid"),
    "interval_in_use": Entry(
        "prefix {prefix} has a price for the interval {interval}: import the tariff without "
        "it first",
        "conflict",
        "intervals",
    ),
    "name_reserved": Entry(
        "{name} has a meaning of its own; choose another name", "invalid", "name"
    ),
    "payment_differs": Entry(
        "payment {intent} was asked for as {asked}, but {amount} {currency} were paid",
        "conflict",
        "amount",
    ),
    "payment_intent_not_found": Entry("there is no payment {intent}", "not_found", "intent"),
    "payment_out_of_range": Entry(
        "a payment online is from {least} to {most}, not {amount}", "invalid", "amount"
    ),
    "offer_hours": Entry("an offer stands for 1 to {most} hours, not {hours}", "invalid", "hours"),
    "payments_off": Entry("nobody pays online: [payments] page_url isn't set", "conflict"),
    "number_not_in_stock": Entry("{number} isn't in stock", "conflict", "numbers"),
    "number_taken": Entry("{reason}", "conflict", "number"),
    "paper_kind_unknown": Entry(
        "a bill has no {kind!r}: its papers are duplicate, invoice and act", "invalid", "kind"
    ),
    "paper_language_unknown": Entry(
        "papers are in {known}, not in {value!r}", "invalid", "language"
    ),
    "paper_too_long": Entry(
        "{count} entries are too many for a paper; choose fewer days", "invalid", "since"
    ),
    "payment_unknown": Entry("{reason}", "not_found", "payment_id"),
    "reversal_reason_needed": Entry("say why the payment is taken back", "invalid", "reason"),
    "payment_conflict": Entry("{reason}", "conflict", "payment_id"),
    "prefix_malformed": Entry(
        "prefix {prefix!r} must be 1 to {most} digits, with ! to exclude it", "invalid", "prefixes"
    ),
    "prefixes_too_many": Entry(
        "more than {most} prefixes; make several sets", "invalid", "prefixes"
    ),
    "preview_end_past": Entry("a preview can't end in the past: {until}", "invalid", "until"),
    "preview_too_long": Entry(
        "a preview reaches {days} days ahead at most, not to {until}", "invalid", "until"
    ),
    "product_empty": Entry(
        "a product needs a scope (what it pays for) or a service", "invalid", "scope"
    ),
    "product_not_found": Entry(
        "there is no product {product!r}; `softswitch package list` shows them",
        "not_found",
        "product",
    ),
    "product_unknown": Entry("{reason}", "not_found", "product"),
    "rate_not_found": Entry(
        "tariff {tariff!r} has no rate for {number} at that time", "not_found", "number"
    ),
    "status_conflict": Entry("{reason}", "conflict", "status"),
    "subscription_unknown": Entry("{reason}", "not_found", "subscription"),
    "tariff_account_currency": Entry(
        "account {account} is in {currency}, tariff {tariff} in {unit}", "conflict", "tariff"
    ),
    "tariff_nothing_to_undo": Entry(
        "tariff {tariff!r} has nothing to undo: it has one version", "conflict", "tariff"
    ),
    "tariff_prices_currency": Entry(
        "the prices of {tariff} are in {currency}: import them anew", "conflict", "currency"
    ),
    "tax_month_billed": Entry(
        "{month} is billed; a rate begins with a later month", "conflict", "month"
    ),
    "tax_not_found": Entry(
        "no rate begins with {month}; `softswitch tax list` shows them", "not_found", "month"
    ),
    "tax_rate_malformed": Entry(
        "a rate is from 0 to 100 percent with two decimals, not {value!r}", "invalid", "rate"
    ),
    "wallet_not_found": Entry("there is no wallet {wallet!r}", "not_found", "wallet"),
    "wallet_units_not_offered": Entry(
        "{units} {wallet} aren't offered in {currency}; `softswitch wallet offers` shows what is",
        "not_found",
        "units",
    ),
}
