"""SIP accounts of rented numbers: a line of the number's own, free of charge (E6)."""

from __future__ import annotations

from billing.facts.rental import ACTIVE
from billing.stores import rental_store
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.operations.lines.lines import generate_password, line_add, line_set

LOGIN_LETTERS = 8
"""Of a generated login: 40 bits."""


def sip_account_add(context: Context, account: str, number: str, label: str = "") -> Row:
    """Give a rented number a line of its own, with a login that can't be guessed; its password is
    shown once.

    Args:
        label: the display name.
    """
    owner, key = context.account(account), context.number(number)
    with context.billing.reading() as connection:
        rented = rental_store.rented(connection, [owner.id])
    if not any(item.number == key and item.state == ACTIVE for item in rented):
        raise OperationError("number_not_rented", number=key)
    login = f"sip-{generate_password()[:LOGIN_LETTERS]}"
    made = line_add(context, key, str(owner.id), login=login)
    if label:
        line_set(context, key, "display_name", label)
    return {
        "id": made["id"],
        "number": key,
        "login": login,
        "password": made["password"],
        "domain": context.config.switch.domain,
        "display_name": label,
    }
