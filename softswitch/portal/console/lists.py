"""The console's plain lists, from numbers to mails: each a row of a table."""

from __future__ import annotations

from billing.facts import order, rental
from billing.facts.cdr import TYPES
from softswitch.control.actor import STAFF_ROLES
from softswitch.errors.texts import LANGUAGES
from softswitch.portal.console.listing import Form, Input, Listing, needed, yes_or_no
from softswitch.provisioning.device import APPS, PHONES

SEARCH = Input("search")
ACCOUNT = Input("account", label="account")
COUNTRY = Input("country")
CITY = Input("city")
KIND = Input("kind", "choice", rental.KINDS)
DIRECTIONS = ("incoming", "outgoing", "internal")
NUMBER_STATES = (
    rental.STOCK, rental.RENTED, rental.DOCUMENTS, rental.TRIAL, rental.QUARANTINE, rental.LENT,
    rental.BURNED,
)  # fmt: skip
STATUSES = ("registered", "approved", "active", "suspended", "disconnected", "closed")
AFTER_REQUEST = ("submitted", "accepted", "completed", "rejected")

OF_NUMBERS = (
    ("/op/numbers", "numbers"), ("/op/numbers/rented", "rentals"),
    ("/op/numbers/offers", "offers"), ("/op/numbers/discounts", "discounts"),
    ("/op/numbers/changed", "number_changes"),
    ("/op/numbers/import", "number_import"),
)  # fmt: skip
DISCOUNTS = Listing(
    "/op/numbers/discounts", "discounts", "rental_discount_list", ("discount", "percent"),
    command="rental discounts", key="for", note="console.discounts_note", beside=OF_NUMBERS,
    row_forms=(
        Form("rental_discount_set", (needed("percent", "number"),), {"what": "for"}),
    ),
)  # fmt: skip
OF_PAYMENTS = (
    ("/op/till", "till"), ("/op/till/sums", "payment_sums"), ("/op/till/online", "online_payments"),
    ("/op/till/turnover", "turnover"),
)  # fmt: skip
OF_ORDERS = (("/op/orders", "orders"), ("/op/orders/waits", "waits"), ("/op/ports", "ports"))
OF_CALLS = (
    ("/op/calls/ended", "ended_calls"), ("/op/conferences", "conferences"),
    ("/op/completions", "completions"), ("/op/recordings", "recordings"),
)  # fmt: skip
OF_REGISTRATIONS = (
    ("/op/registrations", "registrations"), ("/op/registrations/refused", "refused_registrations"),
    ("/op/devices", "devices"),
)  # fmt: skip
OF_PACKAGES = (
    ("/op/packages", "packages"), ("/op/packages/destinations", "destinations"),
    ("/op/packages/texts", "wallet_offers"),
)  # fmt: skip
OF_TEXTS = (
    ("/op/texts", "texts"), ("/op/texts/senders", "senders"), ("/op/texts/batches", "batches"),
    ("/op/texts/carriers", "carriers"), ("/op/texts/clients", "clients"),
)  # fmt: skip
OF_BANS = (("/op/fraud", "fraud"), ("/op/bans", "bans"), ("/op/bans/pins", "pins"))

