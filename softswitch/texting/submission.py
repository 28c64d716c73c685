"""A text at its carrier: its segments as submit_sm, and what the carrier has said of each."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from smpp import segments
from smpp.bodies import Address, ShortMessage
from smpp.codes import EsmClass, Npi, RegisteredDelivery, Status, Ton
from smpp.times import absolute
from softswitch.texting import raw
from softswitch.texting.carrier import address_type
from softswitch.texting.link import Link
from softswitch.texting.message import StoredText


class Submission:
    """A text whose carrier is being asked to take it.

    Attributes:
        messages: its segments, in order.
        unsent: numbers of segments that the carrier has to be sent yet; they count from 1.
        again: numbers of segments that were refused for now.
        outstanding: segments that wait for their answers.
        taken: segments that the carrier has taken.
        tries: how often refused segments were sent again.
        refused: why the carrier refused a segment for good, or None.
        lost: True if a segment won't be answered any more.
    """

    def __init__(self, text: StoredText, link: Link, messages: Sequence[ShortMessage]) -> None:
        self.text = text
        self.link = link
        self.messages = messages
        self.unsent = deque(range(1, len(messages) + 1))
        self.again: list[int] = []
        self.outstanding = 0
        self.taken = 0
        self.tries = 0
        self.refused: int | None = None
        self.lost = False

    @property
    def is_settled(self) -> bool:
        """True once no answer is awaited and nothing is to be sent."""
        return not self.outstanding and not self.unsent

    def give_up(self) -> None:
        """Send no more segments: the text won't be whole."""
        self.unsent.clear()
        self.again.clear()


class Segment(NamedTuple):
    """The token of a submit_sm: a segment of a text, counted from 1."""

    submission: Submission
    number: int


def messages_of(text: StoredText) -> list[ShortMessage]:
    """The segments of a text as submit_sm."""
    facts = text.text
    as_it_is = raw.read(facts.content_type)
    if as_it_is is not None:
        coding, has_header = as_it_is
        sent = segments.Segments(coding, has_header, (facts.body,))
    else:
        sent = segments.split(facts.body.decode("utf-8", "replace"), text.id & 0xFF)
    source = Address(*address_type(facts.sender), facts.sender.removeprefix("+"))
    validity = absolute(facts.expires_at / 1000) if facts.has_validity else ""
    destination = Address(Ton.INTERNATIONAL, Npi.E164, facts.recipient.removeprefix("+"))
    return [
        ShortMessage(
            source,
            destination,
            octets,
            sent.data_coding,
            EsmClass.UDH if sent.has_header else 0,
            RegisteredDelivery.FINAL,
            validity_period=validity,
        )
        for octets in sent.octets
    ]


def error_of(status: int | None) -> str:
    """A carrier's refusal in a word."""
    if status is None:
        return "refused"
    try:
        return Status(status).name.lower()
    except ValueError:
        return f"{status:#x}"
