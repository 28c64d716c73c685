"""Errors of telephone numbers, their orders and their porting."""

from __future__ import annotations

from softswitch.errors.entry import Entry

NUMBERS = {
    "number_given_meanwhile": Entry(
        "{number} was given to another order meanwhile; choose another number",
        "conflict",
        "number",
    ),
    "discount_malformed": Entry(
        "a discount is from 0 to 100 percent for {known}", "invalid", "discounts"
    ),
    "inventory_exists": Entry("{number} is in the inventory already", "conflict", "number"),
    "inventory_has_line": Entry(
        "{number} has a line; a number for rent has none", "conflict", "number"
    ),
    "lead_days_malformed": Entry(
        "days must be working days like 5-15, at most {most}, not {value!r}", "invalid", "days"
    ),
    "line_not_in_quarantine": Entry(
        "line {line} isn't in quarantine: it is {state}", "conflict", "line"
    ),
    "number_not_offered": Entry("{number} isn't for rent", "not_found", "number"),
    "number_without_line": Entry(
        "{number} rings at no line, which would keep its greeting", "conflict", "number"
    ),
    "number_changed": Entry(
        "{number} was changed to {new}; its callers are told until {until}", "conflict", "number"
    ),
    "number_has_line": Entry("{number} has a line here already", "conflict", "number"),
    "number_has_line_already": Entry("number {number} has a line already", "conflict", "number"),
    "number_in_inventory": Entry(
        "{number} is in the inventory of numbers for rent ({state}); an account that rents "
        "it may have a line of that number",
        "conflict",
        "number",
    ),
    "number_is_own": Entry("{number} is the line's number already", "conflict", "number"),
    "number_not_in_quarantine": Entry(
        "{number} isn't in quarantine for any account", "conflict", "number"
    ),
    "number_not_ringing": Entry("{number} rings at no line", "not_found", "number"),
    "number_not_repeated": Entry("type {number} once more, to confirm", "invalid", "typed"),
    "number_not_rented": Entry(
        "{number} isn't rented; `softswitch number list` shows what is", "not_found", "number"
    ),
    "number_ported_out": Entry(
        "{number} belongs to {operator} since {since}; `softswitch port in` brings it back",
        "conflict",
        "number",
    ),
    "numbers_not_connected": Entry(
        "order {order}: {count} of {wanted} numbers weren't connected", "failed"
    ),
    "numbers_unspecified": Entry(
        "say which: numbers, or a country (and a city)", "invalid", "numbers"
    ),
    "offer_not_found": Entry(
        "there is no such offer; `softswitch number offers` shows them", "not_found", "offer"
    ),
    "operator_malformed": Entry(
        "the other operator's name has 1 to {longest} characters", "invalid", "operator"
    ),
    "order_count": Entry("an order has 1 to {most} numbers, not {count}", "invalid", "count"),
    "order_id_malformed": Entry(
        "an order id has 1 to 48 letters, digits, and . _ -", "invalid", "order"
    ),
    "order_not_affordable": Entry(
        "the order costs {cost_micros} {currency}; account {account} has {available_micros} "
        "available",
        "unpaid",
    ),
    "order_not_found": Entry(
        "there is no order {order!r}; `softswitch order list` shows them", "not_found", "order"
    ),
    "place_not_delivered": Entry(
        "no supplier delivers {place}; `softswitch number offers` shows what can be "
        "ordered, `softswitch number wait` tells when one appears",
        "not_found",
        "country",
    ),
    "port_day_needed": Entry("an order is accepted for a day: give it with --on", "invalid", "on"),
    "port_order_not_found": Entry(
        "there is no port order {order}; `softswitch port list` shows them", "not_found", "order"
    ),
    "port_order_open": Entry("port order {order} for {number} is {state}", "conflict", "number"),
    "port_order_outgoing": Entry(
        "port order {order} takes a number away: the other operator withdraws it",
        "refused",
        "order",
    ),
    "port_order_raced": Entry(
        "port order {order} was advanced by another command meanwhile; look again",
        "conflict",
        "order",
    ),
    "port_order_step": Entry(
        "port order {order} is {state}; {following} may follow", "conflict", "state"
    ),
    "reference_malformed": Entry(
        "a reference has at most 64 printable characters", "invalid", "reference"
    ),
    "rental_not_found": Entry(
        "{number} isn't rented; `softswitch rental list` shows what is", "not_found", "number"
    ),
    "sms_number_none": Entry("no SMS number for {service} is in stock", "not_found", "service"),
    "sms_number_not_ordered": Entry("SMS numbers aren't delivered on order", "invalid", "kind"),
    "sms_service_needed": Entry(
        "an SMS number, and only that, needs the service it is for", "invalid", "service"
    ),
    "stock_suffices": Entry(
        "{stock} such numbers are in stock: `softswitch rental order` connects at once",
        "conflict",
        "count",
    ),
    "stock_too_small": Entry(
        "{stock} such numbers are in stock, not {count}; `softswitch order add` orders "
        "them, `softswitch number wait` tells when one appears",
        "conflict",
        "count",
    ),
    "wait_not_found": Entry(
        "nobody waits as {wait!r}; `softswitch number waits` shows who does", "not_found", "wait_id"
    ),
    "target_is_number_itself": Entry("{number} can't be its own target", "invalid", "targets"),
    "target_no_host": Entry("{value} is no host's address", "invalid", "targets"),
    "target_no_uri": Entry("{value!r} is no SIP URI: {reason}", "invalid", "targets"),
    "target_seconds": Entry("a target rings from {least} to {most} seconds", "invalid", "targets"),
    "target_uri_malformed": Entry(
        "{value!r} must be sip:USER@HOST, without password and headers", "invalid", "targets"
    ),
    "targets_count": Entry("a number has one or two targets, not {count}", "invalid", "targets"),
    "targets_equal": Entry("both targets are the same", "invalid", "targets"),
}