CUSTOMERS = Listing(
    "/op/customers", "customers", "account_list",
    ("id", "name", "kind", "status", "balance", "available", "tariff", "created_at"),
    filters=(SEARCH, Input("status", "choice", STATUSES)), last="{id}",
    link="/op/customers/{id}", command="account list",
    forms=(
        Form("account_add", (
            needed("name"), Input("kind", "choice", ("person", "company"), True),
            Input("currency"), Input("tariff", value="default"), Input("credit_limit"),
            yes_or_no("postpaid"), yes_or_no("registered"),
        ), then="/op/customers/{id}"),
    ),
)  # fmt: skip
LINES = Listing(
    "/op/lines", "lines", "line_list",
    ("number", "login", "account", "account_name", "status", "role", "lease_ends_on",
     "rests_until"),
    filters=(SEARCH, ACCOUNT), last="{number}", link="/op/lines/{number}", command="line list",
    forms=(
        Form("line_add", (
            needed("number"), needed("account"), Input("login"), Input("lease_ends_on", "date"),
        ), shows="console/once.html"),
    ),
)  # fmt: skip
ENDED_CALLS = Listing(
    "/op/calls/ended", "ended_calls", "cdr_list",
    ("setup_at", "calling", "called", "direction", "type", "trunk", "duration_ms", "price",
     "sip_status", "ended_by", "account"),
    filters=(
        Input("number"), Input("kind", "choice", TYPES, label="type"), ACCOUNT, Input("line"),
        Input("direction", "choice", DIRECTIONS), Input("since", "date"), Input("until", "date"),
    ),
    fixed={"newest": True}, last="{setup_at},{id}", link="/op/call/{call_id}",
    command="cdr list --newest", options={"kind": "type"},
    beside=OF_CALLS,
)  # fmt: skip
REGISTRATIONS = Listing(
    "/op/registrations", "registrations", "registration_list",
    ("number", "contact", "transport", "source", "user_agent", "registered_at",
     "expires_in_seconds"),
    filters=(ACCOUNT, Input("line")), last="{registered_at},{contact}",
    command="registration list", live="registrations",
    row_forms=(Form("registration_remove", row={"line": "number", "contact": "contact"},
                    tone="danger", sure=True),),
    beside=OF_REGISTRATIONS,
)  # fmt: skip
REFUSED = Listing(
    "/op/registrations/refused", "refused_registrations", "registration_refusals",
    ("login", "source", "status", "reason", "user_agent", "times", "first_at", "last_at"),
    filters=(Input("line"),), command="registration refusals",
    beside=OF_REGISTRATIONS,
)  # fmt: skip
DEVICE = {"device": "id"}
DEVICES = Listing(
    "/op/devices", "devices", "device_list",
    ("lines", "kind", "name", "model", "mac", "state", "seen_at", "address", "created_at"),
    filters=(SEARCH, ACCOUNT, Input("line")), last="{created_at},{id}", command="device list",
    row_forms=(
        Form("device_resync", row=DEVICE, only=("kind", frozenset(PHONES))),
        Form("device_rotate", row=DEVICE, only=("kind", frozenset((*PHONES, *APPS))), sure=True),
        Form("device_remove", row=DEVICE, tone="danger", sure=True),
    ),
    beside=OF_REGISTRATIONS,
)  # fmt: skip
CONFERENCES = Listing(
    "/op/conferences", "conferences", "conference_list",
    ("conference", "kind", "number", "owner", "member", "muted", "call"),
    live="calls",
    row_forms=(Form("call_hangup", row={"call_id": "call"}, tone="danger", sure=True),),
    beside=OF_CALLS,
)  # fmt: skip
COMPLETIONS = Listing(
    "/op/completions", "completions", "completion_list",
    ("asked_at", "caller", "callee", "reason", "state"),
    filters=(ACCOUNT, Input("line")), last="{asked_at},{id}", command="completion list",
    beside=OF_CALLS,
)  # fmt: skip
RECORDINGS = Listing(
    "/op/recordings", "recordings", "recording_list",
    ("begun_at", "line", "calling", "called", "seconds", "state", "problem", "call"),
    filters=(Input("number"), ACCOUNT), last="{begun_at},{id}", command="recording list",
    options={"number": "line"},
    beside=OF_CALLS,
)  # fmt: skip
NUMBERS = Listing(
    "/op/numbers", "numbers", "number_list",
    ("number", "country", "city", "kind", "supplier", "documents", "monthly", "state", "account",
     "line", "until"),
    filters=(SEARCH, Input("state", "choice", NUMBER_STATES), COUNTRY, CITY, KIND, ACCOUNT),
    last="{number}", command="number list", key="number",
    forms=(
        Form("number_add", (
            needed("number"), needed("country", hint="console.country_hint"),
            Input("kind", "choice", rental.KINDS, True), needed("monthly"), CITY,
            Input("supplier", value="own"), Input("documents"), Input("service"),
            Input("currency"),
        )),
    ),
    beside=OF_NUMBERS,
)  # fmt: skip
OFFERS = Listing(
    "/op/numbers/offers", "offers", "number_offers",
    ("country", "city", "kind", "supplier", "documents", "monthly", "working_days"),
    command="number offers",
    forms=(
        Form("number_offer", (
            needed("country", hint="console.country_hint"),
            Input("kind", "choice", rental.KINDS, True), CITY,
            Input("monthly", hint="console.offer_hint"), Input("days", value="5-15"),
            Input("supplier", value="own"), Input("documents"), Input("currency"),
        )),
    ),
    beside=OF_NUMBERS,
)  # fmt: skip
ORDERS = Listing(
    "/op/orders", "orders", "order_list",
    ("id", "account", "country", "city", "kind", "state", "number", "line", "supplier",
     "documents", "fee", "ordered_at", "expected_by", "late"),
    filters=(ACCOUNT, yes_or_no("late"), yes_or_no("closed")), last="{ordered_at},{id}",
    command="order list",
    row_forms=(
        Form("order_submit", (Input("reference"), Input("expected", "date")), {"order": "id"},
             ("state", frozenset({order.REQUESTED})), "primary"),
        Form("order_connect", (needed("number"),), {"order": "id"},
             ("state", frozenset({order.REQUESTED, order.SUBMITTED})), "primary"),
        Form("order_refuse", (needed("reason"),), {"order": "id"},
             ("state", frozenset({order.DOCUMENTS, order.REQUESTED, order.SUBMITTED})), "danger"),
        Form("order_cancel", (Input("reason"),), {"order": "id"},
             ("state", frozenset({order.DOCUMENTS, order.REQUESTED, order.SUBMITTED})), "danger"),
    ),
    beside=OF_ORDERS,
)  # fmt: skip
WAITS = Listing(
    "/op/orders/waits", "waits", "number_waits",
    ("since", "account", "country", "city", "kind"), filters=(ACCOUNT,), last="{since},{id}",
    command="number waits",
    beside=OF_ORDERS,
)  # fmt: skip
RENTALS = Listing(
    "/op/numbers/rented", "rentals", "rental_list",
    ("number", "account", "state", "fee", "months", "connected_at", "next_debit_at", "owing",
     "line"),
    filters=(ACCOUNT, yes_or_no("ended")), last="{connected_at},{id}", command="rental list",
    beside=OF_NUMBERS,
)  # fmt: skip
CHANGES = Listing(
    "/op/numbers/changed", "number_changes", "number_changes",
    ("old", "new", "account", "changed_at", "until"), command="number changes", key="old",
    forms=(
        Form("number_change", (
            needed("number"), needed("new"), Input("announce", value="30 days"),
        )),
    ),
    beside=OF_NUMBERS,
)  # fmt: skip
PORTS = Listing(
    "/op/ports", "ports", "port_list",
    ("id", "direction", "number", "account", "operator", "state", "planned_on", "opened_at",
     "note"),
    filters=(
        Input("state", "choice", ("requested", *AFTER_REQUEST, "withdrawn")), ACCOUNT,
        yes_or_no("closed"),
    ),
    last="{id}", command="port list",
    forms=(
        Form("port_in", (needed("number"), needed("account"), needed("operator"))),
        Form("port_out", (needed("number"), needed("operator"))),
    ),
    row_forms=(
        Form("port_advance", (
            Input("state", "choice", AFTER_REQUEST, True), Input("on", "date"), Input("note"),
        ), {"order": "id"}, ("state", frozenset({"requested", "submitted", "accepted"})),
            "primary"),
        Form("port_cancel", (Input("note"),), {"order": "id"},
             ("state", frozenset({"requested", "submitted", "accepted"})), "danger"),
    ),
    beside=OF_ORDERS,
)  # fmt: skip
TRUNKS = Listing(
    "/op/trunks", "trunks", "trunk_list",
    ("name", "target", "prefixes", "priority", "status", "health", "round_trip_ms", "tariff"),
    link="/op/trunks/{name}", command="trunk list", live="trunks", key="name",
    forms=(
        Form("trunk_add", (
            needed("name"), needed("target", hint="console.target_hint"),
            Input("prefixes", "area", hint="console.lines_hint"), Input("username"),
            Input("password", "text"), Input("inbound_from", "area"),
            Input("priority", "number", value="100"), Input("max_calls", "number"),
            Input("tariff"), yes_or_no("trusted"),
        ), then="/op/trunks/{name}"),
    ),
    row_forms=(
        Form("trunk_suspend", row={"name": "name"}, only=("status", frozenset({"active"})),
             tone="danger", sure=True),
        Form("trunk_resume", row={"name": "name"}, only=("status", frozenset({"suspended"})),
             tone="primary"),
    ),
)  # fmt: skip
PACKAGES = Listing(
    "/op/packages", "packages", "package_list",
    ("name", "price", "term", "scope", "service", "free_minutes", "fair_use_minutes",
     "renewable", "grace", "sold"),
    command="package list", key="name",
    forms=(
        Form("package_define", (
            needed("name"), needed("price"), needed("term", value="30 days"),
            Input("scope"), Input("service"), Input("currency"),
            Input("free_minutes", "number"), Input("fair_use_minutes", "number"),
            Input("grace"), yes_or_no("renewable", "true"),
        )),
    ),
    row_forms=(Form("package_withdraw", row={"name": "name"}, tone="danger", sure=True,
                    only=("sold", frozenset({True}))),),
    beside=OF_PACKAGES,
)  # fmt: skip
DESTINATIONS = Listing(
    "/op/packages/destinations", "destinations", "destination_list", ("name", "prefixes"),
    command="destination list", key="name",
    forms=(Form("destination_set", (
        needed("name"), needed("prefixes", "area", hint="console.lines_hint"),
    )),),
    beside=OF_PACKAGES,
)  # fmt: skip
WALLET_OFFERS = Listing(
    "/op/packages/texts", "wallet_offers", "wallet_offers", ("wallet", "units", "price"),
    command="wallet offers",
    forms=(Form("wallet_offer", (
        needed("wallet", value="sms"), needed("units", "number"), Input("price"),
        Input("currency"),
    )),),
    beside=OF_PACKAGES,
)  # fmt: skip
BILLS = Listing(
    "/op/bills", "bills", "bill_list",
    ("number", "account", "name", "month", "charges", "tax", "to_pay", "made_at"),
    filters=(ACCOUNT, Input("month", hint="console.month_hint")), last="{number}",
    command="bill list", link="/op/bills/{number}", key="number",
)  # fmt: skip
DEBTS = Listing(
    "/op/debts", "debts", "account_debts",
    ("account", "name", "status", "owes", "since", "suspends_on"), command="account debts",
    key="account",
)  # fmt: skip
TAXES = Listing(
    "/op/taxes", "taxes", "tax_list", ("month", "account", "percent", "prices"),
    command="tax list",
    forms=(Form("tax_set", (
        needed("percent"), needed("month", hint="console.month_hint"), ACCOUNT,
        yes_or_no("on_top"),
    )),),
    row_forms=(Form("tax_remove", row={"month": "month", "account": "account"}, tone="danger",
                    sure=True),),
)  # fmt: skip
BONUSES = Listing(
    "/op/bonuses", "bonuses", "bonus_rates", ("from", "per_minute", "currency"),
    command="bonus rates",
    forms=(Form("bonus_set", (needed("amount"), Input("currency"))),),
)  # fmt: skip
CORRECTIONS = Listing(
    "/op/tariffs/corrections", "corrections", "cdr_corrections",
    ("at", "cdr", "number", "account", "price", "posted", "note"), filters=(ACCOUNT,),
    command="cdr corrections", note="console.rerate_note",
    forms=(
        Form("rerate", (
            needed("since", "date", label="from"), needed("until", "date"), ACCOUNT,
            Input("tariff"), yes_or_no("dry_run", "true"), Input("note"),
        ), shows="console/answer.html"),
    ),
)  # fmt: skip
BANS = Listing(
    "/op/bans", "bans", "guard_list", ("source", "line", "why", "ends_in_seconds"),
    command="guard list", key="source",
    row_forms=(Form("guard_unban", row={"source": "source", "line": "line"}, tone="danger"),),
    beside=OF_BANS,
)  # fmt: skip
PINS = Listing(
    "/op/bans/pins", "pins", "pin_list", ("kind", "number", "wrong", "last_at", "locked_until"),
    command="pin list",
    row_forms=(Form("pin_unlock", row={"kind": "kind", "number": "number"}, tone="danger"),),
    beside=OF_BANS,
)  # fmt: skip
MALICIOUS = Listing(
    "/op/malicious", "malicious", "call_malicious",
    ("marked_at", "line", "calling", "claimed", "called", "at", "call"), command="call malicious",
    note="console.malicious_note", confirmed=True,
)  # fmt: skip
TEXTS = Listing(
    "/op/texts", "texts", "sms_list",
    ("created_at", "from", "to", "state", "segments", "price", "carrier", "sent_at", "error"),
    filters=(ACCOUNT, Input("line"), Input("number")), last="{id}", command="sms list",
    most=1_000,
    beside=OF_TEXTS,
)  # fmt: skip
SENDERS = Listing(
    "/op/texts/senders", "senders", "sms_sender_list",
    ("account", "name", "state", "reason", "asked_at"), filters=(ACCOUNT,),
    command="sms sender list", key="name",
    row_forms=(
        Form("sms_sender_approve", row={"account": "account", "name": "name"}, tone="primary",
             only=("state", frozenset({"waiting", "refused"}))),
        Form("sms_sender_refuse", (needed("reason"),), {"account": "account", "name": "name"},
             ("state", frozenset({"waiting", "approved"})), "danger"),
    ),
    beside=OF_TEXTS,
)  # fmt: skip
BATCHES = Listing(
    "/op/texts/batches", "batches", "sms_batch_list",
    ("created_at", "account", "sender", "state", "recipients", "gone_out", "price", "due_at",
     "done_at"),
    filters=(ACCOUNT,), last="{created_at},{id}", command="sms batch list",
    row_forms=(
        Form("sms_batch_pause", row={"batch": "id"}, only=("state", frozenset({"sending"}))),
        Form("sms_batch_resume", row={"batch": "id"}, only=("state", frozenset({"paused"}))),
        Form("sms_batch_cancel", row={"batch": "id"}, tone="danger", sure=True,
             only=("state", frozenset({"sending", "paused", "scheduled", "reserved"}))),
    ),
    beside=OF_TEXTS,
)  # fmt: skip
CARRIERS = Listing(
    "/op/texts/carriers", "carriers", "sms_carrier_list",
    ("name", "host", "port", "tls", "system_id", "prefixes", "priority", "binds", "window",
     "rate", "suspended"),
    command="sms carrier list", key="name",
    forms=(Form("sms_carrier_add", (
        needed("name"), needed("target", hint="console.carrier_hint"),
        Input("prefixes", "area", hint="console.lines_hint"),
        Input("window", "number", value="10"), Input("rate", "number", value="0"),
        Input("binds", "number", value="1"), Input("priority", "number", value="10"),
        Input("system_type"),
    )),),
    row_forms=(
        Form("sms_carrier_set", (needed("key"), Input("value")), {"name": "name"}),
        Form("sms_carrier_remove", row={"name": "name"}, tone="danger", sure=True),
    ),
    beside=OF_TEXTS,
)  # fmt: skip
CLIENTS = Listing(
    "/op/texts/clients", "clients", "sms_client_list",
    ("name", "account", "system_id", "networks", "wallet", "max_binds", "rate", "suspended"),
    filters=(ACCOUNT,), command="sms client list", key="name",
    forms=(Form("sms_client_add", (
        needed("name"), needed("account"), needed("system_id"),
        Input("networks", "area", hint="console.lines_hint"),
    ), shows="console/once.html"),),
    row_forms=(
        Form("sms_client_suspend", row={"name": "name"}, fixed={"on": True}, tone="danger",
             only=("suspended", frozenset({False})), sure=True),
        Form("sms_client_suspend", row={"name": "name"}, fixed={"on": False},
             name="sms_client_resume", only=("suspended", frozenset({True}))),
        Form("sms_client_remove", row={"name": "name"}, tone="danger", sure=True),
    ),
    beside=OF_TEXTS,
)  # fmt: skip
MAILS = Listing(
    "/op/mails", "mails", "mail_list",
    ("queued_at", "to", "subject", "state", "attempts", "next_try_at", "error"),
    filters=(Input("state", "choice", ("waiting", "sent", "failed")), SEARCH), last="{id}",
    command="mail list",
    forms=(Form("mail_test", (needed("to"),)),),
    row_forms=(Form("mail_retry", row={"mail": "id"}, only=("state", frozenset({"failed",
               "waiting"}))),),
)  # fmt: skip
PAYMENT_SUMS = Listing(
    "/op/till/sums", "payment_sums", "payment_sums",
    ("month", "day", "method", "payments", "amount"), filters=(Input("month"),),
    command="payment sums", key="day", note="console.payment_sums_note", beside=OF_PAYMENTS,
)  # fmt: skip
TURNOVER = Listing(
    "/op/till/turnover", "turnover", "ledger_turnover",
    ("month", "kind", "currency", "entries", "credits", "debits", "amount"),
    filters=(Input("month"),), command="ledger turnover", key="kind",
    note="console.turnover_note", beside=OF_PAYMENTS,
)  # fmt: skip
ONLINE_PAYMENTS = Listing(
    "/op/till/online", "online_payments", "payment_intent_list",
    ("begun_at", "account", "amount", "state", "settled_at", "reference", "id"),
    filters=(ACCOUNT, Input("state", "choice", ("open", "paid", "failed"))),
    last="{begun_at},{id}", command="payment online", note="console.online_payments_note",
    beside=OF_PAYMENTS,
    row_forms=(
        Form("payment_intent_confirm", (needed("reference"),),
             {"intent": "id", "amount": "amount", "currency": "currency"},
             ("state", frozenset({"open", "failed"})), fixed={"status": "paid"}, sure=True),
    ),
)  # fmt: skip
ANNOUNCEMENTS = Listing(
    "/op/announcements", "announcements", "announcement_list",
    ("state", "texts", "begins_at", "ends_at", "made_by"), command="announcement list",
    note="console.announcements_note",
    forms=(Form("announcement_add", (
        *(Input(language, label=f"text_{language}") for language in LANGUAGES),
        Input("begins_at", hint="console.time_hint"),
        Input("ends_at", hint="console.time_hint"),
    ), tone="primary"),),
    row_forms=(
        Form("announcement_remove", row={"announcement": "id"}, tone="danger", sure=True),
    ),
)  # fmt: skip
STAFF = Listing(
    "/op/staff", "staff", "user_list",
    ("login", "roles", "email", "totp", "must_change", "disabled", "created_at"),
    filters=(SEARCH,), last="{id}", link="/op/staff/{login}", command="user list",
    forms=(Form("user_add", (
        needed("login"), Input("role", "choice", STAFF_ROLES, True), Input("email"),
    ), shows="console/once.html"),),
)  # fmt: skip
AUDIT = Listing(
    "/op/audit", "audit", "audit_list",
    ("at", "actor", "operation", "object", "account", "outcome", "address", "impersonator",
     "arguments", "role", "via"),
    filters=(
        Input("actor"), Input("operation"), ACCOUNT, Input("object"), Input("since", "date"),
        Input("until", "date"),
    ),
    last="{id}", command="audit list",
)  # fmt: skip

LISTS = (
    CUSTOMERS, LINES, ENDED_CALLS, REGISTRATIONS, REFUSED, DEVICES, CONFERENCES, COMPLETIONS,
    RECORDINGS, NUMBERS, OFFERS, ORDERS, WAITS, RENTALS, CHANGES, PORTS, TRUNKS, PACKAGES,
    DESTINATIONS,
    WALLET_OFFERS, BILLS, DEBTS, TAXES, BONUSES, CORRECTIONS, BANS, PINS, MALICIOUS, TEXTS,
    SENDERS, BATCHES, CARRIERS, CLIENTS, MAILS, ANNOUNCEMENTS,
    ONLINE_PAYMENTS, PAYMENT_SUMS, TURNOVER, DISCOUNTS, STAFF, AUDIT,
)  # fmt: skip
