"""A line sends a call on, by a phone's 3xx or by its own forwarding: admitted, priced and paid as a
call of that line.

Only the number in a redirection counts; it is dialled as if the line had dialled it, so that no
request ever goes to an address that a phone named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing.facts.authorization import BillingError
from sip.errors import ParseError
from sip.message import Response
from softswitch.call.ringing.diversion import Diversion
from softswitch.call.ringing.forking import Attempt
from softswitch.subscribers.directory import Line
from softswitch.subscribers.refusal import Refusal

if TYPE_CHECKING:
    from softswitch.call.legs import Legs
    from softswitch.call.ringing.attempts import Dialer

MAX_FORWARDS = 5
"""A call that lines sent on more often goes in a circle."""


class Forwarding:
    """The forwardings of one call so far.

    Args:
        domain: the host of our own SIP URIs.
        follows_redirects: a phone's 3xx is followed.
    """

    __slots__ = ("_dialer", "_domain", "_follows_redirects", "_legs", "_lines")

    def __init__(
        self, legs: Legs, dialer: Dialer, domain: bytes, *, follows_redirects: bool
    ) -> None:
        self._legs = legs
        self._dialer = dialer
        self._domain = domain
        self._follows_redirects = follows_redirects
        self._lines: list[int] = []

    async def follow(self, line: Line, redirection: Response) -> list[Attempt]:
        """Reserve the leg to where a phone of the line wants the call to go, and say what to ring.

        Raises:
            Refusal: it can't be followed; the caller is told that the line isn't to be had.
        """
        if not self._follows_redirects:
            raise Refusal(480, "redirection_not_followed")
        digits = _wanted(redirection)
        if digits is None:
            raise Refusal(480, "redirection_without_number")
        return await self.send_on(line, digits, redirection.status)

    async def send_on(self, line: Line, digits: str, status: int) -> list[Attempt]:
        """Reserve the leg to what the line would dial by these digits, and say what to ring.

        Args:
            status: why, as the SIP status that says so.

        Raises:
            Refusal: as for :meth:`follow`.
        """
        if line.id in self._lines or len(self._lines) >= MAX_FORWARDS:
            raise Refusal(482, "forwarding_loop")
        self._lines.append(line.id)
        try:
            return await self._reserve(line, digits, status)
        except Refusal as refusal:
            # The caller did nothing wrong: whatever is amiss is between the line and us.
            raise Refusal(
                480, "forwarding_refused", why=refusal.rule, cause=refusal.cause
            ) from refusal
        except BillingError as error:
            raise Refusal(480, "forwarding_not_payable", why=error, cause=21) from error

    async def _reserve(self, line: Line, digits: str, status: int) -> list[Attempt]:
        legs = self._legs
        meter = await legs.payers.add(line, digits, legs.identity("a"))
        diversion = Diversion(line.number, status)
        fields = diversion.fields(meter.record.called, self._domain)
        hops = 1 + len(self._lines)
        return await self._dialer.attempts(meter.priced, legs.request, fields, hops)


def _wanted(redirection: Response) -> str | None:
    """The number of the first Contact that has one."""
    try:
        users = [contact.uri.user for contact in redirection.contacts]
    except ParseError:
        return None
    return next((user for user in users if user), None)
