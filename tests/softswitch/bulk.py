"""A business that may send bulk texts, and what tests ask of it."""

from __future__ import annotations

from billing.stores import hold_store
from softswitch.operations.accounts import accounts
from softswitch.operations.context import Context
from softswitch.operations.money import wallets
from softswitch.operations.texts import batches, businesses, carriers, contacts, stops
from softswitch.texting import store
from softswitch.texting.message import StoredText

ANA, SHOP = "Ana", "AnasShop"


def prepare(context: Context, units: int = 100, carrier: str = "192.0.2.1", rate: int = 0) -> None:
    """Let Ana send; she has so many messages, and two contacts, Nino and Gio.

    Args:
        rate: segments a second that the carrier takes; 0: no limit.
    """
    accounts.account_add(context, ANA)
    accounts.account_topup(context, ANA, "10000", "p1")
    wallets.wallet_offer(context, "sms", units, "5")
    wallets.wallet_buy(context, ANA, "sms", units, "b1")
    target = f"smpp://us:secret@{carrier}"
    prefixes = ["995", "1", "7"]
    carriers.sms_carrier_add(context, "centre", target, prefixes, window=100, rate=rate)
    businesses.sms_grant(context, ANA, True)
    businesses.sms_sender_add(context, ANA, SHOP)
    businesses.sms_sender_approve(context, ANA, SHOP)
    stops.sms_contract_accept(context, ANA)
    contacts.sms_group_add(context, ANA, "friends")
    contacts.sms_contact_add(context, ANA, "+995599000001", "Nino", {"sum": "5"}, ["friends"])
    contacts.sms_contact_add(context, ANA, "+995599000002", "Gio", groups=["friends"])


def send(context: Context, text: str = "Hello {name}", **named: object) -> dict[str, object]:
    """Send a batch, to all contacts if nothing else is said."""
    named.setdefault("everyone", True)
    return batches.sms_batch_add(context, ANA, SHOP, text, **named)  # type: ignore[arg-type]


def texts_of(context: Context, batch: dict[str, object]) -> list[StoredText]:
    with context.billing.reading() as connection:
        return store.page(connection, batch_id=str(batch["id"]), after=0, limit=5000)


def sms(context: Context) -> tuple[str, int]:
    """The SMS wallet's balance, and what is held of it in messages."""
    balance = wallets.wallet_show(context, ANA)[1]["balance"]
    with context.billing.reading() as connection:
        held = sum(hold_store.held_units(connection).values())
    return str(balance), held // 1_000_000
