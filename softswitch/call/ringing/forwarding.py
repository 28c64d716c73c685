"""Call forwarding, by a phone's 3xx or by the line's own settings: admitted, priced and paid as a
call of that line.

Only the number in a redirection counts; it is dialled as if the line had dialled it, so that no
request ever goes to an address that a phone named.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct, field

from billing.facts.authorization import BillingError
from sip.errors import ParseError
from sip.headers import NameAddr
from sip.message import Response
from softswitch.call.ending import Ending
from softswitch.call.ringing.diversion import Diversion
from softswitch.call.ringing.forking import Attempt
from softswitch.subscribers.directory import Line
from softswitch.subscribers.refusal import Refusal

if TYPE_CHECKING:
    from softswitch.call.charging.meter import Meter
    from softswitch.call.legs import Legs
    from softswitch.call.ringing.attempts import Dialer

MAX_CONTACTS = 5
"""Numbers of one redirection that are tried."""
MAX_FORWARDS = 5
"""The most forwardings of a call by lines; with more it is taken to be a loop."""


class Forwarding(Struct, eq=False):
    """The forwardings of one call so far.

    Args:
        domain: the host of our own SIP URIs.
        follows_redirects: a phone's 3xx is followed.
    """

    _legs: Legs
    _dialer: Dialer
    _domain: bytes
    _follows_redirects: bool
    _lines: list[int] = field(default_factory=list)
    _contacts: list[tuple[Line, str, int]] = field(default_factory=list)
    """Further numbers of the last redirection: the line, the number, the 3xx."""
    _meter: Meter | None = None
    """Pays for the number of a redirection that rings now."""

    async def follow(self, line: Line, redirection: Response) -> list[Attempt]:
        """Reserve the leg to the first number of a phone's redirection.

        Args:
            line: the line of the phone that redirected.

        Returns:
            The attempts to ring.

        Raises:
            Refusal: none of its numbers can be called; the caller is told that the line is
                unavailable.
        """
        if not self._follows_redirects:
            raise Refusal(480, "redirection_not_followed")
        numbers = _numbers(redirection)
        if not numbers:
            raise Refusal(480, "redirection_without_number")
        self._check_loop(line)
        self._lines.append(line.id)
        status = redirection.status
        self._contacts[:0] = [(line, digits, status) for digits in numbers]
        return await self._next_contact()

    async def next(self, refusal: Refusal) -> list[Attempt]:
        """The attempts after a number of a redirection failed: the next number; [] when none is
        left.

        Args:
            refusal: the failure of the number before, with which its leg ends.
        """
        if not self._contacts:
            return []
        await self._end_leg(refusal)
        try:
            return await self._next_contact()
        except Refusal:
            return []

    async def _next_contact(self) -> list[Attempt]:
        """Raises Refusal: the last number can't be called either."""
        while True:
            line, digits, status = self._contacts.pop(0)
            try:
                return await self._reserved(line, digits, status)
            except Refusal as refusal:
                await self._end_leg(refusal)
                if not self._contacts:
                    raise

    async def _end_leg(self, refusal: Refusal) -> None:
        meter, self._meter = self._meter, None
        if meter is not None and meter in self._legs.payers.meters:
            await self._legs.payers.drop(meter, Ending.refused(refusal))

    async def send_on(self, line: Line, digits: str, status: int) -> list[Attempt]:
        """Reserve the leg to the number that the line would reach by these digits.

        Args:
            status: the reason of the forwarding, as a SIP status.

        Returns:
            The attempts to ring.

        Raises:
            Refusal: as for :meth:`follow`.
        """
        self._check_loop(line)
        self._lines.append(line.id)
        return await self._reserved(line, digits, status)

    def _check_loop(self, line: Line) -> None:
        if line.id in self._lines or len(self._lines) >= MAX_FORWARDS:
            raise Refusal(482, "forwarding_loop")

    async def _reserved(self, line: Line, digits: str, status: int) -> list[Attempt]:
        """Raises Refusal: 480, for every failure."""
        try:
            return await self._reserve(line, digits, status)
        except Refusal as refusal:
            # The caller did nothing wrong: the failure is between the forwarding line and the
            # switch.
            raise Refusal(
                480, "forwarding_refused", why=refusal.rule, cause=refusal.cause
            ) from refusal
        except BillingError as error:
            raise Refusal(480, "forwarding_not_payable", why=error, cause=21) from error

    async def _reserve(self, line: Line, digits: str, status: int) -> list[Attempt]:
        legs = self._legs
        meter = await legs.payers.add(line, digits, legs.identity("a"))
        self._meter = meter
        diversion = Diversion(line.number, status)
        fields = diversion.fields(meter.record.called, self._domain)
        hops = 1 + len(self._lines)
        presented = meter.priced.presented
        return await self._dialer.attempts(
            presented.route, presented.identity, legs.id, legs.request, fields, hops
        )


def _numbers(redirection: Response) -> list[str]:
    """The numbers of all Contacts, the highest q first (RFC 3261 section 8.1.3.4)."""
    try:
        contacts = sorted(redirection.contacts, key=lambda contact: -_q(contact))
    except ParseError:
        return []
    users = (contact.uri.user for contact in contacts)
    return [*dict.fromkeys(user for user in users if user)][:MAX_CONTACTS]


_QVALUE = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")
"""RFC 3261 section 25.1."""


def _q(contact: NameAddr) -> float:
    """A Contact's q; 1 if it is missing or can't be read."""
    q = contact.params.get("q") or ""
    return float(q) if _QVALUE.fullmatch(q) else 1.0
