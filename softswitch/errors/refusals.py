"""Refusals of calls, texts and subscriptions. Each begins with the stage that refused."""

from __future__ import annotations

from softswitch.errors.entry import Entry

REFUSALS = {
    "address_unknown": Entry(
        "addressing: {host} is no name of ours; [sip] aliases has more of them", "not_found"
    ),
    "anonymous_rejected": Entry("services: the called line takes no anonymous calls", "refused"),
    "call_not_payable": Entry("credit: {why}", "unpaid"),
    "callee_busy": Entry("routing: the called line is busy", "conflict"),
    "callee_busy_because": Entry("routing: {why}", "conflict"),
    "callee_gone": Entry("routing: there is no such line any more", "not_found"),
    "callee_not_ours": Entry(
        "routing: the number called from a trunk is no line of ours", "not_found"
    ),
    "callee_not_registered": Entry("routing: the called line is not registered", "unavailable"),
    "callee_number_changed": Entry("routing: the number changed to {new}", "not_found"),
    "callee_status": Entry("routing: the called line is {state}", "unavailable"),
    "caller_barred": Entry("services: {service} is on for the calling line", "refused"),
    "caller_filtered": Entry("services: the caller is on the called line's call filter", "refused"),
    "caller_max_calls": Entry("routing: the calling line has its max_calls", "conflict"),
    "caller_status": Entry("routing: the calling line is {state}", "refused"),
    "cap_calls": Entry("caps: the account has its {most} calls at once", "refused"),
    "cap_calls_a_minute": Entry("caps: the account has its {most} calls a minute", "refused"),
    "cap_high_risk": Entry("caps: high-risk numbers are off for this account", "refused"),
    "cap_new_country": Entry(
        "caps: the first call to a new country waits for the operator's yes", "refused"
    ),
    "cap_spent_day": Entry("caps: the account spent its {cap_micros} a day", "refused"),
    "cap_spent_hour": Entry("caps: the account spent its {cap_micros} an hour", "refused"),
    "completion_no_phone": Entry("completion: the line has no phone to ring", "unavailable"),
    "completion_number_moved": Entry("completion: the number is another line's now", "not_found"),
    "conference_call_of_other": Entry("conference: the call is another line's", "refused"),
    "conference_call_unknown": Entry("conference: there is no such call", "not_found"),
    "conference_needed": Entry("conference: parallel calls need the conference service", "refused"),
    "conference_none": Entry("conference: the line has none now", "not_found"),
    "conference_owner_only": Entry("conference: only its owner calls others to it", "refused"),
    "diversions_too_many": Entry("routing: the call was diverted too often", "refused"),
    "forwarding_loop": Entry("forwarding: the call goes in a circle", "refused"),
    "forwarding_not_payable": Entry("forwarding: {why}", "unpaid"),
    "forwarding_refused": Entry("forwarding: {why}", "unavailable"),
    "hops_too_many": Entry("routing: too many hops", "refused"),
    "internal_error": Entry("call: internal error", "failed"),
    "join_conference_only": Entry("join: only the conference takes a call in", "not_found"),
    "last_caller_unknown": Entry(
        "services: there is no last caller, or the number was withheld", "not_found"
    ),
    "legs_too_many": Entry("call: it has too many legs", "refused"),
    "line_status": Entry("authentication: the line is {state}", "refused"),
    "media_failed": Entry("media: {why}", "unavailable"),
    "media_unusable": Entry("media: {why}", "invalid"),
    "media_worker_died": Entry("media: the worker died", "unavailable"),
    "no_answer": Entry("call: no answer in time", "unavailable"),
    "no_emergency_trunk": Entry("routing: there is no trunk for emergency calls", "unavailable"),
    "no_trunk_takes": Entry("routing: no trunk takes this number", "not_found"),
    "number_not_dialable": Entry("numbering: {why}", "invalid"),
    "parallel_calls_too_many": Entry(
        "conference: the line has its parallel outgoing calls", "conflict"
    ),
    "phone_refused": Entry("call: refused by the called phone", "unavailable"),
    "phone_silent": Entry("call: no phone of the line answers", "unavailable"),
    "price_unknown": Entry("credit: tariff {tariff} has no price for {number}", "refused"),
    "reach_failed": Entry("reach: {why}", "unavailable"),
    "redirection_not_followed": Entry("forwarding: redirections aren't followed", "unavailable"),
    "redirection_without_number": Entry(
        "forwarding: the redirection names no number", "unavailable"
    ),
    "refer_outside_dialog": Entry(
        "refer: outside a dialog only the conference's focus takes it", "refused"
    ),
    "registers_other_line": Entry("authentication: registers another line's address", "refused"),
    "rental_unpaid": Entry(
        "routing: the rented number takes no calls until its fee is paid", "unavailable"
    ),
    "replaces_answered": Entry("replaces: the call is answered already", "conflict"),
    "replaces_call_unknown": Entry("replaces: there is no such call", "not_found"),
    "replaces_line_status": Entry("replaces: the line is {state}", "refused"),
    "replaces_other_account": Entry("replaces: the call is another account's", "refused"),
    "route_elsewhere": Entry("addressing: a Route leads to another host", "refused"),
    "service_code_unknown": Entry(
        "routing: no service answers {number} in this version", "not_found"
    ),
    "service_not_dialled": Entry("routing: a service answers only who dials it", "not_found"),
    "sip_credentials_wrong": Entry("authentication: wrong credentials", "refused"),
    "store_failed": Entry("store: {why}", "unavailable"),
    "text_callee_status": Entry("messaging: the called line is {state}", "unavailable"),
    "text_callee_unknown": Entry("messaging: no line of ours has this number", "not_found"),
    "text_from_trunk": Entry("messaging: trunks send no texts", "refused"),
    "text_line_status": Entry("messaging: the line is {state}", "refused"),
    "text_bulk_on_net": Entry(
        "messaging: a line of ours gets texts one by one, not in batches", "refused"
    ),
    "text_hold_over": Entry(
        "messaging: the price of this text was given back before it was stored; send it anew",
        "conflict",
    ),
    "text_line_full": Entry(
        "messaging: {most} texts wait for the called line already", "unavailable"
    ),
    "text_no_carrier": Entry("messaging: no carrier takes texts to {number}", "not_found"),
    "text_price_unknown": Entry(
        "messaging: tariff {tariff} has no price for a text to {number}", "refused"
    ),
    "text_segments_too_many": Entry("messaging: a text takes at most {most} segments", "invalid"),
    "text_unpaid": Entry("messaging: {why}", "unpaid"),
    "transfer_call_busy": Entry("transfer: the other call is busy", "conflict"),
    "transfer_call_of_other": Entry("transfer: the call to join is another line's", "refused"),
    "transfer_call_unknown": Entry("transfer: no such call to join", "not_found"),
    "transfer_no_offer": Entry("transfer: no description to offer", "unavailable"),
    "transfer_not_payable": Entry("transfer: {why}", "unpaid"),
    "trunk_answered": Entry("call: trunk {trunk} answered {answer}", "unavailable"),
    "caller_unproven": Entry("identity: the caller's number isn't proven: {why}", "refused"),
    "trunk_pays_nothing": Entry("credit: a trunk pays for nothing", "refused"),
    "trunk_price_unknown": Entry(
        "routing: no trunk's tariff has a price for the number", "unavailable"
    ),
    "trunks_full": Entry("routing: every trunk for the number has its max_calls", "unavailable"),
    "trunk_unresolved": Entry("routing: no trunk's address can be resolved", "unavailable"),
    "trunks_too_dear": Entry(
        "routing: every trunk would cost more than the call's price", "unavailable"
    ),
    "watch_of_other_line": Entry("services: refreshes another line's subscription", "refused"),
    "watch_unknown": Entry("services: nothing to watch by {package}", "not_found"),
    "watches_too_many": Entry("services: the line has its limit of subscriptions", "conflict"),
}
