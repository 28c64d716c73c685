"""Recipients of a batch: who gets which text, how many segments it takes, and who is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from msgspec import Struct

from billing.facts.account import Account
from billing.facts.wallet import ONE, SMS
from softswitch.control.errors import OperationError
from softswitch.operations.calls.explanation import stages_of
from softswitch.operations.context import Context
from softswitch.operations.texts.contact_table import read_table
from softswitch.operations.texts.contacts import group_named
from softswitch.subscribers.refusal import Refusal
from softswitch.texting import carrier_store, contacts, stops
from softswitch.texting.contacts import Contact
from softswitch.texting.sending import Payer, TextPrices
from softswitch.texting.templates import fields_of, filled

MAX_RECIPIENTS = 250_000
MAX_SHOWN = 50
"""Recipients left out that are named; the others are counted."""


class Chosen(Struct, frozen=True):
    """Which contacts a batch is for.

    Args:
        groups: names of groups.
        everyone: True for all contacts of the account.
        table: phones that needn't be contacts: CSV, see
            :mod:`softswitch.operations.texts.contact_table`; empty: none.
    """

    groups: Sequence[str]
    everyone: bool
    table: str


class Recipient(Struct, frozen=True):
    """A recipient with the text that it gets."""

    number: str
    text: str
    segments: int


class Recipients(Struct):
    """The recipients of a batch.

    Args:
        left_out: why, for the first of those that are faulty.
    """

    kept: list[Recipient]
    doubles: int = 0
    faulty: int = 0
    stopped: int = 0
    left_out: list[str] = []

    @property
    def segments(self) -> int:
        return sum(recipient.segments for recipient in self.kept)

    @property
    def price_micros(self) -> int:
        """In messages of the SMS wallet: one for each segment."""
        return self.segments * ONE

    def by_segments(self) -> dict[int, int]:
        """How many recipients get a text of how many segments."""
        found = Counter(recipient.segments for recipient in self.kept)
        return {count: found[count] for count in sorted(found)}

    def leave_out(self, number: str, why: str) -> None:
        """Count a recipient that can't be sent to."""
        self.faulty += 1
        if len(self.left_out) < MAX_SHOWN:
            self.left_out.append(f"{number}: {why}")


def recipients_of(context: Context, owner: Account, chosen: Chosen, text: str) -> Recipients:
    """The recipients of a batch, each once, with the texts that they get. Raises OperationError."""
    found = Recipients([])
    everybody: list[Contact] = []
    with context.billing.reading() as connection:
        stopped = stops.numbers(connection, owner.id)
        if chosen.everyone:
            everybody.extend(contacts.every(connection, owner.id))
        elif chosen.groups:
            ids = [group_named(connection, owner.id, name).id for name in chosen.groups]
            everybody.extend(contacts.every(connection, owner.id, ids))
    if chosen.table:
        table = read_table(context, owner.id, chosen.table)
        everybody.extend(table.contacts)
        found.doubles += len(table.doubles)
        found.faulty += len(table.faulty)
        found.left_out.extend(row.sentence for row in table.faulty[:MAX_SHOWN])
    if len(everybody) > MAX_RECIPIENTS:
        raise OperationError("sms_recipients_too_many", most=MAX_RECIPIENTS)
    _price(context, owner, _once(everybody, stopped, found), text, found)
    return found


def _once(
    everybody: Iterable[Contact], stopped: Iterable[str], found: Recipients
) -> Iterator[Contact]:
    """Contacts of different numbers that aren't on the stop list; the others are counted."""
    unwanted, seen = set(stopped), set[str]()
    for contact in everybody:
        if contact.phone in seen:
            found.doubles += 1
            continue
        seen.add(contact.phone)
        if contact.phone in unwanted:
            found.stopped += 1
        else:
            yield contact


def _price(
    context: Context, owner: Account, everybody: Iterable[Contact], text: str, found: Recipients
) -> None:
    """Fill each recipient's text, and count its segments by the rules that sending goes by."""
    with context.billing.reading() as connection:
        carriers = carrier_store.carriers(connection)
    now, payer = context.now_ms(), Payer(owner.id, None, SMS)
    stages = stages_of(context, now)
    prices = TextPrices(stages, context.config.sms.tariff, lambda: carriers)

    @lru_cache(maxsize=1024)
    def segments_of(filled_text: str) -> int:
        return prices.segments(filled_text)

    asks = bool(fields_of(text))
    for contact in everybody:
        try:
            own = filled(text, _values(contact)) if asks else text
            if stages.directory.line_by_number(contact.phone) is not None:
                raise Refusal(403, "text_bulk_on_net")
            prices.check(payer, contact.phone, now)
            found.kept.append(Recipient(contact.phone, own, segments_of(own)))
        except KeyError as missing:
            found.leave_out(contact.phone, f"the field {missing.args[0]} is empty")
        except Refusal as refusal:
            found.leave_out(contact.phone, OperationError.of(refusal).message)


def _values(contact: Contact) -> dict[str, str]:
    """The values of a contact's {fields}; an empty name counts as a missing field."""
    known = {**contact.fields, "phone": contact.phone}
    return known | ({"name": contact.name} if contact.name else {})
